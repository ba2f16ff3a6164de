"""Commands that make reports and open JupyterLab."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from learnlab.cli.group import main, store_option


@main.command()
@click.argument("notebooks", nargs=-1)
@click.option("-p", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter of the notebooks.")
@store_option
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
@store_option
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
