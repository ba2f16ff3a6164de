"""The store: one DuckDB file, opened only while it is used."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import polars as pl

from learnlab.errors import StoreBusyError, StoreError
from learnlab.models import now
from learnlab.people import TEAM, Viewer
from learnlab.settings import store_name, store_path
from learnlab.store import archive, drain, feedback, guard, migrations, spool, sqlfiles, views
from learnlab.store.connection import reading, rewrite, transaction, within, writing, writing_if
from learnlab.store.forget import Forgotten, forget
from learnlab.store.merge import Addition, Counts, merge
from learnlab.store.positions import ReadPosition, read_positions
from learnlab.store.verdicts import VerdictReport
from learnlab.store.verdicts import add as add_verdicts

_log = logging.getLogger("learnlab.store")
_DRAIN_PATIENCE = 1.0
"""Seconds that a read waits for its turn to drain the spool before it reads what is there."""


class Store:
    """A named store or a path, as everything synchronous uses it: notebooks, readers, the command line.

    Nothing is open between calls, so any number of kernels and processes share one file. What was
    acknowledged by the spool is read by everyone: a read drains it first when it gets its turn in time.
    `viewer` is who looks: what of people's feedback a read gives depends on it, and on nothing else.

    >>> Store("data/learning.db").path.name
    'learning.db'
    """

    def __init__(self, name: str | Path = "", *, timeout: float | None = None, viewer: Viewer = TEAM) -> None:
        self.path = store_path(name)
        self.viewer = viewer
        self._timeout = timeout

    @property
    def name(self) -> str:
        """How to speak of this store: its name, or its path when it has none."""
        return store_name(self.path)

    def __repr__(self) -> str:
        return f"Store({self.name!r})"

    def exists(self) -> bool:
        """Return whether there is a file yet, or something acknowledged that waits for one."""
        return self.path.exists() or bool(spool.waiting(self.path))

    def ensure(self) -> Store:
        """Make the store, or bring it to the version and views of this learnlab, and return it.

        Raises:
            StoreError: when the file is newer than this learnlab, is no store, or cannot be written.
            StoreBusyError: when others hold it for longer than the time to wait.
        """
        migrations.upgrade(self.path, self._timeout)
        return self

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Hold the store for reading while the block runs, with what was acknowledged drained into it.

        Raises:
            StoreError: when there is no such store or its version is another.
            StoreBusyError: when a writer holds it for longer than the time to wait.
        """
        began = time.monotonic()
        is_inner = within(self.path)
        acknowledged = [] if is_inner else spool.waiting(self.path)
        if acknowledged:
            try:
                if not self.path.exists():
                    self.ensure()
                self._drain(lambda: spool.undrained(acknowledged), _DRAIN_PATIENCE)
            except StoreBusyError:
                pass
            except StoreError as error:
                _log.warning("the spool was not drained before reading: %s", error)
        with reading(self.path, self._timeout, began) as connection:
            if not is_inner:
                migrations.check_version(connection, self.path)
            with views.told(connection, self.viewer):
                yield connection

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Hold the store alone while the block runs; drains the spool before and refreshes due views after.

        What is called on this store inside the block joins it: several `add` then cost one opening, each
        still a transaction of its own.

        Raises:
            StoreError: when the file is no store of this version, or cannot be written.
            StoreBusyError: when others hold it for longer than the time to wait.
        """
        is_inner = within(self.path)
        with writing(self.path, self._timeout) as connection:
            if is_inner:
                yield connection
                return
            migrations.check_version(connection, self.path)
            drain.drain(connection, self.path)
            yield connection
            views.refresh(connection, only_due=True)

    def drain(self, seconds: float) -> Counts:
        """Add what waits in the spool to the store, for about `seconds` at most, and refresh views that are due.

        Raises:
            StoreError: when there is no store of this version, or it cannot be written.
            StoreBusyError: when others hold it for longer than the time to wait.
        """
        return self._drain(lambda: bool(spool.waiting(self.path)), self._timeout, seconds)

    def _drain(
        self, needed: Callable[[], bool], patience: float | None, seconds: float | None = None
    ) -> Counts:
        with writing_if(self.path, needed, patience) as connection:
            if connection is None:
                return Counts()
            migrations.check_version(connection, self.path)
            counts = drain.drain(connection, self.path, seconds)
            if seconds is not None:
                views.refresh(connection, only_due=True)
            return counts

    def sql(self, query: str, params: Mapping[str, Any] | list[Any] | None = None) -> pl.DataFrame:
        """Return the rows of a query as a polars frame; `$name` stands for a parameter.

        The connection is read-only. `executions_archive` and `steps_archive` read what retention moved
        out. What people gave is read through the view `feedback`, not from the raw tables: `guard.check`.

        Raises:
            StoreError: when there is no store, the query is wrong (it carries DuckDB's words), or it reads what its
                viewer may not see.

        >>> Store("sample").sql("select 1 as n")  # doctest: +SKIP
        """
        with self.reading() as connection:
            try:
                guard.check(connection, self.path, query, self.viewer)
                if archive.ARCHIVE_VIEW in query or archive.STEPS_VIEW in query:
                    archive.show(connection, self.path)
                relation = connection.sql(query, params=params)
                assert relation is not None, "the guard lets pass what returns rows alone"
                frame: pl.DataFrame = relation.pl()
                return frame
            except duckdb.Error as error:
                raise StoreError(f"{self.name}: {error}") from error

    def view(
        self,
        name: str,
        *,
        repo: str | None = None,
        days_back: int | None = None,
        as_of: str | datetime | None = None,
        min_uses: int | None = None,
    ) -> pl.DataFrame:
        """Return the rows of one of the views in sql/views, of one repo and through a window when given.

        `days_back` and `as_of` (UTC, by default the newest recorded time) set the window; without them the
        view's own holds. What is returned is exact; `freshness` says when a materialised view was refreshed.

        Raises:
            StoreError: when there is no such view or store, or `as_of` is no time.
        """
        with self.reading() as connection:
            return views.read(
                connection, name, repo=repo, days_back=days_back, as_of=as_of, min_uses=min_uses
            )

    def view_together(self, *names: str, **window: Any) -> tuple[pl.DataFrame, ...]:
        """Return the rows of several views, all of one state of the store: nothing comes in between.

        `window` is what `view` takes.

        Raises:
            StoreError: as `view` does.
        """
        with self.reading():
            return tuple(self.view(name, **window) for name in names)

    def query(self, name: str, params: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of one of the selects in sql/queries, given its parameters.

        Raises:
            StoreError: when there is no such query or store, or the parameters do not fit.
        """
        return self.sql(sqlfiles.load("queries", name).text, params)

    def add(
        self,
        executions: pl.DataFrame,
        rejected: pl.DataFrame | None = None,
        *,
        ingest_id: UUID | None = None,
        kind: str = "ingest",
        **given: Any,
    ) -> Counts:
        """Add a conformed frame, and what else an `Addition` names, in one transaction: `merge.merge`."""
        return self.add_all([Addition(executions, rejected, **given)], ingest_id=ingest_id, kind=kind)[0]

    def add_all(
        self, additions: Sequence[Addition], *, ingest_id: UUID | None = None, kind: str = "ingest"
    ) -> list[Counts]:
        """Add what several sources give in one transaction, and return the counts of each: `merge.merge`."""
        with self.writing() as connection:
            return merge(connection, additions, ingest_id=ingest_id, kind=kind)

    def positions(self) -> dict[str, ReadPosition]:
        """Return how far each log was read into this store, path → position; none when there is no store yet."""
        if not self.exists():
            return {}
        with self.reading() as connection:
            return read_positions(connection)

    def add_verdicts(self, verdicts: pl.DataFrame) -> VerdictReport:
        """Keep verdicts from elsewhere and give them to the executions that they speak of: `verdicts.add`."""
        with self.writing() as connection, transaction(connection):
            return add_verdicts(connection, verdicts)

    def forget(
        self, *, repo: str | None = None, session: str | None = None, before: date | None = None
    ) -> Forgotten:
        """Remove what a person wants gone, from archive files as well, and write the file anew: `forget.forget`.

        Raises:
            StoreError: when not exactly one of the three is given, or the file cannot be written anew; what was
                to go is gone from every table and archive file then, and doing it again frees the bytes.
        """
        if within(self.path):
            raise StoreError(f"{self.name} is being used by this very thread: finish that before forgetting")
        with self.writing() as connection:
            done = forget(connection, self.path, repo=repo, session=session, before=before)
        rewrite(self.path, self._timeout)
        return done

    def delete_feedback(self, author: str, feedback_ids: Sequence[UUID] | None = None) -> feedback.Used:
        """Delete pieces of feedback of an author, or all (None), for good, and write the file anew: `feedback.delete`.

        Raises:
            StoreError: when the file cannot be written anew; what was to go is gone from every table then, and
                `compact` frees the bytes.
            StoreBusyError: when others hold the store for longer than the time to wait.
        """
        if within(self.path):
            raise StoreError(f"{self.name} is being used by this very thread: finish that before deleting")
        with self.writing() as connection, transaction(connection):
            done = feedback.delete(connection, author, feedback_ids, now().replace(tzinfo=None))
        rewrite(self.path, self._timeout)
        return done

    def compact(self) -> int:
        """Write the file anew without the empty blocks in it, and return the bytes that this gives back.

        Raises:
            StoreError: when there is no such store, a block of this thread uses it, or there is no room for a second
                file; then the old one stays as it is.
            StoreBusyError: when others hold the store for longer than the time to wait.
        """
        if within(self.path):
            raise StoreError(f"{self.name} is being used by this very thread: finish that before compacting")
        with self.reading():
            n_bytes = self.path.stat().st_size
        rewrite(self.path, self._timeout)
        return n_bytes - self.path.stat().st_size

    def set_tiers(self, tiers: Mapping[str, str]) -> None:
        """Write down the tier of models; a tier recorded with an execution still wins.

        Materialised views that were made with other tiers are no longer exact.
        """
        with self.writing() as connection:
            known = dict(connection.execute("select model, tier from model_tiers").fetchall())
            changed = [pair for pair in tiers.items() if known.get(pair[0]) != pair[1]]
            if changed:
                with transaction(connection):
                    connection.executemany("insert or replace into model_tiers values (?, ?)", changed)
                    connection.execute("delete from view_refreshes")

    def refresh(self) -> list[str]:
        """Refresh every materialised view that is not exact, and return their names."""
        with self.writing() as connection:
            return views.refresh(connection)

    def freshness(self) -> pl.DataFrame:
        """Return when each materialised view was refreshed and whether it is exact: `views.freshness`."""
        with self.reading() as connection:
            return views.freshness(connection)

    def retain(self, days: int) -> archive.Retained:
        """Move executions older than `days` (7-365) to the archive: `archive.retain`."""
        with self.writing() as connection:
            return archive.retain(connection, self.path, days)


def sql(
    query: str,
    params: Mapping[str, Any] | list[Any] | None = None,
    db: str | Path = "",
    *,
    viewer: Viewer = TEAM,
) -> pl.DataFrame:
    """Return the rows of a query on the current store (or `db`) as a polars frame: `Store.sql`.

    The view `feedback` has what people gave and shared; with `viewer=ll.me()` what you gave yourself as well.
    """
    return Store(db, viewer=viewer).sql(query, params)


def view(
    name: str,
    db: str | Path = "",
    *,
    repo: str | None = None,
    days_back: int | None = None,
    as_of: str | datetime | None = None,
    viewer: Viewer = TEAM,
) -> pl.DataFrame:
    """Return the rows of a view of the current store (or `db`), through a window when given: `Store.view`."""
    return Store(db, viewer=viewer).view(name, repo=repo, days_back=days_back, as_of=as_of)


def query(
    name: str, db: str | Path = "", params: Mapping[str, Any] | None = None, *, viewer: Viewer = TEAM
) -> pl.DataFrame:
    """Return the rows of one of the selects in sql/queries of the current store (or `db`): `Store.query`."""
    return Store(db, viewer=viewer).query(name, params)


def view_together(*names: str, db: str | Path = "", **window: Any) -> tuple[pl.DataFrame, ...]:
    """Return the rows of several views of the current store (or `db`), all of one state: `Store.view_together`."""
    return Store(db).view_together(*names, **window)
