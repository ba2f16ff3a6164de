"""The command line: parse, call one function, print. Nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from learnlab.errors import LearnlabError

F = TypeVar("F", bound=Callable[..., Any])


class _Commands(click.Group):
    """A group that prints our own errors as one line, without a trace."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (LearnlabError, OSError) as error:
            from learnlab.secrets import showable

            raise click.ClickException(showable(" ".join(str(error).split()))) from error


def _store_option(function: F) -> F:
    return click.option("--db", default="", help="A store's name or path; else the current one.")(function)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="learnlab")
def main() -> None:
    """Learn from what AI agents did: logs in, one DuckDB file, reports and notebooks out."""


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
@_store_option
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
    _confirm(yes, f"Forget {what or 'nothing'} in {store.name}? This cannot be undone.")
    take_in(store.path, settings().lock_timeout)
    click.echo(store.forget(repo=repo, session=session, before=before).summary())


@main.command()
@click.argument("notebooks", nargs=-1)
@click.option("-p", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter of the notebooks.")
@_store_option
@click.option("--source", type=click.Path(path_type=Path), help="Read this file or folder in first.")
@click.option("--mapping", default=None, help="The mapping to read --source with.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports"), help="Where reports go.")
@click.option(
    "--keep", type=click.IntRange(min=1), default=30, show_default=True, help="Runs to keep, per store."
)
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=600, show_default=True, help="Seconds a notebook."
)
def report(
    notebooks: tuple[str, ...],
    parameters: tuple[str, ...],
    db: str,
    source: Path | None,
    mapping: str | None,
    out: Path,
    keep: int,
    timeout: float,
) -> None:
    """Run notebooks (the nightly set, when none is named) and write one HTML page each, with an index."""
    from learnlab.ingest import ingest as read_in
    from learnlab.ingest.simulation.sample import ensure_sample
    from learnlab.reports.notebooks import fills_its_store, own_store
    from learnlab.reports.parameters import parse_parameters
    from learnlab.reports.run import run_reports
    from learnlab.settings import store_for_source
    from learnlab.store import Store

    given = parse_parameters(parameters)
    db = given.pop("db", db)
    if source is not None:
        store = Store(db or store_for_source(source))
        click.echo(read_in(source, store, mapping=mapping).summary())
    elif not db and (own := own_store(notebooks)):
        store = Store(own)
    else:
        store = Store(db)
        if not fills_its_store(notebooks):
            ensure_sample(store)
    store.ensure().refresh()
    run = run_reports(notebooks, given, db=store.path, out=out, keep=keep, timeout=timeout)
    click.echo(run.summary())
    click.echo(run.index)
    sys.exit(0 if run.ok else 1)


