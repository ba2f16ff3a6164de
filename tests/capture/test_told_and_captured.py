"""A router that tells of its tasks and a pool that is captured, of the same tasks and in one store: one execution."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from learnlab.capture.messages.bus import MessageBus
from learnlab.capture.telemetry import TelemetryCapture
from learnlab.capture.wrapping.calls import capturing
from learnlab.capture.wrapping.pools import capture_pool
from learnlab.settings import settings
from learnlab.store import Store

ROUTING = {"tier": "small", "candidates": {"small": 0.75, "large": 0.25}}
LARGE = {"tier": "large"}


class Pool:
    pool_type = "local"

    def __init__(self, telemetry: TelemetryCapture) -> None:
        self.telemetry = telemetry

    async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
        for call, told in task.get("tells", ()):
            await getattr(self.telemetry, f"capture_{call}")({"task_id": task["task_id"], **told})
        if task.get("raises"):
            raise ValueError("validation failed")
        return {"cost": 0.01, **task.get("result", {"success": True})}

    async def route_task(self, task: dict[str, Any]) -> dict[str, Any]:
        await self.decide(task)
        return ROUTING

    async def decide(self, task: dict[str, Any], routing: dict[str, Any] = ROUTING) -> None:
        told = {"task_id": task["task_id"], "routing": routing, "task_data": task}
        assert await self.telemetry.capture_routing_decision(told)


async def told_before(own: Pool, pool: Pool, bus: MessageBus, task: dict[str, Any]) -> None:
    await own.decide(task)
    await pool.execute_task(task)


async def told_over_the_bus(own: Pool, pool: Pool, bus: MessageBus, task: dict[str, Any]) -> None:
    await own.decide(task)
    await pool.execute_task(task | {"result": {"status": "completed"}})
    told = {"task_id": task["task_id"], "success": True, "quality_score": 88, "duration_seconds": 9.0}
    await bus.publish({"type": "TASK_COMPLETED", "payload": told})
    await bus.drain()


async def told_inside(own: Pool, pool: Pool, bus: MessageBus, task: dict[str, Any]) -> None:
    tells = [("routing_decision", {"routing": ROUTING}), ("execution_outcome", {"success": True})]
    await pool.execute_task(task | {"tells": tells})


async def told_afterwards(own: Pool, pool: Pool, bus: MessageBus, task: dict[str, Any]) -> None:
    await pool.execute_task(task)
    await own.decide(task)


async def told_with_a_start(own: Pool, pool: Pool, bus: MessageBus, task: dict[str, Any]) -> None:
    await own.decide(task)
    await own.telemetry.capture_pool_execution_start({"task_id": task["task_id"], "pool_id": "p-1"})
    await pool.execute_task(task)
    await own.telemetry.capture_execution_outcome({"task_id": task["task_id"], "success": True})


async def routed_by_the_pool(own: Pool, pool: Pool, bus: MessageBus, task: dict[str, Any]) -> None:
    await pool.route_task(task)
    await pool.execute_task(task)


async def decided_and_routed(own: Pool, pool: Pool, bus: MessageBus, task: dict[str, Any]) -> None:
    await own.decide(task)
    await pool.route_task(task)
    await pool.execute_task(task)


async def brought_along(own: Pool, pool: Pool, bus: MessageBus, task: dict[str, Any]) -> None:
    await own.decide(task)
    await pool.execute_task(task | {"routing": ROUTING})


async def a_piece_of_code(own: Pool, pool: Pool, bus: MessageBus, task: dict[str, Any]) -> None:
    await own.decide(task)
    fields = {"task_id": task["task_id"], "task_type": "docs", "repo": "shop", "pool_type": "local"}
    async with capturing(own.telemetry._recorder.store, **fields) as attempt:
        attempt.succeeded()
        attempt.add(actual_cost=0.01)


ONCE = [
    told_before, told_over_the_bus, told_inside, told_afterwards, told_with_a_start, routed_by_the_pool,
    decided_and_routed, brought_along, a_piece_of_code,
]  # fmt: skip


async def again(own: Pool, pool: Pool, bus: MessageBus, task: dict[str, Any]) -> None:
    await own.decide(task)
    with pytest.raises(ValueError, match="validation"):
        await pool.execute_task(task | {"raises": True})
    await own.decide(task, LARGE)
    await pool.execute_task(task)


async def at_once(own: Pool, pool: Pool, bus: MessageBus, task: dict[str, Any]) -> None:
    await own.decide(task)
    await asyncio.gather(pool.execute_task(dict(task)), pool.execute_task(dict(task)))


@pytest.fixture(scope="module")
def executions(tmp_path_factory: pytest.TempPathFactory, empty: Path) -> dict[str, list[dict[str, Any]]]:
    """The executions that each way of telling leaves in the store, and under `waiting` what waits there."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("both") / "live.duckdb"))

    async def orchestrate() -> None:
        async with MessageBus() as bus, TelemetryCapture(bus, learning_db=store) as telemetry:
            own = Pool(telemetry)
            for way in (*ONCE, again, at_once):
                task = {
                    "task_id": way.__name__,
                    "type": "docs",
                    "repo": "shop",
                    "prompt": "Explain the cache",
                }
                await way(own, capture_pool(own, store), bus, task)
            assert (telemetry.get_routing_decisions_count(), telemetry.get_execution_outcomes_count()) == (
                0,
                0,
            )

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEARNLAB_DURABLE", "false")
        settings.cache_clear()
        asyncio.run(orchestrate())
    settings.cache_clear()
    query = (
        "select e.*, d.decision_id is not null as is_decided from executions e "
        "left join routing_decisions d on d.decision_id = e.record_key order by e.timestamp"
    )
    rows = store.sql(query).to_dicts()
    found = {
        way.__name__: [row for row in rows if row["task_group"] == way.__name__]
        for way in (*ONCE, again, at_once)
    }
    return found | {"waiting": store.sql("select * from open_attempts").to_dicts()}


@pytest.mark.parametrize("way", ONCE)
def test_a_task_that_is_told_of_and_captured_is_one_execution_with_its_decision(way, executions):
    (row,) = executions[way.__name__]
    assert (row["propensity"], row["model_tier"], row["is_decided"]) == (0.75, "small", True)
    assert (row["pool_type"], row["success"], row["actual_cost"], row["repo"]) == (
        "local",
        True,
        0.01,
        "shop",
    )
    assert 0 <= row["duration_seconds"] < 60


def test_what_is_told_of_a_captured_task_completes_it(executions):
    (row,) = executions["told_over_the_bus"]
    assert (row["quality_score"], row["duration_seconds"], row["duration_source"]) == (88.0, 9.0, "unknown")
    (row,) = executions["told_with_a_start"]
    assert json.loads(row["metadata"])["pool_id"] == "p-1"


def test_each_captured_call_is_an_attempt_of_its_own(executions):
    fields = ("model_tier", "propensity", "success", "error_type", "is_decided")
    assert [tuple(row[name] for name in fields) for row in executions["again"]] == [
        ("small", 0.75, False, "validation", True),
        ("large", None, True, None, True),
    ]
    twice = executions["at_once"]
    assert sorted(row["is_decided"] for row in twice) == [False, True]
    assert sorted(str(row["propensity"]) for row in twice) == ["0.75", "None"]


def test_nothing_that_was_told_of_a_captured_task_waits(executions):
    assert executions["waiting"] == []
