"""Estimators of other policies against sums done by hand, all logs there could have been, and what must always hold."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student_t

from learnlab.errors import RoutingError
from learnlab.intervals import wilson
from learnlab.routing.counterfactual import estimators
from learnlab.routing.counterfactual.estimators import Log, kish
from learnlab.routing.counterfactual.overlap import overlap
from learnlab.routing.counterfactual.ratios import Ratio, difference, ratio, student
from learnlab.routing.counterfactual.sanity import inverse_means
from learnlab.routing.tries import Floats

BY_HAND = Log(
    reward=np.array([1.0, 0.0, 1.0, 1.0]),
    chosen=np.array([0, 1, 1, 0]),
    propensity=np.array([0.5, 0.25, 0.5, 0.8]),
    group=np.array([0, 1, 2, 2]),
    is_rate=True,
)
TARGET = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75], [0.4, 0.6]])
EXPECTED = np.array([[0.5, 0.2], [0.6, 0.4], [0.8, 0.4], [0.9, 0.1]])


def test_by_hand() -> None:
    # weights: 1/.5 = 2, .5/.25 = 2, .75/.5 = 1.5, .4/.8 = .5
    assert BY_HAND.weights(TARGET).tolist() == pytest.approx([2.0, 2.0, 1.5, 0.5])
    assert estimators.logged(BY_HAND).value == 0.75
    assert estimators.ips(BY_HAND, TARGET).value == pytest.approx(4.0 / 4)
    assert estimators.snips(BY_HAND, TARGET).value == pytest.approx(4.0 / 6)
    assert estimators.naive(BY_HAND, TARGET).value == pytest.approx((1 + 0.75 + 0.4) / (1 + 0.5 + 0.75 + 0.4))
    # expected under the target: .5, .5, .2 + .3 = .5, .36 + .06 = .42
    assert estimators.direct(BY_HAND, TARGET, EXPECTED).value == pytest.approx(1.92 / 4)
    # put right by 2(1 − .5) + 2(0 − .4) + 1.5(1 − .4) + .5(1 − .9) = 1.15
    assert estimators.doubly_robust(BY_HAND, TARGET, EXPECTED).value == pytest.approx((1.92 + 1.15) / 4)
    assert kish(np.array([2.0, 2.0, 1.5, 0.5])) == pytest.approx(36 / 10.5)


def test_over_all_logs_there_could_have_been_they_are_right_on_average() -> None:
    reward = np.array([[1.0, 0.2], [0.0, 0.7], [0.4, 0.9]])
    policy = np.array([[0.3, 0.7], [0.9, 0.1], [0.5, 0.5]])
    target = np.array([[0.8, 0.2], [0.5, 0.5], [0.0, 1.0]])
    expected = np.array([[0.6, 0.1], [0.3, 0.3], [0.9, 0.2]])
    value = float((target * reward).sum(axis=1).mean())
    means = {"ips": 0.0, "doubly_robust": 0.0, "naive": 0.0, "logged": 0.0}
    for chosen in product((0, 1), repeat=3):
        at = np.arange(3), np.array(chosen)
        log = Log(reward[at], at[1], policy[at], np.arange(3))
        chance = float(policy[at].prod())
        means["ips"] += chance * estimators.ips(log, target).value
        means["doubly_robust"] += chance * estimators.doubly_robust(log, target, expected).value
        naive = estimators.naive(log, target).value
        means["naive"] += chance * (naive if np.isfinite(naive) else 0.5)
        means["logged"] += chance * estimators.logged(log).value
    assert means["ips"] == pytest.approx(value)
    assert means["doubly_robust"] == pytest.approx(value)
    assert means["logged"] == pytest.approx(float((policy * reward).sum(axis=1).mean()))
    assert abs(means["naive"] - value) > 0.01


def drawn(seed: int, n: int = 60, k: int = 3) -> tuple[Log, Floats, Floats]:
    rng = np.random.default_rng(seed)
    policy, target = rng.dirichlet(np.ones(k), n) * 0.7 + 0.3 / k, rng.dirichlet(np.ones(k), n)
    chosen = np.array([rng.choice(k, p=row) for row in policy])
    log = Log(rng.random(n), chosen, policy[np.arange(n), chosen], rng.integers(0, 12, n))
    return log, target, rng.random((n, k))


@given(st.integers(0, 10_000))
def test_what_always_holds(seed: int) -> None:
    log, target, expected = drawn(seed)
    snips = estimators.snips(log, target).value
    assert log.reward.min() <= snips <= log.reward.max()
    shifted = Log(log.reward + 3, log.chosen, log.propensity, log.group)
    assert estimators.snips(shifted, target).value == pytest.approx(snips + 3)
    nothing = estimators.doubly_robust(log, target, 0 * expected).value
    assert nothing == pytest.approx(estimators.ips(log, target).value)
    exact = np.tile(log.reward[:, None], (1, 3))
    assert estimators.doubly_robust(log, target, exact).value == pytest.approx(float(log.reward.mean()))
    order = np.random.default_rng(seed).permutation(len(log))
    moved = Log(log.reward[order], log.chosen[order], log.propensity[order], log.group[order])
    assert estimators.ips(moved, target[order]).interval() == pytest.approx(
        estimators.ips(log, target).interval()
    )
    assert kish(log.weights(target)) <= len(log) + 1e-9


def test_the_policy_that_made_the_log_is_worth_its_mean() -> None:
    rng = np.random.default_rng(1)
    policy = np.tile([0.2, 0.8], (50, 1))
    chosen = (rng.random(50) < 0.8).astype(np.int64)
    log = Log(rng.random(50), chosen, policy[np.arange(50), chosen], np.arange(50))
    assert log.weights(policy).tolist() == pytest.approx([1.0] * 50)
    for estimate in (estimators.ips, estimators.snips):
        assert estimate(log, policy).interval() == pytest.approx(estimators.logged(log).interval())
    gap = difference(estimators.snips(log, policy), estimators.logged(log))
    assert gap == pytest.approx((0.0, 0.0, 0.0, 50), abs=1e-12)


@pytest.mark.parametrize("freedom", [2, 3, 4, 5.5, 8, 20, 100, 1e6])
def test_the_quantile_is_students(freedom: float) -> None:
    exact = student_t.ppf(0.975, freedom)
    assert student(freedom) == pytest.approx(exact, rel=2e-2 if freedom < 3.5 else 5e-3)


def test_the_error_of_a_mean_of_independent_tries_is_the_textbook_one() -> None:
    values = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 1.5, 3.0])
    n = len(values)
    mean = ratio(values, np.ones(n), np.arange(n)).interval()
    squares = (values - values.mean()) ** 2
    freedom = squares.sum() ** 2 / (squares**2).sum()
    reach = student(freedom) * values.std(ddof=1) / np.sqrt(n)
    assert mean == pytest.approx((values.mean(), values.mean() - reach, values.mean() + reach, n))


def test_tries_of_one_group_count_as_one() -> None:
    values, group = np.array([1.0, 4.0, 2.0, 8.0]), np.arange(4)
    once = ratio(values, np.ones(4), group).interval()
    thrice = ratio(np.repeat(values, 3), np.ones(12), np.repeat(group, 3)).interval()
    apart = ratio(np.repeat(values, 3), np.ones(12), np.arange(12)).interval()
    assert thrice[:3] == pytest.approx(once[:3])
    assert apart.high - apart.low < 0.7 * (once.high - once.low)


def test_a_difference_is_paired() -> None:
    rng = np.random.default_rng(2)
    shared, group = rng.normal(size=40), np.arange(40)
    one, two = (
        ratio(shared + shift, np.ones(40), group) for shift in (0.3 + 0.01 * rng.normal(size=40), 0.0)
    )
    gap = difference(one, two)
    assert 0.29 < gap.low < gap.high < 0.31
    assert one.interval().low < two.interval().high
    with pytest.raises(ValueError, match="the same groups"):
        difference(one, ratio(shared[:9], np.ones(9), group[:9]))


def test_where_nothing_varies_the_interval_is_wilsons_at_the_effective_number() -> None:
    group = np.arange(30)
    weights = np.where(group < 20, 1.0, 0.0)
    every = Ratio(weights * 1.0, weights, 30, kish(weights), is_rate=True)
    assert every.interval()[:3] == pytest.approx(wilson(20, 20)[:3])
    none = Ratio(0 * weights, weights, 30, kish(weights), is_rate=True)
    assert none.interval().high == pytest.approx(wilson(0, 20).high)
    gap = difference(every, none)
    assert gap.low < 1 == gap.estimate
    cost = Ratio(0.1 * weights, weights, 30, kish(weights)).interval()
    assert cost == pytest.approx((0.1, 0.1, 0.1, 30))


def test_too_little_gives_no_bounds_and_nothing_no_estimate() -> None:
    alone = ratio(np.ones(3), np.ones(3), np.zeros(3, dtype=np.int64)).interval()
    assert alone.estimate == 1
    assert np.isnan(alone.low)
    assert np.isnan(ratio(np.zeros(2), np.zeros(2), np.arange(2)).interval().estimate)
    never = estimators.snips(BY_HAND, np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    assert np.isnan(never.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"propensity": np.array([0.5, 0.0, 0.5, 0.8])}, "1 of 4 logged propensities"),
        ({"propensity": np.array([0.5, 1.2, -1.0, 0.8])}, "2 of 4 logged propensities"),
        ({"propensity": np.array([0.5, np.nan, 0.5, 0.8])}, "not a confidence"),
        ({"reward": np.array([1.0, np.nan, 1.0, 1.0])}, "rewards that nobody knows"),
        ({"reward": np.ones(3)}, "different lengths"),
    ],
)
def test_a_log_that_cannot_be(changes: dict[str, Floats], reason: str) -> None:
    fields = {name: getattr(BY_HAND, name) for name in ("reward", "chosen", "propensity", "group")}
    with pytest.raises(RoutingError, match=reason):
        Log(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "target", [TARGET[:2], TARGET * 0.9, -TARGET, TARGET * np.nan, TARGET[:, 0]], ids=range(5)
)
def test_a_target_that_cannot_be(target: Floats) -> None:
    for estimate in (estimators.ips, estimators.snips, estimators.naive):
        with pytest.raises(RoutingError, match="probabilities"):
            estimate(BY_HAND, target)


@pytest.mark.parametrize("expected", [EXPECTED[:, :1], EXPECTED * np.nan], ids=["shape", "nan"])
def test_what_is_expected_must_fit(expected: Floats) -> None:
    for estimate in (estimators.direct, estimators.doubly_robust):
        with pytest.raises(RoutingError, match="what a model expects"):
            estimate(BY_HAND, TARGET, expected)


def test_overlap_says_what_was_never_and_what_was_hardly_ever_tried() -> None:
    n = 200
    kind = np.repeat([0, 1], n // 2)
    chosen = np.zeros(n, dtype=np.int64)
    chosen[0], chosen[100:150] = 1, 1  # once in a hundred on the first kind, half of the time on the second
    propensity = np.where(kind == 0, np.where(chosen == 1, 0.01, 0.99), 0.5)
    log = Log(np.ones(n), chosen, propensity, np.arange(n))
    always = np.tile([0.0, 1.0, 0.0], (n, 1))
    found = overlap(log, always, kind)
    assert (found.never_rate, found.hardly_rate) == (0.0, 0.5)
    assert found.largest_weight == pytest.approx(100)
    assert found.largest_share == pytest.approx(100 / 200)
    assert found.n_effective == pytest.approx(200**2 / (100**2 + 50 * 4))
    assert found.note == "too few to tell"
    unseen = overlap(log, np.tile([0.5, 0.0, 0.5], (n, 1)), kind)
    assert not unseen.is_identified
    assert unseen.note == "not identified: 50% of its choices were never tried"
    even = Log(np.ones(n), np.arange(n) % 2, np.full(n, 0.5), np.arange(n))
    assert overlap(even, np.tile([0.5, 0.5], (n, 1)), kind).note == ""
    one = overlap(log, np.where(kind[:, None] == 0, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]), kind)
    assert one.is_identified
    assert one.largest_share < 0.02


def test_propensities_that_were_not_drawn_from_are_found() -> None:
    rng = np.random.default_rng(3)
    true = np.where(rng.random((4000, 1)) < 0.5, [0.2, 0.8], [0.6, 0.4])
    chosen = (rng.random(4000) < true[:, 1]).astype(np.int64)
    group, at = np.arange(4000), np.arange(4000)
    honest = inverse_means(Log(np.zeros(4000), chosen, true[at, chosen], group), 2)
    assert all(mean.low <= 1 <= mean.high for mean in honest)
    confidence = np.where(chosen == 1, 0.95, 0.9)
    false = inverse_means(Log(np.zeros(4000), chosen, confidence, group), 2)
    assert all(mean.high < 1 for mean in false)
    assert overlap(
        Log(np.zeros(4000), chosen, confidence, group), np.tile([0.5, 0.5], (4000, 1)), 0 * group
    ).note.startswith("the weights do not average 1")
