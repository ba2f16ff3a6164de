"""TelemetryCapture: what an orchestrator tells of its tasks, by calls or over the bus, becomes executions."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from learnlab.capture import telling
from learnlab.capture.joining import CAPACITY, joiner_for
from learnlab.capture.logs import log as _log
from learnlab.capture.messages.bus import MessageBus
from learnlab.capture.messages.subscriber import Subscription
from learnlab.capture.recorder import recorder_for
from learnlab.capture.told import Told
from learnlab.database import LearningDatabase
from learnlab.errors import CaptureError
from learnlab.events import Message, MessageType, PoolEvent, Side
from learnlab.store import Store

_HEARD = (
    MessageType.TASK_COMPLETED,
    MessageType.POOL_CREATED,
    MessageType.POOL_CLOSED,
    MessageType.ROUTING_DECISION,
)
_PATIENCE = 5.0
"""Seconds that `shutdown` waits for each of the bus, what is under way, and the store."""


class TelemetryCapture:
    """Captures what is told of tasks into a store: decisions, starts, outcomes, each in a call or a message.

    What is told of one task id meets, whichever comes first, and becomes one execution; what a second telling
    means stands in `joining`. `data` is a dict in the documents' shape or an object with the same names. A task
    id that is missing is an error to the caller, and over the bus a dead letter. Each call returns True once
    what it was told is safe in the store's spool, False when it could not be written, which is logged and
    tried again; a failing disk or database raises nothing.

    An outcome without decision waits for one, here and in the store, where that of another process meets it;
    one whose telling or start says what type of task it was waits for nothing. A decision that never gets its
    outcome stays in the store's view `orphans`. What type of pool a `pool_id` is comes from the message
    `pool_created`; a pool that nobody announced is of unknown type, and its id stays in the metadata.

    Several captures of one store in one process share what they heard, so a message that reaches all of them is
    one telling more, and one of them may be told the decision and another the outcome. Those of several
    processes meet in the store, by the task id.

    >>> async def capture_one(bus):
    ...     async with TelemetryCapture(bus, learning_db="live") as telemetry:
    ...         await telemetry.capture_routing_decision({"task_id": "t1", "routing": {"tier": "small"}})
    ...         return await telemetry.capture_execution_outcome({"task_id": "t1", "success": True})
    """

    def __init__(
        self,
        message_bus: MessageBus | None = None,
        learning_db: LearningDatabase | Store | str | Path = "live",
    ) -> None:
        self._bus = message_bus
        self._recorder = recorder_for(learning_db)
        self._joiner = joiner_for(self._recorder.store.path)
        self._name = uuid4()
        self._pool_types: OrderedDict[str, str] = OrderedDict()
        self._subscription: Subscription | None = None
        self._under_way: set[asyncio.Future[None]] = set()
        self._is_over = False

    async def initialize(self) -> None:
        """Subscribe to the bus, if there is one; a second call changes nothing.

        Raises:
            CaptureError: after `shutdown`.
        """
        self._check()
        if self._bus and self._subscription is None:
            self._subscription = self._bus.subscribe(_HEARD, self._hear, name="telemetry")

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    async def capture_routing_decision(self, data: Any) -> bool:
        """Capture what a router decided: `task_id`, `routing`, and if known `timestamp` and `task_data`.

        Written at once, and published as `routing_decision`.

        Raises:
            CaptureError: when there is no task id, or after `shutdown`.
        """
        self._check()
        return await self._write(self._decided(data))

    async def capture_pool_execution_start(self, data: Any) -> bool:
        """Capture that a pool began a task: `task_id`, and if known `pool_id`, `timestamp` and the task.

        Raises:
            CaptureError: when there is no task id, or after `shutdown`.
        """
        self._check()
        return await self._write(self._told(Side.START, data))

    async def capture_execution_outcome(self, data: Any) -> bool:
        """Capture what came of a task: `task_id`, and what is known of `success`, `duration_seconds`, costs …

        The execution that it completes is published as `execution_recorded` once it is safe.

        Raises:
            CaptureError: when there is no task id, or after `shutdown`.
        """
        self._check()
        return await self._write(self._told(Side.OUTCOME, data))

    capture_routing_outcome = capture_execution_outcome
    capture_pool_execution_complete = capture_execution_outcome

    def get_routing_decisions_count(self) -> int:
        """Return how many decisions that this capture was told of wait in memory for their outcome."""
        return self._joiner.n_waiting("decision", self._name)

    def get_execution_outcomes_count(self) -> int:
        """Return how many outcomes that this capture was told of wait in memory for their decision."""
        return self._joiner.n_waiting("outcome", self._name)

    async def shutdown(self) -> None:
        """Take in what the bus has for this capture, finish what is under way, and hand it all to the store.

        A second call changes nothing. What waits for its other side waits in the store from then on.
        """
        if self._is_over:
            return
        if self._subscription:
            self._subscription.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._subscription.taken(), _PATIENCE)
        self._is_over = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_PATIENCE)
        if not await asyncio.to_thread(self._recorder.flush, _PATIENCE):
            _log.warning("shut down while some of what was captured is not in the store yet")

    def _check(self) -> None:
        if self._is_over:
            raise CaptureError("this TelemetryCapture was shut down: make another one to capture more")

    async def _hear(self, message: Message) -> None:
        """Take in one message of the bus, but for decisions that this process published itself."""
        if message.type is MessageType.ROUTING_DECISION:
            if not self._joiner.has_heard(telling.id_of(message.payload.get("decision_id"))):
                told = self._decided(message)
                told.is_announced = True
                await self._write(told)
        elif message.type is MessageType.TASK_COMPLETED:
            await self._write(self._told(Side.OUTCOME, message))
        else:
            await self._recorder.arecord(self._pool_event(message))

    def _decided(self, data: Any) -> Told:
        read = telling.read(data)
        return self._joiner.decided(read.decision(), self._name, is_dated=read.is_dated)

    def _told(self, side: Side, data: Any) -> Told:
        read = telling.read(data)
        pool_type = self._pool_types.get(read.pool_id or "")
        return self._joiner.told(read.side(side, pool_type), self._name, is_dated=read.is_dated)

    def _pool_event(self, message: Message) -> PoolEvent:
        """Return the pool that a message tells of, and remember what type it is."""
        event = telling.pool_event(message)
        if event.pool_type:
            self._pool_types[event.pool_id] = event.pool_type
            self._pool_types.move_to_end(event.pool_id)
            if len(self._pool_types) > CAPACITY:
                self._pool_types.popitem(last=False)
        return event.model_copy(update={"pool_type": self._pool_types.get(event.pool_id)})

    async def _write(self, told: Told) -> bool:
        """Write what is not safe of an attempt, then publish what this made safe; return whether it is."""
        events = dict(told.unsafe)
        if not events:
            return True
        done = asyncio.get_running_loop().create_future()
        self._under_way.add(done)
        try:
            if not await self._recorder.arecord(*events.values()):
                return False
            for kind, event in events.items():
                if told.unsafe.get(kind) is event:
                    del told.unsafe[kind]
                    await self._publish(told, kind)
            return True
        finally:
            self._under_way.discard(done)
            done.set_result(None)

    async def _publish(self, told: Told, kind: str) -> None:
        """Publish a decision that nobody has published, or an execution; a bus that is closed is logged."""
        if self._bus is None:
            return
        if kind == "decision" and told.decision and not told.is_announced:
            told.is_announced = True
            payload = told.decision.model_dump(mode="json", exclude_none=True)
            payload["task_id"] = told.decision.task.get("external_id") or payload["task_id"]
            message = Message(type=MessageType.ROUTING_DECISION, payload=payload)
        elif kind == "record" and told.record:
            payload = told.record.model_dump(mode="json", exclude_none=True)
            payload["attempt_id"] = str(told.attempt_id)
            message = Message(type=MessageType.EXECUTION_RECORDED, payload=payload)
        else:
            return
        try:
            await self._bus.publish(message)
        except Exception as error:
            _log.warning("a captured %s is not published: %s", kind, type(error).__name__)
