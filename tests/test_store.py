from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from datetime import datetime, timedelta

import duckdb
import polars as pl
import pytest
from processes import finish, next_fact, start

from learnlab.errors import StoreBusyError, StoreError
from learnlab.store import Store, query, sql, status, view
from learnlab.store import views as views_module
from learnlab.store.frames import conform
from learnlab.store.migrations import validate
from learnlab.store.spool import SpoolWriter


def fill(store: Store, frame: pl.DataFrame) -> None:
    store.add(conform(frame)[0])


def test_sql_gives_polars_and_takes_parameters(store, make_frame):
    fill(store, make_frame(5))
    assert store.sql("select count(*) as n from executions").to_dicts() == [{"n": 5}]
    assert store.sql("select $a + 1 as n", {"a": 1}).item() == 2
    assert sql("select 1", db=store.path).item() == 1
    assert len(view("outcomes", store.path)) == 5
    assert query("status", store.path)["n_executions"].item() == 5


def test_sql_cannot_write_and_says_what_is_wrong(store):
    with pytest.raises(StoreError, match="read-only"):
        store.sql("insert into texts (text_hash, text) values (uuid(), 'x')")
    with pytest.raises(StoreError, match="no_such"):
        store.sql("select * from no_such")
    with pytest.raises(StoreError, match="no 'nothing' in sql/queries"):
        store.query("nothing")
    with pytest.raises(StoreError, match="no view 'nothing'"):
        store.view("nothing")


def test_a_store_that_does_not_exist_says_how_to_make_one():
    with pytest.raises(StoreError, match="there is no store 'nowhere' yet.*learnlab ingest"):
        Store("nowhere").sql("select 1")


def test_nothing_stays_open(store, make_frame):
    fill(store, make_frame(3))
    store.sql("select 1")
    with duckdb.connect(str(store.path)) as connection:
        assert connection.execute("select count(*) from executions").fetchall() == [(3,)]


def test_a_block_joins_the_one_it_stands_in(store, make_frame):
    with store.reading() as outer, store.reading() as inner:
        assert inner is outer
        with pytest.raises(StoreError, match="finish that before writing"):
            store.refresh()
    with store.writing():
        assert store.sql("select count(*) from executions").item() == 0


def test_somebody_without_our_lock_is_named_in_the_error(store, monkeypatch):
    foreign = duckdb.connect(str(store.path))
    try:
        patient = Store(store.path, timeout=0.1)
        other = start("read", store.path, 0, 0)
        with pytest.raises(StoreError):
            patient.sql("select 1")
        finish(other)
    finally:
        foreign.close()


def test_what_is_no_file_or_damaged_is_one_line(tmp_path, store, make_frame):
    folder = tmp_path / "folder.db"
    folder.mkdir()
    fill(store, make_frame(2000))
    damaged = tmp_path / "damaged.db"
    whole = store.path.read_bytes()
    damaged.write_bytes(whole[:12288] + b"\xff" * (len(whole) - 12288))
    sqlite = tmp_path / "sqlite.db"
    with closing(sqlite3.connect(sqlite)) as connection:
        connection.execute("create table t (i int)")
        connection.commit()
    for path, message in ((folder, "is not a file"), (damaged, "damaged"), (sqlite, "is not a DuckDB file")):
        for call in (lambda path=path: Store(path).sql("from executions"), lambda path=path: validate(path)):
            with pytest.raises(StoreError, match=message) as caught:
                call()
            assert len(str(caught.value).splitlines()) == 1


def test_somebody_elses_views_are_left_alone(tmp_path):
    path = tmp_path / "theirs.db"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create view mine as select 0 as nothing")
    with pytest.raises(StoreError, match="some other database: it holds mine"):
        Store(path).ensure()
    store = Store(tmp_path / "ours.db").ensure()
    with store.writing() as connection:
        connection.execute("create view mine as select 0 as nothing")
        connection.execute("update schema_version set views = 'older'")
    assert store.ensure().sql("from mine").item() == 0


def test_windows_beyond_reason_are_refused(store):
    for days in (-1, 10**12, "x"):
        with pytest.raises(StoreError, match="days_back is"):
            store.view("tier_performance", days_back=days)


def test_a_reader_waits_for_a_writer_and_gives_up_in_time(store):
    other = start("hold", store.path, "exclusive")
    pid = next_fact(other)["pid"]
    with pytest.raises(StoreBusyError, match=f"process {pid}"):
        Store(store.path, timeout=0.2).sql("select 1")
    finish(other)
    assert store.sql("select 1").item() == 1


