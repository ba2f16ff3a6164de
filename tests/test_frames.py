from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from learnlab.errors import StoreError
from learnlab.models import ExecutionRecord, normalise_task_type
from learnlab.store.frames import conform
from learnlab.store.limits import SCHEMA
from learnlab.store.words import normalised_task_type, times_of, truth_of_text

BASE = {
    "task_type": "docs",
    "task_description": "d",
    "repo": "r",
    "model_tier": "small",
    "pool_type": "p",
}


def one(**changes):
    good, faults = conform(pl.DataFrame([BASE | changes], strict=False, infer_schema_length=None))
    assert len(good) + len(faults) == 1
    return faults["reason"][0] if len(faults) else good.row(0, named=True)


def test_the_schema_has_every_field_of_the_record():
    assert list(SCHEMA) == list(ExecutionRecord.model_fields)
    assert SCHEMA["success"] == pl.Boolean
    assert SCHEMA["timestamp"] == pl.Datetime("us")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"repo": None}, "repo is missing"),
        ({"repo": ""}, "repo is empty"),
        ({"actual_cost": -0.5}, "actual_cost is -0.5, below 0"),
        ({"duration_seconds": float("nan")}, "duration_seconds is NaN, not a finite number"),
        ({"quality_score": float("inf")}, "quality_score is inf, not a finite number"),
        ({"quality_score": 100.5}, "quality_score is 100.5, above 100"),
        ({"user_rating": 6}, "user_rating is 6, above 5"),
        ({"duration_seconds": "fast"}, "duration_seconds is 'fast', not a number"),
        ({"file_count": 1.5}, "file_count is '1.5', not a whole number"),
        ({"success": "completed"}, "success is 'completed', not true or false"),
        ({"timestamp": "soon"}, "timestamp is 'soon', not a time"),
        ({"task_id": "abc"}, "task_id is 'abc', not a UUID"),
        ({"error_type": "sad"}, "error_type is 'sad', not one of timeout, "),
        ({"timestamp": datetime(1999, 12, 31)}, "before 2000"),
        ({"timestamp": datetime.now() + timedelta(days=400)}, "in the future"),
        ({"task_description": "x" * 1_000_001}, "task_description has 1000001 characters, 1000000 at most"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason(changes, reason):
    found = one(**changes)
    assert isinstance(found, str), found
    assert reason in found


def test_a_good_row_is_typed_and_complete():
    row = one(success="yes", file_count="3", timestamp="2026-03-01T10:00:00+02:00", error_message="x" * 2000)
    assert row["success"] is True
    assert row["file_count"] == 3
    assert row["timestamp"] == datetime(2026, 3, 1, 8)
    assert len(row["error_message"]) == 1000
    assert (row["estimated_tokens"], row["cost_source"], row["time_source"]) == (0, "unknown", "recorded")
    assert one()["time_source"] == "ingestion"


def test_unknown_columns_and_lists_are_errors_of_the_caller():
    with pytest.raises(StoreError, match="no such column of an execution: colour"):
        conform(pl.DataFrame([BASE | {"colour": "red"}]))
    with pytest.raises(StoreError, match="duration_seconds holds List"):
        conform(pl.DataFrame([BASE | {"duration_seconds": [1.0]}]))


def test_an_empty_frame_conforms():
    good, faults = conform(pl.DataFrame(schema=dict.fromkeys(BASE, pl.String)))
    assert (len(good), len(faults)) == (0, 0)


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        (None, '{"task_type":"Doc\\"s"}'),
        ("{ }", '{"task_type":"Doc\\"s"}'),
        ('{"a":1}', '{"task_type":"Doc\\"s","a":1}'),
        ('{"task_type":"older"}', '{"task_type":"older"}'),
    ],
)
def test_the_own_spelling_goes_to_the_metadata(metadata, kept):
    assert one(task_type='Doc"s', metadata=metadata)["metadata"] == kept


@given(st.lists(st.text(max_size=30), min_size=1, max_size=20))
def test_task_types_in_bulk_are_those_of_the_model(texts):
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    found = frame.select(normalised_task_type(pl.col("t")))["t"].to_list()
    assert found == [normalise_task_type(text) for text in texts]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "quality_score": st.floats(-10, 110) | st.just(float("nan")),
            "routing_confidence": st.floats(min_value=-0.5, max_value=1.5),
            "user_rating": st.integers(-2, 8),
            "actual_cost": st.floats(),
            "model_tier": st.sampled_from(["small", "large", "unknown", "SMALL", ""]),
            "error_type": st.sampled_from([None, "crash", "oops"]),
            "repo": st.text(max_size=5),
            "success": st.sampled_from([True, False, None]),
            "timestamp": st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)),
        },
    )
)
def test_bulk_checks_and_the_model_agree(changes):
    try:
        record = ExecutionRecord(**(BASE | changes))
    except ValidationError:
        record = None
    found = one(**changes)
    assert isinstance(found, str) == (record is None), (found, changes)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 4, 14 * 4))
def test_written_times_are_read_back(moment, quarters):
    from datetime import timezone

    zone = timezone(timedelta(minutes=15 * quarters))
    zoned = moment.replace(tzinfo=zone)
    seconds = moment.replace(microsecond=0, tzinfo=UTC)
    texts = [
        moment.isoformat(),
        moment.isoformat(" "),
        zoned.isoformat(),
        zoned.isoformat(" "),
        moment.date().isoformat(),
        str(int(seconds.timestamp()) + 2_000_000_000),
    ]
    expected = [
        moment,
        moment,
        zoned.astimezone(UTC).replace(tzinfo=None),
        zoned.astimezone(UTC).replace(tzinfo=None),
        datetime(moment.year, moment.month, moment.day),
        (seconds + timedelta(seconds=2_000_000_000)).replace(tzinfo=None),
    ]
    assert times_of(pl.Series(texts)).to_list() == expected


@given(st.lists(st.text(max_size=40), max_size=10))
def test_no_text_breaks_the_parsers(texts):
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    assert len(times_of(frame["t"])) == len(texts)
    assert len(frame.select(truth_of_text(pl.col("t")))) == len(texts)
