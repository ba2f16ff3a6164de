"""What is measured on: simulated fleets as CSV, as Parquet and as a filled store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from learnlab.ingest.simulation.simulator import simulate
from learnlab.store import Store
from learnlab.store.limits import SCHEMA

_NOT_IN_LOGS = ("uploaded_at", "source", "source_position", "record_key", "content_hash")
SQL_TYPES = {
    pl.String(): "varchar", pl.Int64(): "bigint", pl.Float64(): "double", pl.Boolean(): "boolean",
    pl.Datetime("us"): "timestamp",
}  # fmt: skip
"""The type that a column of executions has in DuckDB; ids and metadata apart."""


@dataclass(frozen=True)
class Fleet:
    """n executions as files in a folder, and the store that holds them once it is filled."""

    n: int
    folder: Path

    @property
    def csv(self) -> Path:
        """The executions as CSV."""
        return self.folder / f"fleet-{self.n}.csv"

    @property
    def parquet(self) -> Path:
        """The same executions as Parquet."""
        return self.folder / f"fleet-{self.n}.parquet"

    @property
    def store(self) -> Store:
        """The store that the executions are ingested into."""
        return Store(self.folder / f"store-{self.n}.duckdb")

    @property
    def bare(self) -> Path:
        """The bare DuckDB file that the same rows are inserted into."""
        return self.folder / f"bare-{self.n}.duckdb"


def make_fleet(n: int, folder: Path) -> Fleet:
    """Simulate n executions over 90 days and write them as a log would hold them: without our bookkeeping."""
    executions = simulate(n, seed=1).executions.drop(_NOT_IN_LOGS, strict=False)
    fleet = Fleet(n, folder)
    executions.write_csv(fleet.csv)
    executions.write_parquet(fleet.parquet)
    return fleet


def bare_columns(columns: list[str]) -> str:
    """Return the columns of a bare table with the types that the store has for them."""
    uuids = {"task_id": "uuid", "metadata": "json"}
    return ", ".join(f'"{name}" {uuids.get(name) or SQL_TYPES[SCHEMA[name]]}' for name in columns)
