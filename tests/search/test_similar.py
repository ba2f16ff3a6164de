from __future__ import annotations

import math
import shutil
import threading
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from encoders import WordEncoder

from learnlab.errors import LearnlabError, SearchError, StoreError
from learnlab.search import chosen
from learnlab.search.index import backlog
from learnlab.search.similar import find_similar, find_similar_batch, similar_to
from learnlab.store import Store
from learnlab.store.frames import conform
from learnlab.store.spool import SpoolWriter

TEXTS = [
    "Split the billing module",
    "Split the billing service",
    "Fix the time zone of the export",
    "Write the manual",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory, empty) -> Path:
    """The file of a store of eight executions, two a text, whose words are their vectors."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("similar") / "small.duckdb"))
    frame = pl.DataFrame(
        {
            "task_id": [f"00000000-0000-4000-8000-{i:012d}" for i in range(8)],
            "timestamp": [datetime(2026, 5, 1, 0, i) for i in range(8)],
            "task_type": ["refactor"] * 8,
            "task_description": [TEXTS[i % 4] for i in range(8)],
            "repo": ["shop", "lab"] * 4,
            "model_tier": [("small", "medium", "large")[i % 3] for i in range(8)],
            "pool_type": ["local"] * 8,
            "success": [i % 4 != 0 for i in range(8)],
        }
    )
    store.add(conform(frame)[0])
    backlog.encode_waiting(store, WordEncoder())
    return store.path


@pytest.fixture
def small(tmp_path, made) -> Store:
    """A copy of that store."""
    return Store(shutil.copy(made, tmp_path / "small.duckdb"))


def texts_of(found) -> list[str]:
    return [row["task_description"] for row in found]


def test_rows_are_whole_records_most_similar_first_and_newest_among_equals(small):
    found = find_similar("Split the billing module please", small, encoder=WordEncoder(), threshold=0.5)
    assert texts_of(found) == [TEXTS[0], TEXTS[0], TEXTS[1], TEXTS[1]]
    assert found[0]["timestamp"] > found[1]["timestamp"]
    assert found[0]["similarity"] == found[1]["similarity"] == found.best_similarity > found[2]["similarity"]
    assert found[0]["score"] == found[0]["similarity"]
    own = small.sql(
        "select * exclude (description_hash, record_key, content_hash) from executions where task_id = $id",
        {"id": found[0]["task_id"]},
    )
    assert {name: found[0][name] for name in own.columns} == own.to_dicts()[0]
    assert set(found[0]) == {*own.columns, "task_description", "similarity", "score", "why"}
    assert found[0]["why"]["words"] == ["module", "billing", "split"]
    assert (found.query, found.mode, found.threshold) == ("Split the billing module please", "semantic", 0.5)
    assert (found.model, found.runs_on, found.n_not_searchable) == ("words@1", "numpy, for tests", 0)


def test_a_threshold_cuts_and_the_best_there_was_is_told(small):
    found = find_similar("Split the billing module please", small, encoder=WordEncoder(), threshold=0.95)
    assert found == []
    assert 0.8 < found.best_similarity < 0.95
    everything = find_similar("Split", small, encoder=WordEncoder(), threshold=None)
    assert len(everything) == 8
    assert min(row["similarity"] for row in everything) < 0.1


def test_the_same_text_reaches_a_threshold_of_1(small):
    for found in find_similar_batch(TEXTS, small, encoder=WordEncoder(), threshold=1):
        assert texts_of(found) == [found.query] * 2


def test_a_stored_text_is_searched_for_by_its_own_vector_without_a_model(small, monkeypatch):
    encoder = WordEncoder()
    found = find_similar(TEXTS[3], small, encoder=encoder, limit=1)
    assert (encoder.n_encoded, found.runs_on) == (0, "")
    assert 0.999 < found[0]["similarity"] <= 1
    key = small.sql("select model_key from search.models").item()
    monkeypatch.setattr(chosen.Chosen, "key", property(lambda self: key))
    monkeypatch.setattr(
        chosen.Chosen, "encoder", lambda self: pytest.fail("a model was loaded for a text that has a vector")
    )
    assert texts_of(find_similar(TEXTS[3], small, limit=1)) == [TEXTS[3]]
    (first, *_) = find_similar(TEXTS[0], small)
    assert texts_of(similar_to(first["task_id"], small, threshold=0.5)) == [TEXTS[0], TEXTS[1], TEXTS[1]]


def test_filters_keep_what_they_say_and_are_named(small):
    frame = small.sql("select * from executions")
    with small.reading():
        for given, kept in [
            ({"repo": "lab"}, {"repo": "lab"}),
            ({"tier": "large"}, {"model_tier": "large"}),
            ({"outcome": "failure"}, {"success": False}),
            ({"outcome": "success", "repo": "shop"}, {"success": True, "repo": "shop"}),
            ({"task_type": "Refactoring"}, {"task_type": "refactor"}),
            ({"task_type": "test"}, {"task_type": "test"}),
            ({"outcome": "unknown"}, {"success": None}),
        ]:
            found = find_similar("Split", small, encoder=WordEncoder(), threshold=None, **given)
            due = frame.filter(*(pl.col(name).eq_missing(value) for name, value in kept.items()))
            assert {row["task_id"] for row in found} == set(due["task_id"])
            assert all(set(row["why"]["fields"]) == set(kept) for row in found)
            assert set(found.fixed) == set(kept)


def test_the_window_counts_back_from_the_newest_or_from_a_given_time(store, make_frame):
    frame = make_frame(4, task_description="Split")
    days = pl.Series([0, 5, 10, 200])
    frame = frame.with_columns(timestamp=pl.col("timestamp").min() - pl.duration(days=days))
    untimed = make_frame(1, 9, task_description="Split").with_columns(
        timestamp=pl.lit(None, pl.Datetime("us"))
    )
    store.add(conform(pl.concat([frame, untimed]))[0])
    encoder = WordEncoder()

    def n(**window):
        return len(find_similar("Split", store, encoder=encoder, **window))

    newest = frame["timestamp"].max()
    assert [n(), n(days_back=None), n(days_back=10), n(days_back=11), n(days_back=0)] == [4, 5, 3, 4, 1]
    assert n(as_of=newest - timedelta(days=1), days_back=5) == 2
    assert n(as_of=f"{newest - timedelta(days=5):%Y-%m-%dT%H:%M:%SZ}") == 3
    assert n(days_back=1_000_000) == 5
    newest_first = find_similar("Split", store, encoder=encoder, days_back=None)
    assert newest_first[-1]["time_source"] == "ingestion"


def test_a_tier_is_looked_up_by_model_where_none_was_recorded(store, make_frame):
    frame = make_frame(4).with_columns(
        task_description=pl.lit("Split"),
        model_tier=pl.Series(["unknown", "unknown", "unknown", "large"]),
        model=pl.Series(["opus", "nano", None, "nano"]),
    )
    store.add(conform(frame)[0])
    store.set_tiers({"opus": "large", "nano": "small"})
    encoder = WordEncoder()
    seen = dict(store.sql("select model_tier, count(*) from outcomes group by 1").iter_rows())
    for tier in ("small", "medium", "large", "unknown"):
        found = find_similar("Split", store, encoder=encoder, tier=tier)
        assert len(found) == seen.get(tier, 0)
        assert {row["model_tier"] for row in found} <= {tier}
    assert seen == {"large": 2, "small": 1, "unknown": 1}


def test_what_was_just_acknowledged_is_found(small, make_record):
    writer = SpoolWriter(small.path)
    writer.append([make_record(task_description="Teach the parser umlauts")])
    writer.close()
    found = find_similar("Teach the parser", small, encoder=WordEncoder(), limit=1)
    assert texts_of(found) == ["Teach the parser umlauts"]
    assert found.n_not_searchable == 0


def test_hybrid_indexes_words_that_wait_where_vectors_do_not(small):
    with small.writing() as connection:
        connection.execute("delete from search.words")
        connection.execute("delete from search.worded")
    with small.reading():
        assert find_similar(TEXTS[3], small, encoder=WordEncoder(), mode="hybrid").n_not_searchable == 8
    found = find_similar(TEXTS[3], small, encoder=WordEncoder(), mode="hybrid", limit=1)
    assert (found.n_not_searchable, texts_of(found)) == (0, [TEXTS[3]])
    assert found[0]["score"] == pytest.approx(2 / 61)


def test_at_most_64_texts_are_embedded_first_and_the_rest_is_counted(store, make_frame):
    store.add(
        conform(make_frame(100, task_description=pl.Series([f"Split part {i}" for i in range(100)])))[0]
    )
    encoder = WordEncoder()
    found = find_similar("Split part", store, encoder=encoder, limit=100, threshold=None)
    assert (encoder.n_encoded, len(found), found.n_not_searchable) == (65, 64, 36)
    assert find_similar("Split part", store, encoder=encoder, mode="words").n_not_searchable == 0


def test_a_busy_store_is_searched_without_what_waits(small, make_frame, monkeypatch):
    small.add(conform(make_frame(1, 50, task_description="Teach the parser umlauts"))[0])
    encoder = WordEncoder()
    with small.reading():
        found = find_similar("Teach the parser", small, encoder=encoder)
    assert (len(found), found.n_not_searchable) == (0, 1)
    monkeypatch.setattr("learnlab.search.searchable.PATIENCE", 0.05)
    reader = _held_elsewhere(small)
    try:
        found = find_similar("Teach the parser", small, encoder=encoder)
    finally:
        reader.set()
    assert found.n_not_searchable == 1
    assert len(find_similar("Teach the parser", small, encoder=encoder, threshold=0.5)) == 1


def _held_elsewhere(store: Store):
    """Hold a store for reading in another thread until the event that is returned is set."""
    begun, done = threading.Event(), threading.Event()

    def hold() -> None:
        with store.reading():
            begun.set()
            done.wait(20)

    threading.Thread(target=hold, daemon=True).start()
    assert begun.wait(20)
    return done


def test_a_batch_is_encoded_at_once_and_answers_as_each_alone(small):
    encoder = WordEncoder()
    queries = ["Split the billing module now", "the export", TEXTS[3], "the export"]
    together = find_similar_batch(queries, small, encoder=encoder, threshold=0.2)
    assert encoder.n_encoded == 2
    alone = [find_similar(query, small, encoder=encoder, threshold=0.2) for query in queries]
    assert together == alone
    assert [found.query for found in together] == queries
    assert find_similar_batch([], small, encoder=encoder) == []


def test_neighbours_of_a_stored_task_leave_itself_out(small):
    (one, other) = find_similar(TEXTS[2], small, encoder=WordEncoder())
    found = similar_to(one["task_id"], small, encoder=WordEncoder(), threshold=0.5)
    assert [row["task_id"] for row in found] == [other["task_id"]]
    assert found.query == TEXTS[2]
    assert set(found[0]["why"]["fields"]) == {"repo", "task_type", "pool_type", "success"}


def test_a_stored_task_is_named_by_either_id(store, make_record):
    writer = SpoolWriter(store.path)
    writer.append([make_record(task_id=f"task-{i}", task_description=f"Split {i}") for i in (1, 2)])
    writer.append([make_record(task_id="twice", source=source) for source in "ab"])
    writer.append([make_record(task_id="blank", task_description=" ")])
    writer.close()
    encoder = WordEncoder()
    found = similar_to("task-1", store, encoder=encoder, threshold=0.2)
    assert found[0]["external_id"] == "task-2"
    assert (
        similar_to(found[0]["task_id"].upper(), store, encoder=encoder, threshold=0.2)[0]["external_id"]
        == "task-1"
    )
    for name, complaint in [
        ("task-9", "no execution in this store has the task_id or external_id 'task-9'"),
        ("' or true --", "no execution"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "no execution"),
        ("twice", "names several executions: give the task_id of one, such as "),
        ("blank", "has no task description"),
        (" ", "is named by its task_id"),
    ]:
        with pytest.raises(SearchError, match=complaint):
            similar_to(name, store, encoder=encoder)


def test_words_and_hybrid_find_what_an_identifier_names(store, make_frame):
    texts = ["Repair parse_utc_offset", "Repair the offset of a time", "Write the manual of the shop"]
    store.add(conform(make_frame(3, task_description=pl.Series(texts)))[0])
    encoder = WordEncoder()
    by_words = find_similar("what about parse_utc_offset", store, encoder=encoder, mode="words")
    assert texts_of(by_words) == texts[:2]
    assert by_words[0]["score"] > by_words[1]["score"] > 0
    assert (by_words[0]["similarity"], by_words.model, by_words.best_similarity) == (None, "", None)
    assert encoder.n_encoded == 0
    hybrid = find_similar("what about parse_utc_offset", store, encoder=encoder, mode="hybrid", limit=3)
    assert texts_of(hybrid)[0] == texts[0]
    assert len(hybrid) == 3
    assert hybrid[0]["score"] == pytest.approx(2 / 61)
    assert hybrid.best_similarity == max(row["similarity"] for row in hybrid)
    assert hybrid.threshold is None
    filtered = find_similar("parse_utc_offset", store, encoder=encoder, mode="hybrid", repo="another")
    assert filtered == []
    assert texts_of(find_similar("manual", store, encoder=encoder, mode="words", tier="large")) == [texts[2]]


@pytest.mark.parametrize(
    "given",
    [
        {"limit": 0},
        {"limit": 10_001},
        {"limit": 1.5},
        {"limit": True},
        {"threshold": 1.01},
        {"threshold": math.nan},
        {"threshold": "high"},
        {"threshold": 0.5, "mode": "words"},
        {"threshold": 0.5, "mode": "hybrid"},
        {"mode": "best"},
        {"days_back": -1},
        {"days_back": 2.5},
        {"tier": "huge"},
        {"outcome": "good"},
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_store_is_opened(tmp_path, given):
    (name,) = set(given) - {"mode"} or {"mode"}
    with pytest.raises(SearchError, match=name):
        find_similar("Split", tmp_path / "absent.db", **given)


def test_times_and_stores_that_are_none_are_refused(store, tmp_path):
    with pytest.raises(StoreError, match="is no time"):
        find_similar("Split", store, as_of="soon", encoder=WordEncoder())
    with pytest.raises(StoreError, match="there is no store"):
        find_similar("Split", tmp_path / "absent.db", encoder=WordEncoder())


@pytest.mark.parametrize("text", ["", " \n", None, 7, b"Split"])
def test_a_query_that_is_no_text_is_refused(store, text):
    with pytest.raises(SearchError, match="task description"):
        find_similar(text, store, encoder=WordEncoder())
    with pytest.raises(SearchError, match="several"):
        find_similar_batch("Split", store, encoder=WordEncoder())


HOSTILE = [
    "x" * 100_000,
    "🙂",
    "naïve 日本語 Привет",
    "a\0b",
    "half \ud800",
    "'; drop table texts; --",
    "%s {0} $q",
]


def test_any_text_is_searched_for(small):
    with small.reading():
        for text in HOSTILE:
            found = find_similar(text, small, encoder=WordEncoder())
            assert found == []
            assert -1 < found.best_similarity < 0.7
            assert find_similar(text, small, mode="words") == []
        for found in find_similar_batch(HOSTILE, small, encoder=WordEncoder(), mode="hybrid", limit=8):
            assert len(found) == 8
            assert all(row["why"]["words"] == [] for row in found)


def test_an_empty_store_gives_an_empty_answer_and_needs_no_model(store, monkeypatch):
    monkeypatch.setattr(
        chosen.Chosen, "encoder", lambda self: pytest.fail("a model was loaded for an empty store")
    )
    with store.reading():
        for mode in ("semantic", "words", "hybrid"):
            found = find_similar("Split", store, mode=mode)
            assert (found, found.best_similarity, found.n_not_searchable) == ([], None, 0)
            assert find_similar("Split", store, mode=mode, repo="shop", tier="small", outcome="success") == []


class Broken(WordEncoder):
    """An encoder whose vectors of new texts are what it is told."""

    def __init__(self, vector) -> None:
        super().__init__()
        self.vector = vector

    def encode(self, texts):
        return super().encode(texts)[:, :1] * 0 + self.vector


def test_a_vector_that_points_nowhere_is_refused(small):
    with small.reading():
        for value in (0.0, math.nan, math.inf):
            with pytest.raises(SearchError, match="nothing can be compared"):
                find_similar("Something new", small, encoder=Broken(np.full(384, value, dtype=np.float32)))


def test_a_model_of_another_dimension_under_the_same_key_is_refused(small):
    with pytest.raises(SearchError, match="dimension"):
        find_similar("Something new", small, encoder=WordEncoder(dimension=64))


def test_another_model_has_vectors_of_its_own(small):
    found = find_similar(TEXTS[0], small, encoder=WordEncoder("other@1", dimension=70), threshold=0.9)
    assert (found.model, texts_of(found)) == ("other@1", [TEXTS[0], TEXTS[0]])


def test_texts_without_a_vector_are_no_neighbours_and_do_not_wait(store, make_frame):
    store.add(conform(make_frame(2, task_description=pl.Series([" ", "Split"])))[0])
    found = find_similar("Split", store, encoder=WordEncoder(), threshold=None)
    assert (texts_of(found), found.n_not_searchable) == (["Split"], 0)


def test_many_rows_may_be_asked_for(small):
    assert len(find_similar("Split", small, encoder=WordEncoder(), threshold=-1, limit=10_000)) == 8


def test_inside_a_hold_the_store_is_asked_once_how_much_it_holds(small, monkeypatch):
    from learnlab.search import filters

    asked = []
    monkeypatch.setattr(
        filters, "facts", lambda connection, before=filters.facts: asked.append(1) or before(connection)
    )
    with small.reading():
        for _ in range(3):
            find_similar(TEXTS[0], small, encoder=WordEncoder(), repo="shop")
    assert asked == [1]
    with small.writing() as connection:
        before = find_similar(TEXTS[0], small, encoder=WordEncoder(), limit=1)[0]
        connection.execute("delete from executions where task_id = $id", {"id": before["task_id"]})
        after = find_similar(TEXTS[0], small, encoder=WordEncoder(), limit=1)[0]
    assert after["task_id"] != before["task_id"]


def test_the_named_model_is_loaded_when_it_is_needed_and_once(store, make_frame, monkeypatch):
    from learnlab.search import encoders

    asked = []
    monkeypatch.setattr(
        encoders, "encoder", lambda name: asked.append(name) or WordEncoder("all-MiniLM-L6-v2@53aa51172d14")
    )
    monkeypatch.setattr(chosen, "_loaded", set())
    store.add(conform(make_frame(1, task_description="Split"))[0])
    found = find_similar("Split it", store, encoder="all-MiniLM-L6-v2", threshold=0.5)
    assert (texts_of(found), found.model) == (["Split"], "all-MiniLM-L6-v2@53aa51172d14")
    assert asked == ["all-MiniLM-L6-v2"]
    assert chosen.Chosen().is_loaded
    assert texts_of(find_similar("Split that", store, threshold=0.5)) == ["Split"]


def test_texts_that_wait_for_a_model_that_is_missing_hinder_nobody_with_a_vector(
    small, make_frame, monkeypatch
):
    small.add(conform(make_frame(1, 50, task_description="Teach the parser umlauts"))[0])
    key = small.sql("select model_key from search.models").item()

    def missing(self):
        raise SearchError("searching by meaning needs onnxruntime")

    monkeypatch.setattr(chosen.Chosen, "key", property(lambda self: key))
    monkeypatch.setattr(chosen.Chosen, "encoder", missing)
    found = find_similar(TEXTS[0], small, threshold=0.9)
    assert (len(found), found.n_not_searchable) == (2, 1)
    with pytest.raises(SearchError, match="needs onnxruntime"):
        find_similar("Something new", small)


def test_what_is_no_answer_to_the_question_is_said_in_one_line(store):
    for asked, said in (
        ({"outcome": []}, "outcome is '\\[\\]', not one of"),
        ({"outcome": {}}, "outcome is"),
        ({"as_of": 5}, "is no time"),
        ({"as_of": float("nan")}, "is no time"),
    ):
        with pytest.raises(LearnlabError, match=said):
            find_similar("Split", store, encoder=WordEncoder(), **asked)
    for many in (None, 5, {"Split": 1}, "Split"):
        with pytest.raises(SearchError, match="takes several task descriptions"):
            find_similar_batch(many, store, encoder=WordEncoder())
