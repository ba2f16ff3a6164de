"""Tasks in numbers, and what makes a task unfamiliar: fixed by what was learned from, and by no outcome."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_worlds import REPOS, TYPES, tasks

from learnlab.errors import RoutingError
from learnlab.routing.sona.familiar import REASONS, Familiar
from learnlab.routing.sona.surface import FARTHEST, Surface
from learnlab.routing.tries import KNOWN, SIZES, Tasks

pytestmark = pytest.mark.filterwarnings("error")
LEARNED = tasks(300, 1)
N_SIZES = len(SIZES) + 2


def known(at: Tasks, **columns: pl.Expr) -> Tasks:
    return replace(at, known=at.known.with_columns(**columns).cast(dict(KNOWN)))


def without(at: Tasks) -> Tasks:
    return replace(at, vectors=np.zeros((len(at), 0), dtype=np.float32))


def test_columns_are_sizes_then_kinds_then_places_then_directions():
    surface = Surface.of(LEARNED, 3)
    found = surface.of_tasks(LEARNED)
    assert found.shape == (300, surface.n_columns) == (300, N_SIZES + 3 + 2 + 3)
    assert found.dtype == np.float32
    logs = np.log1p(LEARNED.known["n_characters"].to_numpy())
    assert found[:, 2] == pytest.approx((logs - logs.mean()) / logs.std(), abs=1e-3)
    for place, (column, names) in enumerate((("task_type", TYPES), ("repo", REPOS))):
        at = N_SIZES + place * len(TYPES)
        values = LEARNED.known[column].to_numpy()
        assert np.array_equal(found[:, at : at + len(names)], values[:, None] == np.array(sorted(names)))


def test_directions_are_principal_components_of_variance_1():
    found = Surface.of(LEARNED, 3).of_tasks(LEARNED)[:, -3:]
    assert np.cov(found.T, bias=True) == pytest.approx(np.eye(3), abs=1e-3)
    apart = LEARNED.vectors - LEARNED.vectors.mean(axis=0)
    most = np.linalg.svd(apart, compute_uv=True)[0][:, 0] * np.sqrt(300)
    assert abs(np.corrcoef(found[:, 0], most)[0, 1]) == pytest.approx(1, abs=1e-4)


def test_what_is_new_or_unknown_is_0():
    surface = Surface.of(LEARNED, 3)
    null = pl.lit(None, dtype=pl.String)
    for kind in (pl.lit("new"), null):
        found = surface.of_tasks(known(tasks(5), task_type=kind, repo=kind))
        assert (found[:, N_SIZES : N_SIZES + 5] == 0).all()
    unsaid = surface.of_tasks(known(tasks(5), complexity_score=pl.lit(None, dtype=pl.Float64)))
    assert (unsaid[:, N_SIZES - 2] == 0).all()
    assert (unsaid[:, N_SIZES - 1] == 1).all()
    assert (surface.of_tasks(LEARNED)[:, N_SIZES - 1] == 0).all()
    silent = replace(tasks(5), vectors=np.zeros((5, 8), dtype=np.float32))
    for at in (silent, without(tasks(5))):
        assert (surface.of_tasks(at)[:, -3:] == 0).all()


@settings(max_examples=25)
@given(
    st.integers(-(2**62), 2**62),
    st.integers(0, 2**62),
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    st.one_of(st.none(), st.text(max_size=20)),
)
def test_whatever_is_asked_stays_within_bounds(files, tokens, complexity, kind):
    at = known(
        tasks(2),
        file_count=pl.lit(files),
        estimated_tokens=pl.lit(tokens),
        complexity_score=pl.lit(complexity, dtype=pl.Float64),
        task_type=pl.lit(kind, dtype=pl.String),
    )
    found = Surface.of(LEARNED, 3).of_tasks(at)
    assert np.abs(found).max() <= FARTHEST


def test_texts_have_no_direction_in_which_they_do_not_vary():
    alike = replace(LEARNED, vectors=LEARNED.vectors[np.arange(300) % 3])
    surface = Surface.of(alike, 8)
    assert surface.basis.shape == (8, 2)
    noise = np.random.default_rng(0).normal(0, 0.005, alike.vectors.shape).astype(np.float32)
    nearly = Surface.of(replace(alike, vectors=alike.vectors + noise), 8)
    assert nearly.basis.shape == (8, 8)
    assert np.abs(nearly.of_tasks(tasks(50, 2))).max() == FARTHEST
    same = replace(LEARNED, vectors=LEARNED.vectors[np.zeros(300, dtype=int)])
    assert Surface.of(same, 8).basis.shape == (8, 0)


def test_few_tasks_get_no_column_and_none_at_all_none():
    few = LEARNED.take(np.arange(300) < 4)
    surface = Surface.of(few, 3)
    assert surface.task_types == surface.repos == ()
    nobody = Surface.of(LEARNED.take(np.zeros(300, dtype=bool)), 3)
    assert np.isfinite(nobody.of_tasks(tasks(5))).all()
    assert nobody.n_columns == N_SIZES


def test_another_dimension_is_refused():
    wider = replace(tasks(5), vectors=np.ones((5, 9), dtype=np.float32))
    with pytest.raises(RoutingError, match="dimension 9, and the router learned from others, of dimension 8"):
        Surface.of(LEARNED, 0).of_tasks(wider)


def test_what_is_kept_comes_back():
    for n_directions in (0, 3):
        surface = Surface.of(LEARNED, n_directions)
        again = Surface.restored(surface.describe(), surface.arrays())
        assert np.array_equal(again.of_tasks(tasks(20, 3)), surface.of_tasks(tasks(20, 3)))
    with pytest.raises(RoutingError, match="surface.mean"):
        Surface.restored(surface.describe(), surface.arrays() | {"surface.mean": np.zeros(3, np.float32)})


# What is unfamiliar


def why(familiar: Familiar, at: Tasks) -> list[set[int]]:
    return [set(np.flatnonzero(flags)) for flags in familiar.unlike(at)]


def test_each_reason_for_itself():
    familiar = Familiar.with_tasks(LEARNED)
    assert len(REASONS) == 4
    assert why(familiar, tasks(50, 3)) == [set()] * 50
    assert why(familiar, known(tasks(2), task_type=pl.lit("new"))) == [{0}] * 2
    assert why(familiar, known(tasks(2), repo=pl.lit("new"))) == [{1}] * 2
    assert why(Familiar.with_tasks(without(LEARNED)), tasks(2)) == [{2}] * 2
    assert why(familiar, known(tasks(2), estimated_tokens=pl.lit(9000))) == [{3}] * 2
    assert why(familiar, known(tasks(2), estimated_tokens=pl.lit(3000))) == [set()] * 2
    assert why(familiar, without(tasks(2))) == [set()] * 2, "a task may come without a text"
    assert why(familiar, known(tasks(1), task_type=pl.lit(None, dtype=pl.String))) == [{0}]


def test_of_three_repos_a_fourth_is_taken_to_be_like_them():
    repos = pl.Series(["shop", "web", "api"] * 100)
    familiar = Familiar.with_tasks(known(LEARNED, repo=repos))
    assert why(familiar, known(tasks(1), repo=pl.lit("new"))) == [set()]
    fewer = Familiar.with_tasks(known(LEARNED, repo=pl.Series(["shop"] * 292 + ["web"] * 4 + ["api"] * 4)))
    assert fewer.repos == {"shop"}, "a repo counts from five tasks on"
    assert why(fewer, known(tasks(1), repo=pl.lit("web"))) == [{1}]


def test_of_nothing_learned_all_is_unfamiliar():
    familiar = Familiar.with_tasks(LEARNED.take(np.zeros(300, dtype=bool)))
    assert all(reasons >= {0, 1, 2} for reasons in why(familiar, tasks(5)))


def test_what_is_familiar_comes_back():
    familiar = Familiar.with_tasks(LEARNED)
    assert Familiar.restored(familiar.describe(), familiar.arrays()).describe() == familiar.describe()
    odd = known(tasks(9, 2), estimated_tokens=pl.Series([1, 5, 9, 99, 999, 4999, 9999, 10**6, 10**9]))
    assert why(Familiar.restored(familiar.describe(), familiar.arrays()), odd) == why(familiar, odd)
    with pytest.raises(RoutingError, match="familiar.least"):
        Familiar.restored(familiar.describe(), {})
