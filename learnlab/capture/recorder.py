"""The recorder: hands events to one store for this process, safe once acknowledged, drained in the background.

Whoever records waits for its own line to be written, some tens of microseconds, and in durable mode for an fsync
that all who wait at that moment share. Nobody waits for the store. When the disk refuses, events are kept in
memory and written, in their order, as soon as it takes them again.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from uuid import UUID

from learnlab.capture.commits import Commits
from learnlab.capture.draining import Drainer
from learnlab.capture.logs import log as _log
from learnlab.database import LearningDatabase
from learnlab.errors import StoreError
from learnlab.events import AttemptEvent, Event, RoutingDecision
from learnlab.models import ExecutionRecord
from learnlab.settings import settings, store_path
from learnlab.store import Store
from learnlab.store.lines import lines_of
from learnlab.store.spool import SpoolWriter

MOST_IN_MEMORY = 10_000
"""Events that one recorder keeps in memory while the disk refuses them."""

SOON = 1.0
"""Seconds after which the start of an attempt is due: most have ended when the drain, which writes it, next looks."""

_AT_ONCE = 100
"""Events of those in memory that are tried at once."""


class Recorder:
    """Writes events to one store's spool; shared by everything in this process that captures into that store.

    Threads and event loops may share it. After a fork the child's recorder begins anew: it writes a segment of
    its own, and leaves what only the parent's memory holds to the parent.
    """

    def __init__(self, store: Path) -> None:
        self.store = Store(store)
        self._writer = SpoolWriter(self.store.path)
        self._begin()
        _recorders.add(self)

    def _begin(self) -> None:
        self._drainer = Drainer(self.store.path, self._rewritten)
        self._memory = threading.Lock()
        self._unwritten: deque[Event] = deque()
        self._starts: dict[UUID | None, tuple[float, Callable[[], AttemptEvent]]] = {}
        self._is_refused = self._is_full = False
        self.n_lost = 0
        """How many events were given up: no line can hold them, or memory was full while the disk refused."""
        self._commits = Commits(self._writer)

    @property
    def unwritten(self) -> int:
        """How many events wait in memory because the disk refused them."""
        return len(self._unwritten)

    def record(self, *events: Event) -> bool:
        """Write events down, all of them or none; return whether they are safe now.

        What could not be written is logged, kept in memory and tried again: never raises for the disk. An event
        that no line can hold is logged and left out; the others are written.
        """
        number = self._written(events)
        if number is None:
            return False
        try:
            if settings().durable:
                self._writer.sync(number)
        except StoreError as error:
            self._keep(events, error)
            return False
        return True

    async def arecord(self, *events: Event) -> bool:
        """Do what `record` does; the event loop waits for no disk that is slower than a thread (`commits`).

        One fsync serves all who wait for one, in whichever event loop. Cancelling it takes nothing back.
        """
        if self._unwritten:
            return await asyncio.to_thread(self.record, *events)
        number = self._written(events)
        if number is None:
            return False
        try:
            if settings().durable:
                await self._commits.wait(number)
        except StoreError as error:
            self._keep(events, error)
            return False
        return True

    def note(self, attempt_id: UUID, start: Callable[[], AttemptEvent]) -> None:
        """Take note of an attempt whose start is to be written down when it goes on for some seconds.

        So a short one costs no second line, and one that is still running when its process dies is reported.
        """
        if self._drainer.told(0):
            self._starts[attempt_id] = (time.monotonic(), start)
        else:
            self._written([start()])

    def flush(self, timeout: float = 10.0) -> bool:
        """Write what waits in memory and drain the spool into the store; return whether nothing waits any more.

        In a forked child, which does not drain, the spool is as far as it goes.
        """
        deadline = time.monotonic() + timeout
        if not self._rewritten():
            return False
        return self._drainer.flush(max(deadline - time.monotonic(), 0.1))

    def close(self) -> None:
        """Write what waits in memory, drain a last time and let go of the segment and the threads.

        What is recorded afterwards begins anew.
        """
        self._rewritten(is_last=True)
        self._drainer.close()
        self._commits.close()
        self._writer.close()

    def _written(self, events: Sequence[Event]) -> int | None:
        """Return the number up to which the spool is to be synced for these events; None when not all are written."""
        for event in events:
            if isinstance(event, ExecutionRecord | RoutingDecision):
                self._starts.pop(_attempt_of(event), None)
        try:
            if self._unwritten:
                self._rewrite()
            number = self._writer.write(events)
        except StoreError as error:
            sound = [event for event in events if self._fits_a_line(event)]
            if len(sound) == len(events):
                self._keep(events, error)
            elif sound:
                self._written(sound)
            return None
        self._drainer.told(len(events))
        return number

    def _fits_a_line(self, event: Event) -> bool:
        try:
            lines_of([event])
        except StoreError as error:
            self.n_lost += 1
            _log.error("one %s is lost for %s: %s", type(event).__name__, self.store.name, error)
            return False
        return True

    def _keep(self, events: Sequence[Event], error: StoreError) -> None:
        """Keep in memory what the disk refused, as far as there is room; say so once a spell."""
        with self._memory:
            if not self._is_refused:
                self._is_refused = True
                why = str(error).partition("; the record is not stored")[0]
                _log.warning("captured events are kept in memory until the disk takes them: %s", why)
            if len(self._unwritten) + len(events) <= MOST_IN_MEMORY:
                self._unwritten.extend(events)
            else:
                if not self._is_full:
                    self._is_full = True
                    _log.error("%s: memory is full, what is captured from now on is lost", self.store.name)
                self.n_lost += len(events)
        self._drainer.told(len(events))

    def _rewrite(self) -> None:
        """Write what waits in memory, oldest first: one to see whether the disk takes it, then many at once.

        Raises:
            StoreError: when the disk still refuses.
        """
        n = 1
        while True:
            with self._memory:
                if not self._unwritten:
                    break
                some = list(islice(self._unwritten, n))
                try:
                    self._writer.write(some)
                except StoreError:
                    sound = [event for event in some if self._fits_a_line(event)]
                    if len(sound) == len(some):
                        raise
                    self._forget(len(some))
                    self._unwritten.extendleft(reversed(sound))
                else:
                    self._forget(len(some))
                    self._drainer.told(len(some))
                    n = _AT_ONCE
        if self._is_refused:
            self._is_refused = self._is_full = False
            _log.warning("%s takes events again; %d are lost so far", self.store.name, self.n_lost)

    def _forget(self, n: int) -> None:
        for _ in range(n):
            self._unwritten.popleft()

    def _rewritten(self, is_last: bool = False) -> bool:
        """Write what waits in memory, and starts that are due; return whether nothing else waits there any more."""
        due = time.monotonic() - (0.0 if is_last else SOON)
        for attempt_id, (noted, start) in list(self._starts.items()):
            if noted <= due and self._starts.pop(attempt_id, None) is not None:
                self._written([start()])
        if self._starts:
            self._drainer.told(0)
        if self._unwritten:
            with suppress(StoreError):
                self._rewrite()
        return not self._unwritten


def _attempt_of(event: ExecutionRecord | RoutingDecision) -> UUID | None:
    """Return the attempt that an event ends, or that it begins by a decision: its start is no news then."""
    return event.record_key if isinstance(event, ExecutionRecord) else event.decision_id


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()
_shared: dict[Path, Recorder] = {}
_sharing = threading.Lock()


def recorder_for(learning_db: LearningDatabase | Store | str | Path) -> Recorder:
    """Return this process's one recorder of a store, given as a database, a store, a name or a path.

    Raises:
        StoreError: when a text is neither the name nor the path of a store.

    >>> recorder_for("live") is recorder_for(Store("live"))
    True
    """
    if isinstance(learning_db, LearningDatabase):
        learning_db = learning_db.store
    path = learning_db.path if isinstance(learning_db, Store) else store_path(learning_db)
    with _sharing:
        if path not in _shared:
            _shared[path] = Recorder(path)
        return _shared[path]


def _after_fork() -> None:
    global _sharing
    _sharing = threading.Lock()
    for recorder in list(_recorders):
        recorder._writer.leave_to_the_parent()
        recorder._begin()


def _at_exit() -> None:
    for recorder in list(_recorders):
        recorder.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