def test_windows_count_from_the_newest_recorded_time_not_the_clock(store, make_frame):
    fill(store, make_frame(10))
    assert store.view("tier_performance")["n_executions"].sum() == 10
    assert store.view("tier_performance", as_of="2026-05-01T00:04:30Z")["n_executions"].sum() == 5
    assert store.view("tier_performance", as_of=datetime(2026, 5, 1, 0, 4, 30))["n_executions"].sum() == 5
    assert store.view("tier_performance", as_of="2027-05-01")["n_executions"].sum() == 0
    assert store.view("tier_performance", repo="none")["n_executions"].sum() == 0
    with pytest.raises(StoreError, match="'yesterday' is no time"):
        store.view("tier_performance", as_of="yesterday")


def test_a_materialised_view_is_read_only_while_it_is_exact(store, make_frame):
    fill(store, make_frame(10))
    store.refresh()
    assert store.freshness()["is_exact"].all()
    with store.writing() as connection:
        connection.execute("update tier_performance_mv set n_executions = 1000")
    assert store.view("tier_performance")["n_executions"].max() == 1000, "the table is what is read"
    assert store.view("tier_performance", days_back=30)["n_executions"].max() < 1000, "a window is read live"
    fill(store, make_frame(1, first=10))
    assert not store.freshness()["is_exact"].any()
    assert store.view("tier_performance")["n_executions"].sum() == 11
    assert len(store.refresh()) == len(views_module.MATERIALISED)
    assert store.refresh() == []


def test_writers_refresh_by_age(store, make_frame, monkeypatch):
    fill(store, make_frame(5))
    first = store.freshness()["refreshed_at"].to_list()
    assert None not in first
    fill(store, make_frame(5, first=5))
    assert store.freshness()["refreshed_at"].to_list() == first
    monkeypatch.setitem(views_module.MATERIALISED, "tier_performance", timedelta(0))
    fill(store, make_frame(5, first=10))
    changed = [a != b for a, b in zip(store.freshness()["refreshed_at"], first, strict=True)]
    names = store.freshness()["view_name"].to_list()
    assert [name for name, is_new in zip(names, changed, strict=True) if is_new] == ["tier_performance"]


def test_a_tier_that_changes_makes_the_materialised_views_inexact(store, make_frame):
    fill(store, make_frame(4, model_tier="unknown", model="swift"))
    store.refresh()
    store.set_tiers({"swift": "small"})
    assert store.view("tier_performance")["model_tier"].unique().to_list() == ["small"]
    refreshed = store.freshness()["refreshed_at"].to_list()
    store.set_tiers({"swift": "small"})
    assert store.freshness()["refreshed_at"].to_list() == refreshed


def test_tiers_are_looked_up_and_a_recorded_one_wins(store, make_frame):
    frame = make_frame(4).with_columns(
        model=pl.Series(["swift", "swift", "deep", None]),
        model_tier=pl.Series(["unknown", "small", "unknown", "unknown"]),
    )
    fill(store, frame)
    store.set_tiers({"swift": "large"})
    tiers = store.sql("select model, model_tier from outcomes order by started_at").rows()
    assert tiers == [("swift", "large"), ("swift", "small"), ("deep", "unknown"), (None, "unknown")]


def test_retention_moves_old_rows_to_an_archive_that_can_be_queried(store, make_frame):
    frame = make_frame(10).with_columns(
        timestamp=pl.Series([datetime(2026, 5, 1) - timedelta(days=20 * i) for i in range(10)])
    )
    fill(store, frame)
    with pytest.raises(StoreError, match="nothing has been archived"):
        store.sql("select * from executions_archive")
    moved = store.retain(90)
    assert (moved.n_rows, moved.before) == (5, datetime(2026, 1, 31))
    assert store.sql("select count(*) from executions").item() == 5
    archived = store.sql("select * from executions_archive order by timestamp")
    assert len(archived) == 5
    assert archived["task_description"].to_list()[-1] == "Split module 5"
    assert archived["timestamp"].max() < moved.before
    assert store.retain(90).n_rows == 0
    assert store.retain(30).n_rows == 3
    assert store.sql("select count(*) from executions_archive").item() == 8
    assert validate(store.path) == []
    fill(store, frame)
    assert store.sql("select count(*) from executions").item() == 2, "what was archived does not come back"


