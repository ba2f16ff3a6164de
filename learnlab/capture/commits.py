"""One fsync for all coroutines that wait for one, in whichever event loop; a thread waits for the disk, no loop does."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from learnlab.store.spool import SpoolWriter


class Commits:
    """The fsyncs of one spool, one after the other in a thread; each covers what was written before it began."""

    def __init__(self, writer: SpoolWriter) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._next: Future[None] | None = None
        self._last = 0
        self._thread: ThreadPoolExecutor | None = None

    async def wait(self, number: int) -> None:
        """Wait until the spool is on the disk up to a number; cancelling it stops no fsync.

        Raises:
            StoreError: when the disk refuses.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()

        def release() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def tell(_: Future[None]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(release)

        try:
            commit = self._covering(number)
        except RuntimeError:  # the program is ending: no thread takes it
            self._writer.sync(number)
            return
        commit.add_done_callback(tell)
        await waiter
        commit.result()

    def close(self) -> None:
        """Finish what is waited for and let the thread go; another one begins when somebody waits again."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown()

    def _covering(self, number: int) -> Future[None]:
        """Return the fsync that has not begun yet and will cover a number."""
        with self._lock:
            self._last = max(self._last, number)
            if self._next is None:
                if self._thread is None:
                    self._thread = ThreadPoolExecutor(1, thread_name_prefix="learnlab-sync")
                self._next = self._thread.submit(self._commit)
            return self._next

    def _commit(self) -> None:
        with self._lock:
            self._next, number = None, self._last
        self._writer.sync(number)
