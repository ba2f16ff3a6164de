"""Document 001's mapping: what is read from tasks and results, what is never invented, what nothing can break."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel

import learnlab.capture
from learnlab.capture.mapping.fields import result_fields, table, task_fields, task_id_of
from learnlab.capture.mapping.routing import decision_of, is_routing
from learnlab.capture.mapping.rules import RULES
from learnlab.events import AttemptEvent, Message, Side, executed
from learnlab.lenient import record_of
from learnlab.models import ExecutionRecord, as_uuid

README = Path(learnlab.capture.__file__).parent / "README.md"
SEEDS_TASK = {
    "prompt": "Write a function",
    "task_type": "code_generation",
    "repo": "my_project",
    "complexity_score": 75,
}


def test_the_page_prints_the_table():
    assert table() in README.read_text(encoding="utf-8"), (
        "learnlab/capture/README.md is older than the rules: replace its table by what "
        "`python -c 'from learnlab.capture.mapping.fields import table; print(table())'` prints"
    )


def test_every_field_is_in_the_table_or_made_by_the_store():
    of_the_store = {
        "timestamp", "time_source", "uploaded_at", "duration_source", "cost_source", "price_version", "source",
        "source_position", "record_key", "content_hash",
    }  # fmt: skip
    mapped = {rule.field for rule in RULES if not rule.field.startswith("metadata.")}
    assert mapped == set(ExecutionRecord.model_fields) - of_the_store


def test_the_task_of_the_seeds():
    assert task_fields(SEEDS_TASK) == {
        "task_description": "Write a function",
        "task_type": "code_generation",
        "repo": "my_project",
        "complexity_score": 75,
        "estimated_tokens": 4,
    }


@pytest.mark.parametrize(
    ("task", "field", "expected"),
    [
        ({"prompt": "a", "description": "b"}, "task_description", "a"),
        ({"prompt": "", "description": "b"}, "task_description", "b"),
        ({"task_description": "c"}, "task_description", "c"),
        ("Sort the list", "task_description", "Sort the list"),
        ({"prompt": [{"role": "user"}]}, "task_description", '[{"role": "user"}]'),
        ({"type": "docs"}, "task_type", "docs"),
        ({"type": "docs", "task_type": "test"}, "task_type", "test"),
        ({"repo": "ada/shop"}, "repo", "ada/shop"),
        ({"repo": "/home/ada/shop/"}, "repo", "shop"),
        ({"repo": "C:\\work\\shop"}, "repo", "shop"),
        ({"repo_path": "work/shop"}, "repo", "shop"),
        ({"repo_path": PurePosixPath("/srv/shop")}, "repo", "shop"),
        ({"repo": "shop", "repo_path": "/srv/other"}, "repo", "shop"),
        ({"files": ["a.py", "b.py"]}, "file_count", 2),
        ({"files": ["a.py"], "file_count": 7}, "file_count", 7),
        ({"estimated_tokens": 5000, "prompt": "x"}, "estimated_tokens", 5000),
        ({"prompt": "12345"}, "estimated_tokens", 2),
        ({"model_tier": " SMALL "}, "model_tier", "small"),
        ({"swarm_topology": "Mesh"}, "swarm_topology", "mesh"),
        ({"complexity": "40"}, "complexity_score", 40.0),
        ({"routing_confidence": 0.85}, "routing_confidence", 0.85),
        ({"propensity": 0.3}, "propensity", 0.3),
        ({"prompt": b"Sort \xff"}, "task_description", "Sort \ufffd"),
        ({"prompt": "word " * 101}, "task_description", "word " * 100),
        ({"estimated_cost": 0.01}, "cost_estimate", 0.01),
        ({"session_id": 12}, "session_id", "12"),
        ({"parent_task_id": UUID(int=7)}, "parent_task_id", str(UUID(int=7))),
        ({"attempt": 2}, "attempt", 2),
        ({"agent": {"name": "writer"}}, "agent", "writer"),
        ({"pool": "local"}, "pool_type", "local"),
        ({"metadata": {"team": "core"}}, "metadata", {"team": "core"}),
    ],
)
def test_what_a_task_says(task, field, expected):
    assert task_fields(task)[field] == expected


def test_what_nobody_says_is_not_there():
    assert task_fields({}) == task_fields(None) == task_fields(7) == task_fields([1]) == {}
    assert result_fields({}) == result_fields(None) == result_fields(True) == result_fields("done") == {}
    record = record_of(task_fields(SEEDS_TASK) | result_fields({"status": "completed"}))
    assert record.success is record.actual_cost is record.cost_estimate is record.routing_confidence is None
    assert record_of(task_fields({"prompt": "x"})).complexity_score is None


def test_a_propensity_beside_candidates_is_the_routing_s_to_judge():
    task = {
        "prompt": "Sort",
        "model_tier": "small",
        "propensity": 0.9,
        "candidates": {"small": 0.2, "large": 0.8},
    }
    known = task_fields(task)
    assert "propensity" not in known
    decision = decision_of(task, task_id="t", task=known)
    start = AttemptEvent(side=Side.START, task_id="t", known=known)
    assert executed(decision, start).propensity is None


class Moody:
    """A key that cannot be compared with any other."""

    def __hash__(self) -> int:
        return hash("prompt")

    def __eq__(self, other: object) -> bool:
        raise TypeError("not to be compared")


def test_a_key_that_cannot_be_compared():
    assert task_fields({Moody(): 1, "type": "docs"})["task_type"] == "docs"
    assert is_routing({Moody(): 1, "tier": "small"})


def test_long_descriptions_are_cut_and_their_tokens_are_those_of_the_whole():
    known = task_fields({"prompt": "x" * 4001})
    assert (len(known["task_description"]), known["estimated_tokens"]) == (500, 1001)


def test_a_cut_leaves_no_half_of_a_secret():
    key = "sk-proj-" + "a1B2c3D4" * 5
    known = task_fields({"prompt": "word " * 96 + key + " and on"})
    assert known["task_description"] == "word " * 95 + "word"
    message = "x" * 985 + " ada1@example.org is unknown"
    assert result_fields({"error_message": message})["error_message"] == "x" * 985


@dataclass
class DataTask:
    task_id: str = "task-1"
    prompt: str = "Explain the cache"
    type: str = "docs"
    files: list[str] = field(default_factory=lambda: ["a.py"])


class ModelTask(BaseModel):
    task_id: str = "task-1"
    prompt: str = "Explain the cache"
    type: str = "docs"
    files: list[str] = ["a.py"]


class SlottedTask:
    __slots__ = ("files", "prompt", "task_id", "type")

    def __init__(self):
        self.task_id, self.prompt, self.type, self.files = "task-1", "Explain the cache", "docs", ["a.py"]

    def repo(self):
        raise AssertionError("a method is not to be called")

    @property
    def agent(self):
        raise OSError("the agent is gone")


MESSAGE = {
    "type": "TASK_DELEGATE",
    "source_pool_id": "p1",
    "target_pool_id": "p2",
    "payload": {"task_id": "task-1", "prompt": "Explain the cache", "type": "docs", "files": ["a.py"]},
}


@pytest.mark.parametrize(
    "task", [DataTask(), ModelTask(), SlottedTask(), SimpleNamespace(**MESSAGE["payload"])]
)
def test_objects_are_read_by_their_attributes(task):
    assert task_fields(task) == task_fields(MESSAGE["payload"])
    assert task_id_of(task) == (as_uuid("task-1"), "task-1")


@pytest.mark.parametrize("message", [MESSAGE, SimpleNamespace(**MESSAGE), Message(**MESSAGE)])
def test_the_payload_of_a_message_is_the_task(message):
    expected = task_fields(MESSAGE["payload"]) | {
        "metadata": {"source_pool_id": "p1", "target_pool_id": "p2"}
    }
    assert task_fields(message) == expected
    assert task_id_of(message)[1] == "task-1"
    assert result_fields({**MESSAGE, "payload": {"success": True}})["metadata"]["source_pool_id"] == "p1"


def test_a_payload_of_the_task_itself_is_no_message():
    assert task_fields({"prompt": "Sort", "payload": {"prompt": "other"}})["task_description"] == "Sort"


def test_the_payload_of_a_message_may_be_a_text():
    assert task_fields({"source_pool_id": "p1", "payload": "Sort"})["task_description"] == "Sort"


def test_ids():
    given = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
    assert task_id_of({"task_id": given}) == (given, str(given))
    assert task_id_of({"task_id": str(given)}) == (given, str(given))
    assert task_id_of({"id": 17}) == (as_uuid("17"), "17")
    assert task_id_of({"task_id": " ", "id": "b"})[1] == "b"
    first, second = task_id_of({}), task_id_of("Sort the list")
    assert first[1] is second[1] is None
    assert first[0] != second[0]
    assert task_id_of({"task_id": "half \ud800"})[0] == as_uuid("half ?")


def test_attempts_at_one_id_share_a_group_and_only_texts_are_kept_beside():
    assert task_fields({"task_id": "task-1"}) == {"external_id": "task-1", "task_group": "task-1"}
    given = "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert task_fields({"task_id": given}) == {"task_group": given}
    assert task_fields({"task_id": "task-1", "task_group": "problem-9"})["task_group"] == "problem-9"


class Kind(Enum):
    CLUSTER = "kubernetes"


@pytest.mark.parametrize(
    "pool",
    [
        SimpleNamespace(config=SimpleNamespace(pool_type="kubernetes"), pool_type="other", pool_id="p1"),
        SimpleNamespace(config={"pool_type": "kubernetes"}, pool_id="p1"),
        SimpleNamespace(pool_type=Kind.CLUSTER, type="other", pool_id="p1"),
        {"type": "kubernetes", "pool_id": "p1"},
    ],
)
def test_the_pool_s_configuration_says_what_pool_it_is(pool):
    known = task_fields({"pool_type": "said by the task"}, pool)
    assert known == {"pool_type": "kubernetes", "metadata": {"pool_id": "p1"}}


def test_a_pool_that_says_nothing_leaves_it_to_the_task():
    assert task_fields({"pool": "local"}, object())["pool_type"] == "local"
    assert record_of(task_fields({}, object())).pool_type == "unknown"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"success": True}, {"success": True, "success_source": "harness"}),
        ({"success": 1, "status": "failed"}, {"success": True, "success_source": "harness"}),
        ({"success": "true", "success_source": "ci"}, {"success": True, "success_source": "ci"}),
        ({"success_source": "ci"}, {}),
        ({"status": "completed"}, {}),
        ({"status": "success"}, {}),
        ({"success": False}, {"success": False, "success_source": "harness", "error_type": "unknown"}),
        ({"status": "failed"}, {"success": False, "success_source": "harness", "error_type": "unknown"}),
        ({"status": "Timed-out"}, {"success": False, "success_source": "harness", "error_type": "timeout"}),
        ({"gate_passed": False}, {"success": False, "success_source": "harness", "error_type": "quality_gate"}),
        ({"quality_gate": "failed"}, {"success": False, "success_source": "harness", "error_type": "quality_gate"}),
        ({"exit_code": -9}, {"success": False, "success_source": "harness", "error_type": "crash"}),
        ({"exit_code": 1}, {}),
        ({"gate_passed": False, "success": True}, {"success": True, "success_source": "harness"}),
        ({"error": "timed out"}, {"error_type": "timeout", "error_message": "timed out"}),
        ({"error": "old", "error_message": "new"}, {"error_type": "unknown", "error_message": "new"}),
        (
            {"success": True, "error": "a warning"},
            {"success": True, "success_source": "harness", "error_message": "a warning"},
        ),
        (
            {"error_type": "rate_limit", "error": {"message": "slow down"}},
            {
                "success": False, "success_source": "harness", "error_type": "unknown", "error_message": "slow down",
                "metadata": {"error_type": "rate_limit"},
            },
        ),
        (
            {"error": TimeoutError()},
            {
                "success": False, "success_source": "harness", "error_type": "timeout",
                "error_message": "TimeoutError",
            },
        ),
    ],
)  # fmt: skip
def test_what_a_result_says_of_success(result, expected):
    assert result_fields(result) == expected
    assert result_fields(SimpleNamespace(**result)) == expected


@pytest.mark.parametrize(
    ("result", "field", "expected"),
    [
        ({"cost": 0.002}, "actual_cost", 0.002),
        ({"cost_usd": "0.5"}, "actual_cost", 0.5),
        ({"actual_cost": 0.1, "cost": 9}, "actual_cost", 0.1),
        ({"duration": 2}, "duration_seconds", 2),
        ({"duration_seconds": 45.2, "duration": 9}, "duration_seconds", 45.2),
        ({"quality_score": 85}, "quality_score", 85),
        ({"files_changed": {"a.py", "b.py"}}, "file_count", 2),
        ({"files_changed": 3}, "file_count", 3),
        ({"usage": {"prompt_tokens": 9}}, "input_tokens", 9),
        ({"usage": {"input_tokens": 9, "cache_read_input_tokens": 100}}, "input_tokens", 109),
        ({"usage": {"input_tokens": 9, "cache_creation_input_tokens": 5}}, "input_tokens", 14),
        ({"usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}}}, "input_tokens", 9),
        ({"usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}}}, "cached_tokens", 4),
        ({"usage": SimpleNamespace(completion_tokens=7)}, "output_tokens", 7),
        ({"input_tokens": 1, "usage": {"input_tokens": 2}}, "input_tokens", 1),
        ({"peak_memory_mb": 12.5}, "peak_memory_mb", 12.5),
        ({"cpu_time_seconds": 0.5}, "cpu_time_seconds", 0.5),
        ({"solution_summary": "Used a heap"}, "solution_summary", "Used a heap"),
        ({"model": "m-1"}, "model", "m-1"),
        ({"worker_id": 3, "metadata": {"tries": 2}}, "metadata", {"worker_id": "3", "tries": 2}),
        ({"metadata": "a note"}, "metadata", {"metadata": "a note"}),
        ({"error": "x" * 2000}, "error_message", "x" * 1000),
    ],
)
def test_what_else_a_result_says(result, field, expected):
    assert result_fields(result)[field] == expected


def test_an_exception_is_a_failure_whatever_the_result_says():
    known = result_fields({"success": True, "cost": 0.1}, RuntimeError("validation of the answer"))
    assert known == {
        "success": False, "success_source": "harness", "error_type": "validation", "actual_cost": 0.1,
        "error_message": "validation of the answer",
    }  # fmt: skip
    assert result_fields(RuntimeError("boom"))["error_message"] == "boom"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_who_stops_an_execution_does_not_judge_it(error):
    assert result_fields(None, error) == {"metadata": {"cancelled": True}}


def test_the_sides_make_the_record_of_the_document():
    """The whole of document 001's table, worked out by hand."""
    task = SEEDS_TASK | {"task_id": "task-abc-123", "model_tier": "small", "cost_estimate": 0.003}
    pool = SimpleNamespace(config=SimpleNamespace(pool_type="mahavishnu"), pool_id="pool-1")
    result = {
        "status": "completed",
        "success": True,
        "cost": 0.0032,
        "files_changed": ["a", "b"],
        "worker_id": "w1",
    }
    start = AttemptEvent(side=Side.START, task_id="task-abc-123", known=task_fields(task, pool))
    outcome = AttemptEvent(side=Side.OUTCOME, task_id="task-abc-123", known=result_fields(result))
    record = executed(None, start, outcome)
    assert record.metadata == {"pool_id": "pool-1", "worker_id": "w1"}
    assert (record.success, record.success_source, record.actual_cost) == (True, "harness", 0.0032)
    assert (record.external_id, record.task_group) == ("task-abc-123", "task-abc-123")
    assert (record.pool_type, record.model_tier, record.file_count) == ("mahavishnu", "small", 2)
    assert record.routing_confidence is record.propensity is record.user_accepted is None


