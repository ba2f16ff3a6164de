"""A store's schema: numbered steps up and down, what they would lose, and whether a store is sound."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from learnlab.errors import StoreError
from learnlab.models import now
from learnlab.settings import resources, store_name
from learnlab.store import sqlfiles
from learnlab.store.connection import reading, transaction, writing
from learnlab.store.lock import beside

_STEP = re.compile(r"(?P<number>\d{4})_(?P<name>\w+)\.up\.sql")
_SCHEMAS = (
    "select schema_name from duckdb_schemas() where not internal and database_name = current_database()"
)


_VIEWS = (
    "select view_name from duckdb_views() "
    "where not internal and schema_name = 'main' and database_name = current_database()"
)


@dataclass(frozen=True)
class Step:
    """One numbered migration: what it brings and how it is undone."""

    number: int
    name: str

    @property
    def up(self) -> str:
        """The SQL that takes the step."""
        return sqlfiles.load("migrations", f"{self.number:04}_{self.name}.up").text

    @property
    def down(self) -> str:
        """The SQL that takes it back."""
        return sqlfiles.load("migrations", f"{self.number:04}_{self.name}.down").text

    @property
    def loses(self) -> str:
        """What taking the step back loses, in words."""
        return sqlfiles.load("migrations", f"{self.number:04}_{self.name}.down").comment


def steps() -> list[Step]:
    """Return every migration, in order.

    >>> [step.number for step in steps()] == list(range(1, latest() + 1))
    True
    """
    names = sorted(path.name for path in (resources("sql") / "migrations").glob("*.up.sql"))
    return [Step(int(found["number"]), found["name"]) for found in map(_STEP.fullmatch, names) if found]


def latest() -> int:
    """Return the number of the newest migration: the version that a current store has."""
    return len(steps())


def version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the schema version of an open store, 0 for an empty file.

    Raises:
        StoreError: when the file holds tables but none of ours.
    """
    try:
        ((number,),) = connection.execute("select coalesce(max(version), 0) from schema_version").fetchall()
        return int(number)
    except (duckdb.CatalogException, duckdb.BinderException, duckdb.ConversionException):
        found = connection.execute(
            "select table_name from duckdb_tables() "
            "union all select view_name from duckdb_views() where not internal"
        )
        names = {row[0] for row in found.fetchall()}
    if names:
        raise StoreError(
            f"this is some other database: it holds {', '.join(sorted(names)[:3])} and no schema version"
        )
    return 0


