from __future__ import annotations

import numpy as np
import pytest

from learnlab.errors import RoutingError
from learnlab.routing.evaluate.calibration import calibration, reliability


def test_bins_hold_what_was_expected_and_what_came():
    expected = np.array([0.05, 0.15, 0.95, 0.95, 1.0, np.nan, 0.5])
    outcome = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 1.0, np.nan])
    found = reliability(expected, outcome, bins=10, by="width")
    assert found.select("bin_low", "bin_high", "n", "mean_expected", "rate").rows() == [
        (0.0, 0.1, 1, 0.05, 0.0),
        (0.1, 0.2, 1, 0.15, 1.0),
        (0.9, 1.0, 3, pytest.approx(2.9 / 3), pytest.approx(2 / 3)),
    ]
    assert (found["rate_low"] < found["rate"])[1:].all()
    assert (found["rate_high"] > found["rate"])[:1].all()


def test_quantile_bins_are_of_equal_counts_and_keep_equal_expectations_together():
    expected = np.random.default_rng(0).permutation(np.arange(100) / 100)
    found = reliability(expected, np.ones(100), bins=5)
    assert found["n"].to_list() == [20] * 5
    assert found["bin_low"].to_list() == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert found["bin_high"].to_list() == [0.19, 0.39, 0.59, 0.79, 0.99]
    tied = reliability(np.repeat([0.1, 0.2, 0.9], [6, 1, 3]), np.ones(10), bins=5)
    assert [(low, high) for low, high in tied.select("bin_low", "bin_high").rows() if low == 0.1] == [
        (0.1, 0.1)
    ]
    assert tied["n"].sum() == 10
    assert reliability(np.zeros(0), np.zeros(0)).is_empty()


def test_errors_are_those_worked_out_by_hand():
    expected = np.repeat([0.2, 0.6, 0.9], [10, 20, 10])
    outcome = np.concatenate([np.repeat([1.0, 0.0], [3, 7]), np.repeat([1.0, 0.0], [10, 10]), np.ones(10)])
    found = calibration(expected, outcome, np.arange(40), by="width")
    assert found.ece.estimate == pytest.approx((10 * 0.1 + 20 * 0.1 + 10 * 0.1) / 40)
    assert found.mce == pytest.approx(0.1)
    brier = (3 * 0.64 + 7 * 0.04 + 10 * 0.16 + 10 * 0.36 + 10 * 0.01) / 40
    assert found.brier.estimate == pytest.approx(brier)
    assert found.brier.low < brier < found.brier.high
    assert found.brier.n == 40


def test_a_calibrated_router_has_about_the_error_that_chance_gives():
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(20):
        expected = rng.uniform(size=1000)
        outcome = (rng.random(1000) < expected).astype(float)
        found = calibration(expected, outcome, np.arange(1000) // 500)
        errors.append(found.ece.estimate)
    assert np.mean(errors) == pytest.approx(found.ece_by_chance, rel=0.15)
    assert calibration(1 - expected, outcome, np.arange(1000)).ece.estimate > 10 * found.ece_by_chance


def test_what_is_no_probability_or_has_no_outcome_is_an_error():
    one = np.ones(1)
    with pytest.raises(RoutingError, match="an expectation lies outside 0-1"):
        reliability(one * 1.5, one)
    with pytest.raises(RoutingError, match="an outcome lies outside 0-1"):
        reliability(one, -one)
    with pytest.raises(RoutingError, match="one each"):
        reliability(one, np.ones(2))
    with pytest.raises(RoutingError, match="one each"):
        calibration(one, one, np.arange(2))
    with pytest.raises(RoutingError, match="no expectation has a known outcome"):
        calibration(one, one * np.nan, np.arange(1))