def test_what_breaks_a_limit_is_set_aside_and_the_rest_stands():
    task = {
        "prompt": "Sort",
        "complexity": 140,
        "attempt": 0,
        "model_tier": "premium",
        "routing_confidence": True,
    }
    result = {
        "success": "maybe",
        "cost": float("inf"),
        "quality_score": [1],
        "duration": -1,
        "input_tokens": 10**300,
    }
    record = record_of(task_fields(task) | result_fields(result))
    assert set(record.metadata["refused"]) == {
        "complexity_score", "attempt", "model_tier", "routing_confidence", "success", "actual_cost", "quality_score",
        "duration_seconds", "input_tokens",
    }  # fmt: skip
    assert record.task_description == "Sort"
    assert record.success is record.actual_cost is None


class Hostile:
    """Says something else whenever it is asked, or raises."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __getattr__(self, name: str) -> Any:
        if len(name) % 3 == 0:
            raise RuntimeError(name)
        return self.__dict__.get("value")

    def __str__(self) -> str:
        raise OSError("no text")

    def __repr__(self) -> str:
        return "Hostile()"

    def __eq__(self, other: object) -> bool:
        raise TypeError("not to be compared")

    __hash__ = None  # type: ignore[assignment]


NAMES = sorted({read.split(".")[1] for rule in RULES for read in rule.reads} | {"usage", "payload", "config"})
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20)
    | st.binary(max_size=8) | st.sampled_from(["\x00", "\ud800", Kind.CLUSTER, len, str, KeyError("x"), object()])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
        | st.builds(lambda known: SimpleNamespace(**known), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4))
        | st.builds(Hostile, inner) | st.dictionaries(st.integers(), inner, max_size=2)
    ),
    max_leaves=12,
)  # fmt: skip


@hypothesis_settings(max_examples=25)
@given(
    task=VALUES,
    result=VALUES,
    pool=VALUES,
    error=st.sampled_from([None, TimeoutError(), ValueError("\ud800")]),
)
def test_whatever_is_said_a_record_comes_of_it(task, result, pool, error):
    known = task_fields(task, pool)
    said = result_fields(result, error)
    for fields in (known, said):
        assert json.loads(json.dumps(fields)) == fields
        assert None not in fields.values()
        json.dumps(fields).encode("utf-8")
    task_id, text = task_id_of(task)
    assert text is None or as_uuid(text) == task_id
    record = executed(
        None,
        AttemptEvent(side=Side.START, task_id=task_id, known=known),
        AttemptEvent(side=Side.OUTCOME, task_id=task_id, known=said),
    )
    assert record.model_dump_json()
    if error is not None:
        assert record.success is False


def test_a_task_that_holds_itself():
    task: dict[str, Any] = {"prompt": "Sort"}
    task["metadata"] = task["files"] = task
    assert record_of(task_fields(task)).task_description == "Sort"


class Unbound:
    """A stand-in for something that is not there: even its class cannot be asked for."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("nothing is bound")