def check_version(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make sure that an open store has the version that this learnlab reads and writes.

    Raises:
        StoreError: when it is older (upgrade it) or newer (upgrade learnlab), or is no store at all.
    """
    found = version(connection)
    if found > latest():
        raise StoreError(
            f"{store_name(path)} has schema version {found}, this learnlab knows {latest()}: use a newer learnlab"
        )
    if found < latest():
        raise StoreError(
            f"{store_name(path)} has schema version {found} of {latest()}: run `learnlab db upgrade --db-path {path}`"
        )


def _create_views(connection: duckdb.DuckDBPyConnection) -> None:
    for view in sqlfiles.views():
        connection.execute(f'create or replace view "{view.name}" as {view.text}')
        comment = view.comment.replace("'", "''")
        connection.execute(f"comment on view \"{view.name}\" is '{comment}'")


def _drop_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop our views and what was made from them; somebody's own views stay."""
    there = {name for (name,) in connection.execute(_VIEWS).fetchall()}
    for view in reversed(sqlfiles.views()):
        if view.name in there:  # what is a view now may have been a table in an older version
            connection.execute(f'drop view "{view.name}"')
        connection.execute(f'drop table if exists "{view.name}_mv"')


def _current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the store has this learnlab's version and, to the letter, its views."""
    if version(connection) != latest():
        return False
    ((mark,),) = connection.execute("select max(views) from schema_version").fetchall()
    return bool(mark == _views_mark())


def _views_mark() -> str:
    return sqlfiles.fingerprint([view.name for view in sqlfiles.views()])


def upgrade(path: Path, timeout: float | None = None) -> list[Step]:
    """Bring a store, new or old, to the latest version with the latest views; return the steps taken.

    Raises:
        StoreError: when the store is newer than this learnlab, is no store, or cannot be written.
        StoreBusyError: when others hold it for longer than `timeout` seconds.
    """
    if path.exists() and path.stat().st_size:
        with reading(path, timeout) as connection:
            if version(connection) > latest():
                check_version(connection, path)
            if _current(connection):
                return []
    with writing(path, timeout) as connection:
        found = version(connection)
        due = [step for step in steps() if step.number > found]
        with transaction(connection):
            if found == 0:
                connection.execute(
                    "create table if not exists schema_version "
                    "(version integer not null, name varchar not null, applied_at timestamp not null, views varchar)"
                )
            _drop_views(connection)
            for step in due:
                connection.execute(step.up)
                connection.execute(
                    "insert into schema_version values (?, ?, ?, null)",
                    [step.number, step.name, now().replace(tzinfo=None)],
                )
            _create_views(connection)
            connection.execute("update schema_version set views = ?", [_views_mark()])
        connection.execute("checkpoint")
    return due


def keep_copy(path: Path) -> Path:
    """Copy a store beside itself, under the store's lock, and return the copy's path."""
    with writing(path) as connection:
        connection.execute("checkpoint")
        copy = beside(path, f"{now():%Y%m%dT%H%M%S%f}.copy")
        shutil.copy2(path, copy)
    return copy


def steps_down(path: Path, to: int | None = None) -> list[Step]:
    """Return the steps that a downgrade would take back, newest first: one, or all those above version `to`.

    Raises:
        StoreError: when `to` is not below the store's version, or the store is newer than this learnlab.
    """
    with reading(path) as connection:
        found = version(connection)
    if found > latest():
        raise StoreError(f"{store_name(path)} has version {found}, newer than this learnlab's {latest()}")
    target = found - 1 if to is None else to
    if not 0 <= target < found:
        raise StoreError(f"{store_name(path)} has version {found}: it cannot go down to {target}")
    return [step for step in reversed(steps()) if target < step.number <= found]


def downgrade(path: Path, to: int | None = None) -> tuple[list[Step], Path]:
    """Take steps back (one, or down to version `to`) after keeping a copy; return the steps and the copy.

    Raises:
        StoreError: as `steps_down` does.
    """
    back = steps_down(path, to)
    copy = keep_copy(path)
    with writing(path) as connection:
        with transaction(connection):
            _drop_views(connection)
            for step in back:
                connection.execute(step.down)
                connection.execute("delete from schema_version where version = ?", [step.number])
            connection.execute("update schema_version set views = null")
        connection.execute("checkpoint")
    return back, copy


def reset(path: Path) -> Path:
    """Empty a store and make its schema anew, after keeping a copy; return the copy's path.

    Raises:
        StoreError: when there is no such store or it cannot be written.
    """
    copy = keep_copy(path)
    with writing(path) as connection, transaction(connection):
        _drop_views(connection)
        for (name,) in connection.execute(_SCHEMAS).fetchall():
            connection.execute(f'drop schema "{name}" cascade')
        for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall():
            connection.execute(f'drop table "{name}"')
        for (name,) in connection.execute("select sequence_name from duckdb_sequences()").fetchall():
            connection.execute(f'drop sequence "{name}"')
    upgrade(path)
    return copy


@dataclass(frozen=True)
class Status:
    """A store's version beside this learnlab's, with when each step was taken."""

    version: int
    latest: int
    applied: list[tuple[int, str, datetime]]


def status(path: Path) -> Status:
    """Return which version a store has and when it got there.

    Raises:
        StoreError: when there is no such store, or the file is some other database.
    """
    with reading(path) as connection:
        found = version(connection)
        rows = (
            connection.execute(
                "select version, name, applied_at from schema_version order by version"
            ).fetchall()
            if found
            else []
        )
    return Status(found, latest(), rows)


def _layout(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[str, str]]]:
    rows = connection.execute(
        "select if(schema_name = 'main', table_name, schema_name || '.' || table_name) as place, column_name, "
        "data_type from duckdb_columns() where not internal "
        "and table_name not like '%\\_mv' escape '\\' order by place, column_index"
    ).fetchall()
    layout: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in rows:
        layout.setdefault(table, []).append((column, kind))
    return layout


def _integrity(connection: duckdb.DuckDBPyConnection) -> list[str]:
    checks = sqlfiles.load("queries", "integrity").text
    rows = connection.execute(checks).fetchall()
    return [f"{name}: {count}" for name, count in rows if count]


def validate(path: Path) -> list[str]:
    """Return what is wrong with a store, one sentence each; an empty list is a sound store.

    Tables and columns are held against a fresh store of the same version; then the ledger must add up to the
    rows, and keys must be unique, since no constraint in the file says so.

    Raises:
        StoreError: when there is no such store or it is no DuckDB file.
    """
    fresh = duckdb.connect()
    for step in steps():
        fresh.execute(step.up)
    with reading(path) as connection:
        check_version(connection, path)
        have = _layout(connection)
        fresh.execute(
            "create table schema_version (version integer, name varchar, applied_at timestamp, views varchar)"
        )
        _create_views(fresh)
        wrong = [
            f"{table} is missing" if table not in have else f"{table} has other columns than it should"
            for table, columns in _layout(fresh).items()
            if have.get(table) != columns
        ]
        return wrong or _integrity(connection)
