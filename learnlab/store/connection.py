"""Connections to a store, held only while they are used."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from learnlab.errors import LearnlabError, StoreBusyError, StoreError
from learnlab.settings import settings, store_name
from learnlab.store.lock import beside, held

_PAUSE = 0.02
_NAME = '"'
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class _Held(threading.local):
    """What this thread holds: store file → (whether it may write, the connection)."""

    def __init__(self) -> None:
        self.stores: dict[Path, tuple[bool, duckdb.DuckDBPyConnection]] = {}


_held = _Held()


def _explained(path: Path, error: duckdb.Error) -> LearnlabError:
    """Return one of our errors for one of DuckDB's, met while opening or using a store."""
    text = str(error).splitlines()[0]
    if "not a valid DuckDB database" in text or "sqlite" in text.lower():
        return StoreError(f"{path} is not a DuckDB file: name another store, or move that file away")
    if "Could not set lock" in text or "Conflicting lock" in text:
        pid = text.partition("(PID ")[2].partition(")")[0]
        return StoreBusyError(
            f"{path} is held by process {pid or 'unknown'}, which does not use learnlab's lock: close it there"
        )
    if "No space left" in text or "disk full" in text.lower():
        return StoreError(f"no space left for {path}: nothing of this step was written; free some and repeat")
    if "Permission denied" in text or "read-only" in text.lower():
        return StoreError(f"{path} cannot be opened: {text}")
    if "orrupt" in text or "checksum" in text.lower():
        return StoreError(f"{path} is damaged ({text}): go back to a copy, or fill a new store")
    return StoreError(f"{path}: {text}")


def _connect(path: Path, *, write: bool, deadline: float) -> duckdb.DuckDBPyConnection:
    while True:
        try:
            connection = duckdb.connect(str(path), read_only=not write, config=_CONFIG)
            connection.execute("set enable_progress_bar = false")  # it would go to standard output
            return connection
        except duckdb.Error as error:
            explained = _explained(path, error)
            foreign = isinstance(explained, StoreBusyError) or isinstance(error, duckdb.ConnectionException)
            if not foreign or time.monotonic() > deadline:
                raise explained from error
            time.sleep(_PAUSE)


@contextmanager
def _connected(path: Path, *, write: bool, deadline: float) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a store whose lock is held, until the block ends."""
    if write and path.is_file() and not path.stat().st_size:
        path.unlink()  # DuckDB makes a new file but refuses an empty one
    connection = _connect(path, write=write, deadline=deadline)
    _held.stores[path] = (write, connection)
    try:
        yield connection
    except duckdb.Error as error:
        raise _explained(path, error) from error
    finally:
        del _held.stores[path]
        connection.close()


def within(path: Path) -> bool:
    """Return whether this thread holds the store already."""
    return path in _held.stores


def _check_is_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is not a file: name another store")


def _joined(path: Path, *, write: bool) -> duckdb.DuckDBPyConnection | None:
    """Return the connection that this thread holds already, if any."""
    may_write, connection = _held.stores.get(path, (False, None))
    if connection is not None and write and not may_write:
        raise StoreError(f"{store_name(path)} is being read by this very thread: finish that before writing")
    return connection


@contextmanager
def reading(
    path: Path, timeout: float | None = None, since: float | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a store for reading while the block runs; inside another block of this thread, join that one.

    `since` is when the caller began to wait, if it has waited before: `lock.held`.

    Raises:
        StoreError: when there is no such store, or it is not a DuckDB file.
        StoreBusyError: when somebody writes to it for longer than `timeout` seconds.
    """
    joined = _joined(path, write=False)
    if joined is not None:
        yield joined
        return
    _check_is_file(path)
    if not path.exists():
        raise StoreError(
            f"there is no store {store_name(path)!r} yet: make one with "
            "`learnlab ingest FILE` or `learnlab db upgrade`"
        )
    timeout = timeout or settings().lock_timeout
    deadline = time.monotonic() + timeout
    with (
        held(path, exclusive=False, timeout=timeout, since=since),
        _connected(path, write=False, deadline=deadline) as connection,
    ):
        yield connection


