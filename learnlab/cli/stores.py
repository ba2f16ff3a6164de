"""Commands that choose a store and look after its file."""

from __future__ import annotations

import sys

import click

from learnlab.cli.group import F, confirm, main, store_option


@main.command()
@click.argument("name")
def use(name: str) -> None:
    """Make a store the current one for later commands and notebooks."""
    from learnlab.settings import use_store

    click.echo(f"current store: {use_store(name)}")


@main.command()
@store_option
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
    confirm(yes, f"Take {path} down?")
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
    confirm(yes, f"Reset {path}?")
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


@_db_command
def compact(db_path: str, verbose: bool) -> None:
    """Write a store's file anew, without the empty blocks that growing and deleting leave in it."""
    from learnlab.store import Store

    store = Store(db_path)
    n_bytes = store.compact()
    click.echo(f"{store.name}: {max(0, n_bytes) / 1e6:,.1f} MB given back")
    if verbose:
        click.echo(f"the file has {store.path.stat().st_size / 1e6:,.1f} MB now")
