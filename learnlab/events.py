"""What live capture hears: messages, routing decisions, pools, and the two sides of an attempt at a task."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from pydantic import Field, JsonValue

from learnlab.lenient import record_of, union
from learnlab.models import DurationSource, ExecutionRecord, Id, Record, Share, Tier, UtcTime, now
from learnlab.people import FeedbackSubmission, Label


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

    def known(self) -> dict[str, Any]:
        """Return what is known of an execution when this was chosen, by the names of its fields.

        >>> Candidate(tier="small", propensity=0.25).known()
        {'model_tier': 'small', 'propensity': 0.25}
        """
        fields = {
            "model": self.model,
            "model_tier": self.tier and self.tier.value,
            "pool_type": self.pool,
            "propensity": self.propensity,
        }
        return {name: value for name, value in fields.items() if value is not None}


class RoutingDecision(Record):
    """What a router chose for a task, from what, and knowing what.

    `task` is what was known of the task before it ran, by the names of an execution's fields; the store keeps
    it until the outcome is there. `decision_id` is the attempt that the decision began.
    """

    decision_id: UUID = Field(default_factory=uuid4)
    task_id: Id
    timestamp: UtcTime = Field(default_factory=now)
    candidates: list[Candidate] = Field(default_factory=list)
    chosen: Candidate
    context: dict[str, Any] = Field(default_factory=dict)
    router_version: str | None = None
    task: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def known(self) -> dict[str, Any]:
        """What is known of the execution by its decision: the task, and what was chosen for it."""
        return self.task | self.chosen.known()


class PoolEvent(Record):
    """A pool that was created or closed."""

    event_id: UUID = Field(default_factory=uuid4)
    timestamp: UtcTime = Field(default_factory=now)
    event: MessageType
    pool_id: str
    pool_type: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class Side(StrEnum):
    """Which side of an attempt an event tells of."""

    START = "start"
    OUTCOME = "outcome"


class AttemptEvent(Record):
    """One side of an attempt at a task: that it was started, or what came of it.

    `known` are fields of an execution by their names. An outcome whose attempt nobody knows carries an
    `attempt_id` of its own and meets its decision by `task_id`.
    """

    attempt_id: UUID = Field(default_factory=uuid4)
    side: Side
    task_id: Id
    timestamp: UtcTime = Field(default_factory=now)
    known: dict[str, JsonValue] = Field(default_factory=dict)


class DeadLetter(Record):
    """A message that a subscriber of the bus could not take, and why."""

    letter_id: UUID = Field(default_factory=uuid4)
    timestamp: UtcTime = Field(default_factory=now)
    message_type: str
    subscriber: str = Field(max_length=500)
    error: str = Field(max_length=1000)
    payload: dict[str, JsonValue] = Field(default_factory=dict)


class Message(Record):
    """One message on the bus, in the documents' shape; its payload is plain JSON.

    >>> Message(type="TASK_COMPLETED", source_pool_id="local", payload={"task_id": "t1"}).type.value
    'task_completed'
    """

    type: MessageType
    source_pool_id: str | None = None
    target_pool_id: str | None = None
    payload: dict[str, JsonValue] = Field(default_factory=dict)
    message_id: Id = Field(default_factory=uuid4)
    timestamp: UtcTime = Field(default_factory=now)


Event = ExecutionRecord | RoutingDecision | AttemptEvent | PoolEvent | DeadLetter | FeedbackSubmission | Label
"""What the spool takes: each is written down before it is acknowledged."""


def executed(
    decision: RoutingDecision | None = None,
    start: AttemptEvent | None = None,
    outcome: AttemptEvent | None = None,
) -> ExecutionRecord:
    """Return the execution that the sides of one attempt tell of, whichever of them are there.

    What a later side says wins over an earlier one; their metadata are put together. The time is that of the
    start, else of the decision, else of the outcome less its duration. A duration that nobody states is the
    wall clock from start to outcome, unless a clock went backwards between them. The record is known by the
    attempt, so that the same sides joined twice are one execution.

    Raises:
        ValueError: when no side is given.

    >>> decision = RoutingDecision(task_id="task-abc-123", chosen=Candidate(tier="small", propensity=0.8),
    ...     task={"task_type": "docs", "task_description": "Explain the cache", "repo": "shop"})
    >>> outcome = AttemptEvent(side="outcome", task_id="task-abc-123", known={"success": True})
    >>> record = executed(decision, outcome=outcome)
    >>> record.model_tier.value, record.propensity, record.success, record.record_key == decision.decision_id
    ('small', 0.8, True, True)
    """
    sides = [side for side in (decision, start, outcome) if side is not None]
    if not sides:
        raise ValueError("an execution needs a decision, a start or an outcome")
    known = union(*(side.known for side in sides))
    first = start or decision or outcome
    assert first is not None
    moment = first.timestamp
    if start and outcome and "duration_seconds" not in known:
        passed = (outcome.timestamp - start.timestamp).total_seconds()
        if passed >= 0:
            known |= {"duration_seconds": passed, "duration_source": DurationSource.WALL}
    elif first is outcome and isinstance(seconds := known.get("duration_seconds"), int | float):
        moment -= timedelta(seconds=min(max(seconds, 0), 1e7))
    attempt = decision.decision_id if decision else first.attempt_id  # type: ignore[union-attr]
    return record_of({"timestamp": moment, **known, "task_id": sides[0].task_id, "record_key": attempt})
