from __future__ import annotations

import dataclasses

import polars as pl
import pytest

from learnlab.ingest.batch import STEPS_SCHEMA
from learnlab.store import ReadPosition, Store
from learnlab.store.frames import conform

HERE = ReadPosition(
    "logs/a.jsonl", "toy", 2, 120, 1_700_000_000_123_456_789, 90, "5f3c", {"line": 7, "é": [None]}
)


def test_a_position_is_kept_with_its_batch_and_replaced_by_the_next(store, make_frame):
    store.add(conform(make_frame(1))[0], position=HERE)
    assert store.positions() == {"logs/a.jsonl": HERE}
    further = dataclasses.replace(HERE, byte_offset=120, state={})
    other = dataclasses.replace(HERE, path="logs/b.jsonl")
    store.add(conform(make_frame(1, first=1))[0], position=further)
    store.add(conform(make_frame(0))[0], position=other)
    assert store.positions() == {"logs/a.jsonl": further, "logs/b.jsonl": other}


def test_a_batch_that_fails_leaves_the_position_where_it_was(store, make_frame):
    store.add(conform(make_frame(1))[0], position=HERE)
    good = conform(make_frame(2))[0].with_columns(record_key="task_id")
    broken = dict.fromkeys(STEPS_SCHEMA) | {"step_key": "no uuid", "record_key": good["task_id"][1]}
    with pytest.raises(Exception, match="no uuid"):
        store.add(
            good,
            steps=pl.DataFrame([broken], schema=STEPS_SCHEMA),
            position=dataclasses.replace(HERE, byte_offset=120),
        )
    assert store.positions() == {"logs/a.jsonl": HERE}


def test_a_store_that_is_not_there_knows_no_position(tmp_path):
    assert Store(tmp_path / "none.duckdb").positions() == {}


def test_several_batches_in_one_opening_are_transactions_of_their_own(store, make_frame):
    broken = conform(make_frame(1, first=9))[0].with_columns(parent_task_id=pl.lit("no uuid"))
    with pytest.raises(Exception, match="no uuid"), store.writing():
        for first in range(3):
            store.add(conform(make_frame(1, first=first))[0], position=HERE)
        store.add(broken)
    assert store.sql("select count(*) from executions").item() == 3
    assert store.sql("select count(*) from ledger").item() == 3
