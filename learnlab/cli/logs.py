"""Commands that take logs in, watch them and forget them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from learnlab.cli.group import confirm, main, store_option


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--db", default="", help="The store to fill; else one named after the source.")
@click.option("--mapping", default=None, help="A mapping's name or TOML file; else columns go by name.")
@click.option("--format", "log_format", default="", help="Read every file as this; else told by content.")
@click.option("--verdicts", type=click.Path(path_type=Path), help="A file of verdicts from elsewhere.")
def ingest(source: Path, db: str, mapping: str | None, log_format: str, verdicts: Path | None) -> None:
    """Read a file, folder or glob of logs into a store; what is there already counts once."""
    from learnlab.ingest import ingest as read_in
    from learnlab.settings import store_for_source
    from learnlab.store import Store

    store = Store(db or store_for_source(source))
    report = read_in(source, store, mapping=mapping, log_format=log_format, verdicts=verdicts)
    click.echo(report.summary())


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--db", default="", help="The store to fill; else one named after the source.")
@click.option("--format", "log_format", default="", help="Read every file as this; else told by content.")
def watch(source: Path, db: str, log_format: str) -> None:
    """Keep a store current with a file or folder of logs, until interrupted; a later watch goes on from there."""
    from learnlab.ingest.watch import watch as look
    from learnlab.settings import store_for_source
    from learnlab.store import Store

    store = Store(db or store_for_source(source))
    click.echo(f"watching {source} for {store.name}; Ctrl-C ends it")
    try:
        for report in look(source, store, log_format=log_format):
            click.echo(report.summary())
    except KeyboardInterrupt:
        click.echo("ended; the next watch or ingest goes on from here")


@main.command()
def formats() -> None:
    """List the kinds of logs that can be read, and where each tool keeps its files."""
    from learnlab.ingest.logs.registry import describe as describe_formats

    click.echo(describe_formats())


@main.command()
@store_option
@click.option("--repo", help="Forget every execution of this repo.")
@click.option("--session", help="Forget this session and its subagents.")
@click.option("--before", type=click.DateTime(), help="Forget every execution from before this time (UTC).")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(db: str, repo: str | None, session: str | None, before: datetime | None, yes: bool) -> None:
    """Remove executions for good, from archives as well, and say what was removed."""
    from learnlab.capture.spans.files import take_in
    from learnlab.settings import settings
    from learnlab.store import Store

    store = Store(db)
    asked = {"repo": repo, "session": session, "before": before}
    what = " and ".join(f"{name} {value}" for name, value in asked.items() if value)
    confirm(yes, f"Forget {what or 'nothing'} in {store.name}? This cannot be undone.")
    take_in(store.path, settings().lock_timeout)
    click.echo(store.forget(repo=repo, session=session, before=before).summary())


@main.command()
@click.option("--db", default="sample", show_default=True, help="The store to fill.")
@click.option("--executions", type=click.IntRange(1, 10_000_000), default=20_000, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def simulate(db: str, executions: int, seed: int) -> None:
    """Fill a store with a simulated fleet whose truth is known, and agents' sessions beside it."""
    from learnlab.ingest.simulation.sample import simulate_into, simulate_sessions_into
    from learnlab.store import Store

    store = Store(db).ensure()
    counts = simulate_into(store, executions, seed)
    click.echo(f"{counts.n_accepted:,} executions stored in {db}, {counts.n_duplicates:,} were there already")
    counts = simulate_sessions_into(store, seed)
    click.echo(f"beside them {counts.n_accepted:,} of agents' sessions, with the steps inside them")
