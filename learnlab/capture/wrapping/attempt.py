"""One running attempt at a task: it begins, may meet another capture of the same task, and ends as one execution.

A captured call may run inside another. When both are about the very same task (the same object, or the same
id, handed on from a manager to its pool) they are one attempt: the outermost records it, with the pool that
the inner one saw do the work. Any other inner call is an attempt of its own, whose `parent_task_id` is the
outer one's. Where the same process is told of tasks as well (`TelemetryCapture`), a call and what is told of
its task are one attempt (`joining`). What goes wrong in here is logged and reaches nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from datetime import datetime
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError

from learnlab.capture.joining import Joiner, joiner_of
from learnlab.capture.logs import log as _log
from learnlab.capture.recorder import Recorder
from learnlab.capture.told import Told
from learnlab.events import AttemptEvent, Event, RoutingDecision, Side
from learnlab.lenient import record_of, union
from learnlab.models import UNKNOWN, DurationSource, ExecutionRecord, now

Reading = Callable[[Sequence["Attempt"], Any, BaseException | None], list[dict[str, Any]]]
"""What a call that returned or raised says of each of its attempts, by the names of an execution's fields."""


def not_captured(what: str, error: Exception) -> None:
    """Log that something could not be captured: the kind of error alone, for its text may hold anything."""
    _log.warning("%s is not captured: %s", what, type(error).__name__)
    _log.debug("why it is not captured", exc_info=error)


class Attempt:
    """One attempt at a task; `known` are fields of an execution by their names, `task` is what was handed in.

    A task without an id goes by that of its attempt. With a decision it is the attempt that the decision
    began; one that `is_news` is recorded with the execution. `heard` is what a capture of the same task inside
    this one saw come of it.
    """

    def __init__(
        self,
        task: Any,
        task_id: UUID | None,
        known: dict[str, Any],
        decision: RoutingDecision | None = None,
        is_news: bool = False,
    ) -> None:
        self.task = task
        self.known = known
        self.decision = decision
        self.attempt_id = decision.decision_id if decision else uuid4()
        self.task_id = task_id or (decision.task_id if decision else self.attempt_id)
        self.same_as: Attempt | None = None
        self.heard: dict[str, Any] = {}
        self._is_news = is_news
        self._is_only_decided = False
        self._pool: dict[str, Any] = {}
        self._began: datetime | None = None
        self._told: tuple[Joiner, Told] | None = None

    def begin(self, recorder: Recorder, outer: Call | None) -> None:
        """Join the attempt at the same task that runs already, else note that this one started."""
        same, parent = _met(self, recorder, outer)
        if same:
            self.same_as = same
            for name in ("pool_type", "metadata"):
                if name in self.known:
                    same._pool[name] = self.known[name]
            return
        self.known["source"] = "capture"
        if parent:
            self.known.setdefault("parent_task_id", str(parent.task_id))
        self._began = now()
        if "task_group" in self.known and (joiner := joiner_of(recorder.store.path)):
            self._meet(joiner)
        recorder.note(self.attempt_id, self._started)

    def _meet(self, joiner: Joiner) -> None:
        """Become the attempt that is told of, if there is one that waits, and what is told of from now on."""
        told = joiner.begun(self._started(), self.decision)
        self._told = joiner, told
        self.attempt_id = told.attempt_id
        self._is_news = self._is_news and self.decision is not None
        self.decision = told.decision

    def _started(self) -> AttemptEvent:
        return AttemptEvent.model_construct(
            attempt_id=self.attempt_id,
            side=Side.START,
            task_id=self.task_id,
            timestamp=self._began,
            known=self.known,
        )

    def decided(self, decision: RoutingDecision) -> RoutingDecision | None:
        """Take what the call returned as a decision on the task, and no outcome; return it when it now waits for one.

        Inside an attempt at the same task it is the decision on that, the first one counts, and nothing waits.
        """
        self._is_only_decided = True
        first = self.same_as or self
        if self._told:
            joiner, told = self._told
            self.decision, self._is_news = joiner.only_decided(told, decision), True
            return self.decision
        if first.decision is None or (first is self and self._is_news):
            decision = decision.model_copy(update={"decision_id": first.attempt_id})
        elif first is not self:
            return None
        first.decision, first._is_news = decision, True
        return None if self.same_as else decision

    def ended(self, said: dict[str, Any], seconds: float | None) -> list[Event]:
        """Return what is to be recorded now that the attempt ended: nothing, if it was part of another.

        The duration is what the outcome says, else the seconds that passed; None is unknown.
        """
        if self._is_only_decided:
            return [] if self.same_as or not self.decision else [self.decision]
        if "duration_seconds" not in said:
            source = DurationSource.UNKNOWN if seconds is None else DurationSource.WALL
            said = said | {"duration_seconds": seconds, "duration_source": source.value}
        if self.same_as:
            self.same_as.heard = said
            return []
        if self._told:
            return self._told_of(said)
        decided = self.decision.known if self.decision else {}
        started = {"task_id": self.task_id, "record_key": self.attempt_id, "timestamp": self._began}
        record = _record(union(decided, self.known, self._pool, said, started))
        return [self.decision, record] if self.decision and self._is_news else [record]

    def _told_of(self, said: dict[str, Any]) -> list[Event]:
        """Return what is to be recorded of an attempt that others are told of, too: what all know of it."""
        assert self._told is not None
        joiner, told = self._told
        outcome = AttemptEvent.model_construct(
            attempt_id=self.attempt_id,
            side=Side.OUTCOME,
            task_id=self.task_id,
            timestamp=now(),
            known=union(self._pool, said),
        )
        record = joiner.ended(told, self.decision, outcome)
        return [self.decision, record] if self.decision and self._is_news else [record]


