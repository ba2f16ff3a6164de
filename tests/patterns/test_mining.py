from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from itertools import count

import polars as pl
import pytest
from conftest import START
from encoders import WordEncoder
from planted import RATES, TOPICS, keep, kinds, tasks
from polars.testing import assert_frame_equal

from learnlab.database import LearningDatabase
from learnlab.errors import SearchError
from learnlab.patterns import material, mine_patterns, mined_patterns
from learnlab.search.index.backlog import encode_waiting
from learnlab.store import Store


def members(store):
    return store.sql(
        "select cast(c.cluster_id as varchar) as cluster_id, t.text from cluster_texts c join texts t using (text_hash)"
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory, empty):
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("planted") / "s.duckdb"))
    keep(store, tasks(900, 1))
    return store, mine_patterns(store)


class TestPlanted:
    def test_a_cluster_is_a_topic_and_has_its_words_for_a_name(self, found):
        store, result = found
        rows = members(store).drop_nulls()
        pure = 0
        for (cluster_id,), texts in rows.group_by("cluster_id"):
            owners = [
                sum(word in text for word in TOPICS[name].split())
                for name in TOPICS
                for text in texts["text"]
            ]
            sums = [sum(owners[at : at + len(texts)]) for at in range(0, len(owners), len(texts))]
            topic = list(TOPICS)[sums.index(max(sums))]
            terms = result.clusters.filter(pl.col("cluster_id") == cluster_id)["terms"].item().to_list()
            pure += sum(sum(word in text for word in TOPICS[topic].split()) >= 4 for text in texts["text"])
            assert set(terms[:3]) <= set(TOPICS[topic].split())
        assert pure == len(rows)
        assert len(rows) > 0.9 * len(members(store))
        assert result.outlier_rate == pytest.approx(1 - len(rows) / len(members(store)))

    def test_what_works_is_found_and_so_is_what_does_not(self, found):
        told = kinds(found[1].patterns)
        assert told["works"] == {"sound"}
        assert told["anti-pattern"] == {"brittle"}
        by_verdict = dict(found[1].patterns.group_by("verdict").len().iter_rows())
        assert by_verdict["works"] >= 4
        assert by_verdict["anti-pattern"] >= 4

    def test_what_is_said_to_work_has_an_interval_above_nothing(self, found):
        patterns = found[1].patterns
        works, fails = (patterns.filter(verdict=verdict) for verdict in ("works", "anti-pattern"))
        assert (works["lift_low"] > 0).all()
        assert (fails["lift_high"] < 0).all()
        assert fails["is_anti_pattern"].all()
        assert not works["is_anti_pattern"].any()
        inside = patterns.filter((pl.col("lift_low") <= 0) & (pl.col("lift_high") >= 0))
        assert set(inside["verdict"]) <= {"too few to tell"}
        assert (patterns["lift_shrunk"].abs() <= patterns["lift"].abs()).all()
        assert patterns["lift_low"].is_sorted(descending=True)

    def test_the_counts_are_those_of_the_executions(self, found):
        store, result = found
        row = result.patterns.row(0, named=True)
        where = (
            "from executions e join cluster_texts c on c.text_hash = e.description_hash "
            "where c.cluster_id = cast($id as uuid) and e.solution_summary = $summary"
        )
        given = {"id": row["cluster_id"], "summary": row["solution_summary"]}
        counted = store.sql(
            f"select count(*) as n, count(case when success then 1 end) as x, count(distinct repo) as r {where}",
            given,
        ).row(0)
        assert counted == (row["usage_count"], row["n_successes"], row["n_repos"])
        assert row["is_universal"] == (row["n_repos"] >= 3)
        assert row["success_rate"] == row["n_successes"] / row["n_verdicts"]

    def test_mining_again_gives_the_same_rows_and_ids(self, found):
        store, first = found
        with store.writing() as connection:
            connection.execute(
                "insert into solutions (pattern_id, solution_summary) values (uuid(), 'by hand')"
            )
        again = mine_patterns(store)
        assert_frame_equal(again.patterns, first.patterns)
        assert_frame_equal(again.clusters, first.clusters)
        assert_frame_equal(mined_patterns(store).patterns, first.patterns)
        assert mined_patterns(store).n_texts == first.n_texts
        by_hand = store.sql("select solution_summary from solutions where cluster_id is null")
        assert by_hand["solution_summary"].to_list() == ["by hand"]

    def test_another_store_with_the_same_content_has_the_same_ids(self, found, store):
        keep(store, tasks(900, 1))
        assert_frame_equal(mine_patterns(store).patterns, found[1].patterns)

    def test_a_cluster_that_grows_keeps_its_id(self, found):
        store, first = found
        before = members(store)
        keep(store, tasks(500, 1, first=900))
        after = mine_patterns(store)
        assert set(first.clusters["cluster_id"]) & set(after.clusters["cluster_id"])
        moved = before.join(members(store), on="text").drop_nulls()
        assert (moved["cluster_id"] == moved["cluster_id_right"]).mean() > 0.9