class Broken(dict[str, Any]):
    def get(self, *_: Any) -> Any:
        raise OSError("gone")


@pytest.mark.parametrize("kind", [Unbound, Broken, MagicMock, AsyncMock])
def test_stand_ins_and_broken_mappings_say_nothing(kind):
    thing = kind()
    assert task_fields(thing, thing) == result_fields(thing) == {}
    assert task_id_of(thing)[1] is None
    assert not is_routing(thing)
    inside = {
        "prompt": "Sort",
        "repo": thing,
        "agent": thing,
        "files": thing,
        "success": thing,
        "error": thing,
    }
    assert record_of(task_fields(inside) | result_fields(inside)).task_description == "Sort"
    assert (
        decision_of({"tier": "small", "model": thing, "candidates": thing}, task_id="t", task={}) is not None
    )


def test_numbers_that_no_line_can_hold():
    huge = 10**5000
    known = task_fields(
        {"task_id": huge, "attempt": huge, "files": huge, "metadata": {"n": [huge], "pool_id": huge}}
    )
    json.dumps(known)
    record = record_of(known | result_fields({"cost": huge, "usage": {"input_tokens": huge}}))
    assert {"attempt", "file_count", "actual_cost", "input_tokens"} == set(record.metadata["refused"])


def test_reading_changes_nothing():
    task, result = (
        {**SEEDS_TASK, "metadata": {"a": 1}, "pool_id": "p"},
        {"usage": {"input_tokens": 1}, "metadata": {}},
    )
    before = json.dumps([task, result])
    task_fields(task)["metadata"]["a"] = 2
    result_fields(result)
    assert json.dumps([task, result]) == before
