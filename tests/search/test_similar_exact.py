from __future__ import annotations

import shutil
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.search import nearest, twostage
from learnlab.search.filters import Filter, Where
from learnlab.search.index import vectors
from learnlab.search.nearest import nearest_texts
from learnlab.search.records import winners
from learnlab.search.tasks import Task
from learnlab.search.twostage import by_all, by_signs, checked, n_candidates
from learnlab.store import Store
from learnlab.store.frames import conform

N, DIMENSION = 300, 70
REPOS, OUTCOMES = ("shop", "lab", "docs"), (True, False, None)


@pytest.fixture(scope="module")
def world(tmp_path_factory, empty):
    """A store of 300 texts with two executions each, held for reading, its rows and its vectors."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("exact") / "store.duckdb"))
    n = 2 * N
    frame = pl.DataFrame(
        {
            "task_id": [f"00000000-0000-4000-8000-{i:012d}" for i in range(n)],
            "timestamp": [datetime(2026, 5, 1) + timedelta(hours=i * 7919 % n) for i in range(n)],
            "task_type": [("refactor", "test")[i % 2] for i in range(n)],
            "task_description": [f"task {i % N}" for i in range(n)],
            "repo": [REPOS[i % 3] for i in range(n)],
            "model_tier": [("small", "large")[i // 2 % 2] for i in range(n)],
            "pool_type": ["local"] * n,
            "success": [OUTCOMES[i // 3 % 3] for i in range(n)],
        }
    )
    store.add(conform(frame)[0])
    spread = np.random.default_rng(3).standard_normal((N, DIMENSION)).astype(np.float32)
    spread /= np.linalg.norm(spread, axis=1, keepdims=True)
    with store.writing() as connection:
        hashes = [Task(f"task {i}").text_hash for i in range(N)]
        vectors.add(connection, "random@1", DIMENSION, hashes, spread)
    numbers, scale = vectors.quantised(spread)
    with store.reading() as connection:
        yield connection, vectors.table_of(connection, "random@1"), frame, numbers * scale[:, None]


seeds = st.integers(0, 2**32 - 1)
filters = st.builds(
    Filter,
    repo=st.sampled_from([None, *REPOS]),
    tier=st.sampled_from([None, "small", "large", "medium"]),
    task_type=st.sampled_from([None, "test"]),
    outcome=st.sampled_from([None, "success", "failure", "unknown"]),
    days_back=st.sampled_from([None, 0, 3, 20]),
    as_of=st.sampled_from([None, datetime(2026, 5, 20), datetime(2020, 1, 1)]),
)


def query(seed: int) -> np.ndarray:
    return checked(np.random.default_rng(seed).standard_normal(DIMENSION), DIMENSION)


def kept(frame: pl.DataFrame, wanted: Filter) -> pl.DataFrame:
    """The rows that a filter keeps, by polars."""
    until = wanted.as_of or frame["timestamp"].max()
    since = until - timedelta(wanted.days_back) if wanted.days_back is not None else datetime.min
    conditions = [pl.col("timestamp") <= until, pl.col("timestamp") > since]
    for name, value in (("repo", wanted.repo), ("model_tier", wanted.tier), ("task_type", wanted.task_type)):
        if value is not None:
            conditions.append(pl.col(name) == value)
    if wanted.outcome is not None:
        value = {"success": True, "failure": False, "unknown": None}[wanted.outcome]
        conditions.append(pl.col("success").eq_missing(value))
    return frame.filter(conditions)


@given(seed=seeds, wanted=filters, limit=st.integers(1, 700))
@settings(max_examples=10)
def test_exact_search_under_a_filter_is_numpy_on_what_polars_keeps(world, seed, wanted, limit):
    connection, table, frame, numbers = world
    vector = query(seed)
    rows = nearest.nearest(connection, table, vector, wanted.where(connection), N, limit, is_exact=True).rows
    due = kept(frame, wanted).with_columns(
        cosine=pl.Series(numbers @ vector).gather(
            pl.Series(
                [int(text.split()[1]) for text in kept(frame, wanted)["task_description"]], dtype=pl.Int64
            )
        )
    )
    due = due.sort("cosine", "timestamp", "task_id", descending=[True, True, False]).head(limit)
    assert rows["task_id"].to_list() == due["task_id"].to_list()
    assert rows["similarity"].to_numpy() == pytest.approx(due["cosine"].to_numpy(), abs=1e-5)


@given(seed=seeds, wanted=filters, limit=st.integers(1, 20))
@settings(max_examples=6)
def test_two_stages_with_enough_candidates_are_exact(world, seed, wanted, limit):
    connection, table, _, _ = world
    vector, where = query(seed), wanted.where(connection)
    among = "" if where.is_all else where.texts
    two = winners(connection, by_signs(table, vector, N, among), where, limit)
    one = winners(connection, by_all(table, vector, among), where, limit)
    assert two.rows.equals(one.rows)


@pytest.fixture
def few_candidates(monkeypatch):
    """Few enough candidates that signs choose among 300 texts."""
    monkeypatch.setattr(twostage, "FEWEST", 12)
    monkeypatch.setattr(twostage, "PER_ROOT", 0)
    monkeypatch.setattr(twostage, "PER_ROW", 4)


def by_plan(world, vector, where, share: float, limit: int = 5) -> pl.Series:
    """The scores that are found when filters that keep this share are applied after the search."""
    connection, table, _, _ = world
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "KEPT_BY_MOST", share)
        return nearest.nearest(connection, table, vector, where, N, limit).rows["score"]


@given(seed=seeds, wanted=filters)
@settings(max_examples=8)
def test_filtering_afterwards_finds_no_less_than_filtering_first(world, few_candidates, seed, wanted):
    vector, where = query(seed), wanted.where(world[0])
    after, first = (by_plan(world, vector, where, share) for share in (0.0, 2.0))
    assert len(after) == len(first)
    assert (after >= first).all()


def test_a_filter_that_takes_all_that_is_near_costs_nothing(world, few_candidates):
    numbers = world[3]
    vector = checked(numbers[0], DIMENSION)
    far = [Task(f"task {i}").text_hash for i in np.argsort(-(numbers @ vector))[150:]]
    condition = f"e.description_hash in ({', '.join(f'{chr(39)}{one}{chr(39)}' for one in far)})"
    after = by_plan(world, vector, Where(condition, {}, 300, 600), 0.0)
    first = by_plan(world, vector, Where(condition, {}, 300, 600), 2.0)
    assert len(after) == len(first) == 5
    assert (after >= first).all()


def test_few_candidates_find_nearly_all_of_the_nearest(world):
    connection, table, _, numbers = world
    n_found = 0
    for seed in range(10):
        vector = checked(numbers[seed] + 0.1 * query(seed), DIMENSION)
        frame = winners(connection, by_signs(table, vector, 60), Filter(days_back=None).where(connection), 1)
        n_found += frame.rows["task_description"][0] == f"task {seed}"
    assert n_found == 10


@given(seed=seeds)
@settings(max_examples=5)
def test_nearest_texts_are_those_of_the_nearest_executions(world, seed):
    connection, table, _, _ = world
    vector, where = query(seed), Filter(repo="lab", days_back=None).where(connection)
    hashes = nearest_texts(connection, table, vector, where, N, 20, is_exact=True).to_list()
    rows = nearest.nearest(connection, table, vector, where, N, 600, is_exact=True).rows
    in_order = dict.fromkeys(Task(text).text_hash for text in rows["task_description"])
    assert hashes == list(in_order)[:20]


def test_candidates_grow_with_texts_and_rows():
    assert n_candidates(100, 10) == n_candidates(0, 1) == twostage.FEWEST
    assert n_candidates(1_000_000, 10) > n_candidates(100_000, 10) > n_candidates(10_000, 10)
    assert n_candidates(100, 100) > n_candidates(100, 10)
