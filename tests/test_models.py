from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from learnlab.events import Candidate, MessageType, PoolEvent, RoutingDecision
from learnlab.models import (
    ErrorType,
    ExecutionRecord,
    Tier,
    Topology,
    as_uuid,
    normalise_task_type,
)


def test_the_quick_starts_record_works_unchanged():
    record = ExecutionRecord(
        task_type="refactor",
        task_description="Optimize database queries",
        repo="mahavishnu",
        file_count=3,
        estimated_tokens=2500,
        model_tier="medium",
        pool_type="mahavishnu",
        swarm_topology=None,
        routing_confidence=0.85,
        complexity_score=65,
        success=True,
        duration_seconds=45.2,
        quality_score=92,
        cost_estimate=0.003,
        actual_cost=0.0032,
    )
    assert isinstance(record.task_id, UUID)
    assert record.timestamp.tzinfo is UTC
    assert record.success_source == "harness"
    assert record.cost_source == "reported"
    assert record.calculate_prediction_error()["cost_error"] == pytest.approx(0.0002)
    assert record.calculate_prediction_error()["cost_error_relative"] == pytest.approx(0.0002 / 0.003)


def test_what_nobody_said_is_unknown_and_not_a_figure(make_record):
    record = make_record(success=None, actual_cost=None, duration_seconds=None)
    assert record.success is None
    assert record.success_source == "unknown"
    assert record.actual_cost is None
    assert record.cost_source == "unknown"
    assert (record.routing_confidence, record.complexity_score, record.propensity) == (None, None, None)


def test_an_estimate_of_zero_has_no_relative_error(make_record):
    error = make_record(cost_estimate=0.0, actual_cost=2.0).calculate_prediction_error()
    assert error == {"cost_error": 2.0, "cost_error_absolute": 2.0, "cost_error_relative": None}


def test_the_embedding_text_does_not_know_the_outcome(make_record):
    texts = {
        make_record(
            success=success, solution_summary=solution, error_message=message
        ).calculate_embedding_content()
        for success, solution, message in [
            (True, "a cache", None),
            (False, None, "it broke"),
            (None, None, None),
        ]
    }
    assert texts == {"Split the billing module"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quality_score", 100.5),
        ("quality_score", -1),
        ("routing_confidence", 1.01),
        ("propensity", -0.1),
        ("complexity_score", 101),
        ("duration_seconds", -0.001),
        ("duration_seconds", float("nan")),
        ("actual_cost", float("inf")),
        ("actual_cost", -1),
        ("user_rating", 0),
        ("user_rating", 6),
        ("file_count", -1),
        ("error_message", "x" * 1001),
        ("model_tier", "huge"),
        ("error_type", "sad"),
        ("repo", ""),
        ("timestamp", datetime(1970, 1, 1)),
        ("timestamp", datetime.now(UTC) + timedelta(days=2)),
        ("no_such_field", 1),
    ],
)
def test_a_value_out_of_range_is_refused_and_the_field_named(make_record, field, value):
    with pytest.raises(ValidationError, match=field):
        make_record(**{field: value})


def test_a_time_without_zone_is_utc_and_others_are_converted(make_record):
    assert make_record(timestamp=datetime(2026, 3, 1, 12)).timestamp == datetime(2026, 3, 1, 12, tzinfo=UTC)
    east = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert make_record(timestamp=east).timestamp == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_a_text_id_becomes_a_uuid5_and_stays_beside_it(make_record):
    record = make_record(task_id="task-abc-123")
    assert record.external_id == "task-abc-123"
    assert record.task_id == uuid5(UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8"), "learnlab::task-abc-123")
    assert make_record(task_id=str(record.task_id)).external_id is None
    assert as_uuid("a", "one") != as_uuid("a", "two")


def test_the_own_spelling_of_a_task_type_is_kept(make_record):
    record = make_record(task_type="Refactor-Code", metadata={"branch": "main"})
    assert record.task_type == "refactor"
    assert record.metadata == {"task_type": "Refactor-Code", "branch": "main"}
    assert make_record(task_type="refactor").metadata == {}


@given(st.text(min_size=1, max_size=60))
def test_normalising_a_task_type_twice_changes_nothing(text):
    once = normalise_task_type(text)
    assert once
    assert normalise_task_type(once) == once


@pytest.mark.parametrize(
    "spelling", ["TASK_COMPLETED", "task_completed", "Task-Completed", " task_completed "]
)
def test_message_types_are_read_in_any_case(spelling):
    assert MessageType(spelling) is MessageType.TASK_COMPLETED


def test_an_unknown_message_type_is_an_error():
    with pytest.raises(ValueError, match="task_done"):
        MessageType("task_done")


def test_the_vocabularies_are_those_of_the_specification():
    assert [e.value for e in ErrorType] == ["timeout", "quality_gate", "crash", "validation", "unknown"]
    assert [t.value for t in Tier] == ["small", "medium", "large", "unknown"]
    assert {t.value for t in Topology} == {"hierarchical", "flat", "dynamic", "star", "mesh", "tree"}
    assert len(MessageType) == 12


def test_a_decision_keeps_what_could_have_been_chosen(make_record):
    record = make_record()
    decision = RoutingDecision(
        task_id=record.task_id,
        candidates=[Candidate(tier="small", propensity=0.25), Candidate(tier="large", propensity=0.75)],
        chosen=Candidate(tier="large", propensity=0.75),
    )
    again = RoutingDecision.model_validate(json.loads(decision.model_dump_json()))
    assert again == decision
    assert PoolEvent(event="POOL_CREATED", pool_id="p").event == "pool_created"
