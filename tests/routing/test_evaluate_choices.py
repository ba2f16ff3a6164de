from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_worlds import all_tried, tried, world

from learnlab.errors import RoutingError
from learnlab.routing.evaluate.choices import achieved, cumulative_regret, is_best, regret, shares
from learnlab.routing.evaluate.outcomes import Outcomes, is_complete, outcomes, value
from learnlab.routing.preference import AboveFloor, PriceOfQuality, WithinBudget

QUALITY = np.array([[1.0, 0.0, 1.0], [0.0, 0.5, 1.0], [0.0, 0.0, 0.0]])
COST = np.array([[1.0, 2.0, 3.0]] * 3)


def test_what_a_choice_brings_regrets_and_misses():
    choice = np.array([0, 1, 2])
    assert achieved(choice, QUALITY).tolist() == [1.0, 0.5, 0.0]
    assert regret(choice, QUALITY).tolist() == [0.0, 0.5, 0.0]
    assert is_best(choice, QUALITY).tolist() == [1.0, 0.0, 1.0]
    assert cumulative_regret(choice, QUALITY).tolist() == [0.0, 0.5, 0.5]


def test_a_choice_by_chance_is_judged_by_what_it_is_expected_to_bring():
    even = np.full((3, 3), 1 / 3)
    assert achieved(even, QUALITY) == pytest.approx([2 / 3, 0.5, 0.0])
    assert is_best(even, QUALITY) == pytest.approx([2 / 3, 1 / 3, 1.0])


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 4))
def test_probabilities_judge_as_the_mean_of_their_draws_does(seed, n, k):
    rng = np.random.default_rng(seed)
    figure = rng.uniform(size=(n, k))
    probabilities = rng.dirichlet(np.ones(k), n)
    for judge in (achieved, regret, is_best):
        each = np.stack([judge(np.full(n, place), figure) for place in range(k)], axis=1)
        assert judge(probabilities, figure) == pytest.approx((probabilities * each).sum(axis=1))
    assert (regret(probabilities, figure) >= -1e-12).all()


def test_an_unknown_cost_leaves_its_task_out_for_every_choice():
    cost = COST.copy()
    cost[1, 2] = np.nan
    for choice in (np.array([0, 0, 0]), np.array([2, 2, 2])):
        assert np.isnan(achieved(choice, cost)).tolist() == [False, True, False]
        assert np.isnan(is_best(choice, -cost)).tolist() == [False, True, False]
    assert cumulative_regret(np.array([2, 2, 2]), -cost).tolist() == [2.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "choice",
    [
        np.array([0, 1, 3]),
        np.array([0, -1, 0]),
        np.array([0, 1]),
        np.full((3, 3), 0.5),
        np.array([[1.5, -0.5, 0.0]] * 3),
        np.array([0.0, 1.0, 2.0]),
    ],
)
def test_what_is_no_choice_is_an_error(choice):
    with pytest.raises(RoutingError, match="choice"):
        shares(choice, (3, 3))


def test_the_value_is_in_dollars_at_a_price_and_in_quality_under_a_limit():
    of = Outcomes(QUALITY, COST, np.arange(3), np.full(3, "docs", dtype=object))
    assert value(of, PriceOfQuality(4.0)).tolist() == (4 * QUALITY - COST).tolist()
    assert value(of, WithinBudget(2.0)) is QUALITY
    assert value(of, AboveFloor(0.5)) is QUALITY


def test_outcomes_are_those_of_the_tries_and_complete():
    truth = world(20)
    tries = all_tried(truth)
    of = outcomes(tries)
    assert of.quality.ravel().tolist() == tries.quality.tolist()
    assert of.cost == pytest.approx(truth.cost)
    assert of.task_type.tolist() == truth.tasks.known["task_type"].to_list()
    assert is_complete(tries).all()
    part = tries.take(np.arange(1, len(tries)))
    assert is_complete(part).tolist() == [False] + [True] * 19
    with pytest.raises(RoutingError, match="1 of 20 tasks lack"):
        outcomes(part)
    assert len(outcomes(part.of_tasks(is_complete(part)))) == 19
    assert not is_complete(tried(truth, np.zeros(20, dtype=int))).any()


def test_outcomes_that_do_not_fit_are_an_error():
    kinds = np.full(3, "docs", dtype=object)
    with pytest.raises(RoutingError, match="do not fit"):
        Outcomes(QUALITY, COST[:2], np.arange(3), kinds)
    with pytest.raises(RoutingError, match="3 tasks come with 2 task types"):
        Outcomes(QUALITY, COST, np.arange(3), kinds[:2])
