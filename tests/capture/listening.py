"""A recorder that keeps what it is told in memory, and pools for it to hear of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from learnlab.capture.recorder import Recorder
from learnlab.events import AttemptEvent, Event, RoutingDecision
from learnlab.models import ExecutionRecord

DONE = {"status": "completed", "success": True, "quality_score": 92, "cost": 0.0032, "worker_id": "w1"}


class Listener(Recorder):
    """Keeps events in the order in which they were handed in; `notes` are those that nobody waits for."""

    def __init__(self, store: Path) -> None:
        super().__init__(store)
        self.events: list[Event] = []
        self.notes: list[AttemptEvent] = []

    def record(self, *events: Event) -> bool:
        """Keep events, and say that they are safe."""
        self.events += events
        return True

    async def arecord(self, *events: Event) -> bool:
        """Keep events after the loop had a turn, as a disk would have it."""
        await asyncio.sleep(0)
        return self.record(*events)

    def note(self, attempt_id: UUID, start: Callable[[], AttemptEvent]) -> None:
        """Keep a start beside the others."""
        self.notes.append(start())

    @property
    def records(self) -> list[ExecutionRecord]:
        """The executions, in the order of their ends."""
        return [event for event in self.events if isinstance(event, ExecutionRecord)]

    @property
    def record_alone(self) -> ExecutionRecord:
        """The only execution there is; the test fails when there are more or none."""
        (record,) = self.records
        return record

    @property
    def decisions(self) -> list[RoutingDecision]:
        """The routing decisions, in their order."""
        return [event for event in self.events if isinstance(event, RoutingDecision)]

    @property
    def started(self) -> set[Any]:
        """The ids of the attempts that were started."""
        return {start.attempt_id for start in self.notes}


class Pool:
    """An async pool that does as its tasks say."""

    def __init__(self, pool_id: str = "pool-1", pool_type: str = "mahavishnu") -> None:
        self.pool_id = pool_id
        self.config = {"pool_type": pool_type}
        self.n = 0

    async def execute_task(self, task: Any) -> Any:
        """Return, or raise, what the task says."""
        await asyncio.sleep(0)
        return self._done(task)

    def _done(self, task: Any) -> Any:
        self.n += 1
        if isinstance(task, dict) and "raises" in task:
            raise task["raises"]
        return task.get("returns", DONE) if isinstance(task, dict) else DONE


class SyncPool(Pool):
    """The same without async."""

    def execute_task(self, task: Any) -> Any:  # type: ignore[override]
        """Return, or raise, what the task says."""
        return self._done(task)


class Manager:
    """A manager as document 001 has it: it hands tasks on to its pools."""

    def __init__(self, **pools: Any) -> None:
        self._pools = pools

    async def execute_on_pool(self, pool_id: str, task: dict[str, Any]) -> Any:
        """Execute a task on the pool of an id."""
        return await self._pools[pool_id].execute_task(task)

    async def route_task(self, task: dict[str, Any], pool_selector: str = "least_loaded") -> Any:
        """Execute a task on the first pool."""
        pool_id = next(iter(self._pools))
        return {**await self.execute_on_pool(pool_id, task), "pool_id": pool_id}
