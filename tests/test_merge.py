from __future__ import annotations

import random
import shutil

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.store import Counts, Store
from learnlab.store.frames import conform
from learnlab.store.migrations import validate


def add(store: Store, frame: pl.DataFrame, **given) -> Counts:
    good, faults = conform(frame)
    assert not len(faults), faults
    return store.add(good, **given)


def test_rows_texts_and_ledger_come_in_together(store, make_frame):
    counts = add(store, make_frame(20), source="a file", mapping="m")
    assert counts == Counts(n_rows_read=20, n_accepted=20)
    assert store.sql("select count(*) from executions").item() == 20
    assert store.sql("select count(*) from texts").item() == 7
    (ledger,) = store.sql("select * from ledger").to_dicts()
    assert (ledger["source"], ledger["mapping"], ledger["n_accepted"]) == ("a file", "m", 20)
    assert validate(store.path) == []


def test_the_same_rows_again_in_any_order_and_size_count_nothing_twice(store, make_frame):
    frame = make_frame(50)
    add(store, frame)
    before = store.sql("select * from executions order by task_id").drop("uploaded_at")
    again = frame.sample(fraction=1, shuffle=True, seed=1)
    assert add(store, again) == Counts(n_rows_read=50, n_duplicates=50)
    assert add(store, again[:10]) == Counts(n_rows_read=10, n_duplicates=10)
    assert add(store, pl.concat([make_frame(60), make_frame(60)])) == Counts(120, 10, 0, 110, 0)
    rows = store.sql("select * from executions order by task_id").drop("uploaded_at")
    assert rows[:50].equals(before)
    assert validate(store.path) == []


def test_newer_content_of_a_record_replaces_it_and_the_older_never_comes_back(store, make_frame):
    old = make_frame(5)
    new = old.with_columns(success=pl.lit(False), duration_seconds=pl.lit(99.0))
    add(store, old)
    assert add(store, new) == Counts(n_rows_read=5, n_accepted=5, n_replaced=5)
    assert add(store, old) == Counts(n_rows_read=5, n_duplicates=5)
    rows = store.sql("select distinct success, duration_seconds from executions")
    assert rows.rows() == [(False, 99.0)]
    assert validate(store.path) == []


def test_two_versions_in_one_batch_leave_the_later(store, make_frame):
    old = make_frame(3)
    both = pl.concat([old, old.with_columns(duration_seconds=pl.lit(99.0))])
    assert add(store, both) == Counts(n_rows_read=6, n_accepted=6, n_replaced=3)
    assert store.sql("select distinct duration_seconds from executions").rows() == [(99.0,)]
    assert add(store, both) == Counts(n_rows_read=6, n_duplicates=6)
    assert validate(store.path) == []


def test_a_task_id_that_another_record_has_gives_way(store, make_frame):
    one = conform(make_frame(1))[0]
    keys = [f"1111111{i}-0000-4000-8000-000000000000" for i in range(3)]
    same_id = pl.concat([one] * 3).with_columns(
        record_key=pl.Series(keys), content_hash=pl.Series([k.replace("1111", "2222") for k in keys])
    )
    assert store.add(same_id[:2]).n_accepted == 2
    assert store.add(same_id[2:]).n_accepted == 1
    ids = store.sql("select task_id, record_key from executions order by record_key").rows()
    assert ids[0] == (one["task_id"][0], keys[0])
    assert ids[1:] == [(keys[1], keys[1]), (keys[2], keys[2])]


def test_rejected_rows_are_kept_once_and_counted_every_time(store, make_frame):
    rejected = pl.DataFrame({"source_position": [3, 7], "reason": ["bad", "worse"], "content": ["x", "y"]})
    good = conform(make_frame(2))[0]
    assert store.add(good, rejected, source="f") == Counts(4, 2, 0, 0, 2)
    assert store.add(good, rejected, source="f") == Counts(4, 0, 0, 2, 2)
    kept = store.sql("select source, source_position, reason, content from rejected order by 2")
    assert kept.rows() == [("f", 3, "bad", "x"), ("f", 7, "worse", "y")]


def test_a_failure_in_the_middle_leaves_the_store_as_it_was(store, make_frame):
    add(store, make_frame(5))
    broken = conform(make_frame(5, first=10))[0].with_columns(parent_task_id=pl.lit("no uuid"))
    with pytest.raises(Exception, match="no uuid"):
        store.add(broken)
    assert store.sql("select count(*) from executions").item() == 5
    assert store.sql("select count(*) from texts").item() == 5
    assert validate(store.path) == []


def test_rows_without_an_id_are_known_by_their_content(store, make_frame):
    frame = make_frame(4).drop("task_id")
    assert add(store, frame).n_accepted == 4
    assert add(store, frame).n_duplicates == 4
    untimed = frame.drop("timestamp")
    assert add(store, untimed).n_accepted == 4
    assert add(store, untimed).n_duplicates == 4
    assert store.sql("select count(*) from executions where time_source = 'ingestion'").item() == 4


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=40), st.randoms())
def test_any_order_of_versions_keeps_the_books(tmp_path_factory, empty, make_frame, rows, rng: random.Random):
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("merge") / "s.duckdb"))
    frame = pl.concat([make_frame(1, first=key, duration_seconds=float(version)) for key, version in rows])
    counts = Counts()
    while len(frame):
        n = rng.randint(1, len(frame))
        counts += add(store, frame[:n])
        frame = frame[n:]
    assert counts.n_rows_read == counts.n_accepted + counts.n_duplicates == len(rows)
    assert counts.n_accepted == len(set(rows))
    assert counts.n_accepted - counts.n_replaced == len({key for key, _ in rows})
    assert validate(store.path) == []