def test_noise_is_not_called_a_pattern(store):
    keep(store, tasks(900, 2, rates=dict.fromkeys(RATES, 0.7)))
    result = mine_patterns(store)
    assert len(result.patterns) >= 12
    assert kinds(result.patterns).keys() == {"too few to tell"}


def test_a_verdict_from_a_heuristic_counts_for_nothing(store):
    keep(store, tasks(300, 3).with_columns(success_source=pl.lit("heuristic")))
    patterns = mine_patterns(store).patterns
    assert patterns["n_verdicts"].sum() == 0
    assert patterns["success_rate"].null_count() == patterns["lift"].null_count() == len(patterns) > 0
    assert kinds(patterns).keys() == {"too few to tell"}


def test_without_solutions_there_are_clusters_and_no_patterns(store):
    keep(store, tasks(300, 3).with_columns(solution_summary=pl.lit(None, dtype=pl.String)))
    result = mine_patterns(store)
    assert len(result.clusters) >= 3
    assert len(result.patterns) == 0
    assert "0 patterns" in result.summary()


def test_where_only_successes_name_their_solution_nothing_works(store):
    named = pl.when("success").then("solution_summary")
    keep(store, tasks(600, 4).with_columns(solution_summary=named))
    assert kinds(mine_patterns(store).patterns).keys() == {"too few to tell"}


def test_wordings_that_differ_in_case_and_punctuation_are_one(store):
    frame = tasks(300, 5)
    summary = pl.col("solution_summary")
    other = pl.when(pl.int_range(pl.len()) % 3 == 0).then(summary.str.to_uppercase() + "!").otherwise(summary)
    keep(store, frame.with_columns(other))
    patterns = mine_patterns(store).patterns
    assert not patterns["solution_summary"].str.ends_with("!").any()
    assert patterns["usage_count"].sum() > 0.85 * len(frame)


def test_a_store_with_nothing_to_mine_says_so(store):
    assert mined_patterns(store).summary() == "no patterns were mined yet: `learnlab mine` does"
    assert mine_patterns(store).summary() == "there are no tasks to mine"
    keep(store, tasks(6, 0), encode=False)
    result = mine_patterns(store)
    assert result.n_without_vector == store.sql("select count(*) from texts").item() > 3
    assert "`learnlab encode` first" in result.summary()
    assert result.outlier_rate is None
    assert result.patterns.columns == mined_patterns(store).patterns.columns
    encode_waiting(store, WordEncoder())
    assert (
        "a vector of another@1: `learnlab encode` first"
        in mine_patterns(store, encoder_key="another@1").summary()
    )
    few = mine_patterns(store)
    assert (len(few.clusters), few.outlier_rate, few.n_without_vector) == (0, 1.0, 0)
    assert few.summary() == f"no tasks alike among {few.n_texts} texts: there is no cluster"


