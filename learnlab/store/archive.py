"""Retention: old executions move to Parquet files beside the store and can be queried there."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import duckdb

from learnlab.errors import StoreError
from learnlab.models import now
from learnlab.store.connection import transaction
from learnlab.store.lock import beside

ARCHIVE_VIEW = "executions_archive"
"""The name under which a query reads everything that was archived, texts included."""


@dataclass(frozen=True)
class Retained:
    """What retention did: the rows it moved, where to, and the time before which they lay."""

    n_rows: int
    path: Path | None
    before: datetime


def folder(store: Path) -> Path:
    """Return the folder of a store's archive; it may not exist."""
    return beside(store, "archive")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def retain(connection: duckdb.DuckDBPyConnection, store: Path, days: int) -> Retained:
    """Move executions older than `days` before the newest recorded one to a Parquet file, texts included.

    The file is written and synced before the rows are deleted; rows, texts nobody uses any more, the note of
    the file and the ledger row go in one transaction. A file that a killed run left behind is not noted and
    so never read. Executions without a recorded time stay.

    Raises:
        StoreError: when `days` is not 7 to 365, or the file cannot be written; then nothing changed.
    """
    if not 7 <= days <= 365:
        raise StoreError(f"retention keeps 7 to 365 days, not {days}")
    ((newest,),) = connection.execute(
        "select max(timestamp) from executions where time_source = 'recorded'"
    ).fetchall()
    moment = now().replace(tzinfo=None)
    before = (newest or moment) - timedelta(days=days)
    old = "time_source = 'recorded' and timestamp < $before"
    given = {"before": before}
    ((n_rows, first, last),) = connection.execute(
        f"select count(*), min(timestamp), max(timestamp) from executions where {old}", given
    ).fetchall()
    if not n_rows:
        return Retained(0, None, before)
    where = folder(store)
    path = where / f"executions-{first:%Y%m%d}-{last:%Y%m%d}-{uuid4().hex[:8]}.parquet"
    partial = path.with_suffix(".partial")
    try:
        where.mkdir(mode=0o700, exist_ok=True)
        connection.execute(
            "copy (select e.* exclude (description_hash), t.text as task_description from executions e "
            f"join texts t on t.text_hash = e.description_hash where {old} order by e.timestamp) "
            f"to {_quoted(partial)} (format parquet, compression zstd)",
            given,
        )
        _sync(partial)
        partial.rename(path)
        _sync(where)
    except (OSError, duckdb.Error) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StoreError(f"cannot write the archive {path}: {error}; nothing was removed") from error
    with transaction(connection):
        connection.execute(f"insert into superseded select content_hash from executions where {old}", given)
        connection.execute(f"delete from executions where {old}", given)
        connection.execute(
            "delete from texts where text_hash not in (select description_hash from executions)"
        )
        connection.execute(
            "insert into archives values (?, ?, ?, ?, ?)", [path.name, n_rows, first, last, moment]
        )
        connection.execute(
            "insert into ledger (ingest_id, kind, source, n_rows_read, n_accepted, n_replaced, n_duplicates, "
            "n_rejected, n_removed, committed_at) values (?, 'retention', ?, 0, 0, 0, 0, 0, ?, ?)",
            [uuid4(), path.name, n_rows, moment],
        )
    return Retained(n_rows, path, before)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def show(connection: duckdb.DuckDBPyConnection, store: Path) -> None:
    """Make the archive readable to this connection as `executions_archive`.

    Raises:
        StoreError: when nothing was archived, or a file that the store knows of is gone.
    """
    names = [
        name for (name,) in connection.execute("select file_name from archives order by first_at").fetchall()
    ]
    if not names:
        raise StoreError("nothing has been archived from this store yet: `learnlab db retain` does")
    paths = [folder(store) / name for name in names]
    gone = [path.name for path in paths if not path.exists()]
    if gone:
        raise StoreError(f"archive files are gone from {folder(store)}: {', '.join(gone)}")
    files = ", ".join(map(_quoted, paths))
    connection.execute(
        f"create or replace temp view {ARCHIVE_VIEW} as select * from read_parquet([{files}], union_by_name = true)"
    )
