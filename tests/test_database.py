from __future__ import annotations

import asyncio
from datetime import timedelta

import polars as pl
import pytest
from encoders import WordEncoder

import learnlab as ll
from learnlab.errors import StoreError
from learnlab.settings import settings


def run(coroutine):
    return asyncio.run(coroutine)


def test_feedback_meets_the_execution_whichever_comes_first(tmp_path, make_record):
    async def use():
        async with ll.LearningDatabase(tmp_path / "learning.db") as db:
            rating = ll.FeedbackSubmission(
                task_id="task-abc-123", satisfaction="good", visibility="team", accepted=True, author="ada"
            )
            await db.store_feedback(rating)
            await db.store_execution(make_record(task_id="task-abc-123"))
            return await db.sql("select user_rating, user_accepted from outcomes")

    assert run(use()).rows() == [(4.0, True)]


def test_the_documents_calls_work_as_written(tmp_path, make_record):
    async def use():
        db = ll.LearningDatabase(
            database_path=tmp_path / "learning.db", embedding_model="all-MiniLM-L6-v2", pool_size=4
        )
        await db.initialize()
        await db.initialize()
        for i in range(8):
            await db.store_execution(
                make_record(
                    task_id=f"task-{i}",
                    success=i != 0,
                    solution_summary="a cache",
                    quality_score=80,
                    timestamp=make_record().timestamp + timedelta(minutes=i),
                )
            )
        results = await asyncio.gather(
            db.get_tier_performance(), db.get_pool_performance(), db.get_solution_patterns()
        )
        await db.close()
        await db.close()
        return results

    tiers, pools, patterns = run(use())
    (tier,) = tiers
    assert (tier["model_tier"], tier["total_executions"], tier["successful_count"]) == ("medium", 8, 7)
    assert (tier["avg_duration"], tier["avg_cost"], tier["avg_quality"]) == (10.0, 0.5, 80.0)
    assert tier["p95_duration"] == 10.0
    assert str(tier["date"])[:10] == "2026-05-01"
    assert 0.5 < tier["success_rate_low"] < 7 / 8 < tier["success_rate_high"]
    assert tier["refreshed_at"] is not None
    (pool,) = pools
    assert (pool["pool_type"], pool["total_tasks"], pool["successful_tasks"]) == ("local", 8, 7)
    assert pool["success_rate"] == 7 / 8
    (pattern,) = patterns
    assert (pattern["solution_summary"], pattern["usage_count"], pattern["success_count"]) == (
        "a cache",
        8,
        7,
    )
    assert pattern["task_types"] == ["refactor"]
    assert pattern["first_seen"] < pattern["last_seen"]


def test_filters_and_windows_of_the_calls(tmp_path, make_record):
    async def use():
        async with ll.LearningDatabase(tmp_path / "learning.db") as db:
            base = make_record().timestamp
            records = [
                make_record(repo="a", timestamp=base, solution_summary="s"),
                make_record(repo="b", timestamp=base - timedelta(days=10)),
                make_record(repo="a", timestamp=base - timedelta(days=50), solution_summary="s"),
            ]
            await db.store_executions(records)
            return (
                [r["total_executions"] for r in await db.get_tier_performance()],
                [r["repo"] for r in await db.get_tier_performance(repo="b")],
                len(await db.get_tier_performance(days_back=60)),
                len(await db.get_pool_performance()),
                len(await db.get_pool_performance(days_back=20)),
                [p["usage_count"] for p in await db.get_solution_patterns(min_usage=2)],
                await db.get_solution_patterns(),
                await db.get_solution_patterns(min_usage=1, limit=0),
            )

    assert run(use()) == ([1, 1], ["b"], 3, 1, 2, [2], [], [])


def test_what_is_stored_is_read_at_once(tmp_path, make_record):
    async def use():
        async with ll.LearningDatabase(tmp_path / "learning.db") as db:
            seen = []
            for _ in range(3):
                await db.store_execution(make_record())
                seen.append(sum(row["total_executions"] for row in await db.get_tier_performance()))
            return seen

    assert run(use()) == [1, 2, 3]


def test_bulk_storing_takes_polars_and_arrow_and_keeps_what_is_refused(tmp_path, make_frame):
    frame = make_frame(4).with_columns(actual_cost=pl.Series([0.1, -1.0, 0.3, None]))
    damaged = make_frame(3, first=10).with_columns(metadata=pl.Series(['{"a":1}', "{a:1}", "[1]"]))

    async def use():
        async with ll.LearningDatabase(tmp_path / "learning.db") as db:
            first = await db.store_executions(frame)
            second = await db.store_executions(frame.to_arrow())
            with pytest.raises(StoreError, match="no such column"):
                await db.store_executions(frame.with_columns(colour=pl.lit("red")))
            rejected = await db.sql("select reason, content, source_position from rejected")
            return first, second, rejected, await db.store_executions(damaged)

    first, second, rejected, third = run(use())
    assert third == ll.Counts(n_rows_read=3, n_accepted=1, n_rejected=2)
    assert first == ll.Counts(n_rows_read=4, n_accepted=3, n_rejected=1)
    assert second == ll.Counts(n_rows_read=4, n_duplicates=3, n_rejected=1)
    ((reason, content, position),) = rejected.rows()
    assert reason == "actual_cost is -1.0, below 0"
    assert '"actual_cost":-1.0' in content
    assert position == 2


