from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import REPOS

from learnlab.intervals import difference, wilson
from learnlab.patterns.lift import (
    difference_bounds,
    discoveries,
    lifts,
    p_values,
    shrunk,
    wilson_bounds,
)

COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def pair(x, n):
    return np.array([x / n]), np.array([float(n)])


@settings(max_examples=25)
@given(COUNTS, COUNTS)
def test_bounds_are_those_of_single_intervals(first, second):
    one, two = wilson(*first), wilson(*second)
    low, high = wilson_bounds(*pair(*first))
    assert (low.item(), high.item()) == pytest.approx((one.low, one.high), abs=1e-12)
    low, high = difference_bounds(pair(*first), pair(*second))
    gap = difference(one, two)
    assert (low.item(), high.item()) == pytest.approx((gap.low, gap.high), abs=1e-12)


@settings(max_examples=25)
@given(COUNTS, COUNTS)
def test_a_p_value_is_small_exactly_where_the_interval_leaves_nothing_out(first, second):
    low, high = difference_bounds(pair(*first), pair(*second))
    p = p_values(pair(*first), pair(*second)).item()
    assert 0 <= p <= 1
    if min(abs(low.item()), abs(high.item())) > 1e-6:
        assert (p < 0.05) == (low.item() > 0 or high.item() < 0)


def test_a_lift_over_two_strata_worked_out_by_hand():
    strata = pl.DataFrame(
        {
            "pattern": [0, 0, 0, 1],
            "n_with": [30, 10, 5, 8],
            "x_with": [27, 4, 5, 8],
            "n_without": [50, 40, 0, 0],
            "x_without": [40, 10, 0, 0],
        }
    )
    found = lifts(strata)
    assert found["pattern"].to_list() == [0]  # nothing to compare the other with
    row = found.row(0, named=True)
    assert row["n_compared"] == 40
    assert row["rate_with"] == 31 / 40
    assert row["base_rate"] == pytest.approx(0.75 * 0.8 + 0.25 * 0.25)
    assert row["lift"] == pytest.approx(0.775 - 0.6625)
    n = 1 / (0.75**2 / 50 + 0.25**2 / 40)
    low, high = difference_bounds((np.array([0.775]), np.array([40.0])), (np.array([0.6625]), np.array([n])))
    assert (row["lift_low"], row["lift_high"]) == pytest.approx((low.item(), high.item()))


def test_what_is_used_where_all_goes_well_has_no_lift():
    strata = pl.DataFrame(
        {
            "pattern": [0, 0],
            "n_with": [900, 100],
            "x_with": [810, 20],
            "n_without": [100, 900],
            "x_without": [90, 180],
        }
    )
    row = lifts(strata).row(0, named=True)
    assert row["lift"] == pytest.approx(0, abs=1e-12)
    assert row["lift_low"] < 0 < row["lift_high"]


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_discoveries_are_those_of_the_definition(ps):
    k = max((i for i in range(1, len(ps) + 1) if sorted(ps)[i - 1] <= 0.05 * i / len(ps)), default=0)
    believed = discoveries(np.array(ps))
    assert believed.sum() == sum(p <= sorted(ps)[k - 1] for p in ps) if k else believed.sum() == 0


def test_no_test_is_no_discovery():
    assert discoveries(np.array([np.nan, np.nan])).tolist() == [False, False]
    assert discoveries(np.array([0.04, np.nan, np.nan])).tolist() == [True, False, False]


class TestShrinking:
    def test_lifts_that_chance_explains_become_nothing(self):
        rng = np.random.default_rng(0)
        s = np.full(400, 0.1)
        lift = rng.normal(0, 0.09, 400)
        assert np.abs(shrunk(lift, lift - 1.96 * s, lift + 1.96 * s)).max() == 0

    def test_it_comes_nearer_to_the_truth_and_more_so_where_little_is_known(self):
        rng = np.random.default_rng(1)
        truth, s = rng.normal(0, 0.1, 500), rng.choice([0.02, 0.3], 500)
        lift = truth + rng.normal(0, s)
        drawn = shrunk(lift, lift - 1.96 * s, lift + 1.96 * s)
        assert np.mean((drawn - truth) ** 2) < 0.3 * np.mean((lift - truth) ** 2)
        share = drawn / lift
        # the shares of the formula at a true spread of 0.1: .1²/(.1² + s²)
        assert share[s == 0.02].mean() == pytest.approx(0.96, abs=0.02)
        assert share[s == 0.3].mean() == pytest.approx(0.1, abs=0.03)

    def test_no_patterns_at_all(self):
        assert len(shrunk(np.array([]), np.array([]), np.array([]))) == 0


