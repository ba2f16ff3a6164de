from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.capture.messages import overflow, subscriber
from learnlab.capture.messages.bus import MessageBus
from learnlab.capture.messages.overflow import Backlog
from learnlab.capture.recorder import Recorder, recorder_for
from learnlab.errors import BusError
from learnlab.events import Message, MessageType


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; a bus that hangs fails it."""
    asyncio.run(asyncio.wait_for(work, 20))


def beat(n: int) -> dict[str, Any]:
    return {"type": "HEARTBEAT", "payload": {"n": n}}


class Taker:
    """A subscriber that keeps what it gets, once its gate is open, and begins each message with a pause."""

    def __init__(self, is_open: bool = True, pauses: list[int] | None = None) -> None:
        self.gate = asyncio.Event()
        if is_open:
            self.gate.set()
        self.pauses = pauses or [0]
        self.got: list[Message] = []

    @property
    def ns(self) -> list[Any]:
        return [message.payload["n"] for message in self.got]

    async def __call__(self, message: Message) -> None:
        await self.gate.wait()
        for _ in range(self.pauses[len(self.got) % len(self.pauses)]):
            await asyncio.sleep(0)
        self.got.append(message)


# What is a message, and who gets it


def test_the_documents_dict_and_a_message_arrive_alike():
    async def work():
        async with MessageBus() as bus:
            taker = Taker()
            bus.subscribe(MessageType.TASK_COMPLETED, taker)
            payload = {"task_id": "task-abc-123", "success": True, "quality_score": None}
            said = {
                "type": "TASK_COMPLETED",
                "source_pool_id": "a",
                "target_pool_id": None,
                "payload": payload,
            }
            await bus.publish(said)
            message = Message(type="task-completed", source_pool_id="a", payload=payload)
            await bus.publish(message)
            await bus.drain()
        first, second = taker.got
        assert second == message
        assert (
            first.model_copy(update={"message_id": second.message_id, "timestamp": second.timestamp})
            == second
        )

    run(work())


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Hostile(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("no value")

    def __iter__(self) -> Iterator[str]:
        return iter(["type"])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (
            {"type": "TASK_COMPLETE", "payload": {}},
            "'TASK_COMPLETE' is no type of message; there are task_delegate",
        ),
        ({"type": "task_completed\x00"}, "is no type"),
        ({"type": "{0.__class__}" * 100}, "is no type"),
        ({"type": ["heartbeat"]}, "is no type"),
        ({"type": Unshowable()}, "is no type"),
        ({"payload": {}}, "None is no type"),
        ({}, "None is no type"),
        ({"type": "heartbeat", "payload": [1]}, "a payload is a dict, not a list"),
        ({"type": "heartbeat", "payload": "n=1"}, "a payload is a dict, not a str"),
        ({"type": "heartbeat", "priority": 1}, "'priority': Extra inputs"),
        ({"type": "heartbeat", "message_id": ["m-1"]}, "'message_id'"),
        ({"type": "heartbeat", "timestamp": "1970-01-01T00:00:00Z"}, "no plausible time"),
        ({"type": "heartbeat", 5: 1}, "reading it raised TypeError"),
        (Hostile(), "reading it raised RuntimeError"),
        ("TASK_COMPLETED", "a str is no message"),
        (None, "a NoneType is no message"),
        (Unshowable(), "a Unshowable is no message"),
        (Message.model_construct(type="nonsense", payload={}), "'nonsense' is no type"),
    ],
)
def test_what_is_no_message_is_an_error_to_the_publisher_and_reaches_nobody(message, says):
    async def work():
        async with MessageBus() as bus:
            taker = Taker()
            bus.subscribe(None, taker)
            with pytest.raises(BusError) as error:
                await bus.publish(message)
            assert says in str(error.value)
            assert len(str(error.value)) < 800
        assert (taker.got, bus.n_dead_letters) == ([], 0)

    run(work())


def test_a_subscriber_gets_the_types_it_asked_for():
    async def work():
        async with MessageBus() as bus:
            one, several, everything = Taker(), Taker(), Taker()
            bus.subscribe("HEARTBEAT", one)
            bus.subscribe(["heartbeat", MessageType.POOL_CLOSED], several)
            bus.subscribe(None, everything)
            for kind in MessageType:
                await bus.publish({"type": kind})
        assert [m.type for m in one.got] == ["heartbeat"]
        assert [m.type for m in several.got] == ["heartbeat", "pool_closed"]
        assert [m.type for m in everything.got] == list(MessageType)

    run(work())


@pytest.mark.parametrize(("kind", "callback"), [("beat", print), (["heartbeat", 5], print), (None, "print")])
def test_a_subscription_that_makes_no_sense_is_an_error(kind, callback):
    with pytest.raises(BusError):
        MessageBus().subscribe(kind, callback)


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": "10"}, {"when_full": "drop"}])
def test_a_bus_that_makes_no_sense_is_an_error(options):
    with pytest.raises(BusError):
        MessageBus(**options)


def circular() -> dict[str, Any]:
    payload: dict[str, Any] = {"n": 1}
    payload["self"] = payload
    return payload


def nested(depth: int) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    for _ in range(depth):
        payload = {"deeper": payload}
    return payload


@pytest.mark.parametrize(
    "payload",
    [
        {"n": 1, "text": "a\x00b\ud800\n\u2028"},
        {"n": 1, "of": {"text": "\udcff", "n": 2}},
        {"n": 1, "int": 10**5000, "big": 2**200, "small": -(2**63) - 1},
        {"n": 1, "float": float("nan"), "list": [float("inf")]},
        {"n": 1, "object": Unshowable(), 5: {1, 2}, "bytes": b"\xff", "error": ValueError("no")},
        {"n": 1, Unshowable(): 1},
        circular(),
        nested(199),
        nested(230),
        nested(5000),
        {"n": 1, "long": "x" * 1_000_000},
    ],
    ids=lambda payload: ",".join(str(key)[:10] for key in payload if isinstance(key, str)),
)
def test_a_hostile_payload_arrives_as_plain_json_from_memory_and_from_a_file_alike(payload):
    async def work():
        async with MessageBus(limit=1) as bus:
            fast, slow = Taker(), Taker(is_open=False)
            bus.subscribe(None, fast)
            spilled = bus.subscribe(None, slow)
            for _ in range(4):
                await bus.publish({"type": "heartbeat", "payload": payload, "source_pool_id": "\x00\ud800"})
            assert spilled.n_spilled >= 2
            slow.gate.set()
        assert len(fast.got) == 4
        assert slow.got == fast.got
        for message in slow.got:
            assert message.payload == slow.got[0].payload == json.loads(json.dumps(message.payload))
            assert "\x00" not in message.model_dump_json().replace("\\u0000", "\x00")
        if "n" in payload:
            assert slow.got[0].payload["n"] == 1
        assert bus.n_dead_letters == 0

    run(work())


def test_each_subscriber_has_its_own_copy():
    async def work():
        payload = {"n": 1, "list": [1]}

        async def vandal(message):
            message.payload["list"].append("broken")
            message.payload.clear()
            raise ValueError("no")

        async with MessageBus() as bus:
            bus.subscribe(None, vandal)
            taker = Taker()
            bus.subscribe(None, taker)
            await bus.publish({"type": "heartbeat", "payload": payload})
            payload["list"].append("later")
        assert taker.got[0].payload == bus.dead_letters[0].payload == {"n": 1, "list": [1]}

    run(work())


# Subscribers that raise, block or are slow


def test_one_that_raises_reaches_nobody_else_and_its_messages_are_kept_in_the_store(store):
    async def work():
        async with MessageBus(learning_db=store) as bus:

            async def odd(message):
                if message.payload["n"] % 2:
                    raise ValueError("odd: \x00 \ud800" + "x" * 2000)

            taker = Taker()
            bus.subscribe(None, odd, name="odd")
            bus.subscribe(None, taker)
            for n in range(10):
                await bus.publish(beat(n))
        assert taker.ns == list(range(10))
        assert [letter.payload["n"] for letter in bus.dead_letters] == [1, 3, 5, 7, 9]
        assert bus.dead_letters[0].error.startswith("ValueError: odd: ")

    run(work())
    recorder_for(store).close()
    rows = store.sql(
        "select message_type, subscriber, error, payload from dead_letters order by timestamp"
    ).rows()
    assert [json.loads(row[3])["n"] for row in rows] == [1, 3, 5, 7, 9]
    assert {row[:2] for row in rows} == {("heartbeat", "odd")}
    assert rows[0][2].startswith("ValueError: odd: ")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), TimeoutError(), StopAsyncIteration(), Unprintable(), MemoryError()]
)
def test_whatever_an_async_subscriber_raises_it_gets_the_next_message(error):
    async def work():
        got = []

        async def raises_once(message):
            got.append(message.payload["n"])
            if len(got) == 1:
                raise error

        async with MessageBus() as bus:
            bus.subscribe(None, raises_once)
            await bus.publish(beat(1))
            await bus.publish(beat(2))
        assert got == [1, 2]
        assert [letter.payload for letter in bus.dead_letters] == [{"n": 1}]
        assert bus.dead_letters[0].error.startswith(type(error).__name__)

    run(work())


@pytest.mark.parametrize("error", [ValueError("no"), StopIteration(), SystemExit(3), KeyboardInterrupt()])
def test_whatever_a_sync_subscriber_raises_it_gets_the_next_message(error):
    async def work():
        got = []

        def raises_once(message):
            got.append(message.payload["n"])
            if len(got) == 1:
                raise error

        async with MessageBus() as bus:
            bus.subscribe(None, raises_once)
            await bus.publish(beat(1))
            await bus.publish(beat(2))
        assert got == [1, 2]
        assert type(error).__name__ in bus.dead_letters[0].error

    run(work())


def test_those_that_never_end_hold_up_nobody_and_what_they_leave_is_kept():
    async def work():
        bus, ended, taker = MessageBus(limit=5), threading.Event(), Taker()
        sync_got = []
        bus.subscribe(None, lambda message: ended.wait(), name="blocked thread")
        bus.subscribe(None, Taker(is_open=False), name="never")
        bus.subscribe(None, taker, name="sound")
        bus.subscribe(None, lambda message: sync_got.append(message.payload["n"]), name="sound thread")
        try:
            for n in range(50):
                await bus.publish(beat(n))
            while bus.waiting()["sound"] or bus.waiting()["sound thread"]:
                await asyncio.sleep(0.001)
            assert bus.waiting() == {"blocked thread": 50, "never": 50, "sound": 0, "sound thread": 0}
            await bus.close(timeout=0.01)
        finally:
            ended.set()
        assert taker.ns == sync_got == list(range(50))
        assert bus.waiting() == {}
        for name in ("blocked thread", "never"):
            kept = [letter.payload["n"] for letter in bus.dead_letters if letter.subscriber == name]
            assert kept == list(range(50))
        assert all("ended before this was taken" in letter.error for letter in bus.dead_letters)

    run(work())


def test_one_that_will_not_be_cancelled_does_not_hold_up_closing(monkeypatch):
    monkeypatch.setattr(subscriber, "PATIENCE", 0.01)

    async def work():
        release, got = asyncio.Event(), []

        async def stubborn(message):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await release.wait()
            got.append(message.payload["n"])

        bus = MessageBus()
        bus.subscribe(None, stubborn)
        for n in range(3):
            await bus.publish(beat(n))
        await asyncio.sleep(0)
        await bus.close(timeout=0)
        assert sorted(letter.payload["n"] for letter in bus.dead_letters) == [0, 1, 2]
        release.set()
        await bus.drain()
        for _ in range(3):
            await asyncio.sleep(0)
        assert got == [0]

    run(work())


def test_the_last_thousand_dead_letters_stay_in_memory_and_all_are_counted():
    async def work():
        async def never(message):
            raise ValueError("no")

        async with MessageBus() as bus:
            bus.subscribe(None, never)
            for n in range(1005):
                await bus.publish(beat(n))
        assert (len(bus.dead_letters), bus.n_dead_letters) == (1000, 1005)
        assert bus.dead_letters[-1].payload == {"n": 1004}

    run(work())


def test_a_store_that_cannot_be_written_changes_nothing_for_the_bus(tmp_path):
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "store.duckdb"

    async def work():
        async def never(message):
            raise ValueError("no")

        async with MessageBus(learning_db=path) as bus:
            taker = Taker()
            bus.subscribe(None, never)
            bus.subscribe(None, taker)
            await bus.publish(beat(1))
        assert (taker.ns, bus.n_dead_letters) == ([1], 1)

    run(work())


def test_a_recorder_that_breaks_stays_without_effect_on_subscribers(store, monkeypatch):
    async def breaks(self, *events):
        raise RuntimeError("broken")

    monkeypatch.setattr(Recorder, "arecord", breaks)

    async def work():
        got = []

        async def odd(message):
            got.append(message.payload["n"])
            raise ValueError("no")

        async with MessageBus(learning_db=store) as bus:
            bus.subscribe(None, odd)
            await bus.publish(beat(1))
            await bus.publish(beat(2))
        assert (got, bus.n_dead_letters) == ([1, 2], 2)

    run(work())


# Full queues


@pytest.mark.parametrize("when_full", ["spill", "wait"])
def test_five_thousand_go_in_order_through_a_queue_of_ten(when_full):
    async def work():
        async with MessageBus(limit=10, when_full=when_full) as bus:
            taker = Taker(is_open=when_full == "wait", pauses=[0, 0, 0, 5])
            subscription = bus.subscribe(None, taker)
            for n in range(5000):
                await bus.publish(beat(n))
                assert when_full == "spill" or subscription.waiting <= 10
            assert subscription.n_spilled == (4989 if when_full == "spill" else 0)
            taker.gate.set()
            await bus.drain()
            assert taker.ns == list(range(5000))
            assert bus.waiting() == {"Taker": 0}
        assert bus.n_dead_letters == 0

    run(work())


def disk_full(descriptor: int, data: memoryview, at: int) -> int:
    raise OSError(28, "No space left on device")


def spilled_files(folder: Path) -> int:
    """How many files without a name this process holds open in a folder."""
    links = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/self/fd/{name}"))
    return sum(link.startswith(str(folder)) and link.endswith("(deleted)") for link in links)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at open files the Linux way")
def test_a_publisher_does_not_wait_for_a_blocked_subscriber_the_messages_go_through_files(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(overflow, "_LARGEST", 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def work():
        async with MessageBus(limit=10) as bus:
            taker = Taker(is_open=False)
            subscription = bus.subscribe(None, taker)
            for n in range(100):
                await bus.publish(beat(n))
            assert (subscription.waiting, subscription.n_spilled) == (100, 89)
            assert spilled_files(tmp_path) > 5
            assert list(tmp_path.iterdir()) == []
            taker.gate.set()
            await bus.drain()
            assert taker.ns == list(range(100))
            assert spilled_files(tmp_path) == 0
            await bus.publish(beat(100))
        assert subscription.n_spilled == 89

    run(work())


@pytest.mark.parametrize("n_good", [0, 3])
def test_a_file_that_cannot_be_written_makes_the_publisher_wait(monkeypatch, n_good):
    pwrite, written = os.pwrite, []

    def full(descriptor: int, data: memoryview, at: int) -> int:
        if len(written) < n_good:
            written.append(at)
            return pwrite(descriptor, data, at)
        if len(data) > 7:
            return pwrite(descriptor, data[:7], at)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)

    async def work():
        async with MessageBus(limit=2) as bus:
            taker = Taker(is_open=False)
            subscription = bus.subscribe(None, taker)
            for n in range(3 + n_good):
                await bus.publish(beat(n))
            late = [asyncio.ensure_future(bus.publish(beat(3 + n_good + n))) for n in range(5)]
            await asyncio.sleep(0.01)
            assert [task.done() for task in late] == [False] * 5
            assert subscription.n_spilled == n_good
            taker.gate.set()
            await asyncio.gather(*late)
            await bus.drain()
            assert taker.ns == list(range(8 + n_good))

    run(work())


def test_no_folder_for_files_makes_the_publisher_wait(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))

    async def work():
        async with MessageBus(limit=1) as bus:
            taker = Taker(is_open=False)
            bus.subscribe(None, taker)
            tasks = [asyncio.ensure_future(bus.publish(beat(n))) for n in range(4)]
            await asyncio.sleep(0.01)
            assert not tasks[-1].done()
            taker.gate.set()
            await asyncio.gather(*tasks)
        assert taker.ns == [0, 1, 2, 3]

    run(work())


def test_a_file_that_cannot_be_read_back_is_reported_and_the_rest_goes_on():
    async def work():
        async with MessageBus(limit=2) as bus:
            taker = Taker(is_open=False)
            subscription = bus.subscribe(None, taker)
            for n in range(10):
                await bus.publish(beat(n))
            os.ftruncate(subscription._backlog._files[0]._file.fileno(), 0)
            taker.gate.set()
            await bus.drain()
            await bus.publish(beat(10))
        (letter,) = bus.dead_letters
        assert len(taker.ns) + letter.payload["n_messages"] == 11
        assert bus.n_dead_letters == letter.payload["n_messages"] == 7
        assert taker.ns == [0, 1, 2, 10]
        assert letter.error.startswith("OSError")

    run(work())


def test_backlogs_keep_order_through_memory_files_and_memory_again(monkeypatch):
    backlog = Backlog(room=3)
    assert [backlog.put(b"%d" % n) for n in range(6)] == [True] * 6
    monkeypatch.setattr(os, "pwrite", disk_full)
    assert [backlog.put(b"%d" % n) for n in (6, 7)] == [False] * 2
    monkeypatch.undo()
    assert backlog.put(b"8") is False
    assert [backlog.take() for _ in range(9)] == [b"%d" % n for n in range(9)]
    assert backlog.take() is None
    assert (len(backlog), backlog.put(b"9"), backlog.take()) == (0, True, b"9")


def test_who_waits_goes_on_as_soon_as_its_own_message_has_room():
    async def work():
        async with MessageBus(limit=2, when_full="wait") as bus:
            taker = Taker(is_open=False)
            subscription = bus.subscribe(None, taker)
            tasks = [asyncio.ensure_future(bus.publish(beat(n))) for n in range(50)]
            for _ in range(5):
                await asyncio.sleep(0)
            assert sum(task.done() for task in tasks) == 2
            assert subscription.n_spilled == 50 - 4
            taker.gate.set()
            await asyncio.gather(*tasks)
            await bus.drain()
            assert taker.ns == list(range(50))

    run(work())


def test_who_is_cancelled_while_waiting_has_published_to_everyone():
    async def work():
        async with MessageBus(limit=1, when_full="wait") as bus:
            slow, fast = Taker(is_open=False), Taker()
            bus.subscribe(None, slow)
            bus.subscribe(None, fast)
            await bus.publish(beat(0))
            for n in range(1, 20):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(bus.publish(beat(n)), 0.001)
            slow.gate.set()
            await bus.publish(beat(20))
        assert slow.ns == fast.ns == list(range(21))

    run(work())


@settings(max_examples=25)
@given(
    limit=st.integers(1, 6),
    when_full=st.sampled_from(["spill", "wait"]),
    speeds=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=1, max_size=3),
    publishers=st.lists(st.lists(st.integers(0, 2), max_size=15), min_size=1, max_size=3),
)
def test_every_message_reaches_every_subscriber_once_and_in_order(limit, when_full, speeds, publishers):
    async def publish(bus, who, pauses):
        for n, pause in enumerate(pauses):
            for _ in range(pause):
                await asyncio.sleep(0)
            await bus.publish(beat([who, n]))

    async def work():
        takers = [Taker(pauses=pauses) for pauses in speeds]
        async with MessageBus(limit, when_full) as bus:
            for taker in takers:
                bus.subscribe("heartbeat", taker)
            await asyncio.gather(*(publish(bus, who, pauses) for who, pauses in enumerate(publishers)))
        for taker in takers:
            assert taker.ns == takers[0].ns
            for who, pauses in enumerate(publishers):
                assert [n for name, n in taker.ns if name == who] == list(range(len(pauses)))
        assert bus.n_dead_letters == 0

    run(work())


# Subscribers that publish, and the bus's beginning and end


@pytest.mark.parametrize("when_full", ["spill", "wait"])
def test_subscribers_that_publish_to_themselves_and_to_each_other_do_not_wait_for_ever(when_full):
    async def work():
        async with MessageBus(limit=1, when_full=when_full) as bus:
            seen = {"ping": [], "pong": []}

            async def ping(message):
                seen["ping"].append(message.payload["n"])
                if message.payload["n"] < 3:
                    beats = [bus.publish(beat(message.payload["n"] + 1)) for _ in range(3)]
                    await asyncio.gather(*beats)
                    await bus.publish({"type": "status_update", "payload": message.payload})

            def pong(message):
                seen["pong"].append(message.payload["n"])
                if message.payload["n"] == 0:
                    back = asyncio.run_coroutine_threadsafe(bus.publish(beat(9)), loop)
                    back.result(10)

            loop = asyncio.get_running_loop()
            bus.subscribe("heartbeat", ping)
            bus.subscribe("status_update", pong)
            await bus.publish(beat(0))
        assert sorted(seen["ping"]) == [0] + [1] * 3 + [2] * 9 + [3] * 27 + [9]
        assert sorted(seen["pong"]) == [0] + [1] * 3 + [2] * 9
        assert bus.n_dead_letters == 0

    run(work())


def test_a_subscriber_that_waits_for_the_bus_is_told_so():
    async def work():
        async with MessageBus() as bus:
            bus.subscribe(None, lambda message: bus.drain(), name="drains")
            bus.subscribe(None, lambda message: bus.close(), name="closes")
            await bus.publish(beat(1))
        assert sorted(letter.subscriber for letter in bus.dead_letters) == ["closes", "drains"]
        assert all("it would wait for itself" in letter.error for letter in bus.dead_letters)

    run(work())


def test_closing_hands_over_what_is_queued_and_ends_the_bus():
    async def work():
        bus, taker = MessageBus(limit=3), Taker(pauses=[2])

        async def repeats(message):
            if message.payload["n"] < 100:
                await bus.publish(beat(message.payload["n"] + 100))

        bus.subscribe(None, taker)
        bus.subscribe(None, repeats)
        for n in range(10):
            await bus.publish(beat(n))
        await asyncio.gather(bus.close(), bus.close())
        assert sorted(taker.ns) == [*range(10), *range(100, 110)]
        with pytest.raises(BusError, match="closed"):
            await bus.publish(beat(1))
        with pytest.raises(BusError, match="closed"):
            bus.subscribe(None, taker)
        await bus.close()
        await bus.drain()
        assert (len(taker.got), bus.n_dead_letters) == (20, 0)
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("subscriber")]

    run(work())


def test_a_bus_that_nobody_used_closes():
    run(MessageBus().close())


def test_publishing_without_subscribers_is_heard_by_nobody():
    async def work():
        async with MessageBus(limit=1, when_full="wait") as bus:
            for n in range(5):
                await bus.publish(beat(n))
            assert bus.waiting() == {}

    run(work())


def test_a_subscription_that_is_closed_gets_what_was_published_before():
    async def work():
        async with MessageBus() as bus:
            taker, other = Taker(), Taker()
            subscription = bus.subscribe(None, taker)
            await bus.publish(beat(1))
            subscription.close()
            subscription.close()
            await bus.publish(beat(2))
            assert bus.waiting() == {"Taker": 1}
            bus.subscribe(None, other)
            await bus.publish(beat(3))
            await bus.drain()
            assert (taker.ns, other.ns) == ([1], [3])
            assert bus.waiting() == {"Taker 2": 0}

    run(work())


def test_names_tell_subscribers_apart():
    def heard(message):
        raise AssertionError

    bus = MessageBus()
    names = [bus.subscribe(None, heard, name=name).name for name in ("x", "x", None, "\x00\ud800" * 300)]
    assert names[:2] == ["x", "x 2"]
    assert names[2].endswith("heard")
    assert len(names[3]) == 200
    assert "\x00" not in names[3]


def test_callbacks_of_every_kind_are_called():
    async def work():
        got = []

        async def plain(message, name="function"):
            got.append(name)

        class Callable:
            async def __call__(self, message):
                await plain(message, "object")

            async def method(self, message):
                await plain(message, "method")

            @staticmethod
            def static(message):
                return plain(message, "static")

        async with MessageBus() as bus:
            for callback in (
                plain,
                partial(plain, name="partial"),
                Callable(),
                Callable().method,
                Callable.static,
            ):
                bus.subscribe(None, callback)
            bus.subscribe(None, lambda message: plain(message, "lambda"))
            bus.subscribe(None, lambda message: got.append(threading.current_thread().daemon))
            await bus.publish(beat(1))
        names = ["function", "lambda", "method", "object", "partial", "static"]
        assert sorted(map(str, got)) == ["True", *names]

    run(work())


def test_a_subscriber_runs_in_the_context_it_subscribed_in_not_in_a_publishers():
    attempt: ContextVar[str] = ContextVar("attempt", default="none")

    async def work():
        got = []

        async def asynchronous(message):
            got.append(attempt.get())

        async with MessageBus() as bus:
            bus.subscribe(None, asynchronous)
            bus.subscribe(None, lambda message: got.append(attempt.get()))
            attempt.set("publisher's")
            await bus.publish(beat(1))
        assert got == ["none", "none"]

    run(work())


def test_another_event_loop_gets_a_clear_error_and_can_hand_over_from_its_thread():
    async def work():
        loop, taker = asyncio.get_running_loop(), Taker()
        async with MessageBus(limit=1) as bus:
            bus.subscribe(None, taker)
            await bus.publish(beat(1))

            def elsewhere() -> None:
                with pytest.raises(BusError, match="another event loop"):
                    asyncio.run(bus.publish(beat(2)))
                for n in range(3, 6):
                    asyncio.run_coroutine_threadsafe(bus.publish(beat(n)), loop).result(10)

            await asyncio.to_thread(elsewhere)
        assert taker.ns == [1, 3, 4, 5]

    run(work())


def test_a_loop_that_ends_without_closing_loses_nothing(store):
    bus, got = MessageBus(limit=2, learning_db=store), []

    async def take(message):
        if message.payload["n"] == 0:
            await asyncio.Event().wait()
        got.append(message.payload["n"])

    async def begin():
        bus.subscribe(None, take, name="take")
        for n in range(5):
            await bus.publish(beat(n))

    async def go_on():
        await bus.publish(beat(5))
        await bus.close()

    run(begin())
    assert [letter.payload for letter in bus.dead_letters] == [{"n": 0}]
    assert bus.waiting() == {"take": 4}
    run(go_on())
    assert got == [1, 2, 3, 4, 5]
    recorder_for(store).close()
    assert store.sql("select subscriber, payload ->> 'n' from dead_letters").rows() == [("take", "0")]
