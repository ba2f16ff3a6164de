"""Joins what is told of tasks, in whatever order and however often, into attempts; touches no disk.

An attempt is complete once its outcome is there and its task is known, from a decision or from what its other
sides say of it. Then it is an execution, and what is told later belongs to that same execution:

* What repeats changes nothing; what nobody had stated completes it.
* A verdict that contradicts the one before corrects it, unless a better source gave the one before. The one
  that gives way stays under `contradicted` in the metadata, and does not come back when it is repeated.

Who executes a task again says so. Another attempt begins with a decision after an outcome, with one of another
time or for another choice, or with a start after an outcome; such a start goes by what was known of the task, without the
propensity, since nobody drew again. The execution of an attempt that follows an outcome has a task id of its
own, the attempt's, and shares `task_group` with the one before.

A captured call (`wrapping`) is a start and an outcome as well: it is the attempt that waits for them, if there
is one, and what is told of the task meanwhile or later belongs to it.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from learnlab.events import AttemptEvent, Candidate, Event, RoutingDecision, Side, executed
from learnlab.lenient import union
from learnlab.models import ExecutionRecord, SuccessSource

TIME_TO_LIVE = 3600.0
"""Seconds that an attempt stays in memory after the last word on it; what was written stays in the store."""

CAPACITY = 10_000
"""How many attempts wait in memory at most, and how many recorded ones are remembered."""

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


class Joiner:
    """The attempts that this process hears of for one store, by the task ids that they are told under.

    Bounded in number and in time; the clock is monotonic. Threads may share it.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[UUID, Told] = OrderedDict()
        self._recorded: OrderedDict[UUID, Told] = OrderedDict()
        self._decisions: OrderedDict[UUID, None] = OrderedDict()
        self.lock = threading.Lock()

    def n_waiting(self, side: str, hearer: object) -> int:
        """Return how many attempts that a capture was told of have this side, and are no executions yet."""
        with self.lock:
            _forget(self._waiting)
            waiting = [attempt for attempt in self._waiting.values() if hearer in attempt.hearers]
            return sum(getattr(attempt, side) is not None for attempt in waiting)

    def has_heard(self, decision_id: UUID | None) -> bool:
        """Return whether a decision was taken in under this id already, if for another attempt since."""
        return decision_id in self._decisions

    def decided(self, said: RoutingDecision, hearer: object, *, is_dated: bool) -> Told:
        """Take in a decision and return its attempt; `is_dated` when its time is the teller's own."""
        with self.lock:
            attempt = self._decided(said, is_dated)
            attempt.hearers.add(hearer)
            self._decisions |= {said.decision_id: None, attempt.attempt_id: None}
            while len(self._decisions) > 2 * CAPACITY:
                self._decisions.popitem(last=False)
            return attempt

    def told(self, said: AttemptEvent, hearer: object, *, is_dated: bool) -> Told:
        """Take in a start or an outcome and return its attempt; `is_dated` when its time is the teller's own."""
        with self.lock:
            attempt = self._told(said, is_dated)
            attempt.hearers.add(hearer)
            return attempt

    def begun(self, said: AttemptEvent, decision: RoutingDecision | None) -> Told:
        """Take in that a captured call began, if need be with a decision of its own, and return its attempt.

        It is what waits for an outcome, unless a captured call is that already, or its decision is another one.
        """
        with self.lock:
            attempt = self._of(said.task_id)
            is_other = attempt and attempt.decision and decision and not _is_same(attempt, decision, False)
            if attempt is None or attempt.outcome or attempt.is_captured or is_other:
                attempt = self._begin(said.task_id, said.attempt_id, attempt)
            attempt.is_captured = True
            before, attempt.start = attempt.start, _of_attempt(said, attempt)
            if before:
                attempt.start.known = union(before.known, said.known)
            if decision:
                _take(attempt, decision)
            return self._settled(said.task_id, attempt)

    def ended(self, attempt: Told, decision: RoutingDecision | None, said: AttemptEvent) -> ExecutionRecord:
        """Take in how a captured call ended and return its execution, for the caller to write."""
        with self.lock:
            if decision:
                _take(attempt, decision)
            _hear(attempt, said)
            self._settled(said.task_id, attempt)
            attempt.unsafe.pop("record", None)
            assert attempt.record is not None
            return attempt.record

    def only_decided(self, attempt: Told, decision: RoutingDecision) -> RoutingDecision:
        """Take in that a captured call was no execution but decided on one; return the decision that it is."""
        with self.lock:
            attempt.is_captured, attempt.start = False, None
            decided = self._decided(decision, is_dated=False)
            decided.unsafe.pop("decision", None)
            assert decided.decision is not None
            return decided.decision

    def _decided(self, said: RoutingDecision, is_dated: bool) -> Told:
        task_id, attempt = said.task_id, self._of(said.task_id)
        if attempt is None or (attempt.decision and not _is_same(attempt, said, is_dated)):
            attempt = self._begin(task_id, said.decision_id, attempt)
        before = attempt.decision
        _take(attempt, said)
        if attempt.decision != before:
            assert attempt.decision is not None
            attempt.unsafe["decision"] = attempt.decision
        return self._settled(task_id, attempt)

    def _told(self, said: AttemptEvent, is_dated: bool) -> Told:
        task_id, attempt = said.task_id, self._of(said.task_id)
        if attempt is None or (said.side is Side.START and _is_restart(attempt, said, is_dated)):
            attempt = self._begin(task_id, said.attempt_id, attempt)
        _hear(attempt, said)
        return self._settled(task_id, attempt)

    def _of(self, task_id: UUID) -> Told | None:
        _forget(self._waiting)
        _forget(self._recorded)
        return self._waiting.get(task_id) or self._recorded.get(task_id)

    def _begin(self, task_id: UUID, attempt_id: UUID, earlier: Told | None) -> Told:
        """Return a new attempt at a task; the earlier one leaves memory, its written sides stay in the store."""
        self._waiting.pop(task_id, None)
        self._recorded.pop(task_id, None)
        inherited: dict[str, Any] = {}
        if earlier and earlier.record:
            names = _OF_THE_TASK | _OF_THE_CHOICE
            inherited = earlier.record.model_dump(mode="json", include=names, exclude_none=True)
        elif earlier and earlier.decision:
            inherited = earlier.decision.task
        return Told(attempt_id, bool(earlier and earlier.outcome), inherited)

    def _settled(self, task_id: UUID, attempt: Told) -> Told:
        """Make the execution of an attempt that is complete, and put the attempt where it belongs."""
        if attempt.is_complete():
            record = _execution(attempt)
            attempt.unsafe.pop("start", None)
            attempt.unsafe.pop("outcome", None)
            if record != attempt.record:
                attempt.record = attempt.unsafe["record"] = record
        attempt.touched = time.monotonic()
        self._waiting.pop(task_id, None)
        place = self._recorded if attempt.record else self._waiting
        place[task_id] = attempt
        place.move_to_end(task_id)
        return attempt


