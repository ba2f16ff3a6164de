"""Calibration: whether what was expected with 70 % happens in 70 % of the cases."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from learnlab.errors import RoutingError
from learnlab.intervals import Counts, Interval, wilson
from learnlab.routing.evaluate.resampling import estimates
from learnlab.routing.tries import Floats, Ints

BINS = 10


class Calibration(NamedTuple):
    """How well calibrated expectations are, over all bins, each figure 0-1 and the smaller the better.

    `ece` is the mean distance between what was expected in a bin and what came, `mce` the largest; even a perfectly
    calibrated router has an ECE of about `ece_by_chance` with so few outcomes a bin. `brier` is the mean squared error.
    """

    ece: Interval
    ece_by_chance: float
    mce: float
    brier: Interval


def reliability(
    expected: Floats, outcome: Floats, bins: int = BINS, by: Literal["quantile", "width"] = "quantile"
) -> pl.DataFrame:
    """Return the reliability curve: what was expected and what came, a row a bin that holds something.

    `expected` and `outcome` (0-1) hold one value a prediction; where either is NaN the pair is left out. Columns:
    bin_low, bin_high, n, mean_expected, rate, rate_low, rate_high (Wilson, 95 %). Bins go by rising expectation: of
    equal counts, as far as equal expectations allow, with the least and the largest of them; or of equal width.
    Source: C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.

    Raises:
        RoutingError: when lengths differ or a value lies outside 0-1.

    >>> reliability(np.array([0.1, 0.1, 0.9]), np.array([0.0, 1.0, 1.0]), bins=2).select("n", "rate").rows()
    [(2, 0.5), (1, 1.0)]
    """
    expected, outcome, _ = _known(expected, outcome)
    rows = []
    place = _binned(expected, bins, by)
    for one in np.unique(place):
        own, came = expected[place == one], outcome[place == one]
        low, high = (one / bins, (one + 1) / bins) if by == "width" else (own.min(), own.max())
        rate = wilson(float(came.sum()), len(came))
        assert rate is not None
        rows.append((low, high, rate.n, own.mean(), rate.estimate, rate.low, rate.high))
    columns = ["bin_low", "bin_high", "n", "mean_expected", "rate", "rate_low", "rate_high"]
    types = {name: pl.Int64 if name == "n" else pl.Float64 for name in columns}
    return pl.DataFrame(rows, schema=types, orient="row")


def calibration(
    expected: Floats,
    outcome: Floats,
    group: Ints,
    bins: int = BINS,
    by: Literal["quantile", "width"] = "quantile",
) -> Calibration:
    """Return ECE, its largest bin's error, and the Brier score, with intervals over groups, one value a prediction.

    ECE = Σ n_b/n |mean outcome − mean expectation| over the bins b: M. Naeini, G. Cooper and M. Hauskrecht, AAAI 2015,
    as used by Guo et al. (2017); its resamples stray more than the outcomes did, so that the interval leans upwards.
    By chance it is Σ n_b/n √(2 v_b / (π n_b)), the mean distance of a normal variable, with v_b the mean of p(1 − p).
    Brier: G. Brier, Monthly Weather Review 78 (1950), 1-3.

    Raises:
        RoutingError: when lengths differ, a value lies outside 0-1, or no pair is known.

    >>> sure = calibration(np.array([1.0] * 20), np.array([1.0] * 15 + [0.0] * 5), np.arange(20))
    >>> sure.ece.estimate, sure.mce, sure.brier.estimate, sure.ece_by_chance
    (0.25, 0.25, 0.25, 0.0)
    """
    if group.shape != expected.shape:
        raise RoutingError(f"{expected.shape} expectations come with groups {group.shape}: one each")
    expected, outcome, there = _known(expected, outcome)
    if not len(expected):
        raise RoutingError("no expectation has a known outcome: calibration cannot be told")
    place = np.unique(_binned(expected, bins, by), return_inverse=True)[1]
    is_in = np.eye(place.max() + 1)[place]
    miss = is_in * (outcome - expected)[:, None]
    squares = (outcome - expected) ** 2

    def figures(drawn: Counts) -> Floats:
        n = drawn.sum(axis=1)
        return np.column_stack([np.abs(drawn @ miss).sum(axis=1) / n, drawn @ squares / n])

    ece, brier = estimates([(group[there], figures)])
    n_in = is_in.sum(axis=0)
    spread = (expected * (1 - expected)) @ is_in / n_in
    by_chance = float((n_in / len(place) * np.sqrt(2 * spread / (np.pi * n_in))).sum())
    return Calibration(ece, by_chance, float(np.abs(miss.sum(axis=0) / n_in).max()), brier)


def _known(expected: Floats, outcome: Floats) -> tuple[Floats, Floats, Ints]:
    if expected.shape != outcome.shape or expected.ndim != 1:
        raise RoutingError(f"{expected.shape} expectations come with outcomes {outcome.shape}: one each")
    there = np.flatnonzero(np.isfinite(expected) & np.isfinite(outcome))
    for values, what in ((expected[there], "an expectation"), (outcome[there], "an outcome")):
        if len(values) and not 0 <= values.min() <= values.max() <= 1:
            raise RoutingError(f"{what} lies outside 0-1: calibration is of probabilities")
    return expected[there], outcome[there], there


def _binned(expected: Floats, bins: int, by: str) -> Ints:
    """Return the bin of each expectation; equal ones are in one bin."""
    share = (
        expected if by == "width" else np.searchsorted(np.sort(expected), expected) / max(len(expected), 1)
    )
    return np.minimum((share * bins).astype(np.int64), bins - 1)
