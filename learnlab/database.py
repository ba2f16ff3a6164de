"""LearningDatabase: the store behind the asynchronous calls of the original documents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from uuid import UUID

import polars as pl
import pyarrow as pa

from learnlab.errors import StoreError
from learnlab.models import ExecutionRecord, as_uuid, now
from learnlab.people import FeedbackSubmission
from learnlab.search.asked import THRESHOLD
from learnlab.search.encoder import Encoder
from learnlab.search.encoders.weights import PACKAGED
from learnlab.search.found import Found, Mode
from learnlab.search.similar import find_similar_batch, similar_to
from learnlab.settings import settings
from learnlab.store.core import Store
from learnlab.store.frames import conform
from learnlab.store.lines import frame_of
from learnlab.store.merge import Counts
from learnlab.store.spool import SpoolWriter

T = TypeVar("T")

_TIER_NAMES = {
    "day": "date",
    "n_executions": "total_executions",
    "n_successes": "successful_count",
    "duration_seconds_mean": "avg_duration",
    "duration_seconds_p95": "p95_duration",
    "cost_usd_mean": "avg_cost",
    "quality_mean": "avg_quality",
}
_POOL_NAMES = {
    "n_executions": "total_tasks",
    "n_successes": "successful_tasks",
    "duration_seconds_mean": "avg_duration",
    "cost_usd_mean": "avg_cost",
}
_PATTERN_NAMES = {
    "n_uses": "usage_count",
    "n_successes": "success_count",
    "quality_mean": "avg_quality",
    "first_seen_at": "first_seen",
    "last_seen_at": "last_seen",
}


def _with_uuids(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose text ids are the UUIDs that they stand for, the texts kept in external_id."""
    for name in ("task_id", "parent_task_id"):
        if frame.schema.get(name) != pl.String:
            continue
        sources = frame["source"] if "source" in frame.columns else [None] * len(frame)
        pairs = zip(frame[name], sources, strict=True)
        ids = pl.Series(
            name, [None if i is None else str(as_uuid(i, s or "")) for i, s in pairs], dtype=pl.String
        )
        if name == "task_id":
            texts = pl.when(ids.str.to_lowercase() != frame[name].str.to_lowercase()).then(frame[name])
            known = [pl.col("external_id")] if "external_id" in frame.columns else []
            frame = frame.with_columns(external_id=pl.coalesce(*known, texts))
        frame = frame.with_columns(ids)
    return frame


