"""Baselines on worlds whose truth is known, and on tries from which little or nothing can be learned."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from routing_worlds import TIERS, TYPES, all_tried, tasks, tried, world

from learnlab.errors import RoutingError
from learnlab.routing.baselines import Cheapest, Logistic, Lookup, Neighbours, Oracle, baselines, best_single
from learnlab.routing.baselines.costs import LogCost
from learnlab.routing.baselines.design import Design
from learnlab.routing.baselines.tables import BY_TYPE_AND_REPO, cost_table
from learnlab.routing.preference import AboveFloor, PriceOfQuality, WithinBudget, best
from learnlab.routing.shrinkage import Means, Tally, of_candidates, shrunk, strength, tally
from learnlab.routing.tries import KNOWN, Tasks, Tries

ROUTERS = {router.name: router for router in baselines()}
EACH = pytest.mark.parametrize("router", ROUTERS.values(), ids=ROUTERS)
PREFERENCES = (PriceOfQuality(1.0), WithinBudget(0.1), AboveFloor(0.6))


@pytest.fixture(autouse=True)
def _warned():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(autouse=True)
def _untuned(request, monkeypatch):
    """Leave C as it is where a test is not about how it is chosen: choosing takes 45 fits."""
    if "tuned" not in request.fixturenames:
        monkeypatch.setattr("learnlab.routing.baselines.logistic.FOLDS", 1)
        monkeypatch.setattr("learnlab.routing.baselines.logistic.STRENGTHS", (1.0,))


@pytest.fixture
def tuned():
    """The choice of C as it is made for users."""


def random_tries(n: int, seed: int = 0) -> Tries:
    return tried(world(n, seed), np.random.default_rng([seed, 7]).integers(0, len(TIERS), n), seed)


def value(router, learned: Tries, judged) -> float:
    chosen = best(router.fit(learned).expect(judged.tasks), PriceOfQuality(1.0))
    at = np.arange(len(judged.tasks))
    return float((judged.quality - judged.cost)[at, chosen].mean())


# What they are in closed form


def test_the_best_single_expects_the_mean_with_one_try_at_the_mean_of_all():
    tries = random_tries(300)
    expected = best_single().fit(tries).expect(tasks(3, seed=5))
    pooled = (tries.quality.sum() + 0.5) / 301
    for place in range(3):
        own = tries.quality[tries.candidate == place]
        mean = (own.sum() + pooled) / (len(own) + 1)
        assert expected.quality[:, place] == pytest.approx([mean] * 3)
        assert expected.quality_error[:, place] == pytest.approx(
            [np.sqrt(mean * (1 - mean) / (len(own) + 2))] * 3
        )
        assert expected.cost[:, place] == pytest.approx([tries.cost[tries.candidate == place].mean()] * 3)


@pytest.mark.parametrize("preference", PREFERENCES)
def test_the_cheapest_is_chosen_whatever_is_wanted(preference):
    chosen = best(Cheapest().fit(random_tries(300)).expect(tasks(20, seed=5)), preference)
    assert chosen.tolist() == [0] * 20


def test_of_equally_cheap_candidates_the_better_is_the_cheapest():
    tries = all_tried(world(200))
    chosen = best(Cheapest().fit(replace(tries, cost=0 * tries.cost)).expect(tasks(5)), PriceOfQuality(1.0))
    assert chosen.tolist() == [2] * 5


def test_a_kind_is_shrunk_to_its_candidate_by_the_weight_that_is_stated():
    above = Means(np.array([[0.6]]), np.array([[0.01]]))
    seen = Tally(np.array([[30.0]]), np.array([[9.0]]), np.array([[9.0]]))
    mean, error = shrunk(seen, above, 10.0, None)
    assert mean[0, 0] == pytest.approx((9 + 6) / 40)
    assert error[0, 0] == pytest.approx(np.sqrt(0.375 * 0.625 / 41 + (10 * 0.01 / 40) ** 2))


def test_the_weight_is_that_of_the_beta_distribution_that_kinds_are_drawn_from():
    rng = np.random.default_rng(0)
    cells, n, true = 3000, 20, 8.0
    rate = rng.beta(0.3 * true, 0.7 * true, (cells, 2))
    total = rng.binomial(n, rate).astype(float)
    found, sigma = strength(
        Tally(np.full((cells, 2), float(n)), total, total), np.zeros(cells, dtype=np.int64)
    )
    assert found == pytest.approx(true, rel=0.1)
    assert sigma == pytest.approx(0.3 * 0.7 * true / (true + 1), rel=0.05)


def test_kinds_that_do_not_differ_are_shrunk_as_far_as_they_go():
    rng = np.random.default_rng(1)
    total = rng.binomial(50, 0.4, (200, 1)).astype(float)
    found, _ = strength(Tally(np.full((200, 1), 50.0), total, total), np.zeros(200, dtype=np.int64))
    assert found >= 200


def test_costs_are_means_and_not_medians():
    n = 20_000
    tries = tried(world(n), np.zeros(n, dtype=np.int64))
    cost = 0.2 * np.exp(np.random.default_rng(0).normal(0, 1.0, n))
    found, error = cost_table(replace(tries, cost=cost), (("task_type",),)).expect(tasks(3).known)
    assert found[:, 0] == pytest.approx([0.2 * np.exp(0.5)] * 3, rel=0.05)
    assert np.all((error[:, 0] > 0.001) & (error[:, 0] < 0.01))


# What they are worth


def test_whoever_knows_more_of_a_world_chooses_better():
    learned, judged = all_tried(world(600, 1)), world(1500, 2)
    worth = {name: value(router, learned, judged) for name, router in ROUTERS.items()}
    ceiling = float((judged.quality - judged.cost).max(axis=1).mean())
    assert worth["cheapest"] < worth["best_single"] < worth["lookup"] < worth["logistic"] < ceiling
    assert worth["lookup_by_repo"] > worth["best_single"]
    assert worth["logistic"] > worth["lookup"] + 0.3 * (ceiling - worth["lookup"])


def test_neighbours_say_what_the_text_says():
    learned, judged = all_tried(world(900, 1)), world(300, 2)
    found = Neighbours().fit(learned).expect(judged.tasks).quality
    mean = best_single().fit(learned).expect(judged.tasks).quality
    assert np.square(found - judged.quality).mean() < 0.8 * np.square(mean - judged.quality).mean()


def test_what_a_lookup_expects_of_known_kinds_is_as_sure_as_it_says():
    rng = np.random.default_rng(0)
    true = np.array([[0.3, 0.5, 0.9], [0.8, 0.7, 0.6], [0.1, 0.4, 0.7]])
    far = []
    for seed in range(40):
        at = tasks(240, seed)
        kind = np.array([TYPES.index(name) for name in at.known["task_type"]])
        tries = tried(replace(world(240, seed), tasks=at), rng.integers(0, 3, 240))
        quality = (rng.random(240) < true[kind, tries.candidate]).astype(float)
        expected = Lookup().fit(replace(tries, quality=quality)).expect(at)
        firsts = [int(np.flatnonzero(kind == one)[0]) for one in range(3)]
        far.append((expected.quality[firsts] - true) / expected.quality_error[firsts])
    assert 0.9 <= (np.abs(far) < 1.96).mean() <= 0.99


def test_what_a_logistic_regression_expects_is_as_sure_as_it_says():
    far = []
    for seed in range(3):
        judged = world(150, 50 + seed)
        expected = Logistic().fit(all_tried(world(500, seed))).expect(judged.tasks)
        far.append((expected.quality - judged.quality) / expected.quality_error)
    assert 0.85 <= (np.abs(far) < 1.96).mean() <= 1.0
    assert 0.5 < np.std(far) < 1.5


def test_costs_by_size_are_told_apart_and_unbiased():
    judged = world(500, 9)
    expected = Logistic().fit(random_tries(1500)).expect(judged.tasks)
    assert expected.cost == pytest.approx(judged.cost, rel=0.25)
    assert expected.cost.mean(axis=0) == pytest.approx(judged.cost.mean(axis=0), rel=0.05)


def test_weights_are_kept_small_where_left_out_groups_cannot_be_told(tuned):
    rng = np.random.default_rng(0)
    at = tasks(60)
    many = Tasks(
        at.known[np.repeat(np.arange(60), 8)], np.repeat(at.vectors, 8, axis=0), np.repeat(np.arange(60), 8)
    )
    tries = tried(replace(world(480), tasks=many), np.zeros(480, dtype=np.int64))
    noise = replace(tries, quality=np.repeat(rng.integers(0, 2, 60), 8).astype(float))
    assert Logistic().fit(noise).strength <= 0.1
    assert Logistic().fit(replace(noise, quality=(many.vectors[:, 0] > 0).astype(float))).strength >= 1.0


# What little can be learned from


@EACH
@pytest.mark.parametrize("outcome", [1.0, 0.0])
def test_only_successes_or_only_failures_leave_it_unsure(router, outcome):
    tries = random_tries(60)
    expected = router.fit(replace(tries, quality=np.full(60, outcome))).expect(tasks(9, seed=3))
    known = np.isfinite(expected.quality)
    assert known[:, 0].all()
    assert np.all(np.abs(expected.quality[known] - outcome) < 0.1)
    assert np.all(expected.quality_error[known] > 0)
    assert np.isfinite(expected.cost).all()


@EACH
def test_with_one_candidate_it_is_that_one(router):
    tries = tried(world(40), np.zeros(40, dtype=np.int64))
    alone = replace(tries, candidates=TIERS[:1])
    fitted = router.fit(alone)
    assert fitted.candidates == TIERS[:1]
    assert best(fitted.expect(tasks(4, seed=1)), PriceOfQuality(1.0)).tolist() == [0] * 4


@EACH
def test_with_no_known_quality_nothing_is_expected(router):
    tries = random_tries(30)
    expected = router.fit(replace(tries, quality=np.full(30, np.nan))).expect(tasks(4))
    assert np.isnan(expected.quality).all()
    assert np.isnan(expected.quality_error).all()


@EACH
def test_with_no_tries_nothing_is_expected_of_any_task(router):
    none = random_tries(30).of_tasks(np.array([], dtype=np.int64))
    expected = router.fit(none).expect(tasks(4))
    for figure in (expected.quality, expected.quality_error, expected.cost):
        assert figure.shape == (4, 3)
        assert np.isnan(figure).all()


@EACH
def test_unknown_qualities_and_costs_are_left_out(router):
    tries = random_tries(200)
    gone = np.arange(200) % 4 == 0
    patchy = replace(
        tries, quality=np.where(gone, np.nan, tries.quality), cost=np.where(gone, np.nan, tries.cost)
    )
    whole = tries.take(~gone)
    if router.name == "logistic":
        whole = replace(whole, tasks=patchy.tasks)
    for one, other in zip(
        vars(router.fit(patchy).expect(tasks(5, seed=2))).values(),
        vars(router.fit(whole).expect(tasks(5, seed=2))).values(),
        strict=True,
    ):
        assert one == pytest.approx(other, nan_ok=True)


@EACH
def test_without_known_costs_quality_is_still_expected(router):
    tries = random_tries(60)
    expected = router.fit(replace(tries, cost=np.full(60, np.nan))).expect(tasks(4))
    assert np.isnan(expected.cost).all()
    assert np.isfinite(expected.quality).all() or router.name == "cheapest"


@EACH
def test_free_candidates_cost_nothing(router):
    tries = random_tries(60)
    free = replace(tries, cost=np.where(tries.candidate == 0, 0.0, tries.cost))
    expected = router.fit(free).expect(tasks(4))
    assert expected.cost[:, 0].tolist() == [0.0] * 4
    assert expected.cost_error[:, 0].tolist() == [0.0] * 4
    assert np.all(expected.cost[:, 1:] > 0)


@EACH
def test_a_candidate_never_tried_stays_unknown(router):
    tries = tried(world(90), np.arange(90) % 2)
    expected = router.fit(tries).expect(tasks(5))
    assert np.isnan(expected.quality[:, 2]).all()
    assert np.isnan(expected.cost[:, 2]).all()
    assert np.isfinite(expected.quality[:, 0]).all()
    assert np.isfinite(expected.cost[:, :2]).all()


def strange(n: int, dimension: int = 8) -> Tasks:
    known = pl.DataFrame(
        {
            "task_type": [None, "never seen", "docs"] * n,
            "repo": ["never seen", None, "shop"] * n,
            "file_count": [10**12, 0, 3] * n,
            "estimated_tokens": [0, 10**15, 5] * n,
            "complexity_score": [None, 100.0, None] * n,
            "n_characters": [0, 10**12, 7] * n,
        },
        schema=KNOWN,
    )
    return Tasks(known, np.zeros((3 * n, dimension), dtype=np.float32), np.full(3 * n, -1))


@EACH
@pytest.mark.parametrize("dimension", [8, 5, 0])
def test_kinds_sizes_and_vectors_never_seen_get_a_safe_expectation(router, dimension):
    fitted = router.fit(random_tries(120))
    for n in (1, 20):
        expected = fitted.expect(strange(n, dimension))
        known = np.isfinite(expected.quality)
        assert known.any(axis=1).all()
        assert np.all((expected.quality[known] > 0) & (expected.quality[known] < 1))
        assert np.isfinite(expected.quality_error[known]).all()
        assert np.all((expected.cost > 0) & (expected.cost < 5))


@EACH
def test_tries_without_vectors_or_complexity_can_be_learned_from(router):
    tries = random_tries(120)
    bare = tries.tasks.known.with_columns(complexity_score=pl.lit(None, dtype=pl.Float64))
    plain = replace(tries, tasks=Tasks(bare, np.zeros((120, 0), dtype=np.float32), tries.tasks.group))
    expected = router.fit(plain).expect(tasks(6))
    assert np.isfinite(expected.quality).any(axis=1).all()
    assert np.isfinite(expected.cost).all()


def test_a_kind_never_seen_is_less_sure_than_the_candidate_is():
    fitted = Lookup().fit(random_tries(2000))
    expected, top = fitted.expect(strange(1)), fitted.quality.candidates
    assert expected.quality[1] == pytest.approx(top.mean[0])
    assert np.all(expected.quality_error[1] > 2 * top.error[0])


def test_a_repo_never_seen_is_expected_to_be_as_its_task_type():
    tries = random_tries(600)
    elsewhere = tasks(5, seed=4).known.with_columns(repo=pl.lit("elsewhere"))
    somewhere = Tasks(elsewhere, tasks(5).vectors, np.full(5, -1))
    by_repo = ROUTERS["lookup_by_repo"].fit(tries).expect(somewhere).quality
    assert by_repo == pytest.approx(Lookup().fit(tries).expect(somewhere).quality)


@EACH
def test_scores_that_are_fractions_are_learned_as_they_are(router):
    true = world(600)
    tries = replace(all_tried(true), quality=true.quality.ravel())
    expected = router.fit(tries).expect(true.tasks)
    known = np.isfinite(expected.quality).all(axis=0)
    assert expected.quality.mean(axis=0)[known] == pytest.approx(true.quality.mean(axis=0)[known], abs=0.02)
    if router.name == "logistic":
        assert np.square(expected.quality - true.quality).mean() < 0.001


@EACH
def test_the_same_tries_make_the_same_router(router, tuned):
    tries = random_tries(90)
    once, again = (router.fit(tries).expect(tasks(20, seed=8)) for _ in range(2))
    for one, other in zip(vars(once).values(), vars(again).values(), strict=True):
        assert np.array_equal(one, other, equal_nan=True)


def test_neighbours_of_the_own_group_are_not_asked():
    tries = all_tried(world(60))
    fitted = Neighbours().fit(tries)
    own = tries.tasks.take(np.array([5]))
    turned = replace(tries, quality=np.where(tries.task == 5, 1 - tries.quality, tries.quality))
    asked = replace(fitted, memory=type(fitted.memory).of(turned))
    assert asked.expect(own).quality.tolist() == fitted.expect(own).quality.tolist()
    stranger = replace(own, group=np.array([-1]))
    assert asked.expect(stranger).quality.tolist() != fitted.expect(stranger).quality.tolist()


def test_only_the_last_tasks_are_remembered(monkeypatch):
    monkeypatch.setattr("learnlab.routing.baselines.knn.MOST", 20)
    tries = random_tries(100)
    memory = Neighbours().fit(tries).memory
    assert sorted(memory.tasks.group.tolist()) == list(range(80, 100))


def test_candidates_are_means_of_shares_even_of_one_try():
    one = tally(np.array([0]), np.array([1]), np.array([1.0]), (1, 2))
    mean, error = of_candidates(one)
    assert mean[0, 1] == pytest.approx((1 + 0.75) / 2)
    assert 0 < error[0, 1] < 0.5
    assert np.isnan(mean[0, 0])


# Parts


def test_expected_costs_add_up_to_the_real_ones_with_free_tries_among_them():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2))
    cost = np.where(rng.random(400) < 0.25, 0.0, np.exp(rows[:, 0] + rng.normal(0, 1, 400)))
    expected, error = LogCost.of(rows, cost).expect(rows)
    assert expected.sum() == pytest.approx(cost.sum())
    assert np.corrcoef(np.log(expected), rows[:, 0])[0, 1] > 0.95
    assert np.all((error > 0) & (error < expected))


def test_one_known_cost_is_expected_with_an_error():
    expected, error = LogCost.of(np.array([[1.0], [2.0]]), np.array([0.3, np.nan])).expect(np.array([[1.0]]))
    assert expected[0] == pytest.approx(0.3)
    assert error[0] > 0


def test_rows_have_a_flag_for_the_commonest_kinds_alone(monkeypatch):
    monkeypatch.setattr("learnlab.routing.baselines.design.MOST_KINDS", 2)
    at = tasks(50)
    counts = dict(at.known["task_type"].value_counts().iter_rows())
    rarest = min(counts, key=lambda kind: (counts[kind], kind))
    flags = Design.of(at).known(at)[:, :2]
    assert (flags.sum(axis=1) == 0).tolist() == (at.known["task_type"] == rarest).to_list()


def test_sizes_beyond_what_was_seen_count_as_the_largest_seen():
    at = tasks(50)
    largest = at.known.with_columns(file_count=pl.lit(8, dtype=pl.Int64))
    beyond = at.known.with_columns(file_count=pl.lit(10**9, dtype=pl.Int64))
    rows = [Design.of(at).rows(replace(at, known=known)) for known in (largest, beyond)]
    assert np.array_equal(*rows)


# The oracle


def test_the_oracle_chooses_what_came_out_best():
    tries = all_tried(world(50))
    quality, _ = tries.matrix()
    chosen = best(Oracle.of(tries).expect(tries.tasks), PriceOfQuality(1e6))
    assert np.array_equal(quality[np.arange(50), chosen], quality.max(axis=1))
    assert not Oracle.of(tries).expect(tries.tasks).quality_error.any()


def test_the_oracle_knows_no_other_task():
    tries = all_tried(world(50))
    with pytest.raises(RoutingError, match="its own tasks alone"):
        Oracle.of(tries).expect(tries.tasks.take(np.arange(49)))
    with pytest.raises(RoutingError, match="its own tasks alone"):
        Oracle.of(tries).expect(tasks(50, seed=3))


def test_each_baseline_has_a_name_of_its_own():
    assert len(ROUTERS) == len(baselines()) == 6
    assert "oracle" not in ROUTERS
    assert Oracle.of(all_tried(world(2))).name == "oracle"


def test_one_task_is_told_the_same_as_among_many_however_often_it_is_asked(monkeypatch):
    monkeypatch.setattr("learnlab.routing.baselines.tables._MOST_KINDS", 3)
    fitted = Lookup("by_repo", BY_TYPE_AND_REPO).fit(all_tried(world(60)))
    asked = tasks(40, 3)
    is_new = np.arange(40) % 4
    known = asked.known.with_columns(
        task_type=pl.when(pl.Series(is_new == 1)).then(pl.lit("new")).otherwise("task_type"),
        repo=pl.when(pl.Series(is_new == 2)).then(pl.lit(None)).otherwise("repo"),
    )
    together = fitted.expect(replace(asked, known=known))
    for row in [*range(40), *range(40)]:
        alone = fitted.expect(replace(asked, known=known).take(np.array([row])))
        for name in ("quality", "quality_error", "cost", "cost_error"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[row])
