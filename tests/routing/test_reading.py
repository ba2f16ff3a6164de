from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from encoders import WordEncoder
from hypothesis import given
from hypothesis import strategies as st

from learnlab.errors import RoutingError, StoreError
from learnlab.events import Candidate
from learnlab.routing.reading import _groups, read_tries
from learnlab.routing.tries import KNOWN
from learnlab.search.index.backlog import encode_waiting
from learnlab.store import sqlfiles
from learnlab.store.connection import fetch
from learnlab.store.frames import conform

DAY = datetime(2026, 5, 1)


def add(store, *rows: dict) -> None:
    plain = {"timestamp": DAY, "task_type": "docs", "task_description": "Describe it", "repo": "shop"}
    plain |= {"model_tier": "small", "pool_type": "local", "success": True, "success_source": "verifier"}
    full = [
        plain | {"task_id": f"00000000-0000-4000-8000-{at:012d}", "task_group": f"g{at}"} | row
        for at, row in enumerate(rows)
    ]
    good, faults = conform(pl.DataFrame(full, infer_schema_length=None))
    assert not len(faults), faults
    store.add(good)


def test_what_is_known_and_what_came_of_it(store):
    add(
        store,
        {"timestamp": DAY + timedelta(2), "model_tier": "large", "actual_cost": 0.5, "propensity": 0.25},
        {"file_count": 3, "estimated_tokens": 70, "complexity_score": 12.5, "success": False},
        {"timestamp": DAY + timedelta(1), "task_description": "Más", "quality_score": 60.0},
    )
    tries = read_tries(store)
    assert tries.candidates == (Candidate(tier="small"), Candidate(tier="large"))
    assert tries.started_at.tolist() == [DAY, DAY + timedelta(1), DAY + timedelta(2)]
    assert tries.candidate.tolist() == [0, 0, 1]
    assert tries.quality.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(tries.cost, [np.nan, np.nan, 0.5])
    np.testing.assert_array_equal(tries.propensity, [np.nan, np.nan, 0.25])
    assert tries.tasks.known.schema == KNOWN
    assert tries.tasks.known.row(0) == ("docs", "shop", 3, 70, 12.5, 11)
    assert tries.tasks.known["n_characters"].to_list() == [11, 3, 11]
    assert tries.tasks.vectors.shape == (3, 0)
    np.testing.assert_array_equal(read_tries(store, quality="score").quality, [np.nan, 0.6, np.nan])


@pytest.mark.parametrize(
    ("source", "is_trusted"),
    [("verifier", 1), ("user", 1), ("ci", 1), ("harness", 1), ("heuristic", 0), ("unknown", 0)],
)
def test_only_trusted_verdicts_count(store, source, is_trusted):
    add(store, {"success_source": source}, {"success": None, "success_source": source})
    quality = read_tries(store).quality
    assert np.isfinite(quality).sum() == is_trusted


def test_candidates_are_made_of_the_fields_asked_for(store):
    store.set_tiers({"mini": "small"})
    add(
        store,
        {"model_tier": "unknown", "model": "mini"},
        {"model_tier": "unknown", "model": "other", "pool_type": "unknown"},
        {"model_tier": "unknown"},
        {"model_tier": "medium", "model": "mini", "pool_type": "cloud"},
    )

    def chosen(*fields):
        tries = read_tries(store, candidates=fields)
        return [tries.candidates[at] for at in tries.candidate]

    assert chosen("model_tier") == [Candidate(tier="small"), Candidate(tier="medium")]
    assert chosen("model") == [Candidate(model="mini"), Candidate(model="other"), Candidate(model="mini")]
    assert chosen("model", "model_tier") == [
        Candidate(model="mini", tier="small"),
        Candidate(model="other"),
        Candidate(model="mini", tier="medium"),
    ]
    assert chosen("pool_type", "model_tier") == [
        Candidate(tier="small", pool="local"),
        Candidate(tier="medium", pool="cloud"),
    ]
    assert chosen("pool_type") == [Candidate(pool=name) for name in ("local", "local", "cloud")]


