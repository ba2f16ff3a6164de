"""What is wanted of a choice, on figures whose best candidate is plain to see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import RoutingError
from learnlab.routing.preference import AboveFloor, PriceOfQuality, WithinBudget, best, usable
from learnlab.routing.router import Expected

NAN = np.nan


def expected(quality: object, cost: object) -> Expected:
    figures = np.atleast_2d(np.asarray(quality, dtype=float)), np.atleast_2d(np.asarray(cost, dtype=float))
    return Expected(figures[0], 0 * figures[0], figures[1], 0 * figures[1])


def choice(quality: object, cost: object, preference: object) -> int:
    return int(best(expected(quality, cost), preference)[0])


QUALITY, COST = [0.5, 0.8, 0.9], [0.01, 0.10, 0.50]


@pytest.mark.parametrize(
    ("preference", "chosen"),
    [
        (PriceOfQuality(0.0), 0),
        (PriceOfQuality(1.0), 1),
        (PriceOfQuality(5.0), 2),
        (WithinBudget(0.10), 1),
        (WithinBudget(9.0), 2),
        (WithinBudget(0.0), 0),
        (AboveFloor(0.0), 0),
        (AboveFloor(0.8), 1),
        (AboveFloor(0.85), 2),
        (AboveFloor(1.0), 2),
    ],
)
def test_the_best_candidate_is_the_one_the_preference_asks_for(preference, chosen):
    assert choice(QUALITY, COST, preference) == chosen


@pytest.mark.parametrize("preference", [PriceOfQuality(1.0), WithinBudget(0.2), AboveFloor(0.7)])
def test_what_is_not_known_is_not_chosen_while_anything_else_is(preference):
    assert choice([NAN, 0.1, NAN], [0.0, 9.0, 0.0], preference) == 1
    assert choice([0.9, 0.8], [NAN, 0.1], preference) == 1, (
        "a candidate without a cost beside one that has one"
    )
    assert choice([0.8, 0.9], [NAN, NAN], preference) == 1
    assert choice([NAN, 0.9], [0.1, NAN], preference) == 1, "the only one of known quality has no cost"
    assert choice([0.4], [NAN], preference) == 0
    assert choice([0.4], [7.0], preference) == 0


def test_equals_are_settled_by_cost_then_quality_then_order():
    assert choice([0.5, 0.6, 0.6], [0.2, 0.3, 0.3], PriceOfQuality(1.0)) == 0
    assert choice([0.7, 0.7], [0.3, 0.2], WithinBudget(1.0)) == 1
    assert choice([0.7, 0.9, 0.9], [0.2, 0.2, 0.2], AboveFloor(0.5)) == 1
    assert choice([0.2, 0.3], [5.0, 5.0], WithinBudget(1.0)) == 1, "all beyond the budget and equally dear"
    assert choice([0.5, 0.5], [0.1, 0.1], PriceOfQuality(1.0)) == 0


def test_a_dear_candidate_elsewhere_changes_no_choice():
    quality, cost = [[0.9, 0.91], [0.5, 0.6]], [[1e-6, 2e-6], [1e-6, 1e9]]
    for preference in (AboveFloor(0.5), WithinBudget(1e-9), PriceOfQuality(0.0)):
        assert best(expected(quality, cost), preference).tolist() == [0, 0]


@pytest.mark.parametrize("kind", [PriceOfQuality, WithinBudget, AboveFloor])
@pytest.mark.parametrize("amount", [-1, NAN, np.inf, -np.inf, None, "0.5", [1.0, 2.0]])
def test_an_amount_that_is_none_is_refused(kind, amount):
    with pytest.raises(RoutingError, match="must be a number"):
        kind(amount)


def test_a_floor_above_one_is_refused():
    with pytest.raises(RoutingError, match="from 0 to 1"):
        AboveFloor(1.01)


@pytest.mark.parametrize("shape", [(1, 2), (1, 0), (0, 0)])
def test_nothing_known_is_an_error_that_says_so(shape):
    nothing = np.full(shape, NAN)
    for choose in (usable, lambda one: best(one, PriceOfQuality(1.0))):
        with pytest.raises(RoutingError, match="nothing to choose by"):
            choose(Expected(nothing, nothing, nothing, nothing))


def test_no_task_is_no_choice():
    none = np.zeros((0, 3))
    assert best(Expected(none, none, none, none), WithinBudget(1.0)).shape == (0,)


figures = st.lists(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=3, max_size=3),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25)
@given(figures, st.integers(0, 10))
def test_choices_are_those_of_the_words_said_out_loud(rows, mark):
    quality, cost = np.moveaxis(np.array(rows) / 10, -1, 0)
    limit = mark / 10
    within = best(expected(quality, cost), WithinBudget(limit))
    above = best(expected(quality, cost), AboveFloor(limit))
    for q, c, budgeted, floored in zip(quality, cost, within, above, strict=True):
        places = range(3)
        affordable = [place for place in places if c[place] <= limit]
        good = [place for place in places if q[place] >= limit]
        by_quality = max(affordable, key=lambda p: (q[p], -c[p])) if affordable else None
        cheapest = min(places, key=lambda p: (c[p], -q[p]))
        assert budgeted == (cheapest if by_quality is None else by_quality)
        by_cost = min(good, key=lambda p: (c[p], -q[p])) if good else None
        assert floored == (max(places, key=lambda p: (q[p], -c[p])) if by_cost is None else by_cost)
