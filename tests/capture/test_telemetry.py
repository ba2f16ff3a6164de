from __future__ import annotations

import asyncio
import json
import random
import shutil
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from uuid import uuid4

import pytest
from conftest import START
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.capture.messages.bus import MessageBus
from learnlab.capture.recorder import Recorder, recorder_for
from learnlab.capture.telemetry import TelemetryCapture
from learnlab.errors import CaptureError
from learnlab.events import Candidate, RoutingDecision
from learnlab.models import as_uuid
from learnlab.settings import settings as learnlab_settings
from learnlab.store import Store
from learnlab.store.spool import folder

CALLS = {
    "decision": "capture_routing_decision",
    "start": "capture_pool_execution_start",
    "outcome": "capture_execution_outcome",
    "complete": "capture_pool_execution_complete",
}
SMALL = {"model": "m-1", "tier": "small", "candidates": {"small": 0.75, "large": 0.25}}
LARGE = {"model": "m-9", "tier": "large"}
TASK = {"type": "refactor", "description": "Optimize queries", "repo": "shop", "files": ["a.py", "b.py"]}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, empty: Path) -> Path:
    """The file of one store for the tests of this module, whose tasks are never the same."""
    return Path(shutil.copy(empty, tmp_path_factory.mktemp("telemetry") / "live.duckdb"))


