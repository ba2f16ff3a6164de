"""One subscriber of the bus: what waits for it, and the task that hands it over, one message at a time."""

from __future__ import annotations

import asyncio
import heapq
import inspect
import queue
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar, copy_context
from itertools import islice
from time import perf_counter
from typing import Any

from learnlab.capture.messages.letters import DeadLetters
from learnlab.capture.messages.overflow import Backlog
from learnlab.errors import BusError
from learnlab.events import Message, MessageType

Callback = Callable[[Message], object] | Callable[[Message], Awaitable[object]]

TURN = 0.001
"""Seconds after which a subscriber with much to take lets the rest of the event loop have a turn."""

PATIENCE = 1.0
"""Seconds that a subscriber which is stopped has to leave its callback."""

inside: ContextVar[bool] = ContextVar("inside", default=False)
"""Whether this runs in a subscriber's callback, or in what one began."""


class Subscription:
    """What one subscriber wants and how far it is; `MessageBus.subscribe` makes it.

    Its task lives as long as something waits, so a bus that nobody closes leaves no task behind.
    """

    def __init__(
        self,
        name: str,
        types: frozenset[MessageType] | None,
        callback: Callback,
        *,
        limit: int,
        waits: bool,
        letters: DeadLetters,
    ) -> None:
        self.name = name
        self._types = types
        self._callback = callback
        self._on_loop = any(map(inspect.iscoroutinefunction, (callback, type(callback).__call__)))
        self._thread: _Thread | None = None
        self._context = copy_context()
        self._context.run(inside.set, True)
        self._limit, self._waits = limit, waits
        self._backlog = Backlog(room=2 * limit if waits else limit)
        self._letters = letters
        self._task: asyncio.Task[None] | None = None
        self._in_hand: bytes | None = None
        self._n_put = 0
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._open, self._stopped = True, False

    @property
    def waiting(self) -> int:
        """How many messages it has not taken yet, with the one it has in hand."""
        return len(self._backlog) + (self._in_hand is not None)

    @property
    def n_spilled(self) -> int:
        """How many messages ever went through a temporary file."""
        return self._backlog.n_spilled

    @property
    def is_crowded(self) -> bool:
        """Whether half of its queue is taken: time to let it have a turn."""
        return 2 * self.waiting >= self._limit

    def close(self) -> None:
        """Take nothing more; what was published before is still handed over."""
        self._open = False

    @property
    def is_over(self) -> bool:
        """Whether nothing waits and nothing more can come."""
        return not self._open and not self.waiting

    def wants(self, kind: MessageType) -> bool:
        """Return whether it takes messages of a type."""
        return self._open and (self._types is None or kind in self._types)

    def offer(self, line: bytes) -> int | None:
        """Queue a message; return what `taken` is to be awaited with, or None when there was room."""
        placed = self._backlog.put(line)
        self._n_put += 1
        self._run_on()
        over = self.waiting > self._limit and (self._waits or not placed)
        return self._n_put - self._limit if over else None

    async def taken(self, n: int | None = None) -> None:
        """Wait until it has taken `n` messages since it began, by default all that were published so far."""
        n = self._n_put if n is None else n
        self._run_on()
        while not self._stopped and self._n_put - self.waiting < n:
            future = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiters, (n, id(future), future))
            await future

    async def stop(self) -> None:
        """Take nothing more at once: what waits, and what is in hand, becomes dead letters."""
        self._open, self._stopped = False, True
        error = _cut_short()
        task = self._task
        if task and not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=PATIENCE)
            if self._in_hand:
                await self._letters.keep([self._in_hand], self.name, error)
        while lines := list(islice(iter(self._next, None), 500)):
            await self._letters.keep(lines, self.name, error)
        self._wake()

    def is_running_here(self) -> bool:
        """Return whether the running task is the one that hands messages over."""
        return self._task is not None and self._task is asyncio.current_task()

    def _run_on(self) -> None:
        if len(self._backlog) and (self._task is None or self._task.done()):
            self._task = asyncio.Task(
                self._run(),
                loop=asyncio.get_running_loop(),
                name=f"subscriber {self.name}",
                context=self._context,
            )

    def _next(self) -> bytes | None:
        while True:
            before = len(self._backlog)
            try:
                return self._backlog.take()
            except OSError as error:
                self._letters.keep_unreadable(before - len(self._backlog), self.name, error)
                self._wake()

    async def _run(self) -> None:
        since = perf_counter()
        try:
            while not self._stopped and (line := self._next()):
                self._in_hand = line
                try:
                    await self._hand_over(line)
                finally:
                    self._in_hand = None
                    self._wake()
                if perf_counter() - since > TURN:
                    await asyncio.sleep(0)
                    since = perf_counter()
        finally:
            if self._thread:
                self._thread.close()
                self._thread = None

    async def _hand_over(self, line: bytes) -> None:
        """Call the subscriber; whatever it raises stays here, but for what ends the task or the program."""
        try:
            message = Message.model_validate_json(line)
            if self._on_loop:
                result = self._callback(message)
            else:
                self._thread = self._thread or _Thread(self.name)
                result = await self._thread.call(self._callback, message)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            await self._letters.keep([line], self.name, error)
        except BaseException as error:
            task = asyncio.current_task()
            stopped = isinstance(error, asyncio.CancelledError) and task and task.cancelling()
            self._letters.keep_at_once([line], self.name, _cut_short() if stopped else error)
            if stopped or not isinstance(error, asyncio.CancelledError):
                raise

    def _wake(self) -> None:
        n_taken = self._n_put - self.waiting
        while self._waiters and (self._stopped or self._waiters[0][0] <= n_taken):
            future = heapq.heappop(self._waiters)[2]
            if not future.done() and not future.get_loop().is_closed():
                future.set_result(None)


def _cut_short() -> BusError:
    return BusError("the bus or its event loop ended before this was taken")


class _Thread:
    """A thread for a callback that may block, even for good: one call at a time, nobody waits for its end."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=f"subscriber {name}", daemon=True).start()

    async def call(self, function: Callable[[Message], object], message: Message) -> Any:
        loop, context = asyncio.get_running_loop(), copy_context()
        future: asyncio.Future[tuple[object, Exception | None]] = loop.create_future()

        def settle(outcome: tuple[object, Exception | None]) -> None:
            if not future.done():
                future.set_result(outcome)

        def work() -> None:
            outcome: tuple[object, Exception | None]
            try:
                outcome = context.run(function, message), None
            except Exception as error:
                outcome = None, error
            except BaseException as error:
                outcome = None, BusError(f"the callback ended its thread with {type(error).__name__}")
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, outcome)

        self._calls.put(work)
        result, error = await future
        if error:
            raise error
        return result

    def close(self) -> None:
        self._calls.put(None)

    def _run(self) -> None:
        while work := self._calls.get():
            work()
