"""Archive files written anew without the executions of the temporary table `doomed`, and their steps."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import duckdb

from learnlab.store import archive


@dataclass(frozen=True)
class Thinned:
    """An archive file without the doomed: its old name, its new one (None when nothing was left), the rows."""

    old: str
    new: str | None
    n_gone: int
    n_steps_gone: int


def write_anew(connection: duckdb.DuckDBPyConnection, store: Path) -> list[Thinned]:
    """Write every archive file that holds doomed rows anew beside itself, without them.

    Raises:
        StoreError: when one cannot be written.
    """
    written = []
    for name, n_rows, n_steps in connection.execute(
        "select file_name, n_rows, n_steps from archives"
    ).fetchall():
        old = archive.folder(store) / name
        old_steps = archive.steps_path(old)
        n_gone = _n_doomed(connection, old)
        n_steps_gone = _n_doomed(connection, old_steps) if n_steps else 0
        if not n_gone and not n_steps_gone:
            continue
        new = None
        if n_gone < n_rows:
            stem, _, _ = old.stem.rpartition("-")
            new = old.with_name(f"{stem}-{os.urandom(4).hex()}.parquet")
            archive.write(connection, new, _kept(old))
            if n_steps_gone < n_steps:
                archive.write(connection, archive.steps_path(new), _kept(old_steps))
        written.append(Thinned(name, new and new.name, n_gone, n_steps_gone))
    return written


def _n_doomed(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    ((n_rows,),) = connection.execute(
        f"select count(*) from {archive.reading([path])} where record_key in (select record_key from doomed)"
    ).fetchall()
    return int(n_rows)


def _kept(path: Path) -> str:
    return f"select * from {archive.reading([path])} where record_key not in (select record_key from doomed)"


def note(connection: duckdb.DuckDBPyConnection, written: list[Thinned]) -> tuple[int, int]:
    """Let the store know the archive's new files; return how many executions and steps are gone from it."""
    for file in written:
        if file.new is None:
            connection.execute("delete from archives where file_name = ?", [file.old])
        else:
            connection.execute(
                "update archives set file_name = ?, n_rows = n_rows - ?, n_steps = n_steps - ? where file_name = ?",
                [file.new, file.n_gone, file.n_steps_gone, file.old],
            )
    return sum(file.n_gone for file in written), sum(file.n_steps_gone for file in written)


def sweep(connection: duckdb.DuckDBPyConnection, store: Path) -> None:
    """Remove the files of the archive that the store does not note: those replaced, those a killed run left."""
    where = archive.folder(store)
    if not where.is_dir():
        return
    noted = [where / name for (name,) in connection.execute("select file_name from archives").fetchall()]
    known = {path.name for path in noted} | {archive.steps_path(path).name for path in noted}
    for path in where.iterdir():
        is_ours = path.name.startswith(("executions-", "steps-")) and path.suffix in (".parquet", ".partial")
        if is_ours and path.name not in known:
            path.unlink()
