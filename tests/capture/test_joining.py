"""Given what is told of a task, one after the other: the executions in the store, and what waits there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from conftest import START

from learnlab.capture import joining
from learnlab.capture.telemetry import TelemetryCapture
from learnlab.events import AttemptEvent, Candidate, RoutingDecision, Side
from learnlab.models import as_uuid
from learnlab.store import Store

CALLS = {
    "decided": "capture_routing_decision",
    "started": "capture_pool_execution_start",
    "ended": "capture_execution_outcome",
}
SMALL = {"model": "m-1", "tier": "small", "candidates": {"small": 0.75, "large": 0.25}}
LARGE = {"model": "m-9", "tier": "large"}
TASK = {"type": "refactor", "description": "Optimize queries", "repo": "shop"}


def at(seconds: float) -> datetime:
    return START.replace(tzinfo=None) + timedelta(seconds=seconds)


class Story(NamedTuple):
    told: list[tuple[str, dict[str, Any]]]
    executions: list[dict[str, Any]]
    """The fields that are expected of each execution, by time; what stands in its metadata has a dot."""
    waiting: list[str] = []  # noqa: RUF012
    """The kinds of orphans that are expected."""


STORIES = {
    "a pool manager adds its start": Story(
        [
            ("started", {"pool_id": "p-1", "timestamp": at(1)}),
            ("decided", {"routing": SMALL, "timestamp": at(0)}),
            ("ended", {"pool_id": "p-1", "success": False, "error_message": "timed out", "timestamp": at(4)}),
        ],
        [
            {
                "model_tier": "small",
                "pool_type": "unknown",
                "metadata.pool_id": "p-1",
                "success": False,
                "error_type": "timeout",
                "timestamp": at(1),
                "duration_seconds": 3.0,
                "duration_source": "wall",
            }
        ],
    ),
    "a decision that never gets its outcome": Story(
        [("decided", {"routing": SMALL, "timestamp": at(0)})], [], ["decision without outcome"]
    ),
    "an outcome that never gets its decision": Story(
        [("ended", {"success": True})], [], ["outcome without decision"]
    ),
    "a start and an outcome of a task that nobody knows": Story(
        [("started", {"pool_id": "p-1"}), ("ended", {"success": True})], [], ["outcome without decision"]
    ),
    "an outcome with its task data needs no decision": Story(
        [("ended", {"success": True, "task_data": TASK})],
        [{"task_type": "refactor", "model_tier": "unknown", "success": True}],
    ),
    "an outcome that says the task type itself needs no decision": Story(
        [("ended", {"success": True, "type": "docs"})], [{"task_type": "docs", "success": True}]
    ),
    "an outcome that repeats the type of its message knows no task": Story(
        [("ended", {"success": True, "type": "TASK_COMPLETED"})], [], ["outcome without decision"]
    ),
    "a start with the task needs no decision": Story(
        [
            ("started", {"task": TASK, "timestamp": at(0)}),
            ("ended", {"status": "completed", "timestamp": at(2)}),
        ],
        [{"repo": "shop", "success": None, "duration_seconds": 2.0}],
    ),
    "a late decision completes an execution that needed none": Story(
        [("ended", {"success": True, "task_data": TASK}), ("decided", {"routing": LARGE})],
        [{"model_tier": "large", "repo": "shop", "success": True}],
    ),
    "a late start gives its time": Story(
        [
            ("decided", {"routing": SMALL, "timestamp": at(0)}),
            ("ended", {"success": True, "timestamp": at(5)}),
            ("started", {"timestamp": at(3)}),
        ],
        [{"timestamp": at(3), "duration_seconds": 2.0}],
    ),
    "a contradicting verdict corrects the one before, which does not come back": Story(
        [
            ("decided", {"routing": SMALL}),
            ("ended", {"success": True, "duration_seconds": 3.0, "quality_score": 90}),
            ("ended", {"success": False, "error_message": "validation failed", "quality_score": 10}),
            ("ended", {"success": True, "duration_seconds": 3.0, "quality_score": 90}),
        ],
        [
            {
                "success": False,
                "error_type": "validation",
                "error_message": "validation failed",
                "quality_score": 10.0,
                "duration_seconds": 3.0,
                "metadata.contradicted": {"success": True, "success_source": "harness"},
            }
        ],
    ),
    "a failure that is corrected leaves no error": Story(
        [
            ("decided", {"routing": SMALL}),
            ("ended", {"success": False, "error_message": "timed out"}),
            ("ended", {"success": True}),
        ],
        [{"success": True, "error_type": None, "error_message": None}],
    ),
    "a better source keeps its verdict": Story(
        [
            ("decided", {"routing": SMALL}),
            ("ended", {"success": False, "success_source": "verifier"}),
            ("ended", {"success": True, "quality_score": 80}),
        ],
        [
            {
                "success": False,
                "success_source": "verifier",
                "quality_score": 80.0,
                "metadata.contradicted": {"success": True, "success_source": "harness"},
            }
        ],
    ),
    "a better source confirms the verdict": Story(
        [
            ("decided", {"routing": SMALL}),
            ("ended", {"success": True}),
            ("ended", {"success": True, "success_source": "verifier"}),
        ],
        [{"success": True, "success_source": "verifier", "metadata.contradicted": None}],
    ),
    "a task that is decided again after its outcome is another attempt": Story(
        [
            ("decided", {"routing": SMALL, "task_data": TASK, "timestamp": at(0)}),
            ("ended", {"success": False}),
            ("decided", {"routing": SMALL, "timestamp": at(10)}),
            ("ended", {"success": True}),
            ("ended", {"success": True, "quality_score": 70}),
        ],
        [
            {"task_type": "refactor", "success": False, "quality_score": None, "is_first": True},
            {"task_type": "refactor", "success": True, "quality_score": 70.0, "is_first": False},
        ],
    ),
    "a task that is started again goes by its decision without the propensity": Story(
        [
            ("decided", {"routing": SMALL, "task_data": TASK, "timestamp": at(0)}),
            ("started", {"pool_id": "p-1", "timestamp": at(1)}),
            ("ended", {"success": False, "timestamp": at(2)}),
            ("started", {"pool_id": "p-1", "timestamp": at(1)}),
            ("started", {"pool_id": "p-1", "timestamp": at(3)}),
            ("ended", {"success": True, "timestamp": at(5)}),
        ],
        [
            {"success": False, "propensity": 0.75, "model": "m-1", "duration_seconds": 1.0, "is_first": True},
            {"success": True, "propensity": None, "model": "m-1", "duration_seconds": 2.0, "is_first": False},
        ],
    ),
    "a decision follows the start of another attempt": Story(
        [
            ("decided", {"routing": SMALL, "task_data": TASK, "timestamp": at(0)}),
            ("ended", {"success": False, "timestamp": at(2)}),
            ("started", {"timestamp": at(4)}),
            ("decided", {"routing": LARGE, "timestamp": at(3)}),
            ("ended", {"success": True, "timestamp": at(5)}),
        ],
        [{"model_tier": "small", "success": False}, {"model_tier": "large", "success": True, "repo": "shop"}],
    ),
    "another choice before the outcome leaves the first decision open": Story(
        [
            ("decided", {"routing": SMALL, "task_data": TASK, "timestamp": at(0)}),
            ("decided", {"routing": LARGE, "timestamp": at(1)}),
            ("ended", {"success": True}),
        ],
        [{"model_tier": "large", "task_type": "refactor", "is_first": True}],
        ["decision without outcome"],
    ),
    "a decision that is told again with more, or with less, is one": Story(
        [
            ("decided", {"routing": {"tier": "small"}, "timestamp": at(0)}),
            ("decided", {"routing": SMALL, "task_data": TASK, "timestamp": at(0)}),
            ("decided", {"routing": {"model": "m-1"}}),
            ("ended", {"success": True}),
            ("decided", {"routing": {"tier": "small"}, "timestamp": at(0)}),
        ],
        [{"model": "m-1", "model_tier": "small", "task_type": "refactor"}],
    ),
    "a clock that goes backwards makes no duration": Story(
        [
            ("decided", {"routing": SMALL, "timestamp": at(20)}),
            ("started", {"timestamp": at(10)}),
            ("ended", {"success": True, "timestamp": at(0)}),
        ],
        [{"duration_seconds": None, "success": True, "timestamp": at(10)}],
    ),
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[dict[str, Any]], list[str]]]:
    """What the store has of each story once all are told: the executions by time, the kinds of orphans."""
    store = Store(tmp_path_factory.mktemp("joining") / "live.duckdb").ensure()

    async def tell() -> None:
        telemetry = TelemetryCapture(learning_db=store)
        for task, story in STORIES.items():
            for call, data in story.told:
                assert await getattr(telemetry, CALLS[call])({"task_id": task, **data}) is True
        await telemetry.shutdown()

    asyncio.run(tell())
    rows = store.sql("select * from executions order by timestamp").to_dicts()
    orphans = store.sql("select external_id, kind from orphans").rows()
    return {
        task: (
            [row for row in rows if row["external_id"] == row["task_group"] == task],
            [kind for of_task, kind in orphans if of_task == task],
        )
        for task in STORIES
    }


@pytest.mark.parametrize("task", STORIES)
def test_what_is_told_becomes_these_executions(task, stored):
    story = STORIES[task]
    rows, orphans = stored[task]
    assert len(rows) == len(story.executions)
    for row, expected in zip(rows, story.executions, strict=True):
        found = row | {f"metadata.{name}": value for name, value in json.loads(row["metadata"]).items()}
        found["is_first"] = row["task_id"] == str(as_uuid(task))
        assert found["is_first"] or row["task_id"] == row["record_key"]
        assert {name: found.get(name) for name in expected} == expected
    assert orphans == story.waiting


def joiner_of(n: int) -> tuple[joining.Joiner, Callable[[int], joining.Told]]:
    joiner = joining.Joiner()

    def end(i: int) -> joining.Told:
        event = AttemptEvent(side=Side.OUTCOME, task_id=UUID(int=i), known={"success": True})
        return joiner.told(event, "me", is_dated=False)

    for i in range(n):
        joiner.decided(
            RoutingDecision(task_id=UUID(int=i), chosen=Candidate(tier="small")), "me", is_dated=False
        )
    return joiner, end


def test_a_decision_that_is_told_again_under_its_id_begins_nothing():
    joiner, end = joiner_of(0)
    said = RoutingDecision(task_id=UUID(int=0), chosen=Candidate(tier="small"))
    joiner.decided(said, "me", is_dated=False)
    ended = end(0)
    assert joiner.decided(said, "me", is_dated=False) is ended
    assert joiner.n_waiting("decision", "me") == 0


def test_a_further_attempt_is_told_by_its_own_task_id():
    joiner, end = joiner_of(1)
    first = end(0)
    joiner.decided(RoutingDecision(task_id=UUID(int=0), chosen=Candidate(tier="large")), "me", is_dated=True)
    second = end(0)
    records = [attempt.record and attempt.record.task_id for attempt in (first, second)]
    assert records == [UUID(int=0), second.attempt_id]
    assert list(second.unsafe) == ["decision", "record"]


def test_memory_holds_so_many_attempts_and_leaves_the_oldest_to_the_store(monkeypatch):
    monkeypatch.setattr(joining, "CAPACITY", 5)
    joiner, end = joiner_of(8)
    assert joiner.n_waiting("decision", "me") == 5
    end(0)
    assert (joiner.n_waiting("decision", "me"), joiner.n_waiting("outcome", "me")) == (4, 1)
    for i in range(8):
        end(i)
    assert len(joiner._recorded) <= 5


def test_memory_holds_an_attempt_for_an_hour_after_the_last_word(monkeypatch):
    moment = [100.0]
    monkeypatch.setattr(joining.time, "monotonic", lambda: moment[0])
    joiner, end = joiner_of(2)
    moment[0] += 1800
    joiner.decided(RoutingDecision(task_id=UUID(int=1), chosen=Candidate(pool="p")), "me", is_dated=False)
    moment[0] += 1801
    assert joiner.n_waiting("decision", "me") == 1
    end(1)
    assert (joiner.n_waiting("decision", "me"), joiner.n_waiting("outcome", "me")) == (0, 0)
    end(0)
    assert joiner.n_waiting("outcome", "me") == 1
