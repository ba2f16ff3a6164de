"""The background drain: moves what a process captured from the spool into the store, so that nobody who captures waits.

It drains when a hundred events wait, or five seconds after the oldest of them; while it works the next ones
gather, so the batches grow with the load. After each turn it rests four times as long as it worked, so that it
takes little from the program, and readers pass; it waits only a second for its turn, then lets others go first.

The last drain, when the program ends, goes to its end: the interpreter ends a thread that is inside DuckDB then by
aborting the whole program.

A forked child does not drain: the threads of polars and DuckDB do not outlive a fork. What it captured waits
in the spool for whoever drains next.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from learnlab.capture.logs import log as _log
from learnlab.errors import LearnlabError, StoreBusyError
from learnlab.store import Store, spool

ENOUGH = 100
"""Events that are worth a drain at once."""

MANY = 10_000
"""Events that wait for a drain that does without its rest."""

OLDEST = 5.0
"""Seconds that an event waits for others to be drained with."""

_TURN = 1.0
"""Seconds that one drain waits for the store, and that it goes on once it has it."""

_LAST = 2.0
"""Seconds that the last drain, when the program ends, waits for the store, and that it goes on once it has it."""

_REST = 4.0
"""Seconds of rest for each second of work."""

_LONGEST_PAUSE = 30.0
"""Seconds between tries while something is wrong."""

_is_forked = False


def _after_fork() -> None:
    global _is_forked
    _is_forked = True


os.register_at_fork(after_in_child=_after_fork)


class Drainer:
    """Drains one store's spool from a daemon thread, which begins with the first event.

    `rewrite` is called before each drain: it writes what only memory holds, and returns whether it could.
    """

    def __init__(self, path: Path, rewrite: Callable[[], bool]) -> None:
        self._path = path
        self._rewrite = rewrite
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._n = 0
        self._since = math.inf
        self._is_made = False
        self._some, self._enough, self._closing = threading.Event(), threading.Event(), threading.Event()

    def told(self, n: int) -> bool:
        """Take note that n events wait; return whether somebody is going to look: not in a forked child."""
        if _is_forked:
            return False
        self._n += n
        if not self._some.is_set():
            self._since = time.monotonic()
            self._some.set()
            self._start()
        if self._n >= ENOUGH and not self._enough.is_set():
            self._enough.set()
        return True

    def flush(self, seconds: float) -> bool:
        """Drain what waits now in the caller's own thread; return whether all of it is in the store.

        A forked child leaves it in the spool, and returns True.
        """
        if _is_forked:
            return True
        segments = spool.waiting(self._path)
        return self._drained(seconds) == 0 and not spool.undrained(segments)

    def close(self) -> None:
        """Drain a last time, begin no batch after two seconds, and let the thread go; what stays is safe in the spool."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None or _is_forked:
            return
        for event in (self._closing, self._some, self._enough):
            event.set()
        thread.join()
        for event in (self._closing, self._some, self._enough):
            event.clear()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="learnlab-drain", daemon=True)
                # A program that is ending starts no more threads: the spool keeps it.
                with suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def _run(self) -> None:
        pause = 0.0
        while not self._closing.is_set():
            self._some.wait()
            self._enough.wait(max(0.0, self._since + OLDEST - time.monotonic()))
            if self._closing.wait(pause if self._n < MANY else 0.0):
                break
            self._some.clear()
            self._enough.clear()
            self._n = 0
            began = time.monotonic()
            pause = self._drained(_TURN, pause)
            took = time.monotonic() - began
            if pause or took >= _TURN:
                self._some.set()
                self._enough.set()
            pause = pause or _REST * took
        self._drained(_LAST)

    def _drained(self, seconds: float, paused: float = 0.0) -> float:
        """Drain once; return 0, or how many seconds to pause for what stood in the way. Never raises."""
        try:
            is_written = self._rewrite()
            self._drain(seconds)
            if is_written:
                return 0.0
        except StoreBusyError as error:
            _log.debug("not drained yet: %s", error)
            return _TURN
        except LearnlabError as error:
            _log.warning("not drained, it waits in the spool: %s", error)
        except Exception:
            _log.exception("not drained, it waits in the spool")
        return min(max(2 * paused, _TURN), _LONGEST_PAUSE)

    def _drain(self, seconds: float) -> None:
        if not spool.waiting(self._path):
            return
        store = Store(self._path, timeout=seconds)
        if self._is_made and not store.path.exists():
            _log.warning("%s is gone: a new store takes what was captured since", store.name)
            self._is_made = False
        if not self._is_made:
            store.ensure()
            self._is_made = True
        store.drain(seconds)