@pytest.fixture(autouse=True)
def batched(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acknowledge after the write: what these tests are about does not hang on the fsync."""
    monkeypatch.setenv("LEARNLAB_DURABLE", "false")
    learnlab_settings.cache_clear()


@pytest.fixture
def durable(batched: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNLAB_DURABLE", "true")
    learnlab_settings.cache_clear()


@pytest.fixture
def task() -> str:
    return f"task-{uuid4().hex[:12]}"


def after(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def tell(path: Path, task: str, *told: tuple[str, dict[str, Any]]) -> TelemetryCapture:
    """Tell a capture of its own what is told of one task, one after the other; each is safe at once."""

    async def telling() -> TelemetryCapture:
        telemetry = TelemetryCapture(learning_db=path)
        for call, data in told:
            assert await getattr(telemetry, CALLS[call])({"task_id": task, **data}) is True
        return telemetry

    return asyncio.run(telling())


def stored(path: Path, task: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the executions of a task, or of a group of them, by time, and the sides that wait in the store."""
    executions = "select * from executions where task_group = $task order by timestamp"
    waiting = "select side from open_attempts where known ->> 'task_group' = $task order by side"
    with Store(path).reading() as connection:
        rows = connection.sql(executions, params={"task": task}).pl().to_dicts()
        sides = connection.sql(waiting, params={"task": task}).fetchall()
    return [row | {"metadata": json.loads(row["metadata"])} for row in rows], [side for (side,) in sides]


def counts(telemetry: TelemetryCapture) -> tuple[int, int]:
    return telemetry.get_routing_decisions_count(), telemetry.get_execution_outcomes_count()


def test_the_calls_of_the_integration_guide_make_one_execution(path, task):
    async def orchestrate():
        bus = MessageBus()
        telemetry = TelemetryCapture(message_bus=bus, learning_db=path)
        await telemetry.initialize()
        await bus.publish(
            {"type": "POOL_CREATED", "payload": {"pool_id": "pool-local", "pool_type": "mahavishnu"}}
        )
        await bus.drain()
        decided = await telemetry.capture_routing_decision(
            {"task_id": task, "routing": SimpleNamespace(**SMALL), "timestamp": START, "task_data": TASK}
        )
        between = counts(telemetry)
        ended = await telemetry.capture_execution_outcome(
            {
                "task_id": task,
                "success": True,
                "duration_seconds": 45.2,
                "quality_score": 85,
                "actual_cost": 0.003,
                "pool_id": "pool-local",
            }
        )
        await telemetry.shutdown()
        return decided, between, ended, counts(telemetry)

    assert asyncio.run(orchestrate()) == (True, (1, 0), True, (0, 0))
    (row,), sides = stored(path, task)
    expected = {
        "task_id": str(as_uuid(task)),
        "external_id": task,
        "timestamp": START.replace(tzinfo=None),
        "task_type": "refactor",
        "repo": "shop",
        "file_count": 2,
        "model": "m-1",
        "model_tier": "small",
        "pool_type": "mahavishnu",
        "propensity": 0.75,
        "success": True,
        "success_source": "harness",
        "duration_seconds": 45.2,
        "quality_score": 85.0,
        "actual_cost": 0.003,
        "cost_estimate": None,
    }
    assert {name: row[name] for name in expected} == expected
    assert (row["metadata"], sides) == ({"pool_id": "pool-local"}, [])
    decisions = (
        "select chosen ->> 'tier', len(candidates::json[]) from routing_decisions where decision_id = $key"
    )
    assert Store(path).sql(decisions, {"key": row["record_key"]}).rows() == [("small", 2)]
    pools = "select event, pool_id, pool_type from pool_events where pool_id = 'pool-local'"
    assert Store(path).sql(pools).rows() == [("pool_created", "pool-local", "mahavishnu")]


def test_an_outcome_before_its_decision_waits_for_it(path, task):
    telemetry = tell(path, task, ("outcome", {"success": True, "duration_seconds": 2}))
    assert (counts(telemetry), stored(path, task)) == ((0, 1), ([], ["outcome"]))
    decision = {"task_id": task, "routing": LARGE, "task_data": TASK}
    assert asyncio.run(telemetry.capture_routing_decision(decision)) is True
    (row,), sides = stored(path, task)
    assert (row["model_tier"], row["success"], counts(telemetry)) == ("large", True, (0, 0))
    assert sides == []


def test_a_decision_of_another_process_meets_its_outcome_in_the_store(path, task):
    decision = RoutingDecision(
        task_id=task, timestamp=START, chosen=Candidate(tier="small", propensity=0.75), task={"repo": "shop"}
    )
    assert recorder_for(path).record(decision)
    telemetry = tell(path, task, ("outcome", {"success": True, "timestamp": after(5)}))
    (row,), _ = stored(path, task)
    assert (row["model_tier"], row["propensity"], row["success"]) == ("small", 0.75, True)
    assert row["record_key"] == str(decision.decision_id)
    assert counts(telemetry) == (0, 1)


def test_an_outcome_that_is_told_three_times_is_one_execution(path, task):
    async def orchestrate():
        published: list[dict[str, Any]] = []
        bus = MessageBus()
        async with TelemetryCapture(bus, learning_db=path) as telemetry:
            bus.subscribe("execution_recorded", lambda message: published.append(message.payload))
            await telemetry.capture_routing_decision({"task_id": task, "routing": SMALL, "task_data": TASK})
            ended = {"task_id": task, "pool_id": "p-1", "success": True, "duration_seconds": 3.0}
            await telemetry.capture_pool_execution_complete(ended)
            await telemetry.capture_pool_execution_complete(ended)
            more = ended | {"duration_seconds": 3.1, "quality_score": 90, "actual_cost": 0.01}
            await telemetry.capture_execution_outcome(more)
            await bus.publish({"type": "TASK_COMPLETED", "source_pool_id": "p-1", "payload": more})
            await bus.drain()
            await telemetry.capture_routing_outcome({"task_id": task, "success": True})
            left = counts(telemetry)
        await bus.close()
        return published, left

    published, left = asyncio.run(orchestrate())
    (row,), sides = stored(path, task)
    assert (row["duration_seconds"], row["quality_score"], row["actual_cost"]) == (3.0, 90.0, 0.01)
    assert left == (0, 0)
    assert [one.get("quality_score") for one in published] == [None, 90.0]
    assert {one["attempt_id"] for one in published} == {row["record_key"]}
    assert sides == []


def test_whatever_order_concurrent_calls_come_in_each_task_is_one_execution(path, task, durable):
    async def orchestrate():
        telemetry = TelemetryCapture(learning_db=path)
        calls = []
        for i in range(200):
            ids = {"task_id": f"{task}-{i}", "task_group": task}
            calls += [
                telemetry.capture_routing_decision({**ids, "routing": SMALL if i % 3 else LARGE}),
                telemetry.capture_execution_outcome({**ids, "success": i % 2 == 0}),
                telemetry.capture_pool_execution_start({**ids, "pool_id": "p-1"}),
            ]
        random.Random(7).shuffle(calls)
        return await asyncio.gather(*calls), counts(telemetry)

    answers, left = asyncio.run(orchestrate())
    assert (set(answers), len(answers), left) == ({True}, 600, (0, 0))
    rows, sides = stored(path, task)
    found = {row["external_id"]: (row["model_tier"], row["success"]) for row in rows}
    assert found == {f"{task}-{i}": ("small" if i % 3 else "large", i % 2 == 0) for i in range(200)}
    assert (len(rows), sides) == (200, [])


@pytest.mark.parametrize(
    "data", [None, "text", 7, {}, {"task_id": None}, {"task_id": "  "}, {"task_id": {"a": 1}}, object()]
)
def test_a_task_id_that_is_missing_is_an_error_to_the_caller(path, data):
    telemetry = TelemetryCapture(learning_db=path)
    for call in CALLS.values():
        with pytest.raises(CaptureError, match="no task_id"):
            asyncio.run(getattr(telemetry, call)(data))
    assert counts(telemetry) == (0, 0)


def test_a_message_without_a_task_or_a_pool_becomes_a_dead_letter(path, task):
    async def orchestrate():
        bus = MessageBus()
        async with TelemetryCapture(bus, learning_db=path) as telemetry:
            await bus.publish({"type": "TASK_COMPLETED", "payload": {"success": True}})
            await bus.publish({"type": "pool_closed", "payload": {"reason": "idle"}})
            await bus.publish(
                {"type": "task_completed", "payload": {"task_id": task, "success": True, "task": TASK}}
            )
            await telemetry.shutdown()
        return [(letter.message_type, letter.error[:13]) for letter in bus.dead_letters]

    letters = asyncio.run(orchestrate())
    assert letters == [("task_completed", "CaptureError:"), ("pool_closed", "CaptureError:")]
    assert len(stored(path, task)[0]) == 1


class Raising:
    """An object that tells its task, and raises whatever else it is asked."""

    task_id = "given by the test"

    @property
    def success(self) -> bool:
        raise RuntimeError("no success \x00 today")


def test_hostile_tellings_become_executions_of_what_can_be_read(path, task):
    outcome = Raising()
    outcome.task_id = task
    text = "half a \ud800, a \x00 and <script>"
    told = {
        "task_id": task,
        "routing": MagicMock(),
        "timestamp": "1066-10-14",
        "task_data": {
            "type": text,
            "description": text,
            "repo": "x" * 3000,
            "metadata": {"deep": [text, object()]},
        },
    }

    async def orchestrate():
        telemetry = TelemetryCapture(learning_db=path)
        return [
            await telemetry.capture_routing_decision(told),
            await telemetry.capture_execution_outcome(outcome),
            await telemetry.capture_execution_outcome(
                {"task_id": task, "success": [1], "quality_score": 900}
            ),
        ]

    assert asyncio.run(orchestrate()) == [True, True, True]
    (row,), _ = stored(path, task)
    assert (row["success"], row["quality_score"], row["repo"]) == (None, None, "unknown")
    assert {"quality_score", "repo", "success"} <= row["metadata"]["refused"].keys()
    assert row["metadata"]["refused_timestamp"] == "1066-10-14"


def test_decisions_of_others_are_heard_and_own_ones_are_published_once(path, task):
    async def orchestrate():
        bus, heard = MessageBus(), []
        async with TelemetryCapture(bus, learning_db=path) as telemetry:
            bus.subscribe("routing_decision", lambda message: heard.append(message.payload["task_id"]))
            await telemetry.initialize()
            await telemetry.capture_routing_decision({"task_id": task, "routing": SMALL})
            await bus.drain()
            await telemetry.capture_execution_outcome({"task_id": task, "success": True})
            other = {"task_id": f"{task}-2", "task_group": task}
            await bus.publish({"type": "ROUTING_DECISION", "payload": {**other, "tier": "large"}})
            await bus.publish({"type": "TASK_COMPLETED", "payload": {**other, "success": False}})
            await bus.drain()
            left = counts(telemetry)
        await bus.close()
        return heard, left

    assert asyncio.run(orchestrate()) == ([task, f"{task}-2"], (0, 0))
    rows, sides = stored(path, task)
    found = {row["external_id"]: (row["model_tier"], row["success"]) for row in rows}
    assert (found, sides) == ({task: ("small", True), f"{task}-2": ("large", False)}, [])
    assert len(rows) == 2


def test_what_it_published_itself_comes_back_too_late_to_matter(path, task):
    async def orchestrate():
        async with MessageBus() as bus, TelemetryCapture(bus, path) as telemetry:
            for seconds in (0, 10):
                decision = {"task_id": task, "routing": SMALL, "timestamp": after(seconds)}
                await telemetry.capture_routing_decision(decision)
                await telemetry.capture_execution_outcome({"task_id": task, "success": seconds == 10})
            await bus.drain()
            return counts(telemetry)

    assert asyncio.run(orchestrate()) == (0, 0)
    rows, sides = stored(path, task)
    assert ([row["success"] for row in rows], sides) == ([False, True], [])


def test_two_captures_on_one_bus_and_store_make_one_execution_of_what_both_hear(path, task):
    async def orchestrate():
        bus = MessageBus()
        async with TelemetryCapture(bus, path) as one, TelemetryCapture(bus, path) as other:
            for tier, success in (("small", False), ("large", True)):
                await one.capture_routing_decision(
                    {"task_id": task, "routing": {"tier": tier}, "task_data": TASK}
                )
                await one.capture_execution_outcome(
                    {"task_id": task, "success": success, "quality_score": 50}
                )
                await bus.publish(
                    {"type": "TASK_COMPLETED", "payload": {"task_id": task, "success": success}}
                )
                await bus.drain()
            alone = {"task_id": f"{task}-2", "task_group": task, "success": True, "task_data": TASK}
            await bus.publish({"type": "TASK_COMPLETED", "payload": alone})
            await bus.drain()
            left = counts(one), counts(other)
        await bus.close()
        return left

    assert asyncio.run(orchestrate()) == ((0, 0), (0, 0))
    rows, sides = stored(path, task)
    found = [(row["model_tier"], row["success"], row["quality_score"]) for row in rows]
    assert found == [("small", False, 50.0), ("large", True, 50.0), ("unknown", True, None)]
    assert sides == []


def test_shutdown_takes_in_what_the_bus_has_and_ends_the_capture(path, task, monkeypatch):
    flush, left = Recorder.flush, []

    def flushing(recorder: Recorder, timeout: float) -> bool:
        left.append(sum(bus.waiting().values()))
        return flush(recorder, timeout)

    bus = MessageBus()
    monkeypatch.setattr(Recorder, "flush", flushing)

    async def orchestrate():
        telemetry = TelemetryCapture(bus, learning_db=path)
        await telemetry.initialize()
        for i in range(50):
            payload = {"task_id": f"{task}-{i}", "task_group": task, "success": True, "task_data": TASK}
            await bus.publish({"type": "TASK_COMPLETED", "payload": payload})
        await telemetry.shutdown()
        n_stored = len(stored(path, task)[0])
        await telemetry.shutdown()
        for call in CALLS.values():
            with pytest.raises(CaptureError, match="shut down"):
                await getattr(telemetry, call)({"task_id": task})
        with pytest.raises(CaptureError, match="shut down"):
            await telemetry.initialize()
        await bus.publish({"type": "TASK_COMPLETED", "payload": {"task_id": "late", "task_type": "late"}})
        await bus.close()
        return n_stored

    assert asyncio.run(orchestrate()) == 50
    assert left == [0]
    assert Store(path).sql("select 1 from executions where task_group = 'late'").rows() == []


def test_a_bus_that_is_closed_hinders_no_capture(path, task, caplog):
    async def orchestrate():
        bus = MessageBus()
        telemetry = TelemetryCapture(bus, learning_db=path)
        await telemetry.initialize()
        await bus.close()
        await telemetry.capture_routing_decision({"task_id": task, "routing": SMALL})
        return await telemetry.capture_execution_outcome({"task_id": task, "success": True})

    assert asyncio.run(orchestrate()) is True
    assert len(stored(path, task)[0]) == 1
    assert "a captured record is not published: BusError" in caplog.text


def test_a_call_that_is_cancelled_loses_nothing_and_counts_nothing_twice(path, task, durable):
    async def orchestrate():
        telemetry = TelemetryCapture(learning_db=path)
        await telemetry.capture_routing_decision({"task_id": task, "routing": SMALL})
        outcome = {"task_id": task, "success": True}
        call = asyncio.create_task(telemetry.capture_execution_outcome(outcome))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return await telemetry.capture_execution_outcome(outcome)

    assert asyncio.run(orchestrate()) is True
    assert [row["success"] for row in stored(path, task)[0]] == [True]


def test_a_disk_that_refuses_breaks_nothing_and_gets_it_later(tmp_path, task):
    store = Store(tmp_path / "live.duckdb")
    folder(store.path).write_text("no folder")

    async def orchestrate():
        telemetry = TelemetryCapture(learning_db=store)
        told = {"task_id": task, "routing": SMALL}, {"task_id": task, "success": True}
        refused = [
            await telemetry.capture_routing_decision(told[0]),
            await telemetry.capture_execution_outcome(told[1]),
        ]
        folder(store.path).unlink()
        taken = await telemetry.capture_execution_outcome(told[1])
        await telemetry.shutdown()
        return refused, taken, counts(telemetry)

    assert asyncio.run(orchestrate()) == ([False, False], True, (0, 0))
    assert len(stored(store.path, task)[0]) == 1


SIDES = ("decision", "start", "outcome")
Told = tuple[int, int, str, str, bool]
"""What is told: the task, the attempt, the side, the tier of its decision, the success of its outcome."""


@st.composite
def stories(draw: st.DrawFn) -> list[Told]:
    """Draw what is told of a few tasks, in any order, each side of an attempt up to three times.

    A second attempt follows an execution, and begins with its decision or its start.
    """
    tasks: list[list[Told]] = []
    for task in range(draw(st.integers(1, 3))):
        told: list[Told] = []
        for attempt in range(draw(st.integers(1, 2))):
            tier, success = draw(st.sampled_from(("small", "medium", "large"))), draw(st.booleans())
            some = draw(st.lists(st.sampled_from(SIDES), min_size=1, unique=True))
            sides = sorted({*some, "decision", "outcome"} if draw(st.booleans()) or attempt else some)
            order = draw(st.permutations(sides + draw(st.lists(st.sampled_from(sides), max_size=2))))
            if attempt:
                order.sort(key="outcome".__eq__)
            told += [(task, attempt, side, tier, success) for side in order]
            if not {"decision", "outcome"} <= set(sides):
                break
        tasks.append(told)
    turns = draw(st.permutations([task for task, told in enumerate(tasks) for _ in told]))
    rest = [iter(told) for told in tasks]
    return [next(rest[task]) for task in turns]


Executions = list[tuple[str, str, bool, float]]


async def tell_story(
    telemetry: TelemetryCapture, bus: MessageBus, group: str, story: list[Told], over_bus: bool
) -> None:
    for task, attempt, side, tier, success in story:
        seconds = 100 * attempt + 10 * SIDES.index(side)
        data = {"task_id": f"{group}-{task}", "task_group": group, "timestamp": after(seconds)}
        data |= {"routing": {"tier": tier}} if side == "decision" else {}
        data |= {"success": success} if side == "outcome" else {}
        if side == "outcome" and over_bus:
            await bus.publish({"type": "TASK_COMPLETED", "payload": data})
            await bus.drain()
        else:
            assert await getattr(telemetry, CALLS[side])(data)


def expected_of(group: str, story: list[Told]) -> tuple[Executions, tuple[int, int]]:
    """Return the executions that a story tells of, and how many decisions and outcomes have to wait."""
    sides: dict[tuple[int, int, str, bool], set[str]] = {}
    for task, attempt, side, tier, success in story:
        sides.setdefault((task, attempt, tier, success), set()).add(side)
    whole = {attempt: told for attempt, told in sides.items() if {"decision", "outcome"} <= told}
    executions = [
        (f"{group}-{task}", tier, success, 100.0 * attempt + 10 * ("start" in told))
        for (task, attempt, tier, success), told in whole.items()
    ]
    others = [told for attempt, told in sides.items() if attempt not in whole]
    return sorted(executions), (sum("decision" in t for t in others), sum("outcome" in t for t in others))


def test_any_interleaving_ends_in_the_executions_it_tells_of(path):
    everything: dict[str, Executions] = {}

    @settings(max_examples=25)
    @given(story=stories(), over_bus=st.booleans())
    def holds(story: list[Told], over_bus: bool) -> None:
        async def orchestrate() -> tuple[int, int]:
            async with MessageBus() as bus:
                telemetry = TelemetryCapture(bus, learning_db=path)
                await telemetry.initialize()
                await tell_story(telemetry, bus, group, story, over_bus)
                return counts(telemetry)

        group = uuid4().hex
        everything[group], left = expected_of(group, story)
        assert asyncio.run(orchestrate()) == left

    holds()
    query = (
        "select task_group, external_id, model_tier, success, epoch(timestamp - cast($start as timestamp)) "
        "from executions where task_group in (select unnest($groups)) order by all"
    )
    params = {"start": START.replace(tzinfo=None), "groups": list(everything)}
    found: dict[str, Executions] = {group: [] for group in everything}
    for group, *row in Store(path).sql(query, params).rows():
        found[group].append(tuple(row))
    assert found == everything
