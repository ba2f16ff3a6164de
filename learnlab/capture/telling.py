"""Reads what is told of tasks and pools, by a call or in a message, as the sides of attempts and pool events."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from learnlab.capture.mapping import fields as mapping
from learnlab.capture.mapping import routing
from learnlab.capture.mapping.said import as_said, member, name_of, opened, said, word
from learnlab.errors import CaptureError
from learnlab.events import AttemptEvent, Candidate, Message, MessageType, PoolEvent, RoutingDecision, Side
from learnlab.lenient import union
from learnlab.models import UtcTime, as_uuid, now

_NAMES = ("task_id", "decision_id", "timestamp", "task_data", "task", "task_group", "pool_id")
_TYPES = frozenset(MessageType)
_TIME: TypeAdapter[Any] = TypeAdapter(UtcTime)
_LONGEST = 2000


class Telling(NamedTuple):
    """What is told of one task: its id, when, what is known of it by an execution's field names, of which pool."""

    data: Any
    task_id: UUID
    moment: datetime
    is_dated: bool
    known: dict[str, Any]
    pool_id: str | None
    decision_id: UUID | None

    def decision(self) -> RoutingDecision:
        """Return it as a routing decision; one that names no choice chose something unknown."""
        decision = routing.decision_of(
            self.data, task_id=self.task_id, task=self.known, timestamp=self.moment
        ) or RoutingDecision(task_id=self.task_id, timestamp=self.moment, chosen=Candidate(), task=self.known)
        return decision.model_copy(update={"decision_id": self.decision_id}) if self.decision_id else decision

    def side(self, side: Side, pool_type: str | None) -> AttemptEvent:
        """Return it as a start or an outcome, in a pool of the given type if that is known."""
        known = self.known
        if side is Side.OUTCOME:
            known = union(known, mapping.result_fields(self.data))
        if self.pool_id is not None:
            known = union(known, {"metadata": {"pool_id": self.pool_id}})
            if known["metadata"].get("source_pool_id") == self.pool_id:
                del known["metadata"]["source_pool_id"]
        return AttemptEvent(
            side=side,
            task_id=self.task_id,
            timestamp=self.moment,
            known=known | ({"pool_type": pool_type} if pool_type else {}),
        )


def read(data: Any) -> Telling:
    """Return what a dict in the documents' shape, an object with the same names, or a message tells of a task.

    Raises:
        CaptureError: when it names no task.

    >>> read({"task_id": "t1", "task_data": {"type": "docs", "repo": "shop"}}).known["task_type"]
    'docs'
    """
    carried, _ = opened(data)
    given = said(carried, _NAMES)
    task = given.get("task") if given.get("task_data") is None else given["task_data"]
    of_task = said(task, _NAMES)
    text = _id(given.get("task_id")) or _id(of_task.get("task_id"))
    if text is None:
        raise CaptureError("no task_id is told, so nothing can meet: give a text or a UUID as `task_id`")
    known = _of_task(data, task)
    task_id = as_uuid(text)
    known.pop("external_id", None)
    if str(task_id) != text.lower():
        known["external_id"] = text[:_LONGEST]
    group = name_of(of_task.get("task_group")) or name_of(given.get("task_group"))
    known |= {"task_group": (group or text)[:_LONGEST], "source": "capture"}
    heard_at = data.timestamp if isinstance(data, Message) else now()
    moment, is_dated = heard_at, given.get("timestamp") is not None
    if is_dated:
        try:
            moment = _TIME.validate_python(given["timestamp"])
        except ValidationError:
            is_dated = False
            known = union(known, {"metadata": {"refused_timestamp": as_said(given["timestamp"])}})
    pool_id = name_of(given.get("pool_id")) or name_of(member(data, "source_pool_id"))
    return Telling(data, task_id, moment, is_dated, known, pool_id, id_of(given.get("decision_id")))


def pool_event(message: Message) -> PoolEvent:
    """Return the pool that a message tells of; without a type where it states none.

    Raises:
        CaptureError: when it names no pool.

    >>> pool_event(Message(type="pool_created", payload={"pool_id": "p1", "pool_type": "local"})).pool_type
    'local'
    """
    payload = message.payload
    pool_id = name_of(payload.get("pool_id")) or name_of(message.source_pool_id)
    if pool_id is None:
        raise CaptureError(f"no pool_id is told: a {message.type} message names its pool as `pool_id`")
    pool_type = mapping.task_fields({}, payload).get("pool_type")
    return PoolEvent(
        event_id=message.message_id,
        timestamp=message.timestamp,
        event=message.type,
        pool_id=pool_id,
        pool_type=pool_type if isinstance(pool_type, str) and word(pool_type) not in _TYPES else None,
        metadata={name: value for name, value in payload.items() if name not in ("pool_id", "pool_type")},
    )


def id_of(told: Any) -> UUID | None:
    """Return a UUID, also one that is told as a text; None for anything else.

    >>> id_of("0f8fad5b-d9cb-469f-a165-70867728950e"), id_of(7)
    (UUID('0f8fad5b-d9cb-469f-a165-70867728950e'), None)
    """
    with suppress(ValueError):
        return told if isinstance(told, UUID) else UUID(told) if isinstance(told, str) else None
    return None


def _of_task(data: Any, task: Any) -> dict[str, Any]:
    """Return what is known of a task from what stands beside its id and from its own data, which wins."""
    known: dict[str, Any] = mapping.task_fields(data)
    if word(known.get("task_type")) in _TYPES:
        del known["task_type"]
    return known if task is None else union(known, mapping.task_fields(task))


def _id(given: Any) -> str | None:
    """Return an id as its text; None for what is no id."""
    return name_of(given) if isinstance(given, str | int | UUID) else None
