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
from pathlib import Path
from uuid import UUID
from weakref import WeakValueDictionary

from learnlab.capture.told import Told
from learnlab.events import AttemptEvent, RoutingDecision, Side
from learnlab.lenient import union
from learnlab.models import ExecutionRecord

TIME_TO_LIVE = 3600.0
"""Seconds that an attempt stays in memory after the last word on it; what was written stays in the store."""

CAPACITY = 10_000
"""How many attempts wait in memory at most, and how many recorded ones are remembered."""


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
            is_other = attempt and attempt.decision and decision and not attempt.is_same(decision, False)
            if attempt is None or attempt.outcome or attempt.is_captured or is_other:
                attempt = self._begin(said.task_id, said.attempt_id, attempt)
            attempt.is_captured = True
            before, attempt.start = attempt.start, attempt.own(said)
            if before:
                attempt.start.known = union(before.known, said.known)
            if decision:
                attempt.take(decision)
            return self._settled(said.task_id, attempt)

    def ended(self, attempt: Told, decision: RoutingDecision | None, said: AttemptEvent) -> ExecutionRecord:
        """Take in how a captured call ended and return its execution, for the caller to write."""
        with self.lock:
            if decision:
                attempt.take(decision)
            attempt.hear(said)
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
        if attempt is None or (attempt.decision and not attempt.is_same(said, is_dated)):
            attempt = self._begin(task_id, said.decision_id, attempt)
        before = attempt.decision
        attempt.take(said)
        if attempt.decision != before:
            assert attempt.decision is not None
            attempt.unsafe["decision"] = attempt.decision
        return self._settled(task_id, attempt)

    def _told(self, said: AttemptEvent, is_dated: bool) -> Told:
        task_id, attempt = said.task_id, self._of(said.task_id)
        if attempt is None or (said.side is Side.START and attempt.is_restart(said, is_dated)):
            attempt = self._begin(task_id, said.attempt_id, attempt)
        attempt.hear(said)
        return self._settled(task_id, attempt)

    def _of(self, task_id: UUID) -> Told | None:
        _forget(self._waiting)
        _forget(self._recorded)
        return self._waiting.get(task_id) or self._recorded.get(task_id)

    def _begin(self, task_id: UUID, attempt_id: UUID, earlier: Told | None) -> Told:
        """Return a new attempt at a task; the earlier one leaves memory, its written sides stay in the store."""
        self._waiting.pop(task_id, None)
        self._recorded.pop(task_id, None)
        inherited = earlier.handed_on() if earlier else {}
        return Told(attempt_id, bool(earlier and earlier.outcome), inherited)

    def _settled(self, task_id: UUID, attempt: Told) -> Told:
        """Make the execution of an attempt that is complete, and put the attempt where it belongs."""
        if attempt.is_complete():
            record = attempt.execution()
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
