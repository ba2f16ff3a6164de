"""What capturing an execution costs its caller, and whether the store keeps up with ten thousand a second."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
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
WAYS = ("capture_pool", "an execution that is made already")
_TURNS = 30
_CALLS = 50
_SECONDS = 10.0

_TASK = {"task_type": "refactor", "prompt": "Split the billing module", "repo": "shop", "files": ["a.py"]}


class Pool:
    """A pool that has nothing to do."""

    pool_type = "local"

    async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
        """Return a result."""
        return {"success": True, "duration_seconds": 12.5, "actual_cost": 0.04, "model": "small-1"}


Call = Callable[[], Awaitable[object]]


def measure(fleet: Fleet) -> Iterator[Figure]:
    """Yield what a captured call costs beside a bare write, and ten seconds of them into a copy of the store."""
    say(f"{fleet.n:,}: capturing")
    for mode, topic in (("true", DURABLE), ("false", BATCHED)):
        peer = "json.dumps, write, fsync" if mode == "true" else "json.dumps, write"
        with _copied(fleet, mode) as recorder, _bare(recorder) as write:
            for what, (call, plain) in _calls(recorder).items():
                added, bare = _in_turns(call, plain, write)
                limit = 1.5 * bare if mode == "true" else 50
                yield Figure(topic, what, fleet.n, added, "µs", peer, bare, limit)
    for what in WAYS:
        with _copied(fleet, "false") as recorder, _bare(recorder) as write:
            yield from _for_a_while(fleet.n, what, recorder, write)


def _calls(recorder: Recorder) -> dict[str, tuple[Call, Call]]:
    """Return, by what it is, an execution that is captured, and the same that is not."""
    captured, plain = capture_pool(Pool(), recorder.store), Pool()

    async def nothing() -> None:
        execution()

    return {
        WAYS[0]: (lambda: captured.execute_task(dict(_TASK)), lambda: plain.execute_task(dict(_TASK))),
        WAYS[1]: (lambda: recorder.arecord(execution()), nothing),
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


def _in_turns(call: Call, plain: Call, write: Callable[[], None]) -> tuple[float, float]:
    """Return the median microseconds that capturing adds to a call, and those of a bare write of its execution."""
    added, bare = [], []

    async def calls(one: Call) -> None:
        for _ in range(_CALLS):
            await one()

    with asyncio.Runner() as runner:
        runner.run(calls(call))
        for _ in range(_TURNS):
            captured = seconds(lambda: runner.run(calls(call)))
            added.append(captured - seconds(lambda: runner.run(calls(plain))))
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


def _for_a_while(n: int, what: str, recorder: Recorder, write: Callable[[], None]) -> Iterator[Figure]:
    """Yield what each of many captured executions took, and how long the last of them took into the store."""
    store, (call, _) = recorder.store, _calls(recorder)[what]
    before = store.sql("select count(*) from executions").item()

    async def capture() -> int:
        end = time.perf_counter() + _SECONDS
        done = 0
        while time.perf_counter() < end:
            await call()
            done += 1
        return done

    n_captured = asyncio.run(capture())
    behind = seconds(lambda: recorder.flush(120))
    stored = store.sql("select count(*) from executions").item() - before
    if stored != n_captured:
        raise RuntimeError(f"{n_captured:,} executions were captured and {stored:,} are in the store")
    batches = store.sql("select n_lines from ledger where kind = 'spool' order by seq").to_series()
    say(f"{n:,}: {n_captured:,} captured; lines in each batch: {', '.join(map(str, batches))}")
    bare = seconds(lambda: [write() for _ in range(n_captured)])
    each, peer = 1e6 * _SECONDS / n_captured, 1e6 * bare / n_captured
    yield Figure(RATE, f"{what}, all stored", n, each, "µs", "json.dumps, write", peer, 100)
    yield Figure(RATE, f"{what}, the last in the store", n, behind, "s", "the capturing", _SECONDS)
