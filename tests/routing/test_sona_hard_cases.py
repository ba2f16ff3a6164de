"""SONA where there is little, odd or nothing to learn from: a safe answer or a clear error, and never a warning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from routing_worlds import REPOS, TIERS, TYPES, all_tried, tasks, tried, world

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.routing.preference import PriceOfQuality, best
from learnlab.routing.sona import FittedSona, Sona, sona, tuning
from learnlab.routing.tries import KNOWN, Tasks, Tries

pytestmark = pytest.mark.filterwarnings("error")

N = 90
ALL, NONE = (0, 1, 2), ()


@pytest.fixture(autouse=True)
def only_a_network(monkeypatch: pytest.MonkeyPatch, soak: bool) -> None:
    """Leave the tuning nothing but a network, which is more easily led astray than the lookup is."""
    if not soak:
        monkeypatch.setattr(tuning, "METHODS", (replace(tuning.METHODS[-1], epochs=4),))
        monkeypatch.setattr(tuning, "FOLDS", 2)
        monkeypatch.setattr(sona, "MEMBERS", 1)


@pytest.fixture(scope="module")
def few() -> Tries:
    return tried(world(N, 1), np.random.default_rng(0).integers(0, 3, N))


@pytest.fixture(scope="module")
def learned(few: Tries) -> FittedSona:
    return Sona().fit(few)


def known(at: Tasks, **columns: pl.Expr | pl.Series) -> Tasks:
    return replace(at, known=at.known.with_columns(**columns).cast(dict(KNOWN)))


def of(tries: Tries, **columns: pl.Expr | pl.Series) -> Tries:
    return replace(tries, tasks=known(tries.tasks, **columns))


def without_vectors(at: Tasks) -> Tasks:
    return replace(at, vectors=np.zeros((len(at), 0), dtype=np.float32))


def assert_safe(
    router: FittedSona, at: Tasks, has_quality: tuple[int, ...], has_cost: tuple[int, ...]
) -> None:
    """Make sure that exactly these candidates are expected of, sensibly, and that one of them is chosen."""
    expected = router.expect(at)
    for figure, error, columns in (
        (expected.quality, expected.quality_error, has_quality),
        (expected.cost, expected.cost_error, has_cost),
    ):
        is_there = np.isin(np.arange(len(router.candidates)), columns)
        assert (np.isfinite(figure) == is_there).all()
        assert (np.isfinite(error) == is_there).all()
        assert (figure[:, is_there] >= 0).all()
        assert (error[:, is_there] >= 0).all()
    assert (expected.quality[:, has_quality] <= 1).all()
    if not has_quality:
        with pytest.raises(RoutingError, match="nothing is known of any candidate"):
            best(expected, PriceOfQuality(1.0))
    else:
        assert set(best(expected, PriceOfQuality(1.0))) <= set(has_quality)


def null(kind: pl.DataType | type[pl.DataType]) -> pl.Expr:
    return pl.lit(None, dtype=kind)


LEARNED_FROM: dict[str, tuple[Callable[[Tries], Tries], tuple[int, ...], tuple[int, ...]]] = {
    "no known quality": (lambda t: replace(t, quality=np.full(N, np.nan)), NONE, ALL),
    "no try": (lambda t: t.take(np.zeros(N, dtype=bool)), NONE, NONE),
    "no task": (lambda t: t.of_tasks(np.zeros(N, dtype=bool)), NONE, NONE),
    "a tier never tried": (lambda t: t.take(t.candidate < 2), (0, 1), (0, 1)),
    "successes alone": (lambda t: replace(t, quality=np.ones(N)), ALL, ALL),
    "failures alone": (lambda t: replace(t, quality=np.zeros(N)), ALL, ALL),
    "one tier's outcomes unknown": (
        lambda t: replace(t, quality=np.where(t.candidate == 1, np.nan, t.quality)),
        (0, 2),
        ALL,
    ),
    "no known cost": (lambda t: replace(t, cost=np.full(N, np.nan)), ALL, NONE),
    "every other cost unknown": (
        lambda t: replace(t, cost=np.where(np.arange(N) % 2, np.nan, t.cost)),
        ALL,
        ALL,
    ),
    "one tier's costs unknown": (
        lambda t: replace(t, cost=np.where(t.candidate == 1, np.nan, t.cost)),
        ALL,
        (0, 2),
    ),
    "no times": (lambda t: replace(t, started_at=np.full(N, np.datetime64("NaT", "us"))), ALL, ALL),
    "no vectors": (lambda t: replace(t, tasks=without_vectors(t.tasks)), ALL, ALL),
    "no types and repos": (
        lambda t: of(t, task_type=null(pl.String), repo=null(pl.String)),
        ALL,
        ALL,
    ),
    "no sizes": (lambda t: of(t, file_count=null(pl.Int64), n_characters=null(pl.Int64)), ALL, ALL),
    "no complexity": (lambda t: of(t, complexity_score=null(pl.Float64)), ALL, ALL),
    "complexities that are no numbers": (
        lambda t: of(t, complexity_score=pl.Series([np.inf, np.nan, -np.inf] * (N // 3))),
        ALL,
        ALL,
    ),
    "one task": (lambda t: t.of_tasks(np.array([0])), (2,), (2,)),
    "two tasks of one group": (
        lambda t: replace(
            t.of_tasks(np.array([0, 1])),
            tasks=replace(t.tasks.take(np.array([0, 1])), group=np.zeros(2, int)),
        ),
        (1, 2),
        (1, 2),
    ),
}


@pytest.mark.parametrize("case", LEARNED_FROM)
def test_whatever_it_learns_from_it_expects_what_is_known_and_nothing_else(case, few):
    change, has_quality, has_cost = LEARNED_FROM[case]
    router = Sona().fit(change(few))
    asked = tasks(5, 9)
    if case == "no vectors":
        asked = without_vectors(asked)
    assert_safe(router, asked, has_quality, has_cost)
    assert_safe(router, known(asked, task_type=pl.lit("new"), repo=pl.lit("new")), has_quality, has_cost)


ASKED: dict[str, tuple[Callable[[Tasks], Tasks], bool]] = {
    "no text": (lambda t: replace(t, vectors=np.zeros_like(t.vectors)), False),
    "no model of texts at hand": (without_vectors, False),
    "no sizes": (lambda t: known(t, file_count=null(pl.Int64)), False),
    "no complexity": (lambda t: known(t, complexity_score=null(pl.Float64)), False),
    "an endless complexity": (lambda t: known(t, complexity_score=pl.lit(np.inf)), False),
    "huge sizes": (lambda t: known(t, file_count=pl.lit(2**62), estimated_tokens=pl.lit(2**62)), True),
    "negative sizes": (lambda t: known(t, file_count=pl.lit(-5)), False),
    "no type": (lambda t: known(t, task_type=null(pl.String)), True),
    "a new type": (lambda t: known(t, task_type=pl.lit("'; drop table {x} --")), True),
    "a new repo": (lambda t: known(t, repo=pl.lit("../new")), True),
}


@pytest.mark.parametrize("case", ASKED)
def test_whatever_it_is_asked_it_answers_and_of_what_is_unlike_all_it_knows_the_means_alone(
    case, few, learned
):
    change, is_new = ASKED[case]
    asked = change(tasks(40, 9))
    assert_safe(learned, asked, ALL, ALL)
    assert [bool(why) for why in learned.why_unfamiliar(asked)] == [is_new] * 40
    found = learned.expect(asked)
    if is_new:
        means = [few.cost[few.candidate == one].mean() for one in range(3)]
        assert np.allclose(found.cost, means)
        assert np.allclose(found.quality, found.quality[0])
    else:
        assert np.ptp(found.quality, axis=0).min() > 0.01


def test_of_no_tasks_nothing_is_expected(learned):
    assert learned.expect(tasks(3).take(np.zeros(3, dtype=bool))).quality.shape == (0, 3)


def test_without_candidates_there_is_nothing_to_learn(few):
    with pytest.raises(RoutingError, match="no candidate to learn of"):
        Sona().fit(replace(few.take(np.zeros(N, dtype=bool)), candidates=()))


def test_one_candidate_and_forty():
    at, rng = world(N, 1), np.random.default_rng(0)
    tries = tried(at, np.zeros(N, dtype=int))
    assert_safe(Sona().fit(replace(tries, candidates=TIERS[:1])), tasks(5, 9), (0,), (0,))
    drawn = rng.integers(0, 40, N)
    many = replace(tries, candidates=tuple(Candidate(model=f"m{i}") for i in range(40)), candidate=drawn)
    there = tuple(np.unique(drawn))
    assert len(there) < 40
    assert_safe(Sona().fit(many), tasks(5, 9), there, there)


def test_vectors_of_another_dimension_are_refused_wherever_they_come_in(few, learned):
    other = tasks(3, 9)
    other = replace(other, vectors=np.ones((3, 5), dtype=np.float32))
    with pytest.raises(RoutingError, match="dimension 5"):
        learned.expect(other)
    past = replace(few, tasks=replace(few.tasks, vectors=np.ones((N, 5), dtype=np.float32)))
    with pytest.raises(RoutingError, match="dimension 5"):
        learned.with_history(past).expect(tasks(3, 9))
    with pytest.raises(RoutingError, match="dimension 5"):
        learned.with_history(past).expect(other)
    later = replace(past, started_at=past.started_at + np.timedelta64(30, "D"))
    with pytest.raises(RoutingError, match="dimension 5"):
        Sona().learn(learned, later)


def test_texts_that_read_alike_teach_nothing_of_others(few):
    """Three texts vary in two directions; a fourth one's lies in others, on which nothing was learned."""
    alike = replace(few.tasks, vectors=few.tasks.vectors[np.arange(N) % 3])
    router = Sona().fit(replace(few, tasks=alike))
    found = router.expect(tasks(50, 9))
    assert found.quality.min() > 0.05
    assert found.quality.max() < 0.99
    assert found.cost.max() < 3