@contextmanager
def writing(path: Path, timeout: float | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a store for writing, alone, while the block runs; the file is made if need be, with mode 0600.

    Raises:
        StoreError: when the folder or file cannot be written, or the file is not a DuckDB file.
        StoreBusyError: when others hold the store for longer than `timeout` seconds.
    """
    with writing_if(path, lambda: True, timeout) as connection:
        assert connection is not None
        yield connection


@contextmanager
def writing_if(
    path: Path, needed: Callable[[], bool], timeout: float | None = None
) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """Open a store for writing as `writing` does, or yield None when, its turn come, it is not needed any more.

    Raises:
        StoreError: as `writing` does.
        StoreBusyError: as `writing` does.
    """
    joined = _joined(path, write=True)
    if joined is not None:
        yield joined
        return
    _check_is_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    timeout = timeout or settings().lock_timeout
    deadline = time.monotonic() + timeout
    with held(path, exclusive=True, timeout=timeout):
        if not needed():
            yield None
            return
        with _connected(path, write=True, deadline=deadline) as connection:
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
            yield connection


def rewrite(path: Path, timeout: float | None = None) -> None:
    """Write a store anew under its lock, so that nothing that was deleted is left in its file.

    DuckDB marks the blocks of deleted rows as free and leaves what they hold. The new file takes the place
    of the old one in one step: whoever is killed before leaves the old one.

    Raises:
        StoreError: when there is no store, or no room for a second file; then the old one stays as it is.
        StoreBusyError: when others hold the store for longer than `timeout` seconds.
    """
    timeout = timeout or settings().lock_timeout
    deadline = time.monotonic() + timeout
    new, log = beside(path, "rewritten"), path.with_name(f"{path.name}.wal")
    with held(path, exclusive=True, timeout=timeout):
        new.unlink(missing_ok=True)
        try:
            with _connected(path, write=True, deadline=deadline) as connection:
                ((name,),) = connection.execute("select current_database()").fetchall()
                connection.execute(f"attach {quoted(str(new))} as rewritten")
                new.chmod(0o600)
                connection.execute(f"copy from database {quoted(name, _NAME)} to rewritten")
                connection.execute("detach rewritten")
            if log.exists():
                raise StoreError(f"{path} has a log that was not taken in: open the store and repeat")
            sync(new)
            new.replace(path)
            sync(path.parent)
        except OSError as error:
            raise StoreError(f"{path} cannot be written anew: {error.strerror or error}") from error
        finally:
            for left in (new, new.with_name(f"{new.name}.wal")):
                left.unlink(missing_ok=True)


def quoted(text: str, mark: str = "'") -> str:
    """Return a text as SQL writes it: a literal, or a name where `mark` is a double quote.

    >>> quoted("it's")
    "'it''s'"
    """
    return mark + text.replace(mark, 2 * mark) + mark


def sync(path: Path) -> None:
    """Make sure that a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what the block did, all of it, or nothing when it raises."""
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        # A commit that failed (a full disk) has rolled back already.
        with suppress(duckdb.Error):
            connection.rollback()
        raise


@contextmanager
def lent(connection: duckdb.DuckDBPyConnection, **frames: pl.DataFrame) -> Iterator[None]:
    """Let statements in the block read polars frames as tables of the names given."""
    for name, frame in frames.items():
        connection.register(name, frame)
    try:
        yield
    finally:
        # In a transaction that failed this fails too; the rollback drops the name.
        with suppress(duckdb.TransactionException):
            for name in frames:
                connection.unregister(name)


def fetch(
    connection: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, Any] | None = None
) -> pl.DataFrame:
    """Return what a select gives as a polars frame."""
    frame: pl.DataFrame = connection.sql(query, params=params).pl()
    return frame
