"""Routing decisions of this process that wait for the execution that they began."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from uuid import UUID

from learnlab.events import RoutingDecision

CAPACITY = 10_000
"""How many decisions wait in memory at most; what waits longer waits in the store alone."""


class OpenDecisions:
    """The latest decision on each task of each store, until somebody takes it; safe to share between threads.

    >>> from learnlab.events import Candidate
    >>> waiting, store = OpenDecisions(), Path("live.duckdb")
    >>> decision = RoutingDecision(task_id="task-abc-123", chosen=Candidate(tier="small"))
    >>> waiting.put(store, decision)
    >>> waiting.take(store, decision.task_id) is decision, waiting.take(store, decision.task_id)
    (True, None)
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._waiting: OrderedDict[tuple[Path, UUID], RoutingDecision] = OrderedDict()
        self._used: OrderedDict[UUID, None] = OrderedDict()
        self._lock = Lock()

    def put(self, store: Path, decision: RoutingDecision) -> None:
        """Keep a decision, in the place of an earlier one on the same task; the oldest gives way when it is full."""
        with self._lock:
            self._waiting.pop((store, decision.task_id), None)
            self._waiting[store, decision.task_id] = decision
            if len(self._waiting) > self._capacity:
                self._waiting.popitem(last=False)

    def take(self, store: Path, task_id: UUID) -> RoutingDecision | None:
        """Return the decision on a task, which waits no longer; None when there is none."""
        if not self._waiting:
            return None
        with self._lock:
            return self._waiting.pop((store, task_id), None)

    def is_first(self, decision_id: UUID) -> bool:
        """Return whether no attempt began with a decision yet: a task that is tried again brings its old one along."""
        with self._lock:
            is_first = decision_id not in self._used
            self._used[decision_id] = None
            if len(self._used) > self._capacity:
                self._used.popitem(last=False)
        return is_first
