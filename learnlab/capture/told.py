"""One attempt as far as it is told: its sides, what is told of them again, and the execution that they make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from learnlab.events import AttemptEvent, Candidate, Event, RoutingDecision, executed
from learnlab.lenient import union
from learnlab.models import ExecutionRecord, SuccessSource

_TRUST = {source.value: rank for rank, source in enumerate(SuccessSource)}
_VERDICT = ("success", "success_source", "error_type", "error_message")
_OF_THE_TASK = {
    *("external_id", "task_group", "session_id", "parent_task_id", "task_type", "task_description", "repo"),
    *("file_count", "estimated_tokens", "complexity_score", "source"),
}
_OF_THE_CHOICE = {"agent", "model", "model_tier", "pool_type", "swarm_topology", "cost_estimate"}
"""What an attempt takes over from the execution before it: of its task always, of its choice without a new one."""


@dataclass
class Told:
    """What is told of one attempt at a task: its sides as far as they are there, the execution once it is complete.

    One that `is_further` follows an outcome; `inherited` is what is known from the attempt before; `unsafe` is
    what is not known to be written yet, by its kind; `hearers` are the captures that were told of it. One that
    `is_captured` is a call whose end is seen.
    """

    attempt_id: UUID
    is_further: bool = False
    inherited: dict[str, Any] = field(default_factory=dict)
    decision: RoutingDecision | None = None
    start: AttemptEvent | None = None
    outcome: AttemptEvent | None = None
    record: ExecutionRecord | None = None
    unsafe: dict[str, Event] = field(default_factory=dict)
    verdicts: set[tuple[bool | None, str]] = field(default_factory=set)
    hearers: set[object] = field(default_factory=set)
    is_announced: bool = False
    is_captured: bool = False
    touched: float = 0.0

    def is_complete(self) -> bool:
        """Return whether this is an execution: its outcome is there, and its task is known."""
        told = [side.known for side in (self.start, self.outcome) if side]
        is_known = any("task_type" in known for known in told)
        return bool(self.outcome and (self.decision or self.inherited or self.is_captured or is_known))

    def handed_on(self) -> dict[str, Any]:
        """Return what the next attempt at the task inherits; of a decision without an outcome, its task."""
        if self.record:
            names = _OF_THE_TASK | _OF_THE_CHOICE
            return self.record.model_dump(mode="json", include=names, exclude_none=True)
        return self.decision.task if self.decision else {}

    def take(self, said: RoutingDecision) -> None:
        """Take in a decision, or what this one says more than the one that is there."""
        if self.decision is None:
            of_the_task = {k: value for k, value in self.inherited.items() if k in _OF_THE_TASK}
            self.decision = said.model_copy(
                update={"decision_id": self.attempt_id, "task": of_the_task | said.task}
            )
        else:
            self.decision = _filled(self.decision, said)

    def hear(self, said: AttemptEvent) -> None:
        """Take in a start or an outcome, or what this one says more than, or against, the one that is there."""
        before: AttemptEvent | None = getattr(self, said.side.value)
        if before is None:
            after = self.own(said)
        else:
            after = before.model_copy(update={"known": _merged(before.known, said.known, self.verdicts)})
        self.verdicts.add(_verdict(said.known))
        setattr(self, said.side.value, after)
        if after != before:
            self.unsafe[said.side.value] = self._with_inherited(after)

    def own(self, said: AttemptEvent) -> AttemptEvent:
        """Return a start or an outcome as one of this attempt's."""
        is_its_own = said.attempt_id == self.attempt_id
        return said if is_its_own else said.model_copy(update={"attempt_id": self.attempt_id})

    def _with_inherited(self, side: AttemptEvent) -> AttemptEvent:
        """Return a side with what is known from the attempt before; copies take time, so only where there is one."""
        inherited = self.inherited
        return side.model_copy(update={"known": inherited | side.known}) if inherited else side

    def execution(self) -> ExecutionRecord:
        """Return the execution that the sides make."""
        start = self.start
        if start and not self.decision:
            start = self._with_inherited(start)
        record = executed(self.decision, start, self.outcome)
        return record.model_copy(update={"task_id": self.attempt_id}) if self.is_further else record

    def is_same(self, said: RoutingDecision, is_dated: bool) -> bool:
        """Return whether a decision is the one that is there, told again, perhaps with more or less in it.

        It is when it has the same id, or the same time and a choice that fits; one that tells no time, until there
        is an outcome.
        """
        before = self.decision
        assert before is not None
        if said.decision_id == before.decision_id:
            return True
        pairs = (
            (getattr(before.chosen, name), getattr(said.chosen, name)) for name in ("model", "tier", "pool")
        )
        if any(one is not None and other is not None and one != other for one, other in pairs):
            return False
        return said.timestamp == before.timestamp if is_dated else self.outcome is None

    def is_restart(self, said: AttemptEvent, is_dated: bool) -> bool:
        """Return whether a start is that of another attempt: the outcome is there, and it is not the start before it."""
        if self.outcome is None:
            return False
        if self.start is None:
            return is_dated and said.timestamp > self.outcome.timestamp
        return said.known != self.start.known or (is_dated and said.timestamp != self.start.timestamp)


def _filled(before: RoutingDecision, said: RoutingDecision) -> RoutingDecision:
    """Return a decision with what is told of it later and was not known."""
    chosen = {name: getattr(before.chosen, name) for name in Candidate.model_fields}
    later = {name: getattr(said.chosen, name) for name, value in chosen.items() if value is None}
    return before.model_copy(
        update={
            "candidates": before.candidates or said.candidates,
            "chosen": before.chosen.model_copy(update=later),
            "context": said.context | before.context,
            "router_version": before.router_version or said.router_version,
            "task": union(said.task, before.task),
        }
    )


def _verdict(known: dict[str, Any]) -> tuple[bool | None, str]:
    success = known.get("success")
    return success if isinstance(success, bool) else None, str(known.get("success_source"))


def _merged(
    before: dict[str, Any], said: dict[str, Any], heard: set[tuple[bool | None, str]]
) -> dict[str, Any]:
    """Return what two tellings of one side make; a verdict that was heard before does not come back."""
    (old, old_source), (new, new_source) = _verdict(before), _verdict(said)
    rank, rank_before = _TRUST.get(new_source, len(_TRUST)), _TRUST.get(old_source, len(_TRUST))
    is_better = old is None or rank < rank_before or (rank == rank_before and old != new)
    is_news = (new, new_source) not in heard
    winner, loser = (said, before) if new is not None and is_better and is_news else (before, said)
    if None in (old, new) or old == new:
        return union(loser, winner)
    known = union({name: value for name, value in loser.items() if name not in _VERDICT}, winner)
    if is_news:
        gives_way = {name: loser[name] for name in _VERDICT if name in loser}
        known["metadata"] = {**known.get("metadata", {}), "contradicted": gives_way}
    return known
