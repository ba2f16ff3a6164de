"""A task to be routed as a caller tells of it, and the decision on it: what was chosen, how surely, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, JsonValue, ValidationError

from learnlab.errors import RoutingError
from learnlab.events import AttemptEvent, Candidate, RoutingDecision, Side, executed
from learnlab.lenient import plain, storable
from learnlab.models import (
    MAX_DESCRIPTION,
    UNKNOWN,
    Count,
    ExecutionRecord,
    Id,
    Name,
    Record,
    Score,
    TaskType,
)
from learnlab.routing.tries import KNOWN, Tasks
from learnlab.secrets import showable

_OF_THE_TASK = {"external_id", "task_group", "session_id", "task_type", "task_description", "repo"}
_NUMBERS = {"file_count", "estimated_tokens", "complexity_score"}


class ToRoute(Record):
    """A task as it is known before it runs, by the names of an execution's fields."""

    task_id: Id = Field(default_factory=uuid4)
    external_id: str | None = Field(default=None, max_length=2000)
    task_group: str | None = Field(default=None, max_length=2000)
    session_id: str | None = Field(default=None, max_length=2000)
    task_description: str = Field(default="", max_length=MAX_DESCRIPTION)
    task_type: TaskType = UNKNOWN
    repo: Name = UNKNOWN
    file_count: Count = 0
    estimated_tokens: Count = 0
    complexity_score: Score | None = None

    @classmethod
    def of(cls, task: str | Mapping[str, Any]) -> ToRoute:
        """Return the task that a description, or fields of an execution by their names, tell of.

        Raises:
            RoutingError: when a field is none of a task that has not run yet, or breaks its limit.

        >>> ToRoute.of({"task_description": "Fix the login", "task_type": "Bug fix", "task_id": "t1"}).task_type
        'bugfix'
        """
        given = {"task_description": task} if isinstance(task, str) else task
        if not isinstance(given, Mapping):
            raise RoutingError(
                f"a task is a description, or fields by their names, not {type(task).__name__}"
            )
        fields = {
            str(name): storable(value) if isinstance(value, str) else value for name, value in given.items()
        }
        text = fields.get("task_id")
        try:
            made = cls.model_validate(fields)
        except (ValidationError, TypeError) as error:
            raise RoutingError(f"no task to route: {_first_fault(error)}") from error
        is_named = isinstance(text, str) and str(made.task_id) != text.lower() and not made.external_id
        return made.model_copy(update={"external_id": text[:2000]}) if is_named and text else made

    def known(self) -> dict[str, JsonValue]:
        """Return what is known of the execution to come, by the names of its fields."""
        return self.model_dump(mode="json", include=_OF_THE_TASK | _NUMBERS, exclude_none=True)

    def as_tasks(self, vector: NDArray[np.float32]) -> Tasks:
        """Return the task as routers see it, with the vector of its text; its group is -1, which no stored one has."""
        row = self.model_dump(include=set(KNOWN)) | {"n_characters": len(self.task_description)}
        known = pl.from_dicts([row], schema=KNOWN)
        return Tasks(known, vector[None, :], np.full(1, -1))


@dataclass(frozen=True)
class Decision:
    """What was chosen for a task, and how surely.

    `chosen` carries its propensity (0-1), the probability with which it was drawn; so does each of `candidates`.
    `confidence` (0-1) is the probability that it is the best one, as far as the router knows. `expected_quality`
    (0-1) and `expected_cost_usd` are None where nothing is known. `router_version` is the name of a baseline where no
    router is in use.
    """

    decision_id: UUID
    task: ToRoute
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    confidence: float | None
    expected_quality: float | None
    expected_cost_usd: float | None
    reason: str
    router_version: str
    is_exploring: bool = False
    is_abstaining: bool = False

    @property
    def task_id(self) -> UUID:
        """The id under which the outcome of the task is to be told."""
        return self.task.task_id

    @property
    def propensity(self) -> float:
        """The probability with which the choice was drawn, 0-1."""
        return self.chosen.propensity or 0.0

    def logged(self) -> RoutingDecision:
        """Return the decision as the store keeps it."""
        estimates = {"routing_confidence": self.confidence, "cost_estimate": self.expected_cost_usd}
        about = {
            "confidence": self.confidence,
            "expected_quality": self.expected_quality,
            "expected_cost_usd": self.expected_cost_usd,
            "reason": self.reason,
            "is_exploring": self.is_exploring,
            "is_abstaining": self.is_abstaining,
            "repo": self.task.repo,
            "session_id": self.task.session_id,
        }
        return RoutingDecision(
            decision_id=self.decision_id,
            task_id=self.task_id,
            candidates=list(self.candidates),
            chosen=self.chosen,
            context={name: value for name, value in about.items() if value is not None},
            router_version=self.router_version,
            task=self.task.known() | {name: value for name, value in estimates.items() if value is not None},
        )

    def executed(self, **outcome: Any) -> ExecutionRecord:
        """Return the execution of what was chosen, with its propensity, given what came of it: fields by their names.

        Stored, it is the attempt that this decision began.

        >>> small = Candidate(tier="small", propensity=0.5)
        >>> task = ToRoute.of({"task_description": "Fix the login", "repo": "shop"})
        >>> decided = Decision(uuid4(), task, small, (small,), None, None, None, "the only candidate", "best_single")
        >>> record = decided.executed(success=True, actual_cost=0.01)
        >>> record.model_tier.value, record.propensity, record.success
        ('small', 0.5, True)
        """
        told = AttemptEvent(side=Side.OUTCOME, task_id=self.task_id, known=plain(outcome))
        return executed(self.logged(), outcome=told)

    def summary(self) -> str:
        """Return the decision as text, one fact a line."""
        lines = (
            f"{named(self.chosen)}: {self.reason}",
            f"chosen with probability {self.propensity:.2f}, by {self.router_version}",
            f"task {self.task.external_id or self.task_id}",
        )
        return "\n".join(map(showable, lines))


def named(candidate: Candidate) -> str:
    """Return a candidate in words.

    >>> named(Candidate(model="gpt-x", tier="large", pool="local"))
    'gpt-x (large) in local'
    """
    tier = candidate.tier.value if candidate.tier else ""
    first = f"{candidate.model} ({tier})" if candidate.model and tier else candidate.model or tier
    return " in ".join(part for part in (first, candidate.pool) if part) or "nothing"


def _first_fault(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return "its fields must have names"
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])[:100]
    return f"{where or 'it'}: {fault['msg'][:200]}"
