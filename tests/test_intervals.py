from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnlab.intervals import (
    Interval,
    bootstrap,
    cluster_bootstrap,
    difference,
    median_of_rows,
    paired_bootstrap,
    percentile,
    resampled,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion" (1998), method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_equals_known_values(successes, n, low, high):
    found = wilson(successes, n)
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_estimate_and_solves_its_equation(pair):
    successes, n = pair
    found = wilson(successes, n)
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    for bound in (found.low, found.high):
        if 0 < bound < 1:
            z = abs(found.estimate - bound) / np.sqrt(bound * (1 - bound) / n)
            assert z == pytest.approx(1.959963984540054, rel=1e-6)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    # R. G. Newcombe, "Interval estimation for the difference" (1998), table II, method 10.
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_difference_equals_known_values(first, second, low, high):
    found = difference(wilson(*first), wilson(*second))
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)
    turned = difference(wilson(*second), wilson(*first))
    assert (turned.low, turned.high) == pytest.approx((-high, -low), abs=5e-5)


def test_wilson_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    for truth in (0.05, 0.5, 0.9):
        draws = rng.binomial(60, truth, size=4000)
        covered = np.mean([(i := wilson(int(k), 60)).low <= truth <= i.high for k in draws])
        assert 0.93 < covered < 0.975


def test_no_rate_of_nothing_and_no_nonsense():
    assert wilson(0, 0) is None
    with pytest.raises(ValueError, match="no rate of 5 in 3"):
        wilson(5, 3)
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 3, confidence=1.0)


def test_the_bootstrap_covers_a_known_mean():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        values = rng.exponential(2.0, size=80)
        found = bootstrap(values, resamples=400)
        covered += found.low <= 2.0 <= found.high
    assert 0.89 <= covered / 400 <= 0.975


def test_the_bootstrap_of_a_median_and_of_a_spread_of_sizes():
    found = bootstrap(np.arange(101.0), median_of_rows)
    assert found.estimate == 50
    assert 35 < found.low < 50 < found.high < 65
    assert bootstrap([1.0]) is None
    assert bootstrap([1.0, float("nan"), 3.0]).n == 2


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(3).normal(size=50)
    assert bootstrap(values, seed=5) == bootstrap(values, seed=5)
    assert bootstrap(values, seed=5) != bootstrap(values, seed=6)


def test_pairing_narrows_what_pairs_share():
    rng = np.random.default_rng(4)
    difficulty = rng.normal(0, 10, size=200)
    first, second = difficulty + 1 + rng.normal(0, 1, 200), difficulty + rng.normal(0, 1, 200)
    paired = paired_bootstrap(first, second)
    assert paired.low < 1 < paired.high
    assert paired.high - paired.low < 0.6
    with pytest.raises(ValueError, match="equal lengths"):
        paired_bootstrap([1.0], [1.0, 2.0])


def test_intervals_that_share_a_value_overlap():
    assert Interval(1, 0, 2, 5).overlaps(Interval(2, 2, 3, 5))
    assert not Interval(1, 0, 2, 5).overlaps(Interval(3, 2.1, 4, 5))


def test_parts_of_successes_have_an_interval_too():
    assert wilson(4.5, 10).low == pytest.approx((wilson(4, 10).low + wilson(5, 10).low) / 2, abs=2e-3)


def test_resampled_counts_are_a_draw_with_replacement():
    counts = resampled(50, 4000, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 50).all()
    assert counts.mean() == 1
    assert counts.var(axis=0).mean() == pytest.approx(1 - 1 / 50, abs=0.02)


def test_a_figure_that_most_resamples_cannot_give_has_no_interval():
    assert percentile(1.0, [1.0] * 98 + [np.nan] * 2, 9) is None
    assert percentile(np.nan, [1.0] * 100, 9) is None
    assert percentile(1.0, [1.0] * 199 + [np.nan], 9) == Interval(1, 1, 1, 9)


def mean_of(values):
    return lambda drawn: (drawn @ values / drawn.sum(axis=1))[:, None]


def test_the_cluster_bootstrap_covers_a_mean_where_the_plain_one_does_not():
    rng = np.random.default_rng(6)
    clustered = plain = 0
    for seed in range(150):
        values = np.repeat(rng.normal(size=40), 5) + rng.normal(0, 0.1, 200)
        found = cluster_bootstrap(np.repeat(np.arange(40), 5), mean_of(values), resamples=200, seed=seed)[0]
        clustered += found.low <= 0 <= found.high
        alone = bootstrap(values, resamples=200)
        plain += alone.low <= 0 <= alone.high
    assert found.n == 40
    assert 0.87 <= clustered / 150 <= 0.99
    assert plain / 150 < 0.75


def test_of_one_group_nothing_can_be_told():
    assert cluster_bootstrap([4, 4, 4], mean_of(np.arange(3.0))) == [None]
    with pytest.raises(ValueError, match="no observation"):
        cluster_bootstrap([], mean_of(np.zeros(0)))
