"""Probabilities of choosing: known in closed form where they can be, and drawn from exactly as they are logged."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from learnlab.errors import RoutingError
from learnlab.routing.policy import DRAWS, EpsilonGreedy, Greedy, Thompson, sample
from learnlab.routing.preference import AboveFloor, PriceOfQuality, WithinBudget, best
from learnlab.routing.router import Expected

PREFERENCES = (PriceOfQuality(1.0), WithinBudget(0.15), AboveFloor(0.55))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def same(n: int, quality: list[float], error: list[float], cost: list[float]) -> Expected:
    rows = [np.tile(figure, (n, 1)).astype(float) for figure in (quality, error, cost)]
    return Expected(rows[0], rows[1], rows[2], 0 * rows[2])


def drawn(n: int, k: int, seed: int = 0) -> Expected:
    random = rng(seed)
    quality, cost = random.random((n, k)), random.random((n, k)) / 5
    return Expected(quality, np.full((n, k), 0.1), cost, cost / 10)


def test_the_greedy_policy_always_takes_the_best():
    expected = drawn(50, 4)
    for preference in PREFERENCES:
        probabilities = Greedy(preference).probabilities(expected, rng())
        assert np.array_equal(probabilities.argmax(axis=1), best(expected, preference))
        assert np.array_equal(np.unique(probabilities), [0.0, 1.0])


def test_epsilon_is_shared_among_all_so_that_something_is_learned_of_the_unknown():
    expected = same(1, [0.9, np.nan, 0.5, 0.4], [0.0] * 4, [0.1, 0.1, 0.1, np.nan])
    probabilities = EpsilonGreedy(PriceOfQuality(1.0), 0.2).probabilities(expected, rng())
    assert probabilities[0].tolist() == pytest.approx([0.85, 0.05, 0.05, 0.05])


def test_thompson_chooses_as_often_as_a_candidate_may_be_the_best():
    n, first, second, errors = 1000, 0.5, 0.45, (0.05, 0.08)
    expected = same(n, [first, second], list(errors), [0.0, 0.0])
    probabilities = Thompson(PriceOfQuality(1.0), floor=0.0).probabilities(expected, rng())
    truth = NormalDist().cdf((first - second) / np.hypot(*errors))
    assert probabilities[:, 0].mean() == pytest.approx(truth, abs=4 * 0.5 / np.sqrt(n * DRAWS))


def test_thompson_counts_how_unsure_costs_are():
    n = 400
    zero = np.zeros((n, 2))
    cost, error = np.tile([0.10, 0.12], (n, 1)), np.tile([0.01, 0.03], (n, 1))
    expected = Expected(zero + 0.9, zero, cost, error)
    probabilities = Thompson(AboveFloor(0.5), floor=0.0).probabilities(expected, rng())
    truth = NormalDist().cdf(0.02 / np.hypot(0.01, 0.03))
    assert probabilities[:, 0].mean() == pytest.approx(truth, abs=4 * 0.5 / np.sqrt(n * DRAWS))


@pytest.mark.parametrize("preference", PREFERENCES)
def test_every_candidate_keeps_its_least_probability_and_the_unknown_has_no_more(preference):
    expected = drawn(200, 5)
    expected.quality[:, 1] = np.nan
    expected.cost[:100, 2] = np.nan
    probabilities = Thompson(preference, floor=0.02).probabilities(expected, rng())
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert probabilities[:, 1].tolist() == pytest.approx([0.02] * 200)
    assert probabilities[:100, 2].tolist() == pytest.approx([0.02] * 100)
    assert probabilities.min() >= 0.02 - 1e-12


def test_thompson_that_is_sure_is_greedy_but_for_the_floor():
    sure = drawn(100, 3)
    sure = Expected(sure.quality, np.full((100, 3), np.nan), sure.cost, 0 * sure.cost)
    for preference in PREFERENCES:
        probabilities = Thompson(preference, floor=0.01).probabilities(sure, rng())
        greedy = Greedy(preference).probabilities(sure, rng())
        assert probabilities == pytest.approx(0.97 * greedy + 0.01)


def test_a_floor_that_cannot_be_kept_makes_all_equally_likely():
    probabilities = Thompson(PriceOfQuality(1.0), floor=0.3).probabilities(drawn(10, 5), rng())
    assert probabilities == pytest.approx(np.full((10, 5), 0.2))


def test_one_candidate_alone_is_certain():
    for policy in (Greedy(PREFERENCES[0]), EpsilonGreedy(PREFERENCES[1]), Thompson(PREFERENCES[2])):
        assert policy.probabilities(drawn(3, 1), rng()) == pytest.approx(np.ones((3, 1)))


def test_tasks_are_imagined_piece_by_piece_as_all_at_once(monkeypatch):
    expected = drawn(30, 3)
    at_once = Thompson(PREFERENCES[0]).probabilities(expected, rng())
    monkeypatch.setattr("learnlab.routing.policy._PIECE", 4 * DRAWS * 3)
    in_pieces = Thompson(PREFERENCES[0]).probabilities(expected, rng())
    assert in_pieces == pytest.approx(at_once, abs=0.25)
    assert np.argmax(in_pieces, axis=1).tolist() == np.argmax(at_once, axis=1).tolist()


def test_the_same_generator_gives_the_same_probabilities():
    expected = drawn(20, 3)
    once, again = (Thompson(PREFERENCES[0]).probabilities(expected, rng(7)) for _ in range(2))
    assert np.array_equal(once, again)


def test_choices_come_as_often_as_their_probabilities_say():
    n = 40_000
    probabilities = np.tile([0.02, 0.0, 0.68, 0.3, 0.0], (n, 1))
    shares = np.bincount(sample(probabilities, rng()), minlength=5) / n
    spread = np.sqrt(probabilities[0] * (1 - probabilities[0]) / n)
    assert np.all(np.abs(shares - probabilities[0]) <= 4 * spread)


def test_logged_propensities_weigh_a_log_back_to_the_truth():
    expected = drawn(4_000, 3)
    random = rng(3)
    probabilities = Thompson(PriceOfQuality(1.0), floor=0.05).probabilities(expected, random)
    chosen = sample(probabilities, random)
    propensity = probabilities[np.arange(len(chosen)), chosen]
    assert propensity.min() >= 0.05 - 1e-12
    for candidate in range(3):
        weights = (chosen == candidate) / propensity
        reward = weights * expected.quality[:, candidate]
        error = reward.std() / np.sqrt(len(reward))
        assert abs(reward.mean() - expected.quality[:, candidate].mean()) < 4 * error
        assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(len(weights))


class Highest:
    """A generator whose numbers are all the greatest below 1."""

    def random(self, n: int) -> np.ndarray:
        return np.full(n, np.nextafter(1.0, 0.0))


class Lowest:
    def random(self, n: int) -> np.ndarray:
        return np.zeros(n)


def test_what_has_no_probability_is_never_drawn():
    probabilities = np.array([[0.0, 0.1, 0.2, 0.7 - 1e-12, 0.0]])
    assert sample(probabilities, Highest()).tolist() == [3]
    assert sample(probabilities, Lowest()).tolist() == [1]


@pytest.mark.parametrize("row", [[0.5, 0.4], [1.5, -0.5], [np.nan, 1.0], [0.0, 0.0], [2.0, 0.0]])
def test_what_are_no_probabilities_are_refused(row):
    with pytest.raises(RoutingError, match="sum to 1"):
        sample(np.array([row]), rng())


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan])
def test_shares_outside_0_to_1_are_refused(share):
    for policy in (EpsilonGreedy, Thompson):
        with pytest.raises(RoutingError, match="from 0 to 1"):
            policy(PREFERENCES[0], share)


def test_nothing_known_is_refused_by_every_policy():
    nothing = same(2, [np.nan, np.nan], [0.0, 0.0], [0.1, 0.2])
    for policy in (Greedy(PREFERENCES[0]), EpsilonGreedy(PREFERENCES[0]), Thompson(PREFERENCES[0])):
        with pytest.raises(RoutingError, match="nothing to choose by"):
            policy.probabilities(nothing, rng())


def test_no_task_has_no_probabilities():
    none = np.zeros((0, 3))
    expected = Expected(none, none, none, none)
    assert Thompson(PREFERENCES[0]).probabilities(expected, rng()).shape == (0, 3)
    assert sample(none, rng()).shape == (0,)