def _record(known: dict[str, Any]) -> ExecutionRecord:
    """Return the execution of which these fields are known, as `record_of` does; faster where all of them fit."""
    try:
        return ExecutionRecord(**(_NOBODY_KNOWS | known))
    except ValidationError:
        return record_of(known)


_NOBODY_KNOWS = {
    "task_description": "",
    **dict.fromkeys(("task_type", "repo", "model_tier", "pool_type"), UNKNOWN),
}


class Call:
    """One captured call while it runs: a single attempt, or a batch of them.

    The clock that measures time passed gives the duration, so that a wall clock set back spoils none. A call
    that is not `is_timed` says nothing about how long its attempts took.
    """

    def __init__(
        self,
        what: str,
        recorder: Recorder,
        attempts: Sequence[Attempt],
        read: Reading,
        *,
        is_timed: bool = True,
    ) -> None:
        self.attempts = attempts
        self.recorder = recorder
        self.outer = _running.get()
        self.is_timed = is_timed
        self.at: dict[UUID | int, Attempt] = {}
        for attempt in reversed(attempts):
            self.at[attempt.task_id] = attempt
            if attempt.task is not None:
                self.at[id(attempt.task)] = attempt
        self._what = what
        self._read = read
        for attempt in attempts:
            attempt.begin(recorder, self.outer)
        self._began = perf_counter()

    def enter(self) -> Token[Call | None]:
        """Make this the call inside which others run; `leave` with what it returns."""
        return _running.set(self)

    def leave(self, token: Token[Call | None]) -> None:
        """Make the call outside of this one the current one again."""
        with suppress(ValueError):  # left in another context, which has a current call of its own
            _running.reset(token)

    def over(self, result: Any = None, error: BaseException | None = None) -> bool:
        """Record how the call ended; return whether that is safe. Never raises."""
        events = self._events(result, error)
        try:
            return not events or self.recorder.record(*events)
        except Exception as failure:
            not_captured(self._what, failure)
            return False

    async def aover(self, result: Any = None, error: BaseException | None = None) -> bool:
        """Do what `over` does without making the event loop wait for a slow disk."""
        events = self._events(result, error)
        try:
            return not events or await self.recorder.arecord(*events)
        except Exception as failure:
            not_captured(self._what, failure)
            return False

    def _events(self, result: Any, error: BaseException | None) -> list[Event]:
        seconds = perf_counter() - self._began if self.is_timed else None
        try:
            told = self._read(self.attempts, result, error)
        except Exception as failure:
            not_captured(f"what came of {self._what}", failure)
            told = [{} for _ in self.attempts]
        events: list[Event] = []
        for attempt, said in zip(self.attempts, told, strict=True):
            try:
                events += attempt.ended(said, seconds)
            except Exception as failure:
                not_captured(self._what, failure)
        # A task that was begun in here may go on for ever, and holds this call: let go of what it holds.
        self.at, self.outer = {}, None
        for attempt in self.attempts:
            attempt.task = None
        return events


_running: ContextVar[Call | None] = ContextVar("learnlab_running", default=None)


def _met(attempt: Attempt, recorder: Recorder, call: Call | None) -> tuple[Attempt | None, Attempt | None]:
    """Return the running attempt at the same task in the same store, and the one that this one runs inside."""
    parent = None
    while call:
        if call.recorder is recorder:
            same = call.at.get(attempt.task_id) or call.at.get(id(attempt.task))
            if same:
                return same.same_as or same, None
            if not parent and len(call.attempts) == 1:
                first = call.attempts[0].same_as or call.attempts[0]
                parent = first if first.task_id != attempt.task_id else None
        call = call.outer
    return None, parent
