"""One fsync for all coroutines that wait for one, in whichever event loop; a thread waits for the disk.

Handing an fsync to a thread and back costs about as long as a quick disk takes for it. So a coroutine that is
the only one to wait does it itself while the disk is quick; once one took longer, the thread does them again.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from contextlib import suppress
from queue import SimpleQueue

from learnlab.errors import StoreError
from learnlab.store.spool import SpoolWriter

QUICK = 0.0005
"""Seconds that the last fsync took at most when a lone coroutine does the next one itself."""

_NOTHING = 0.00002
"""Seconds within which there was nothing to sync any more: that says nothing about the disk."""

_Waiter = asyncio.Future[StoreError | None]


class Commits:
    """The fsyncs of one spool, one after the other in a thread; each covers what was written before it began."""

    def __init__(self, writer: SpoolWriter) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._waiting: dict[asyncio.AbstractEventLoop, list[_Waiter]] = {}
        self._last = 0
        self._n_asking = 0
        self._took = math.inf
        self._due: SimpleQueue[bool] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def wait(self, number: int) -> None:
        """Wait until the spool is on the disk up to a number; cancelling it stops no fsync.

        Raises:
            StoreError: when the disk refuses.
        """
        loop = asyncio.get_running_loop()
        waiter: _Waiter = loop.create_future()
        if self._took <= QUICK and await self._is_alone():
            self._sync(number)
            return
        with self._lock:
            is_first = not self._waiting
            self._waiting.setdefault(loop, []).append(waiter)
            self._last = max(self._last, number)
            has_thread = self._thread is not None or self._start()
            if has_thread and is_first:
                self._due.put(True)
        if not has_thread:  # the program is ending
            self._commit()
        error = await waiter
        if error is not None:
            raise error

    async def _is_alone(self) -> bool:
        """Return whether nobody else waits, once all who are ready have written what they have."""
        with self._lock:
            self._n_asking += 1
        try:
            await asyncio.sleep(0)
            return self._n_asking == 1 and not self._waiting
        finally:
            with self._lock:
                self._n_asking -= 1

    def _sync(self, number: int) -> None:
        began = time.perf_counter()
        self._writer.sync(number)
        took = time.perf_counter() - began
        if took > _NOTHING:
            self._took = took

    def close(self) -> None:
        """Finish what is waited for and let the thread go; another one begins when somebody waits again."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._due.put(False)
        if thread is not None:
            thread.join()

    def _start(self) -> bool:
        # Of this thread alone: one that is ending takes no other's turn.
        due: SimpleQueue[bool] = SimpleQueue()
        thread = threading.Thread(target=self._run, args=(due,), name="learnlab-sync", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread, self._due = thread, due
        return True

    def _run(self, due: SimpleQueue[bool]) -> None:
        while due.get():
            self._commit()

    def _commit(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            number = self._last
        error = None
        try:
            self._sync(number)
        except StoreError as refused:
            error = refused
        except Exception as other:
            error = StoreError(f"the spool may not be on the disk: {other}")
        for loop, waiters in waiting.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_release, waiters, error)


def _release(waiters: list[_Waiter], error: StoreError | None) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(error)