def test_retention_says_no_to_other_spans_and_misses_no_file(store, make_frame):
    for days in (6, 366):
        with pytest.raises(StoreError, match="7 to 365"):
            store.retain(days)
    assert store.retain(7).n_rows == 0
    old = make_frame(3).with_columns(timestamp=pl.Series([datetime(2025, 1, d) for d in (1, 2, 3)]))
    fill(store, pl.concat([old, make_frame(1, first=5)]))
    moved = store.retain(90)
    moved.path.unlink()
    with pytest.raises(StoreError, match="archive files are gone"):
        store.sql("select count(*) from executions_archive")


def test_an_archive_that_cannot_be_written_removes_nothing(store, make_frame):
    old = make_frame(3).with_columns(timestamp=pl.Series([datetime(2025, 1, d) for d in (1, 2, 3)]))
    fill(store, pl.concat([old, make_frame(1, first=5)]))
    store.path.with_name("store.duckdb.archive").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="nothing was removed"):
        store.retain(90)
    assert store.sql("select count(*) from executions").item() == 4


def test_ten_threads_read_and_write_one_file(store, make_frame):
    errors: list[Exception] = []

    def work(index: int) -> None:
        try:
            for step in range(3):
                if index % 2:
                    fill(store, make_frame(5, first=1000 * index + 5 * step))
                else:
                    store.view("tier_performance")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.sql("select count(*) from executions").item() == 75


@pytest.mark.soak
@pytest.mark.alone
def test_many_processes_on_one_store(store, soak):
    seconds = 300 if soak else 3
    began = time.monotonic()
    readers = [start("read", store.path, i, seconds) for i in range(5)]
    ingesters = [start("bulk", store.path, 100 + i, seconds) for i in range(3)]
    singles = [start("single", store.path, 200 + i, seconds) for i in range(2)]
    facts = [finish(process, timeout=seconds + 120)[-1] for process in (*readers, *ingesters, *singles)]
    longest = {
        kind: max(fact["longest"] for fact in facts if fact["kind"] == kind)
        for kind in ("reader", "ingester", "single")
    }
    print(f"longest waits in {time.monotonic() - began:.0f} s: {longest}")
    assert not soak or all(wait < 5 for wait in longest.values()), longest
    assert all(fact["n"] > 0 for fact in facts)
    assert sum(fact.get("n_duplicates", 0) for fact in facts) == 0
    expected = sum(fact["n"] for fact in facts if fact["kind"] != "reader")
    assert store.sql("select count(*) from executions").item() == expected
    assert validate(store.path) == []


def test_views_read_together_are_of_one_state(store, make_frame, make_record, monkeypatch):
    store.add(conform(make_frame(10))[0])
    read = Store.view

    def read_while_others_write(self, name, **window):
        SpoolWriter(store.path).append([make_record()])
        return read(self, name, **window)

    monkeypatch.setattr(Store, "view", read_while_others_write)
    tiers, attempts = store.view_together("tier_performance", "window_outcomes")
    assert tiers["n_executions"].sum() == attempts.height == 10
    monkeypatch.undo()
    assert store.view("window_outcomes").height == 12


def test_compacting_gives_empty_blocks_back_and_keeps_every_row(store, make_frame, monkeypatch):
    store.add(conform(make_frame(10))[0])
    with store.writing() as connection:
        for table in ("much", "last"):  # what lies at the end of the file DuckDB gives back by itself
            connection.execute(f"create table {table} as select random() as x from range(1_000_000)")
            connection.execute("checkpoint")
        connection.execute("drop table much")
    monkeypatch.setattr(status, "_MANY_MB", 5)
    said = "MB of the file are empty: `learnlab db compact` gives them back"
    assert said in status.describe(store)
    before = store.path.stat().st_size
    given_back = store.compact()
    assert given_back == before - store.path.stat().st_size > 5_000_000
    assert said not in status.describe(store)
    assert store.sql("select count(*) from outcomes").item() == 10
    assert validate(store.path) == []
    with store.reading(), pytest.raises(StoreError, match="finish that before compacting"):
        store.compact()
    with pytest.raises(StoreError, match="there is no store"):
        Store(store.path.with_name("none.duckdb")).compact()
    assert not store.path.with_name("none.duckdb").exists()
