from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import RoutingError
from learnlab.routing.evaluate.gains import kept_at, recovered, recovered_by

A_GAIN = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@st.composite
def pairs(draw, least=2, most=12):
    """A gain score with ties, and qualities of which the strong one's mean is the higher."""
    n = draw(st.integers(least, most))
    gain, weak, strong = (
        np.array(draw(st.lists(values, min_size=n, max_size=n)))
        for values in (A_GAIN, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0]))
    )
    strong[0], weak[0] = 1.0, 0.0
    return gain, weak, np.where(strong.sum() > weak.sum() + 0.1, strong, np.ones(n))


def by_hand(gain, weak, strong):
    """The quality at every number of strong calls, averaged over all orders that the gains allow."""
    n, order = len(gain), -gain
    curves = []
    for one in permutations(range(n)):
        if all(order[one[i]] <= order[one[i + 1]] for i in range(n - 1)):
            curves.append(
                [np.where(np.isin(range(n), one[:calls]), strong, weak).mean() for calls in range(n + 1)]
            )
    return np.mean(curves, axis=0)


@settings(max_examples=15)
@given(pairs(2, 5))
def test_ties_are_worth_what_random_orders_of_them_are(pair):
    gain, weak, strong = pair
    quality = by_hand(*pair)
    n = len(gain)
    assert kept_at(np.linspace(0, 1, n + 1), *pair)(np.ones((1, n)))[0] == pytest.approx(quality)
    pgr = (quality - weak.mean()) / (strong.mean() - weak.mean())
    found = recovered(*pair)
    assert found.apgr == pytest.approx(np.trapezoid(pgr, dx=1 / n))
    for level, share in ((0.5, found.cpt_50), (0.8, found.cpt_80)):
        assert np.interp(share * n, np.arange(n + 1), pgr) == pytest.approx(level)
        assert (pgr[: int(np.floor(share * n - 1e-9)) + 1] < level).all()


@settings(max_examples=25)
@given(pairs(), st.data())
def test_a_task_drawn_twice_counts_as_two_tasks(pair, data):
    n = len(pair[0])
    drawn = np.array(data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)))
    repeated = recovered(*(np.repeat(values, drawn) for values in pair))
    found = recovered_by(*pair)(np.stack([drawn, np.ones(n)]).astype(float))
    if repeated.apgr is None:
        assert np.isnan(found[0]).all()
    else:
        assert found[0] == pytest.approx(repeated[:3])
    assert found[1] == pytest.approx(recovered(*pair)[:3])


def test_a_gain_known_exactly_has_the_area_that_integration_gives():
    # The weak one fails with probability g, g uniform: PGR(a) = 2a - a², with the area 2/3.
    n = 40_001
    gain = np.linspace(0, 1, n)
    found = recovered(gain, 1 - gain, np.ones(n))
    assert found.apgr == pytest.approx(2 / 3, abs=1e-4)
    assert (found.cpt_50, found.cpt_80) == pytest.approx((1 - np.sqrt(0.5), 1 - np.sqrt(0.2)), abs=1e-4)
    assert recovered(-gain, 1 - gain, np.ones(n)).apgr == pytest.approx(1 / 3, abs=1e-4)
    assert recovered(np.zeros(n), 1 - gain, np.ones(n))[:3] == pytest.approx((0.5, 0.5, 0.8))


def test_an_oracle_recovers_more_than_the_whole_gap():
    weak, strong = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.0, 1.0, 1.0, 0.0])
    assert recovered(strong - weak, weak, strong)[:3] == pytest.approx((1.375, 0.125, 0.2))
    kept = kept_at(np.linspace(0, 1, 5), strong - weak, weak, strong)(np.ones((1, 4)))
    assert kept.tolist() == [[0.25, 0.5, 0.75, 0.75, 0.5]]


def test_where_there_is_no_gap_nothing_is_recovered_and_the_reason_is_said():
    found = recovered(np.array([1.0, 0.0]), np.array([1.0, 1.0]), np.array([0.0, 1.0]))
    assert found[:3] == (None, None, None)
    assert "no better than the weak one (0.500 against 1.000)" in found.reason
    none = np.zeros(0)
    assert recovered(none, none, none).reason == "there is no task"


def test_gains_that_cannot_be_ordered_are_an_error():
    with pytest.raises(RoutingError, match="the gain of 1 of 2 tasks is not known"):
        recovered(np.array([np.nan, 1.0]), np.zeros(2), np.ones(2))
    with pytest.raises(RoutingError, match="one a task each"):
        recovered(np.ones(3), np.zeros(2), np.ones(2))