def resampled(rng, probability, pattern, stratum, n_patterns, n_strata):
    """Draw outcomes and count them: a table of strata as `lifts` takes it."""
    success = rng.random(len(probability)) < probability
    cell = pattern * n_strata + stratum
    n = np.bincount(cell, minlength=n_patterns * n_strata).reshape(n_patterns, n_strata)
    x = np.bincount(cell, success, minlength=n_patterns * n_strata).reshape(n_patterns, n_strata)
    at, where = np.nonzero(n)
    columns = {
        "pattern": at,
        "n_with": n[at, where],
        "x_with": x[at, where],
        "n_without": (n.sum(axis=0) - n)[at, where],
        "x_without": (x.sum(axis=0) - x)[at, where],
    }
    return pl.DataFrame(columns).with_columns(pl.all().cast(pl.Int64))


def world(n, seed, spread):
    """Fix who used which of 60 patterns where, some often and some rarely, and how probable each success was."""
    rng = np.random.default_rng(seed)
    n_patterns, n_strata = 60, 3 * len(REPOS)
    often = rng.dirichlet(np.full(n_patterns, 0.7))
    pattern = rng.choice(n_patterns, n, p=often)
    liking = rng.dirichlet(np.full(n_strata, 2.0), n_patterns)
    stratum = np.array([rng.choice(n_strata, p=liking[one]) for one in pattern])
    odds = rng.normal(0.9, 0.8, n_strata)[stratum] + rng.normal(0, spread, n_patterns)[pattern]
    return 1 / (1 + np.exp(-odds)), pattern, stratum, n_patterns, n_strata


def true_lifts(probability, pattern, stratum, n_patterns, n_strata):
    """Return the lift of each pattern if every probability were counted in place of a success."""
    cell = pattern * n_strata + stratum
    n = np.bincount(cell, minlength=n_patterns * n_strata).reshape(n_patterns, n_strata)
    p = np.bincount(cell, probability, minlength=n_patterns * n_strata).reshape(n_patterns, n_strata)
    n_rest, p_rest = n.sum(axis=0) - n, p.sum(axis=0) - p
    weight = np.where(n_rest > 0, n, 0)
    base = (weight * p_rest / np.maximum(n_rest, 1)).sum(axis=1)
    with_it = np.where(n_rest > 0, p, 0).sum(axis=1)
    return (with_it - base) / np.maximum(weight.sum(axis=1), 1), weight.sum(axis=1)


@pytest.mark.soak
def test_the_intervals_cover_the_truth_at_their_rate(soak):
    n_rounds = 500 if soak else 60
    fixed = world(4000, 11, 0.9)
    truth, n = true_lifts(*fixed)
    rng = np.random.default_rng(12)
    covered = []
    for _ in range(n_rounds):
        found = lifts(resampled(rng, *fixed))
        at = found["pattern"].to_numpy()
        assert found["n_compared"].to_numpy().tolist() == n[at].tolist()
        covered.append(
            (found["lift_low"].to_numpy() <= truth[at]) & (truth[at] <= found["lift_high"].to_numpy())
        )
    rate = np.mean(covered, axis=0)
    few, many = rate[(n[at] >= 5) & (n[at] < 30)], rate[n[at] >= 30]
    assert len(few) >= 10
    assert len(many) >= 20
    slack = 0.01 if soak else 0.02
    assert 0.95 - slack < few.mean() < 0.985 + slack
    assert 0.95 - slack < many.mean() < 0.965 + slack


@pytest.mark.soak
def test_of_no_pattern_at_all_one_is_believed_at_the_rate_that_is_stated(soak):
    n_rounds = 500 if soak else 60
    fixed = world(4000, 13, 0.0)
    rng = np.random.default_rng(14)
    n_wrong = sum(
        discoveries(
            lifts(resampled(rng, *fixed)).filter(pl.col("n_compared") >= 10)["p_value"].to_numpy()
        ).any()
        for _ in range(n_rounds)
    )
    assert wilson(int(n_wrong), n_rounds).low < 0.06
