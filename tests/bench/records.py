"""Opening, storing one record and closing, beside bare DuckDB and beside the disk itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl

from bench.figures import Figure, say, side_by_side
from bench.fleets import Fleet
from learnlab.database import LearningDatabase
from learnlab.models import ExecutionRecord
from learnlab.store.frames import conform
from learnlab.store.limits import SCHEMA
from learnlab.store.spool import SpoolWriter

TOPIC = "opening, storing one record, closing"
_TIMES = 15


def record() -> ExecutionRecord:
    """Return one new record; each has an id of its own."""
    return ExecutionRecord(
        task_type="refactor", task_description="Split the billing module", repo="shop",
        model_tier="medium", pool_type="local", success=True, duration_seconds=12.5, actual_cost=0.04,
    )  # fmt: skip


def measure(fleet: Fleet) -> Iterator[Figure]:
    """Yield what one record costs, acknowledged and in the file; adds a few records to the store."""
    say(f"{fleet.n:,}: one record at a time")
    store, n = fleet.store, fleet.n

    def opened() -> None:
        with store.reading() as connection:
            connection.execute("select 1").fetchall()

    def opened_bare() -> None:
        with duckdb.connect(str(fleet.bare), read_only=True) as connection:
            connection.execute("select 1").fetchall()

    bare, ours = "bare DuckDB", "ours"
    spent = side_by_side({ours: opened, bare: opened_bare}, _TIMES)
    yield Figure(TOPIC, "open, select 1, close", n, spent[ours], "ms", bare, spent[bare])

    spool = SpoolWriter(fleet.folder / f"spool-{n}.duckdb")
    synced = "write and fsync of the bytes"
    with _synced(fleet.folder / f"fsync-{n}") as write:
        spent = side_by_side({ours: lambda: spool.append([record()]), synced: write}, 10 * _TIMES)
    spool.close()
    yield Figure(TOPIC, "store one, acknowledged durably", n, spent[ours], "ms", synced, spent[synced])

    lifetime = "LearningDatabase: initialize, store_execution, close"
    spent = side_by_side(
        {
            ours: lambda: store.add(one(), kind="bench"),
            lifetime: lambda: asyncio.run(_lifetime(store.path)),
            bare: lambda: _insert_bare(fleet.bare),
        },
        _TIMES,
    )
    yield Figure(TOPIC, "open, store one in the file, close", n, spent[ours], "ms", bare, spent[bare])
    yield Figure(TOPIC, lifetime, n, spent[lifetime], "ms", bare, spent[bare])


def one() -> pl.DataFrame:
    """Return one new record as a conformed frame."""
    row = record().model_dump(mode="json", exclude_none=True, exclude={"metadata"})
    schema = {name: pl.String() if kind.is_temporal() else kind for name, kind in SCHEMA.items()}
    return conform(pl.DataFrame([row], schema={name: schema[name] for name in row}))[0]


@contextmanager
def _synced(path: Path) -> Iterator[Callable[[], None]]:
    """Lend what writes one record's bytes to a file and waits until the disk has them."""
    data = record().model_dump_json(exclude_none=True).encode() + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write() -> None:
        os.write(descriptor, data)
        os.fsync(descriptor)

    try:
        yield write
    finally:
        os.close(descriptor)


def _insert_bare(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "insert into executions (task_id, timestamp, task_type, task_description, repo) "
            "values (uuid(), now()::timestamp, 'refactor', 'Split the billing module', 'shop')"
        )


async def _lifetime(path: Path) -> None:
    async with LearningDatabase(path) as database:
        await database.store_execution(record())
