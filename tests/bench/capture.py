"""What capturing an execution costs its caller, and whether the store keeps up with ten thousand a second."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from bench.figures import Figure, say, seconds
from bench.fleets import Fleet
from bench.records import record as execution
from learnlab.capture.recorder import Recorder, recorder_for
from learnlab.capture.wrapping.pools import capture_pool
from learnlab.settings import settings
from learnlab.store import Store

DURABLE = "capturing an execution, durable: what it adds to the call (limit: 1.5 times the peer)"
BATCHED = "capturing an execution, batched: what it adds to the call (limit: 50 µs)"
RATE = "capturing for 10 s as fast as one event loop calls, batched (limit: 100 µs each, 10,000 a second)"
_TURNS = 30
_CALLS = 64
_AT_ONCE = 8
_SECONDS = 10.0

_TASK = {"task_type": "refactor", "prompt": "Split the billing module", "repo": "shop", "files": ["a.py"]}


_RESULT = {"success": True, "duration_seconds": 12.5, "actual_cost": 0.04, "model": "small-1"}


class Pool:
    """A pool that has nothing to do."""

    pool_type = "local"

    async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
        """Return a result."""
        return _RESULT

    def execute(self, task: dict[str, Any]) -> dict[str, Any]:
        """Return a result at once."""
        return _RESULT


Works = dict[str, tuple[Callable[[int], object], Callable[[int], object]]]
"""By what it is, what makes so many captured executions, and the same uncaptured."""


def measure(fleet: Fleet) -> Iterator[Figure]:
    """Yield what a captured call costs beside a bare write, and ten seconds of them into a copy of the store."""
    say(f"{fleet.n:,}: capturing")
    for mode, topic in (("true", DURABLE), ("false", BATCHED)):
        peer = "json.dumps, write, fsync" if mode == "true" else "json.dumps, write"
        with _copied(fleet, mode) as recorder, _bare(recorder) as write, asyncio.Runner() as runner:
            for what, (captured, plain) in _works(recorder, runner).items():
                added, bare = _in_turns(captured, plain, write)
                limit = 1.5 * bare if mode == "true" else 50
                yield Figure(topic, what, fleet.n, added, "µs", peer, bare, limit)
    for at in (1, -1):
        with _copied(fleet, "false") as recorder, _bare(recorder) as write, asyncio.Runner() as runner:
            what, (captured, _) = list(_works(recorder, runner).items())[at]
            yield from _for_a_while(fleet.n, what, captured, recorder, write)


def _works(recorder: Recorder, runner: asyncio.Runner) -> Works:
    ours, bare = capture_pool(Pool(), recorder.store), Pool()

    def plainly(pool: Any, n: int) -> None:
        for _ in range(n):
            pool.execute(dict(_TASK))

    async def awaited(pool: Any, n: int) -> None:
        for _ in range(n):
            await pool.execute_task(dict(_TASK))

    async def at_once(pool: Any, n: int) -> None:
        await asyncio.gather(*(awaited(pool, n // _AT_ONCE) for _ in range(_AT_ONCE)))

    async def made(is_captured: bool, n: int) -> None:
        for _ in range(n):
            one = execution()
            if is_captured:
                await recorder.arecord(one)

    def of_both(work: Callable[[Any, int], Coroutine[Any, Any, None]], is_ours: Any, is_bare: Any) -> Any:
        return lambda n: runner.run(work(is_ours, n)), lambda n: runner.run(work(is_bare, n))

    return {
        "capture_pool, plain calls": (partial(plainly, ours), partial(plainly, bare)),
        "capture_pool, one await after another": of_both(awaited, ours, bare),
        f"capture_pool, {_AT_ONCE} at once": of_both(at_once, ours, bare),
        "an execution that is made already": of_both(made, True, False),
    }


@contextmanager
def _copied(fleet: Fleet, durable: str) -> Iterator[Recorder]:
    """Lend the recorder of a copy of the store, in durable mode or not; the copy goes afterwards."""
    before = os.environ.get("LEARNLAB_DURABLE")
    os.environ["LEARNLAB_DURABLE"] = durable
    settings.cache_clear()
    folder = fleet.folder / f"capture-{fleet.n}"
    folder.mkdir()
    shutil.copy(fleet.store.path, folder)
    recorder = recorder_for(Store(folder / fleet.store.path.name))
    try:
        yield recorder
    finally:
        recorder.close()
        shutil.rmtree(folder)
        os.environ.pop("LEARNLAB_DURABLE")
        if before is not None:
            os.environ["LEARNLAB_DURABLE"] = before
        settings.cache_clear()


def _in_turns(
    captured: Callable[[int], object], plain: Callable[[int], object], write: Callable[[], None]
) -> tuple[float, float]:
    """Return the median microseconds that capturing adds to a call, and those of a bare write of its execution."""
    added, bare = [], []
    captured(_CALLS)
    for _ in range(_TURNS):
        added.append(seconds(lambda: captured(_CALLS)) - seconds(lambda: plain(_CALLS)))
        bare.append(seconds(lambda: [write() for _ in range(_CALLS)]))
    return 1e6 * statistics.median(added) / _CALLS, 1e6 * statistics.median(bare) / _CALLS


@contextmanager
def _bare(recorder: Recorder) -> Iterator[Callable[[], None]]:
    """Lend what writes an execution's fields to a file as JSON, synced in durable mode."""
    row = _TASK | {"task_id": "00000000-0000-4000-8000-000000000000", "timestamp": "2026-05-01T00:00:00Z"}
    row |= {"success": True, "duration_seconds": 12.5, "actual_cost": 0.04, "model": "small-1"}
    is_durable = settings().durable
    path = recorder.store.path.with_name("bare.jsonl")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write() -> None:
        os.write(descriptor, json.dumps(row).encode() + b"\n")
        if is_durable:
            os.fsync(descriptor)

    try:
        yield write
    finally:
        os.close(descriptor)


def _for_a_while(
    n: int, what: str, captured: Callable[[int], object], recorder: Recorder, write: Callable[[], None]
) -> Iterator[Figure]:
    """Yield what each of many captured executions took, and how long the last of them took into the store."""
    store, n_captured = recorder.store, 0
    before = store.sql("select count(*) from executions").item()
    began = time.perf_counter()
    while (took := time.perf_counter() - began) < _SECONDS:
        captured(_CALLS)
        n_captured += _CALLS
    behind = seconds(lambda: recorder.flush(120))
    stored = store.sql("select count(*) from executions").item() - before
    if stored != n_captured:
        raise RuntimeError(f"{n_captured:,} executions were captured and {stored:,} are in the store")
    batches = store.sql("select n_lines from ledger where kind = 'spool' order by seq").to_series()
    say(f"{n:,}: {n_captured:,} captured; lines in each batch: {', '.join(map(str, batches))}")
    bare = seconds(lambda: [write() for _ in range(n_captured)])
    each, peer = 1e6 * took / n_captured, 1e6 * bare / n_captured
    yield Figure(RATE, f"{what}, all stored", n, each, "µs", "json.dumps, write", peer, 100)
    yield Figure(RATE, f"{what}, the last in the store", n, behind, "s", "the capturing", took)
