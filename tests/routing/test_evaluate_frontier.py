from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import RoutingError
from learnlab.routing.evaluate import frontier
from learnlab.routing.evaluate.frontier import aiq, aiq_of, cost_quality, cost_range, hull, prices
from learnlab.routing.evaluate.outcomes import Outcomes
from learnlab.routing.preference import PriceOfQuality, best
from learnlab.routing.router import Expected


def expected(quality, cost):
    quality, cost = np.asarray(quality, float), np.asarray(cost, float)
    return Expected(quality, np.zeros_like(quality), cost, np.zeros_like(cost))


def outcomes(quality, cost):
    quality, cost = np.asarray(quality, float), np.asarray(cost, float)
    return Outcomes(quality, cost, np.arange(len(quality)), np.full(len(quality), "docs", dtype=object))


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 5), st.floats(0, 3))
def test_every_price_of_quality_gives_a_point_of_the_curve(seed, n, k, log_worth):
    rng = np.random.default_rng(seed)
    known = expected(rng.uniform(size=(n, k)), rng.lognormal(-2, 1, size=(n, k)))
    of = outcomes(rng.uniform(size=(n, k)), rng.uniform(size=(n, k)))
    choice = best(known, PriceOfQuality(10**log_worth - 1))
    at = np.arange(n)
    curve = cost_quality(known, of)
    point = of.cost[at, choice].mean(), of.quality[at, choice].mean()
    found = curve.select("mean_cost_usd", "mean_quality").to_numpy()
    assert np.abs(found - point).max(axis=1).min() < 1e-9
    assert curve["worth_usd"].is_sorted()
    assert curve["worth_usd"][0] == 0


def test_a_curve_of_many_prices_keeps_some_of_them_and_both_ends():
    rng = np.random.default_rng(1)
    known = expected(np.sort(rng.uniform(size=(900, 3)), axis=1), [[1.0, 2.0, 3.0]] * 900)
    curve = cost_quality(known, outcomes(known.quality, known.cost))
    assert frontier.STOPS <= curve.height <= frontier.STOPS + 1
    ends = curve[[0, -1]].select("mean_cost_usd", "mean_quality").rows()
    assert ends[0] == pytest.approx((1.0, known.quality[:, 0].mean()))
    assert ends[1] == pytest.approx((3.0, known.quality[:, 2].mean()))


def test_candidates_of_which_nothing_is_known_are_never_gone_over_to():
    known = expected([[0.5, np.nan, 0.9], [0.5, 0.7, 0.9]], [[1.0, 1.1, np.nan], [1.0, np.nan, np.nan]])
    assert prices(known).tolist() == [0.0]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9))
def test_the_hull_is_the_best_mixture_of_two_points_at_every_cost(points):
    cost, quality = np.array(points, dtype=float).T
    kept = hull(cost, quality)
    for at in np.linspace(cost.min(), cost.max(), 25):
        mixtures = [q for c, q in zip(cost, quality, strict=True) if c <= at]
        mixtures += [
            q1 + (q2 - q1) * (at - c1) / (c2 - c1)
            for c1, q1 in zip(cost, quality, strict=True)
            for c2, q2 in zip(cost, quality, strict=True)
            if c1 <= at <= c2 and c1 < c2
        ]
        assert np.interp(at, cost[kept], quality[kept]) == pytest.approx(max(mixtures))
    slopes = np.diff(quality[kept]) / np.diff(cost[kept])
    assert (slopes > 0).all()
    assert (np.diff(slopes) < 0).all()


def test_aiq_is_the_area_that_integration_gives():
    # Quality 0.5 + 0.5 (2a - a²) at the cost 1 + a: the mean over the costs 1 to 2 is 0.5 + 0.5 · 2/3.
    a = np.linspace(0, 1, 2001)
    points = 1 + a, 0.5 + 0.5 * (2 * a - a * a)
    assert aiq(*points, 1.0, 2.0) == pytest.approx(5 / 6, abs=1e-6)
    assert aiq(*points, 1.0, 3.0) == pytest.approx((5 / 6 + 1) / 2, abs=1e-6)
    assert aiq(*points, 0.0, 1.0) == pytest.approx(0.25, abs=1e-6)
    for low, high in ((2.0, 2.0), (-1.0, 1.0), (0.0, np.inf), (np.nan, 1.0)):
        with pytest.raises(RoutingError, match="no range of costs"):
            aiq(*points, low, high)


def test_the_aiq_of_a_router_is_that_of_its_curve_and_follows_the_draws():
    rng = np.random.default_rng(2)
    of = outcomes(rng.uniform(size=(30, 3)), [[1.0, 2.0, 3.0]] * 30)
    of.cost[7, 1] = np.nan
    known = expected(of.quality + rng.normal(0, 0.1, (30, 3)), [[1.0, 2.0, 3.0]] * 30)
    low, high = cost_range(of)
    assert (low, high) == (1.0, 3.0)
    curve = cost_quality(known, of)
    whole = aiq(curve["mean_cost_usd"].to_numpy(), curve["mean_quality"].to_numpy(), low, high)
    drawn = rng.integers(0, 3, 30)
    found = aiq_of(known, of, low, high)(np.stack([np.ones(30), drawn]))[:, 0]
    again = np.repeat(np.arange(30), drawn)
    repeated = aiq_of(expected(known.quality[again], known.cost[again]), of.take(again), low, high)
    assert found == pytest.approx([whole, repeated(np.ones((1, len(again))))[0, 0]])


def test_a_choice_that_no_price_changes_is_one_point():
    of = outcomes([[0.2, 0.8], [0.4, 1.0]], [[1.0, 3.0], [1.0, 3.0]])
    assert aiq_of(np.array([0, 0]), of, 1.0, 3.0)(np.ones((1, 2))).tolist() == [[pytest.approx(0.3)]]
    half = np.full((2, 2), 0.5)
    assert aiq_of(half, of, 2.0, 3.0)(np.ones((1, 2))).tolist() == [[pytest.approx(0.6)]]


def test_unknown_or_equal_costs_have_no_curve_or_no_range():
    unknown = outcomes([[0.1, 0.2]], [[1.0, np.nan]])
    with pytest.raises(RoutingError, match="costs of no task are all known"):
        cost_range(unknown)
    with pytest.raises(RoutingError, match="all candidates cost the same"):
        cost_range(outcomes([[0.1, 0.2]], [[1.0, 1.0]]))
