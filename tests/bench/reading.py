"""How long the views take, alone and four at once, live and materialised, beside the seeds' own selects."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier

import duckdb

from bench.figures import Figure, p95, say, seconds, side_by_side
from bench.fleets import Fleet

TOPIC = "views as polars frames, one reader (limit: the seeds' projection, else 100 ms up to 100,000 rows)"
FOUR = "views as polars frames, four processes at once, all views in turn (limit: 200 ms up to 100,000 rows)"
PEER = "the seeds' select, bare"
WINDOWS = {"tier_performance": 30, "pool_performance": 7, "solution_patterns": 90}
"""The views that the seeds have too, with the days back that make the live view the same rows."""

_PROJECTED = {
    "tier_performance": {1_000: 5, 100_000: 10, 1_000_000: 20},
    "solution_patterns": {1_000: 10, 100_000: 20, 1_000_000: 50},
}
_SELECTS = {
    "tier_performance": "repo, model_tier, task_type, date_trunc('day', timestamp), count(*), "
    "sum(case when success then 1 else 0 end), avg(duration_seconds), avg(actual_cost), avg(quality_score), "
    "percentile_cont(0.95) within group (order by duration_seconds)",
    "pool_performance": "pool_type, repo, date_trunc('hour', timestamp), count(*), "
    "sum(case when success then 1 else 0 end), avg(duration_seconds), avg(actual_cost)",
    "solution_patterns": "solution_summary, repo, array_agg(distinct task_type), count(*), "
    "sum(case when success then 1 else 0 end), avg(quality_score), min(timestamp), max(timestamp)",
}
_HAVING = {"solution_patterns": "having solution_summary is not null and count(*) >= 5"}
_KINDS = ("live", "materialised")


def measure(fleet: Fleet) -> Iterator[Figure]:
    """Yield each view's latency, then that of four processes reading at once; the store is filled."""
    fleet.store.refresh()
    is_limited = fleet.n <= 100_000
    for is_open in (True, False):
        how = "connection open" if is_open else "open, read, close"
        for name in WINDOWS:
            say(f"{fleet.n:,}: {name}, {how}")
            limit = _projection(name, fleet.n) if is_open else None
            limit = limit or (100 if is_limited else None)
            with readers(fleet, is_open) as by_kind:
                spent = side_by_side({kind: partial(read, name) for kind, read in by_kind.items()})
            for kind in _KINDS:
                what = f"{name}, {kind}, {how}"
                yield Figure(TOPIC, what, fleet.n, spent[kind], "ms", PEER, spent[PEER], limit)
        say(f"{fleet.n:,}: four processes, {how}")
        reads = {kind: four_at_once(fleet, kind, is_open=is_open) for kind in (PEER, *_KINDS)}
        for kind in _KINDS:
            for label, of, limit in (
                ("p50", statistics.median, None),
                ("p95", p95, 200 if is_limited else None),
            ):
                what = f"{kind}, {how}: {label}"
                yield Figure(FOUR, what, fleet.n, of(reads[kind]), "ms", PEER, of(reads[PEER]), limit)


def _projection(name: str, n: int) -> int | None:
    """Return the seeds' projection for the next size that they name, in ms."""
    return next((ms for size, ms in _PROJECTED.get(name, {}).items() if size >= n), None)


@contextmanager
def readers(fleet: Fleet, is_open: bool) -> Iterator[dict[str, Callable[[str], object]]]:
    """Lend what reads a view live, materialised and as the seeds' select; the files stay open if told so."""

    def live(name: str) -> object:
        return fleet.store.view(name, days_back=WINDOWS[name])

    def bare(name: str) -> object:
        with nullcontext(held) if held else duckdb.connect(str(fleet.bare), read_only=True) as connection:
            return connection.sql(_bare_select(name)).pl()

    with ExitStack() as stack:
        held = stack.enter_context(duckdb.connect(str(fleet.bare), read_only=True)) if is_open else None
        if is_open:
            stack.enter_context(fleet.store.reading())
        yield {"live": live, "materialised": fleet.store.view, PEER: bare}


def _bare_select(name: str) -> str:
    newest = "(select max(timestamp) from executions)"
    window = f"where timestamp > {newest} - interval '{WINDOWS[name]} days'"
    return f"select {_SELECTS[name]} from executions {window} group by all {_HAVING.get(name, '')}"


def four_at_once(fleet: Fleet, kind: str, *, is_open: bool, times: int = 20) -> list[float]:
    """Return the milliseconds of every read of four processes that begin together."""
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(4, mp_context=context) as pool:
        start = manager.Barrier(4)
        found = [pool.submit(_reads, fleet, kind, is_open, times, start) for _ in range(4)]
        return [spent for each in found for spent in each.result()]


def _reads(fleet: Fleet, kind: str, is_open: bool, times: int, start: Barrier) -> list[float]:
    names = list(WINDOWS)
    with readers(fleet, is_open) as by_kind:
        read = by_kind[kind]
        read(names[0])
        start.wait()
        return [1000 * seconds(partial(read, names[turn % len(names)])) for turn in range(times)]
