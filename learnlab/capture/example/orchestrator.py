"""The worked example: a small real orchestrator whose every decision and execution is captured."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import polars as pl

from learnlab.capture.example.fleet import Fleet, Task, ValidationFailed, WorkerDied
from learnlab.capture.example.jobs import Job, jobs
from learnlab.capture.messages.bus import MessageBus
from learnlab.capture.telemetry import TelemetryCapture
from learnlab.capture.wrapping.pools import capture_pool
from learnlab.errors import LearnlabError
from learnlab.events import Message, MessageType
from learnlab.models import now
from learnlab.store import Store

REPO = "worked-example"
"""The repo under which the example's executions stand."""

_LANES = 4
_PAUSE = 0.02
_ENDS = ("succeeded", "failed", "timed out", "cancelled")


@dataclass(frozen=True)
class Done:
    """What the orchestrator itself saw of one execution: how it ended, when it was heard of, how long it took.

    `own_seconds` were spent in the fleet, `seconds` by who called it through the capture.
    """

    task_id: str
    pool_type: str
    ended: str
    finished_at: datetime
    seconds: float
    own_seconds: float


@dataclass
class Run:
    """What the orchestrator counted by itself, to be held against what was captured.

    >>> Run("s", n_decided=3).summary()
    '3 decided, 0 started: 0 succeeded, 0 failed, 0 timed out, 0 cancelled'
    """

    session_id: str
    n_decided: int = 0
    done: list[Done] = field(default_factory=list)

    def n(self, ended: str) -> int:
        """Return how many executions ended in one way: succeeded, failed, timed out or cancelled."""
        return sum(one.ended == ended for one in self.done)

    def summary(self) -> str:
        """Return the counts in words."""
        ends = ", ".join(f"{self.n(ended)} {ended}" for ended in _ENDS)
        return f"{self.n_decided} decided, {len(self.done)} started: {ends}"

    def executions(self) -> pl.DataFrame:
        """Return a row an execution, with the columns of `Done`."""
        names = ("task_id", "pool_type", "ended")
        schema: dict[str, pl.DataType] = dict.fromkeys(names, pl.String())
        schema |= {
            "finished_at": pl.Datetime("us", "UTC"),
            "seconds": pl.Float64(),
            "own_seconds": pl.Float64(),
        }
        return pl.DataFrame([vars(one) for one in self.done], schema=schema)


async def orchestrate(db: str | Path, *, seconds: float = 6.0, seed: int = 0, session_id: str = "") -> Run:
    """Let a small fleet work for some seconds, captured into a store, and return what it counted by itself.

    The jobs and the router's draws follow from the seed; how each ends is up to the machine. What still runs
    when the time is up is cancelled, and what was decided but not begun is left. The executions stand under
    `session_id`, by default one of this run's own.

    Raises:
        LearnlabError: when `seconds` is no time between 0 and an hour, or the store is the bundled sample.
        StoreError: when the store cannot be made.
    """
    if not (math.isfinite(seconds) and 0 < seconds <= 3600):
        raise LearnlabError(f"seconds is {seconds!r}: let the example run for more than 0 and at most 3600")
    store = Store(db)
    if store.name == "sample":
        raise LearnlabError("the sample is simulated and stays so: capture into another store, like 'live'")
    await asyncio.to_thread(store.ensure)
    drawn = await asyncio.to_thread(jobs, seed)
    run, fleet = Run(session_id or str(uuid4())), Fleet(seed)
    captured: Fleet = capture_pool(fleet, learning_db=store)
    decided: asyncio.Queue[tuple[str, Task]] = asyncio.Queue(_LANES)

    async def decide() -> None:
        for number, job in enumerate(drawn):
            task = _task(run.session_id, number, job)
            fleet.jobs[task["task_id"]] = job
            routing = await captured.route_task(task)
            await decided.put((routing["pool_id"], task))
            await asyncio.sleep(_PAUSE)

    async def work() -> None:
        while True:
            await _execute(run, fleet, captured, *await decided.get())

    async with MessageBus() as bus, TelemetryCapture(bus, learning_db=store):
        await _announce(bus, fleet, MessageType.POOL_CREATED)
        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                group.create_task(decide())
                for _ in range(_LANES):
                    group.create_task(work())
        except TimeoutError:
            pass
        finally:
            await fleet.close()
        await _announce(bus, fleet, MessageType.POOL_CLOSED)
    run.n_decided = fleet.n_decided
    return run


async def _announce(bus: MessageBus, fleet: Fleet, event: MessageType) -> None:
    """Tell the bus of every pool that it was created or closed."""
    for pool_id, pool in fleet.pools.items():
        await bus.publish(
            Message(type=event, source_pool_id=pool_id, payload={"pool_id": pool_id, **pool.config})
        )


def _task(session_id: str, number: int, job: Job) -> Task:
    return {
        "task_id": f"example-{session_id[:8]}-{number}",
        "type": job.kind,
        "prompt": job.prompt,
        "repo": REPO,
        "session_id": session_id,
    }


async def _execute(run: Run, fleet: Fleet, captured: Fleet, pool_id: str, task: Task) -> None:
    """Execute one task through the capture, and note when the orchestrator heard of its end."""
    task_id, began = task["task_id"], time.perf_counter()
    try:
        await captured.execute_on_pool(pool_id, task)
    except (TimeoutError, ValidationFailed, WorkerDied):
        pass
    finally:
        seconds, finished_at = time.perf_counter() - began, now()
        if task_id in fleet.ended:
            ended, own_seconds = fleet.ended[task_id]
            pool_type = fleet.pools[pool_id].config["pool_type"]
            run.done.append(Done(task_id, pool_type, ended, finished_at, seconds, own_seconds))
