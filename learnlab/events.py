"""What live capture hears: messages, routing decisions, pools, and the two sides of an attempt at a task."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from pydantic import Field

from learnlab.models import Id, Record, Share, Tier, UtcTime, now


class MessageType(StrEnum):
    """What a message on the bus is about; upper-case spellings are accepted and normalised.

    Raises:
        ValueError: for a type that is not in the vocabulary.

    >>> MessageType("TASK_COMPLETED")
    <MessageType.TASK_COMPLETED: 'task_completed'>
    """

    TASK_DELEGATE = "task_delegate"
    RESULT_SHARE = "result_share"
    STATUS_UPDATE = "status_update"
    HEARTBEAT = "heartbeat"
    POOL_CREATED = "pool_created"
    POOL_CLOSED = "pool_closed"
    TASK_COMPLETED = "task_completed"
    ROUTING_DECISION = "routing_decision"
    EXECUTION_RECORDED = "execution_recorded"
    FEEDBACK_SUBMITTED = "feedback_submitted"
    PATTERN_EXTRACTED = "pattern_extracted"
    QUALITY_THRESHOLD_ADJUSTED = "quality_threshold_adjusted"

    @classmethod
    def _missing_(cls, value: object) -> MessageType | None:
        spelt = str(value).strip().lower().replace("-", "_")
        return next((member for member in cls if member.value == spelt), None)


class Candidate(Record):
    """What a router could have chosen: a model, a tier, a pool, and the probability of choosing it."""

    model: str | None = None
    tier: Tier | None = None
    pool: str | None = None
    propensity: Share | None = None


class RoutingDecision(Record):
    """What a router chose for a task, from what, and knowing what."""

    decision_id: UUID = Field(default_factory=uuid4)
    task_id: Id
    timestamp: UtcTime = Field(default_factory=now)
    candidates: list[Candidate] = Field(default_factory=list)
    chosen: Candidate
    context: dict[str, Any] = Field(default_factory=dict)
    router_version: str | None = None


class PoolEvent(Record):
    """A pool that was created or closed."""

    event_id: UUID = Field(default_factory=uuid4)
    timestamp: UtcTime = Field(default_factory=now)
    event: MessageType
    pool_id: str
    pool_type: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