def test_similar_executions_are_found_as_the_documents_ask_for_them(tmp_path, make_record):
    async def use():
        async with ll.LearningDatabase(tmp_path / "learning.db", embedding_model=WordEncoder()) as db:
            base = make_record().timestamp
            for i, text in enumerate(["Optimize slow queries", "Optimize slow tests", "Write the manual"]):
                await db.store_execution(
                    make_record(
                        task_id=f"t{i}",
                        task_description=text,
                        solution_summary=f"s{i}",
                        timestamp=base - timedelta(days=i),
                    )
                )
            return (
                await db.find_similar_executions(
                    task_description="Optimize slow queries",
                    repo="shop",
                    limit=5,
                    days_back=90,
                    threshold=0.6,
                ),
                await db.find_similar_executions("Optimize slow queries", "shop", 5, 1),
                await db.find_similar_executions_batch(
                    ["Write the manual", "Optimize slow tests"], limit=1, outcome="success"
                ),
                await db.find_similar_to("t1", threshold=0.6),
                await db.find_similar_executions("slow tests", mode="words"),
            )

    found, windowed, batch, to_one, by_words = run(use())
    assert [row["solution_summary"] for row in found] == ["s0", "s1"]
    assert 1 >= found[0]["similarity"] > 0.999 > found[1]["similarity"] > 0.6
    assert (found.model, found.n_not_searchable) == ("words@1", 0)
    assert [row["solution_summary"] for row in windowed] == ["s0"]
    assert [[row["solution_summary"] for row in each] for each in batch] == [["s2"], ["s1"]]
    assert [row["solution_summary"] for row in to_one] == ["s0"]
    assert [row["solution_summary"] for row in by_words] == ["s1", "s0"]


def test_the_setting_names_the_encoder_that_the_constructor_leaves_open(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNLAB_EMBEDDING_MODEL", "folder/model")
    settings.cache_clear()
    assert ll.LearningDatabase(tmp_path / "a.db").embedding_model == "folder/model"
    assert ll.LearningDatabase(tmp_path / "a.db", "other/model").embedding_model == "other/model"


def test_a_call_before_initialize_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="await db.initialize"):
        run(ll.LearningDatabase(tmp_path / "learning.db").get_tier_performance())


def test_batched_mode_acknowledges_after_write(tmp_path, make_record, monkeypatch):
    monkeypatch.setenv("LEARNLAB_DURABLE", "false")

    async def use():
        async with ll.LearningDatabase(tmp_path / "learning.db") as db:
            await db.store_execution(make_record())
            return (await db.sql("select count(*) from executions")).item()

    assert run(use()) == 1


def test_records_in_bulk_say_what_became_of_them(tmp_path, make_record):
    records = [make_record(task_id=f"t{i}", parent_task_id="t0", source="a") for i in range(3)]

    async def use():
        async with ll.LearningDatabase(tmp_path / "learning.db") as db:
            counts = [await db.store_executions(records), await db.store_executions(records)]
            await db.store_execution(make_record(task_id="t1", source="b"))
            with pytest.raises(StoreError, match="or ExecutionRecords"):
                await db.store_executions("abc")
            return counts, await db.sql(
                "select external_id, task_id, parent_task_id from executions order by 1"
            )

    counts, rows = run(use())
    assert counts == [ll.Counts(n_rows_read=3, n_accepted=3), ll.Counts(n_rows_read=3, n_duplicates=3)]
    assert rows["external_id"].to_list() == ["t0", "t1", "t1", "t2"], (
        "the same text of two sources is two ids"
    )
    assert rows["parent_task_id"][1] == rows["task_id"][0]


def test_text_ids_of_a_frame_are_those_of_records(tmp_path, make_frame, make_record):
    frame = make_frame(2).with_columns(
        task_id=pl.Series(["t1", "t2"]), parent_task_id=pl.Series([None, "t1"])
    )

    async def use():
        async with ll.LearningDatabase(tmp_path / "learning.db") as db:
            await db.store_executions(frame)
            return await db.sql("select external_id, task_id, parent_task_id from executions order by 1")

    rows = run(use())
    assert rows["external_id"].to_list() == ["t1", "t2"]
    assert rows["task_id"][0] == rows["parent_task_id"][1] == str(make_record(task_id="t1").task_id)


@pytest.mark.parametrize("metadata", [{"o": object()}, {"a": "x\0y"}, {"\0": 1}, {"a": "\ud800"}])
def test_a_record_that_no_store_can_hold_is_refused_and_blocks_nobody(tmp_path, make_record, metadata):
    async def use():
        async with ll.LearningDatabase(tmp_path / "learning.db") as db:
            with pytest.raises(StoreError, match="stored"):
                await db.store_execution(make_record(metadata=metadata))
            await db.store_execution(make_record(metadata={"path": "C:\\u0000"}))
            return (await db.sql("select count(*) from executions")).item()

    assert run(use()) == 1


def test_closing_twice_at_once_does_no_harm(tmp_path):
    async def use():
        db = ll.LearningDatabase(tmp_path / "learning.db")
        await db.initialize()
        await asyncio.gather(db.close(), db.close())

    run(use())


def test_searches_at_once_and_a_record_stored_meanwhile(tmp_path, make_record):
    async def use():
        async with ll.LearningDatabase(tmp_path / "learning.db", WordEncoder()) as db:
            await db.store_executions(
                [make_record(task_id=f"t{i}", task_description=f"Split part {i}") for i in range(20)]
            )
            await db.find_similar_executions("Split part 1")
            *found, _ = await asyncio.gather(
                *(db.find_similar_executions(f"Split part {i}", limit=1) for i in range(8)),
                db.store_execution(make_record(task_id="new", task_description="Something new")),
            )
            return [rows[0]["external_id"] for rows in found], await db.find_similar_executions(
                "Something new"
            )

    at_once, after = run(use())
    assert at_once == [f"t{i}" for i in range(8)]
    assert [row["external_id"] for row in after] == ["new"]