def test_attempts_at_one_thing_are_one_task_and_alike_texts_one_group(store):
    add(
        store,
        {"task_group": "a"},
        {"task_group": "a", "model_tier": "large"},
        {"task_group": "a", "task_description": "Do more"},
        {"task_group": "b", "task_description": "Do more"},
        {"task_group": "c", "task_description": "Alone"},
        {"task_group": "d", "task_description": " "},
        {"task_group": "e", "task_description": " "},
    )
    tries = read_tries(store)
    assert tries.task.tolist() == [0, 0, 1, 2, 3, 4, 5]
    assert len(set(tries.tasks.group[:3])) == 1
    assert len(set(tries.tasks.group)) == 4


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_groups_are_the_connected_components(pairs):
    tasks = (
        pl.DataFrame(
            {"task_group": [f"g{one}" for one, _ in pairs], "text_hash": [f"t{one}" for _, one in pairs]},
            schema={"task_group": pl.String, "text_hash": pl.String},
        )
        .with_columns(is_blank=pl.lit(False))
        .with_row_index("task")
    )
    label = list(range(len(pairs)))
    for _ in pairs:
        for i, one in enumerate(pairs):
            for j, other in enumerate(pairs):
                if one[0] == other[0] or one[1] == other[1]:
                    label[i] = label[j] = min(label[i], label[j])
    groups = _groups(tasks)
    assert (groups[:, None] == groups).tolist() == [[one == other for other in label] for one in label]


def test_vectors_are_those_of_the_store(store):
    add(store, {"task_description": "Fix the login"}, {"task_description": "Fix the login"}, {})
    encode_waiting(store, WordEncoder(), limit=1)
    add(store, *({"task_id": f"00000000-0000-4000-9000-{at:012d}"} for at in range(2)))
    tries = read_tries(store)
    lengths = np.linalg.norm(tries.tasks.vectors, axis=1)
    has_one = tries.tasks.known["n_characters"].to_numpy() == len(
        "Describe it" if lengths[-1] else "Fix the login"
    )
    np.testing.assert_allclose(lengths, has_one, atol=1e-6)
    text = "Describe it" if lengths[-1] else "Fix the login"
    np.testing.assert_allclose(
        tries.tasks.vectors[has_one], np.repeat(WordEncoder().encode([text]), has_one.sum(), 0), atol=1e-3
    )
    assert read_tries(store, encoder_key="no@1").tasks.vectors.shape[1] == 0


def test_the_window_counts_back_from_the_newest_or_from_a_time(store):
    add(store, *({"timestamp": DAY + timedelta(at)} for at in range(10)), {"timestamp": None})
    tries = read_tries(store)
    assert len(tries) == 11
    assert np.isnat(tries.started_at[0])
    assert not np.isnat(tries.started_at[1:]).any()
    assert len(read_tries(store, days_back=3)) == 1 + 3
    some = read_tries(store, days_back=3, as_of="2026-05-06")
    assert some.started_at[1:].tolist() == [DAY + timedelta(at) for at in (3, 4, 5)]


def test_every_column_of_the_query_is_described(store):
    file = sqlfiles.load("queries", "tries")
    with store.reading() as connection:
        assert fetch(connection, file.text, {"days_back": None, "as_of": None}).columns == list(file.columns)


def test_an_empty_store_has_no_tries(store):
    tries = read_tries(store)
    assert (len(tries), len(tries.tasks), tries.candidates) == (0, 0, ())
    assert tries.tasks.known.schema == KNOWN


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"candidates": ()}, "candidates are made of model, model_tier, pool_type"),
        ({"candidates": ("repo",)}, "not of"),
        ({"quality": "speed"}, "not one of success, score"),
        ({"days_back": -1}, "days_back is -1"),
    ],
)
def test_what_cannot_be_read_so(store, asked, message):
    with pytest.raises(RoutingError, match=message):
        read_tries(store, **asked)


def test_no_store_is_an_error():
    with pytest.raises(StoreError, match="no store 'nowhere'"):
        read_tries("nowhere")