def test_costs_of_nothing_are_expected_to_be_nothing(few):
    free = Sona().fit(replace(few, cost=np.where(few.candidate == 0, 0.0, few.cost)))
    found = free.expect(tasks(5, 9))
    assert (found.cost[:, 0] == 0).all()
    assert (found.cost_error[:, 0] == 0).all()
    assert (found.cost[:, 1:] > 0.01).all()
    assert_safe(Sona().fit(replace(few, cost=np.zeros(N))), tasks(5, 9), ALL, ALL)


def test_where_half_of_the_tries_are_free_half_the_cost_is_expected():
    truth = world(200, 1)
    tries = all_tried(truth)
    is_free = np.random.default_rng(3).random(len(tries)) < 0.5
    found = Sona().fit(replace(tries, cost=np.where(is_free, 0.0, tries.cost))).expect(tasks(200, 9))
    assert found.cost.mean(axis=0) == pytest.approx(truth.cost.mean(axis=0) / 2, rel=0.15)


def test_what_was_tried_in_one_group_alone_is_expected_as_it_was_seen(few):
    """Nothing could be told of it from other groups: a network that corrected that would learn nonsense."""
    router = Sona().fit(replace(few, tasks=replace(few.tasks, group=np.zeros(N, dtype=int))))
    found = router.expect(tasks(200, 9))
    means = np.array([few.cost[few.candidate == one].mean() for one in range(3)])
    assert found.cost.mean(axis=0) == pytest.approx(means, rel=0.2)


def test_a_router_without_times_learns_all_that_have_one(few):
    untimed = replace(few, started_at=np.full(N, np.datetime64("NaT", "us")))
    router = Sona().fit(untimed)
    assert np.isnat(router.until)
    again = Sona().learn(router, few)
    assert again.until == few.started_at.max()
    assert not np.array_equal(again.members[0]["skip.weight"], router.members[0]["skip.weight"])


def test_names_of_the_worlds_are_familiar(learned):
    assert learned.familiar.task_types == set(TYPES)
    assert learned.familiar.repos == set(REPOS)
