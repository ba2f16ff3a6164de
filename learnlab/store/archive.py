"""Retention: old executions and their steps move to Parquet files beside the store and can be queried there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from learnlab.errors import StoreError
from learnlab.models import now
from learnlab.store import ledger
from learnlab.store.connection import quoted, sync, transaction
from learnlab.store.lock import beside

ARCHIVE_VIEW = "executions_archive"
"""The name under which a query reads every execution that was archived, texts included."""

STEPS_VIEW = "steps_archive"
"""The name under which a query reads their steps."""


@dataclass(frozen=True)
class Retained:
    """What retention did: the executions it moved, where to, and the time before which they lay."""

    n_rows: int
    path: Path | None
    before: datetime


def folder(store: Path) -> Path:
    """Return the folder of a store's archive; it may not exist."""
    return beside(store, "archive")


def steps_path(path: Path) -> Path:
    """Return the file of the steps that belong to a file of executions; it may not exist.

    >>> steps_path(Path("executions-20260101-20260131-5f3c.parquet")).name
    'steps-20260101-20260131-5f3c.parquet'
    """
    return path.with_name(path.name.replace("executions-", "steps-", 1))


def write(
    connection: duckdb.DuckDBPyConnection, path: Path, select: str, given: Mapping[str, Any] | None = None
) -> int:
    """Write what a select gives to a Parquet file, synced before it has its name; return the number of rows.

    Raises:
        StoreError: when it cannot be written; then there is no file.
    """
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        ((n_rows,),) = connection.execute(
            f"copy ({select}) to {quoted(str(partial))} (format parquet, compression zstd)", given
        ).fetchall()
        sync(partial)
        partial.rename(path)
        sync(path.parent)
    except (OSError, duckdb.Error) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StoreError(f"cannot write the archive {path}: {error}; nothing was removed") from error
    return int(n_rows)


def retain(connection: duckdb.DuckDBPyConnection, store: Path, days: int) -> Retained:
    """Move executions older than `days` before the newest recorded one to Parquet files, texts and steps included.

    The files are written and synced before the rows are deleted; rows, texts nobody uses any more, the note of
    the files and the ledger row go in one transaction. Files that a killed run left behind are not noted and
    so never read. Executions without a recorded time stay.

    Raises:
        StoreError: when `days` is not 7 to 365, or a file cannot be written; then nothing changed.
    """
    if not 7 <= days <= 365:
        raise StoreError(f"retention keeps 7 to 365 days, not {days}")
    ((newest,),) = connection.execute(
        "select max(timestamp) from executions where time_source = 'recorded'"
    ).fetchall()
    moment = now().replace(tzinfo=None)
    before = (newest or moment) - timedelta(days=days)
    old = "time_source = 'recorded' and timestamp < $before"
    old_steps = f"record_key in (select record_key from executions where {old})"
    given = {"before": before}
    ((n_rows, first, last),) = connection.execute(
        f"select count(*), min(timestamp), max(timestamp) from executions where {old}", given
    ).fetchall()
    if not n_rows:
        return Retained(0, None, before)
    path = folder(store) / f"executions-{first:%Y%m%d}-{last:%Y%m%d}-{uuid4().hex[:8]}.parquet"
    write(
        connection,
        path,
        "select e.* exclude (description_hash), t.text as task_description from executions e "
        f"join texts t on t.text_hash = e.description_hash where {old} order by e.timestamp",
        given,
    )
    n_steps = 0
    if connection.execute(f"select 1 from steps where {old_steps} limit 1", given).fetchall():
        n_steps = write(connection, steps_path(path), f"select * from steps where {old_steps}", given)
    with transaction(connection):
        connection.execute(f"insert into superseded select content_hash from executions where {old}", given)
        connection.execute(f"insert into archived_steps select step_key from steps where {old_steps}", given)
        connection.execute(f"delete from steps where {old_steps}", given)
        connection.execute(f"delete from executions where {old}", given)
        delete_unused_texts(connection)
        connection.execute(
            "insert into archives values (?, ?, ?, ?, ?, ?)",
            [path.name, n_rows, first, last, moment, n_steps],
        )
        ledger.note(connection, "retention", moment, {"n_removed": n_rows}, source=path.name)
    return Retained(n_rows, path, before)


def delete_unused_texts(connection: duckdb.DuckDBPyConnection) -> int:
    """Delete the texts that no execution has any more, with all that search and mining keep of each; return how many."""
    ((n_texts,),) = connection.execute(
        "delete from texts where text_hash not in (select description_hash from executions)"
    ).fetchall()
    if n_texts:
        for (model_no,) in connection.execute("select model_no from search.models").fetchall():
            vectors = f"search.vectors_{model_no:d}"
            connection.execute(f"delete from {vectors} where text_hash not in (select text_hash from texts)")
        connection.execute("delete from cluster_texts where text_hash not in (select text_hash from texts)")
        for table in ("search.words", "search.worded"):
            connection.execute(f"delete from {table} where text_no not in (select text_no from texts)")
    return int(n_texts)


def show(connection: duckdb.DuckDBPyConnection, store: Path) -> None:
    """Make the archive readable to this connection as `executions_archive` and `steps_archive`.

    Raises:
        StoreError: when nothing was archived, or a file that the store knows of is gone.
    """
    noted = connection.execute("select file_name, n_steps from archives order by first_at").fetchall()
    if not noted:
        raise StoreError("nothing has been archived from this store yet: `learnlab db retain` does")
    paths = [folder(store) / name for name, _ in noted]
    with_steps = [steps_path(folder(store) / name) for name, n_steps in noted if n_steps]
    gone = [path.name for path in (*paths, *with_steps) if not path.exists()]
    if gone:
        raise StoreError(f"archive files are gone from {folder(store)}: {', '.join(gone)}")
    _show(connection, ARCHIVE_VIEW, paths)
    if with_steps:
        _show(connection, STEPS_VIEW, with_steps)
    else:
        connection.execute(f"create or replace temp view {STEPS_VIEW} as select * from steps where false")


def _show(connection: duckdb.DuckDBPyConnection, name: str, paths: list[Path]) -> None:
    connection.execute(f"create or replace temp view {name} as select * from {reading(paths)}")


def reading(paths: list[Path]) -> str:
    """Return the table function that reads some files of the archive."""
    return f"read_parquet([{', '.join(quoted(str(path)) for path in paths)}], union_by_name = true)"