def test_hostile_words_stay_words(store):
    hostile = "'; drop table clusters; -- <script>alert(1)</script> {0} $name %s"
    text = pl.col("task_description") + f" {hostile}"
    keep(store, tasks(200, 6).with_columns(text, solution_summary=pl.lit(hostile)))
    result = mine_patterns(store)
    assert set(result.patterns["solution_summary"]) == {hostile}
    assert all("<" not in name and ";" not in name and "$" not in name for name in result.clusters["name"])


def test_what_was_forgotten_is_in_no_pattern_and_ids_come_back(store):
    keep(store, tasks(600, 1))
    first = mine_patterns(store)
    store.forget(repo="quay")
    assert store.sql("select count(*) from clusters").item() == 0
    assert store.sql("select count(*) from solutions").item() == 0
    assert mined_patterns(store).summary().startswith("something was forgotten")
    again = mine_patterns(store)
    assert "quay" not in {repo for repos in again.clusters["repos"] for repo in repos}
    assert set(again.clusters["cluster_id"]) & set(first.clusters["cluster_id"])


def test_retention_takes_texts_out_of_their_clusters(store):
    keep(store, tasks(600, 1))
    mine_patterns(store)
    store.retain(7)
    n = store.sql("select count(*) from cluster_texts where text_hash not in (select text_hash from texts)")
    assert n.item() == 0
    assert 0 < mined_patterns(store).n_texts < 600
    keep(store, tasks(5, 2, first=600))
    assert mined_patterns(store).n_without_vector == 0


def test_what_is_forgotten_while_mining_does_not_come_back(store, monkeypatch):
    keep(store, tasks(300, 1))
    read = material.texts
    done = []

    def forgetting(given, wanted):
        if not done:
            done.append(store.forget(repo="quay"))
        return read(given, wanted)

    monkeypatch.setattr(material, "texts", forgetting)
    result = mine_patterns(store)
    assert "quay" not in {repo for repos in result.clusters["repos"] for repo in repos}
    times = count()
    monkeypatch.setattr(material, "n_gone", lambda connection: next(times))
    monkeypatch.setattr(material, "texts", read)
    with pytest.raises(SearchError, match="mine again"):
        mine_patterns(store)


def test_a_pattern_that_is_not_used_any_more_is_dying(store):
    frame = tasks(900, 7)
    end = START.replace(tzinfo=None) + timedelta(days=100)
    start = pl.lit(START.replace(tzinfo=None))
    at = start + (pl.col("timestamp") - start) * (100 * 24 / 900)
    is_late = at > end - timedelta(days=35)
    gone = pl.when(is_late & pl.col("solution_summary").str.starts_with("plain"))
    summary = gone.then(pl.col("solution_summary").str.replace("plain", "sound")).otherwise(
        "solution_summary"
    )
    keep(store, frame.with_columns(solution_summary=summary, timestamp=at))
    patterns = mine_patterns(store).patterns.filter(pl.col("usage_count") >= 40)
    dying = patterns.filter(trend="dying")
    assert set(dying["solution_summary"].str.split(" ").list.first()) == {"plain"}
    assert (dying["n_recent"] == 0).all()


def test_solution_patterns_carry_the_lift_that_was_mined(found):
    async def ask():
        async with LearningDatabase(found[0].path) as db:
            return await db.get_solution_patterns(limit=100)

    rows = asyncio.run(ask())
    mined_lifts = set(mined_patterns(found[0]).patterns["lift"])
    assert {row["lift"] for row in rows} <= mined_lifts
    sound = [row for row in rows if row["solution_summary"].startswith("sound")]
    assert {row["verdict"] for row in sound} == {"works"}
    assert all(row["lift_low"] < row["lift"] < row["lift_high"] and row["task_context"] for row in sound)


def test_solution_patterns_without_mining_have_no_lift(store):
    keep(store, tasks(60, 1), encode=False)

    async def ask():
        async with LearningDatabase(store.path) as db:
            return await db.get_solution_patterns(min_usage=1, limit=3)

    rows = asyncio.run(ask())
    assert len(rows) == 3
    assert [(row["lift"], row["verdict"]) for row in rows] == [(None, None)] * 3