class LearningDatabase:
    """A store with asynchronous calls; the work runs in `pool_size` threads.

    `database_path` is a path or the name of a store. `embedding_model` is the encoder that searches use, or its
    name, loaded when it is first needed; left at its default it is that of `LEARNLAB_EMBEDDING_MODEL`, where set.
    """

    def __init__(
        self,
        database_path: str | Path = "data/learning.db",
        embedding_model: str | Encoder = PACKAGED,
        pool_size: int = 4,
    ) -> None:
        self.store = Store(database_path)
        self.embedding_model = embedding_model if embedding_model != PACKAGED else settings().embedding_model
        self._pool_size = pool_size
        self._threads: ThreadPoolExecutor | None = None
        self._spool = SpoolWriter(self.store.path)

    async def _run(self, work: Callable[..., T], *args: Any) -> T:
        if self._threads is None:
            raise StoreError(f"{self.store.name} is not open: `await db.initialize()` first, or `async with`")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    async def initialize(self) -> None:
        """Make or upgrade the store; calling it again does no harm.

        Raises:
            StoreError: when the file is newer than this learnlab, is no store, or cannot be written.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._pool_size, thread_name_prefix="learnlab")
        await self._run(self.store.ensure)

    async def close(self) -> None:
        """Drain what was acknowledged into the store and let the threads go; calling it again does no harm."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.get_running_loop().run_in_executor(threads, self._drain)
            self._spool.close()
            threads.shutdown()

    def _drain(self) -> None:
        with self.store.reading():
            pass

    async def __aenter__(self) -> LearningDatabase:
        await self.initialize()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def store_execution(self, execution: ExecutionRecord) -> None:
        """Store one record; it is acknowledged, and read by everyone, once this returns.

        Raises:
            StoreError: when it cannot be written down; then it is not stored.
        """
        await self._run(self._spool.append, [execution])

    async def store_feedback(self, feedback: FeedbackSubmission) -> None:
        """Store what somebody thinks of an execution; it is acknowledged once this returns.

        Who sees it is what its `visibility` says. The execution may come later.

        Raises:
            StoreError: when it cannot be written down; then it is not stored.
        """
        await self._run(self._spool.append, [feedback])

    async def store_executions(
        self, executions: pl.DataFrame | pa.Table | Iterable[ExecutionRecord]
    ) -> Counts:
        """Store many at once, from polars, Arrow or records, and return what became of them.

        A row that breaks a limit goes to the table `rejected` with its reason; the others are stored.

        Raises:
            StoreError: for a column that no execution has.
        """
        if isinstance(executions, pl.DataFrame | pa.Table):
            return await self._run(self._store_frame, pl.DataFrame(executions))
        records = list(executions)
        if not all(isinstance(record, ExecutionRecord) for record in records):
            raise StoreError("store_executions takes a polars or Arrow table, or ExecutionRecords")
        return await self._run(lambda: self._store_frame(frame_of(records)))

    def _store_frame(self, frame: pl.DataFrame) -> Counts:
        good, faults = conform(_with_uuids(frame))
        try:
            content = frame.select(pl.struct(pl.all()).struct.json_encode().alias("content")).with_row_index(
                "row"
            )
        except pl.exceptions.PolarsError as error:
            raise StoreError(f"a column holds what cannot be stored: {error}") from error
        rejected = faults.join(content, on="row", how="left").select(
            (pl.col("row").cast(pl.Int64) + 1).alias("source_position"), "reason", "content"
        )
        return self.store.add(good, rejected, n_rows_read=len(frame), source="frame", kind="frame")

    async def sql(self, query: str, params: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of a query as a polars frame: `Store.sql`."""
        return await self._run(self.store.sql, query, params)

    async def find_similar_executions(
        self,
        task_description: str,
        repo: str | None = None,
        limit: int = 10,
        days_back: int | None = 90,
        threshold: float | None = THRESHOLD,
        *,
        tier: str | None = None,
        task_type: str | None = None,
        outcome: str | None = None,
        mode: Mode = "semantic",
        exact: bool = False,
        as_of: str | datetime | None = None,
    ) -> Found:
        """Return the executions most similar to a task described in words, most similar first: `find_similar`.

        Raises:
            SearchError: when something cannot be asked so, or no model can be loaded and one is needed.
            StoreError: when `as_of` is no time.
        """
        (found,) = await self.find_similar_executions_batch(
            [task_description],
            repo=repo,
            limit=limit,
            days_back=days_back,
            threshold=threshold,
            tier=tier,
            task_type=task_type,
            outcome=outcome,
            mode=mode,
            exact=exact,
            as_of=as_of,
        )
        return found

    async def find_similar_executions_batch(
        self, task_descriptions: Sequence[str], **asked: Any
    ) -> list[Found]:
        """Return what `find_similar_executions` finds for each of some tasks, of one state of the store.

        Raises:
            SearchError: as `find_similar_executions` does.
            StoreError: as `find_similar_executions` does.
        """
        return await self._run(
            lambda: find_similar_batch(task_descriptions, self.store, encoder=self.embedding_model, **asked)
        )

    async def find_similar_to(self, task_id: str | UUID, **asked: Any) -> Found:
        """Return the executions most similar to one that is stored, named by task_id or external_id: `similar_to`.

        Raises:
            SearchError: when no execution has that id, several have, or its text is blank.
            StoreError: as `find_similar_executions` does.
        """
        return await self._run(lambda: similar_to(task_id, self.store, encoder=self.embedding_model, **asked))

    async def get_tier_performance(
        self, repo: str | None = None, days_back: int = 30
    ) -> list[dict[str, Any]]:
        """Return outcomes by day, repo, tier and task type over the last days, newest first.

        Each row has the documents' names (`date`, `total_executions`, `successful_count`, `avg_duration` in
        seconds, `avg_cost` in US dollars, `avg_quality`, `p95_duration`), the view's other columns (n and the
        interval of every rate), and `refreshed_at`, the time (UTC) at which the figures were computed.
        """
        return await self._read("tier_performance", _TIER_NAMES, repo, None if days_back == 30 else days_back)

    async def get_pool_performance(self, repo: str | None = None, days_back: int = 7) -> list[dict[str, Any]]:
        """Return outcomes by hour, pool and repo over the last days, newest first, named as in the documents."""
        return await self._read("pool_performance", _POOL_NAMES, repo, None if days_back == 7 else days_back)

    async def get_solution_patterns(
        self, repo: str | None = None, min_usage: int = 5, limit: int = 10
    ) -> list[dict[str, Any]]:
        """Return the solutions used at least `min_usage` times, best first by the lower end of their rate's interval.

        Each row also has what mining found of the solution in the cluster where it was used most: `task_context`
        (the cluster's name), `lift` over the same repos and task types without it, `lift_low` and `lift_high`
        (95 %), `lift_shrunk`, `verdict`, `is_universal` and `trend`; null where nothing was mined, and for any but
        the most usual wording of a solution. Mining counts trusted verdicts alone, over all repos and times, the
        other columns every verdict, in one repo and the view's 90 days.
        """
        return await self._run(self._solution_patterns, repo, min_usage, limit)

    def _solution_patterns(self, repo: str | None, min_usage: int, limit: int) -> list[dict[str, Any]]:
        with self.store.reading():
            rows = self._rows("solution_patterns", _PATTERN_NAMES, repo, None, min_usage)[:limit]
            found = self.store.query("pattern_lifts")
        lifts = {(row.pop("solution_summary"), row.pop("repo")): row for row in found.to_dicts()}
        nothing = dict.fromkeys(found.columns[2:])
        return [row | lifts.get((row["solution_summary"], row["repo"]), nothing) for row in rows]

    async def _read(
        self,
        view: str,
        names: dict[str, str],
        repo: str | None,
        days_back: int | None,
        min_uses: int | None = None,
    ) -> list[dict[str, Any]]:
        return await self._run(self._rows, view, names, repo, days_back, min_uses)

    def _rows(
        self, view: str, names: dict[str, str], repo: str | None, days_back: int | None, min_uses: int | None
    ) -> list[dict[str, Any]]:
        with self.store.reading():
            fresh: datetime = now().replace(tzinfo=None)
            known = self.store.freshness().filter(pl.col("view_name") == view, "is_exact")["refreshed_at"]
            frame = self.store.view(view, repo=repo, days_back=days_back, min_uses=min_uses)
        if view == "solution_patterns":
            frame = frame.sort("success_rate_low", "n_uses", descending=True, nulls_last=True)
        else:
            frame = frame.sort(frame.columns[0], descending=True, nulls_last=True)
        own_window = days_back is None and min_uses is None
        fresh = known[0] if len(known) and own_window else fresh
        return frame.rename(names).with_columns(refreshed_at=pl.lit(fresh)).to_dicts()
