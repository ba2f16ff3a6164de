"""The message bus: whoever publishes hands a message to each subscriber's own queue, and none is ever dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from learnlab.capture.messages.letters import DeadLetters
from learnlab.capture.messages.subscriber import Callback, Subscription, inside
from learnlab.database import LearningDatabase
from learnlab.errors import BusError
from learnlab.events import DeadLetter, Message, MessageType
from learnlab.lenient import plain, storable
from learnlab.store import Store

WhenFull = Literal["spill", "wait"]


class MessageBus:
    """A typed, bounded, in-process bus for asyncio; a message reaches whoever subscribed before it was published.

    Each subscriber has a queue of `limit` messages and a task of its own: it gets them in the order they were
    published, each as its own copy, and one that raises, blocks or is slow reaches nobody else. What it could
    not take becomes a dead letter: the last thousand in `dead_letters`, every one in the table `dead_letters`
    of `learning_db`, if there is one.

    What happens when a queue is full is `when_full`. By default, `spill`, the message goes through a temporary
    file of that subscriber and is handed over in its turn: no slow subscriber holds up who publishes, which
    for telemetry is the work itself. With `wait`, publishing waits until there is room. A file that cannot be
    written falls back to waiting. Either way a message is in every queue as soon as `publish` runs, before it
    waits for anything: who is cancelled while waiting has published to everyone. A subscriber that publishes
    never waits, as it could be waiting for itself. With `wait`, what many publishers at once, cancelled ones
    and subscribers publish beyond the limit stays in memory up to as many again, then goes through a file too.

    An `async def` callback runs in the event loop, any other callable in a thread of its own, where it may
    block. A bus belongs to the event loop that first published on it; any other gets a clear error and can
    use `asyncio.run_coroutine_threadsafe(bus.publish(message), loop)`.

    Raises:
        BusError: for a limit below 1 or a `when_full` that is neither.
        StoreError: when `learning_db` is no store.

    >>> async def main():
    ...     async with MessageBus() as bus:
    ...         bus.subscribe("task_completed", lambda message: print(message.payload["task_id"]))
    ...         await bus.publish({"type": "TASK_COMPLETED", "source_pool_id": "local",
    ...                            "payload": {"task_id": "task-abc-123", "success": True}})
    >>> asyncio.run(main())
    task-abc-123
    """

    def __init__(
        self,
        limit: int = 1000,
        when_full: WhenFull = "spill",
        learning_db: LearningDatabase | Store | str | Path | None = None,
    ) -> None:
        if not isinstance(limit, int) or limit < 1:
            raise BusError(f"a queue holds at least one message: limit={str(limit)[:50]}")
        if when_full not in get_args(WhenFull):
            raise BusError(f"a full queue can 'spill' or 'wait', not {str(when_full)[:50]!r}")
        self._limit, self._waits = limit, when_full == "wait"
        self._letters = DeadLetters(learning_db)
        self._subscriptions: list[Subscription] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = self._closed = False

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """The last thousand messages that a subscriber could not take, oldest first."""
        return list(self._letters.last)

    @property
    def n_dead_letters(self) -> int:
        """How many messages subscribers could not take so far."""
        return self._letters.n

    def waiting(self) -> dict[str, int]:
        """Return how many messages wait for each subscriber, with the one it has in hand."""
        return {one.name: one.waiting for one in self._subscriptions if not one.is_over}

    def subscribe(
        self,
        message_type: MessageType | str | Iterable[MessageType | str] | None,
        callback: Callback,
        *,
        name: str | None = None,
    ) -> Subscription:
        """Hand every message of a type, of several types, or of all (None) to a callback, until it is closed.

        The name, by default the callback's, is what logs, counts and dead letters call the subscriber.

        Raises:
            BusError: when the type is unknown, the callback cannot be called, or the bus is closed.
        """
        self._check_open()
        if not callable(callback):
            raise BusError(f"a subscriber is a function of one message, not a {type(callback).__name__}")
        wanted = [message_type] if isinstance(message_type, str) else message_type
        types = None if wanted is None else frozenset(map(_type_of, wanted))
        self._subscriptions = [one for one in self._subscriptions if not one.is_over]
        subscription = Subscription(
            self._free_name(name or str(getattr(callback, "__qualname__", type(callback).__name__))),
            types,
            callback,
            limit=self._limit,
            waits=self._waits,
            letters=self._letters,
        )
        self._subscriptions.append(subscription)
        return subscription

    async def publish(self, message: Message | Mapping[str, Any]) -> None:
        """Hand a message to everyone who subscribed to its type; returns once it is in their queues.

        A dict has the documents' keys: `type`, `source_pool_id`, `target_pool_id`, `payload`. The payload
        becomes plain JSON, so that what is no JSON reaches everyone as a short text.

        Raises:
            BusError: for a type that is not in the vocabulary, what is no message, a bus that is closed, and
                an event loop that is not the bus's.
        """
        self._check_open()
        self._settle_here()
        kind, line = _line(message)
        wanting = [one for one in self._subscriptions if one.wants(kind)]
        full = [(one, n) for one in wanting if (n := one.offer(line)) is not None]
        if any(one.is_crowded for one in wanting):
            await asyncio.sleep(0)
        if not inside.get():
            for one, n in full:
                await one.taken(n)

    async def drain(self) -> None:
        """Wait until every subscriber has taken, or failed to take, everything published so far.

        Raises:
            BusError: in a subscriber's callback, which would wait for itself; and as `publish` for the loop.
        """
        self._settle_here()
        self._check_outside()
        await asyncio.gather(*(one.taken() for one in self._subscriptions))

    async def close(self, timeout: float = 10.0) -> None:
        """Hand over what is queued, then stop; what is not taken within `timeout` seconds is a dead letter.

        Publishing is an error from now on, except for subscribers that still take what was queued. Closing
        again does nothing.

        Raises:
            BusError: in a subscriber's callback, which would wait for itself; and as `publish` for the loop.
        """
        self._settle_here()
        self._check_outside()
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while any(one.waiting for one in self._subscriptions):
                    await self.drain()
        self._closed = True
        await asyncio.gather(*(one.stop() for one in self._subscriptions))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _free_name(self, name: str) -> str:
        wanted = storable(name)[:200]
        taken = {one.name for one in self._subscriptions}
        names = (wanted if n == 1 else f"{wanted} {n}" for n in count(1))
        return next(name for name in names if name not in taken)

    def _check_open(self) -> None:
        if self._closed or (self._closing and not inside.get()):
            raise BusError("the bus is closed: it takes no more messages and no more subscribers")

    def _check_outside(self) -> None:
        if any(one.is_running_here() for one in self._subscriptions):
            raise BusError("a subscriber cannot wait for the bus: it would wait for itself")

    def _settle_here(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop and not self._loop.is_closed():
                raise BusError(
                    "the bus belongs to another event loop: use asyncio.run_coroutine_threadsafe(…, loop) with it"
                )
            self._loop = loop


def _type_of(spelt: object) -> MessageType:
    """Return the type that a spelling means.

    Raises:
        BusError: when it means none.
    """
    if isinstance(spelt, str):
        with suppress(ValueError):
            return _type_spelt(spelt)
    raise BusError(f"{plain(spelt)!r:.100} is no type of message; there are {', '.join(MessageType)}")


_type_spelt = lru_cache(maxsize=100)(MessageType)
"""The type that a spelling means, found in a fifth of the time from the second time on."""


def _line(message: Message | Mapping[str, Any]) -> tuple[MessageType, bytes]:
    """Return the type of a message, and the whole of it as a line of JSON: what queues hold, and files.

    Raises:
        BusError: when it is no message.
    """
    if not isinstance(message, Message | Mapping):
        raise BusError(f"a {type(message).__name__} is no message: publish a Message or a dict with a type")
    try:
        said = dict(message)
        said["type"] = kind = _type_of(said.get("type"))
        said["payload"] = _payload(said.get("payload"))
        for name in ("source_pool_id", "target_pool_id"):
            if (pool := said.get(name)) is not None:
                said[name] = storable(pool if isinstance(pool, str) else str(plain(pool)))
        return kind, Message(**said).model_dump_json().encode()
    except BusError:
        raise
    except ValidationError as error:
        wrong = "; ".join(f"{one['loc'][0]!r:.100}: {one['msg']:.200}" for one in error.errors())
        raise BusError(f"this is no message: {storable(wrong)}") from error
    except Exception as error:
        raise BusError(f"this is no message: reading it raised {type(error).__name__}") from error


def _payload(given: object) -> dict[str, Any]:
    """Return a payload as plain JSON; what is nested too deep for anyone to read back becomes a text.

    Raises:
        BusError: when it is no dict.
    """
    payload = {} if given is None else plain(given)
    if not isinstance(payload, dict):
        raise BusError(f"a payload is a dict, not a {type(given).__name__}")
    try:
        from_json(to_json({"payload": payload}))
    except ValueError:
        return {"payload": str(payload)}
    return payload