_joiners: WeakValueDictionary[Path, Joiner] = WeakValueDictionary()
_sharing = threading.Lock()


def joiner_for(store: Path) -> Joiner:
    """Return this process's one joiner of a store: whichever capture is told something, all know it.

    It lives as long as somebody has it.

    >>> one = joiner_for(Path("live.duckdb"))
    >>> joiner_for(Path("live.duckdb")) is one
    True
    """
    with _sharing:
        return _joiners.setdefault(store, Joiner())


def joiner_of(store: Path) -> Joiner | None:
    """Return this process's joiner of a store, if somebody has it: None where nothing is told of tasks.

    >>> joiner_of(Path("nobody.duckdb"))
    """
    return _joiners.get(store)


def _after_fork() -> None:
    global _sharing
    _sharing = threading.Lock()
    for joiner in list(_joiners.values()):
        joiner.lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def _forget(attempts: OrderedDict[UUID, Told]) -> None:
    """Drop the attempts that nobody spoke of for the time to live, and the oldest beyond the capacity."""
    oldest = time.monotonic() - TIME_TO_LIVE
    while attempts and (len(attempts) > CAPACITY or next(iter(attempts.values())).touched < oldest):
        attempts.popitem(last=False)


def _take(attempt: Told, said: RoutingDecision) -> None:
    """Give an attempt a decision, or what this one says more than the one that it has."""
    if attempt.decision is None:
        of_the_task = {k: value for k, value in attempt.inherited.items() if k in _OF_THE_TASK}
        attempt.decision = said.model_copy(
            update={"decision_id": attempt.attempt_id, "task": of_the_task | said.task}
        )
    else:
        attempt.decision = _filled(attempt.decision, said)


def _hear(attempt: Told, said: AttemptEvent) -> None:
    """Give an attempt a start or an outcome, or what this one says more than, or against, the one that it has."""
    before: AttemptEvent | None = getattr(attempt, said.side.value)
    if before is None:
        after = _of_attempt(said, attempt)
    else:
        after = before.model_copy(update={"known": _merged(before.known, said.known, attempt.verdicts)})
    attempt.verdicts.add(_verdict(said.known))
    setattr(attempt, said.side.value, after)
    if after != before:
        attempt.unsafe[said.side.value] = _with_inherited(attempt, after)


def _of_attempt(said: AttemptEvent, attempt: Told) -> AttemptEvent:
    is_its_own = said.attempt_id == attempt.attempt_id
    return said if is_its_own else said.model_copy(update={"attempt_id": attempt.attempt_id})


def _with_inherited(attempt: Told, side: AttemptEvent) -> AttemptEvent:
    """Return a side with what is known from the attempt before; copies take time, so only where there is one."""
    inherited = attempt.inherited
    return side.model_copy(update={"known": inherited | side.known}) if inherited else side


def _execution(attempt: Told) -> ExecutionRecord:
    start = attempt.start
    if start and not attempt.decision:
        start = _with_inherited(attempt, start)
    record = executed(attempt.decision, start, attempt.outcome)
    return record.model_copy(update={"task_id": attempt.attempt_id}) if attempt.is_further else record


def _is_same(attempt: Told, said: RoutingDecision, is_dated: bool) -> bool:
    """Return whether a decision is the one that an attempt has, told again, perhaps with more or less in it.

    It is when it has the same id, or the same time and a choice that fits; one that tells no time, until there
    is an outcome.
    """
    before = attempt.decision
    assert before is not None
    if said.decision_id == before.decision_id:
        return True
    pairs = ((getattr(before.chosen, name), getattr(said.chosen, name)) for name in ("model", "tier", "pool"))
    if any(one is not None and other is not None and one != other for one, other in pairs):
        return False
    return said.timestamp == before.timestamp if is_dated else attempt.outcome is None


def _is_restart(attempt: Told, said: AttemptEvent, is_dated: bool) -> bool:
    """Return whether a start is not that of an attempt whose outcome is there."""
    if attempt.outcome is None:
        return False
    if attempt.start is None:
        return is_dated and said.timestamp > attempt.outcome.timestamp
    return said.known != attempt.start.known or (is_dated and said.timestamp != attempt.start.timestamp)


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