@main.command()
@_store_option
def lab(db: str) -> None:
    """Open JupyterLab on the notebooks, with the current store open and `ll` in every cell."""
    from learnlab.ingest.simulation.sample import ensure_sample
    from learnlab.settings import notebooks_to_work_on, startup_script
    from learnlab.store import Store

    store = Store(db)
    ensure_sample(store)
    folder = notebooks_to_work_on()
    click.echo(f"notebooks in {folder}, store {store.name}")
    os.environ |= {"LEARNLAB_DB": str(store.path), "PYTHONSTARTUP": str(startup_script())}
    no_news = [
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", *no_news]
    os.execv(sys.executable, command)


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


@main.command()
@click.argument("name")
def use(name: str) -> None:
    """Make a store the current one for later commands and notebooks."""
    from learnlab.settings import use_store

    click.echo(f"current store: {use_store(name)}")


@main.command()
@_store_option
def status(db: str) -> None:
    """Say which stores there are and what the current one (or --db) holds."""
    from learnlab.store import Store
    from learnlab.store.status import describe

    click.echo(describe(Store(db)))


@main.group()
def db() -> None:
    """Look after a store's file: its schema, its soundness, its age."""


def _db_command(function: F) -> F:
    verbose = click.option("-v", "--verbose", is_flag=True, help="Say every step.")
    path = click.option(
        "--db-path", "--db", "db_path", default="", help="A store's name or path; else the current one."
    )
    name = function.__name__.removesuffix("_")
    return db.command(name)(path(verbose(function)))  # type: ignore[return-value]


def _confirm(yes: bool, question: str) -> None:
    if not yes:
        click.confirm(question, abort=True)


@_db_command
def upgrade(db_path: str, verbose: bool) -> None:
    """Make a store, or bring it to the latest schema."""
    from learnlab.settings import store_path
    from learnlab.store import migrations

    path = store_path(db_path)
    taken = migrations.upgrade(path)
    for step in taken if verbose else ():
        click.echo(f"{step.number:04} {step.name}: {step.up.splitlines()[0].removeprefix('-- ')}")
    click.echo(f"{path}: version {migrations.latest()}, {len(taken)} steps taken")


@_db_command
@click.option(
    "--to", type=click.IntRange(min=0), default=None, help="Go down to this version; else one step."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(db_path: str, verbose: bool, to: int | None, yes: bool) -> None:
    """Take the schema back a step (or to --to), after saying what is lost and keeping a copy."""
    from learnlab.settings import store_path
    from learnlab.store import migrations

    path = store_path(db_path)
    for step in migrations.steps_down(path, to):
        click.echo(f"{step.number:04} {step.name}: {step.loses}")
        if verbose:
            click.echo(step.down)
    _confirm(yes, f"Take {path} down?")
    back, copy = migrations.downgrade(path, to)
    click.echo(f"{path}: {len(back)} steps taken back; a copy is {copy}")


@_db_command
def validate(db_path: str, verbose: bool) -> None:
    """Check that a store's tables, keys and ledger are as they should be; exit code 1 when not."""
    from learnlab.settings import store_path
    from learnlab.store import migrations

    path = store_path(db_path)
    wrong = migrations.validate(path)
    for sentence in wrong:
        click.echo(sentence)
    if verbose:
        click.echo(f"version {migrations.latest()}, {len(migrations.steps())} migrations known")
    click.echo(f"{path}: {'unsound' if wrong else 'sound'}")
    sys.exit(1 if wrong else 0)


@_db_command
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(db_path: str, verbose: bool, yes: bool) -> None:
    """Empty a store, after saying what is lost and keeping a copy."""
    from learnlab.settings import store_path
    from learnlab.store import Store, migrations
    from learnlab.store.status import describe

    path = store_path(db_path)
    click.echo(describe(Store(path)) if verbose else f"Everything in {path} will be gone from it.")
    _confirm(yes, f"Reset {path}?")
    click.echo(f"{path} is empty; a copy is {migrations.reset(path)}")


@_db_command
def status_(db_path: str, verbose: bool) -> None:
    """Say a store's schema version; with -v, when each step was taken."""
    from learnlab.settings import store_path
    from learnlab.store import migrations

    path = store_path(db_path)
    found = migrations.status(path)
    click.echo(f"{path}: version {found.version} of {found.latest}")
    for number, name, applied_at in found.applied if verbose else ():
        click.echo(f"{number:04} {name}, {applied_at:%Y-%m-%d %H:%M:%S} UTC")


@_db_command
@click.option(
    "--days", type=click.IntRange(7, 365), default=None, help="Days to keep; else the setting (90)."
)
def retain(db_path: str, verbose: bool, days: int | None) -> None:
    """Move executions older than --days to Parquet files beside the store, where queries still find them."""
    from learnlab.settings import settings
    from learnlab.store import Store

    moved = Store(db_path).retain(days or settings().retention_days)
    click.echo(
        f"{moved.n_rows:,} executions from before {moved.before:%Y-%m-%d %H:%M} UTC moved to the archive"
    )
    if verbose and moved.path:
        click.echo(moved.path)


if __name__ == "__main__":
    main()
