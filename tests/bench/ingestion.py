"""How fast files become records, beside a bare `insert … select` of the same file."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl

from bench.figures import Figure, megabytes, say, seconds
from bench.fleets import Fleet, bare_columns
from learnlab.ingest import ingest

TOPIC = "ingestion into a fresh file, validated and keyed (limit: half the speed of a bare insert … select)"
STORAGE = "storage of 90 days at 10,000 a day: the file as it is, times 900,000 / rows"


def measure(fleet: Fleet) -> Iterator[Figure]:
    """Yield ingestion of CSV and Parquet, of the same file once more, and the size; the store stays filled."""
    for form, path in (("CSV", fleet.csv), ("Parquet", fleet.parquet)):
        ours, bare = [], []
        for _ in range(3 if fleet.n <= 100_000 else 2):
            say(f"{fleet.n:,}: ingesting {form}")
            for file in (fleet.bare, fleet.store.path):
                file.unlink(missing_ok=True)
            bare.append(seconds(lambda path=path: insert_bare(path, fleet.bare)))
            ours.append(seconds(lambda path=path: ingest(path, fleet.store.ensure())))
        peer = statistics.median(bare)
        yield Figure(TOPIC, form, fleet.n, statistics.median(ours), "s", "bare", peer, 2 * peer)
        again = seconds(lambda path=path: ingest(path, fleet.store))
        yield Figure(TOPIC, f"{form}, all of it known already", fleet.n, again, "s", "bare", peer, 2 * peer)
    if fleet.n >= 100_000:
        yield _storage(fleet)


def insert_bare(path: Path, into: Path) -> None:
    """Insert a file's columns, with the types that the store has for them, into a table of a fresh file."""
    columns = pl.scan_parquet(path.with_suffix(".parquet")).collect_schema().names()
    with duckdb.connect(str(into)) as connection:
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"create table executions ({bare_columns(columns)})")
        read = "read_csv" if path.suffix == ".csv" else "read_parquet"
        connection.execute(f"insert into executions by name select * from {read}($path)", {"path": str(path)})


def _storage(fleet: Fleet) -> Figure:
    """Return the size with 900,000 executions, views and all, where texts repeat as often as the limit supposes."""
    n, n_texts = fleet.store.sql(
        "select (select count(*) from executions), (select count(*) from texts)"
    ).row(0)
    ours, bare = (megabytes(path) * 900_000 / n for path in (fleet.store.path, fleet.bare))
    what = f"each text {n / n_texts:.1f} times"
    return Figure(STORAGE, what, n, ours, "MB", "bare", bare, 500)
