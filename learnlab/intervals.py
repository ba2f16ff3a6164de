"""Intervals: every rate and every mean that learnlab shows gets its uncertainty here.

All intervals are two-sided at 95 % unless `confidence` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import hypot, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z_95 = NormalDist().inv_cdf(0.975)
"""The normal quantile of a two-sided 95 % interval, 1.95996…; the SQL views carry the same digits."""

TOO_FEW = 10
"""Below this many observations a page says "too few to tell" instead of comparing."""


class Interval(NamedTuple):
    """An estimate with the interval that goes with it and the number of observations behind it."""

    estimate: float
    low: float
    high: float
    n: int

    def overlaps(self, other: Interval) -> bool:
        """Return whether the two intervals share a value.

        >>> wilson(90, 100).overlaps(wilson(60, 100))
        False
        """
        return self.low <= other.high and other.low <= self.high


def wilson(successes: float, n: int, confidence: float = 0.95) -> Interval | None:
    """Return the Wilson score interval of a rate, or None when n is 0.

    Successes may be parts of one, as scores from 0 to 1 are: they vary less than successes with the same rate, so
    that the interval is on the wide side.

    Formula: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22 (1927), 209-212.

    Raises:
        ValueError: unless 0 ≤ successes ≤ n and 0 < confidence < 1.

    >>> rate = wilson(8, 10)
    >>> round(rate.low, 4), round(rate.estimate, 4), round(rate.high, 4)
    (0.4902, 0.8, 0.9433)
    >>> wilson(0, 0) is None
    True
    """
    if not 0 <= successes <= n or not 0 < confidence < 1:
        raise ValueError(f"no rate of {successes} in {n} at confidence {confidence}")
    if n == 0:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = successes / n
    scale = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z / scale * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return Interval(rate, max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half)), n)


def difference(first: Interval, second: Interval) -> Interval:
    """Return the interval of first − second for two independent estimates, each with its own interval.

    The distances from each estimate to its own bounds are added in squares; n is the two n added up.
    Formula: R. G. Newcombe, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 17 (1998), 873-890, method 10, where both are Wilson intervals. For any other
    estimates: G. Y. Zou and A. Donner, Statistics in Medicine 27 (2008), 1693-1702.

    >>> gap = difference(wilson(56, 70), wilson(48, 80))
    >>> round(gap.low, 4), round(gap.estimate, 4), round(gap.high, 4), gap.n
    (0.0524, 0.2, 0.3339, 150)
    """
    gap = first.estimate - second.estimate
    down = hypot(first.estimate - first.low, second.high - second.estimate)
    up = hypot(first.high - first.estimate, second.estimate - second.low)
    return Interval(gap, gap - down, gap + up, first.n + second.n)


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    return np.asarray(array[np.isfinite(array)], dtype=np.float64)


def _mean_of_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows.mean(axis=1))


def median_of_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row's median: a statistic to hand to `bootstrap`."""
    return np.asarray(np.median(rows, axis=1))


def bootstrap(
    values: ArrayLike,
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]] = _mean_of_rows,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """Return the percentile bootstrap interval of a statistic (the mean unless told), or None below 2 values.

    `values` is a flat sequence; what is not finite is left out. `statistic` takes an array (resamples, n) and
    returns one figure a row. The same seed gives the same interval.
    Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    >>> mean = bootstrap([1.0, 2.0, 3.0, 4.0, 5.0] * 20)
    >>> mean.estimate, bool(2.6 < mean.low < 3 < mean.high < 3.4)
    (3.0, True)
    """
    array = _finite(values)
    if len(array) < 2:
        return None
    rng = np.random.default_rng(seed)
    rounds = max(1, min(resamples, 4_000_000 // len(array)))
    figures = np.concatenate(
        [
            statistic(array[rng.integers(0, len(array), size=(min(rounds, resamples - done), len(array)))])
            for done in range(0, resamples, rounds)
        ]
    )
    tail = (1 - confidence) / 2
    low, high = np.quantile(figures, [tail, 1 - tail])
    return Interval(float(statistic(array[None, :])[0]), float(low), float(high), len(array))


def paired_bootstrap(
    first: Sequence[float] | ArrayLike,
    second: Sequence[float] | ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """Return the bootstrap interval of the mean difference first − second over pairs, or None below 2 pairs.

    Both hold one value a pair in the same order; a pair with a value that is not finite is left out.

    Raises:
        ValueError: when the two differ in length.

    >>> gain = paired_bootstrap([3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0])
    >>> gain.estimate, gain.low, gain.high
    (2.0, 2.0, 2.0)
    """
    left, right = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if left.shape != right.shape:
        raise ValueError(f"pairs need equal lengths, got {left.shape} and {right.shape}")
    return bootstrap(left - right, confidence=confidence, resamples=resamples, seed=seed)


Counts = NDArray[np.float64]
"""How often each observation was drawn, a row a resample: (resamples, n)."""


def resampled(n: int, resamples: int, rng: np.random.Generator) -> Counts:
    """Return how often each of n is drawn when n are drawn with replacement, a row a resample.

    >>> resampled(3, 4, np.random.default_rng(0)).sum(axis=1).tolist()
    [3.0, 3.0, 3.0, 3.0]
    """
    drawn = rng.integers(0, n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)


def percentile(estimate: float, figures: ArrayLike, n: int, confidence: float = 0.95) -> Interval | None:
    """Return the percentile interval of a figure from its resamples, or None where it cannot be told.

    That is: the estimate is not finite, or more than one resample in a hundred gives no finite figure.

    >>> [round(figure, 2) for figure in percentile(50.0, range(101), n=7)]
    [50.0, 2.5, 97.5, 7]
    """
    array = np.asarray(figures, dtype=float)
    there = array[np.isfinite(array)]
    if not np.isfinite(estimate) or len(there) < 0.99 * len(array):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(there, [tail, 1 - tail])
    return Interval(float(estimate), float(low), float(high), n)


def cluster_bootstrap(
    group: ArrayLike,
    statistic: Callable[[Counts], NDArray[np.float64]],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Interval | None]:
    """Return the percentile intervals of figures whose observations come in groups; groups are drawn, not observations.

    `group` says which group each observation is in. `statistic` takes how often each observation is drawn, (resamples,
    n), and returns figures, (resamples, figures); an interval each, whose n are the groups, or None where a figure
    cannot be told (fewer than 2 groups, not finite). A difference of two figures in one `statistic` is paired.
    Source: A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application" (1997), section 3.8.

    Raises:
        ValueError: when there is no observation.

    >>> values = np.array([1.0, 1.0, 3.0])
    >>> mean = cluster_bootstrap([0, 0, 1], lambda drawn: (drawn @ values / drawn.sum(axis=1))[:, None])
    >>> [round(figure, 2) for figure in mean[0]]
    [1.67, 1.0, 3.0, 2]
    """
    names, own = np.unique(np.asarray(group), return_inverse=True)
    if not len(own):
        raise ValueError("there is no observation to draw from")
    estimates = statistic(np.ones((1, len(own))))[0]
    if len(names) < 2:
        return [None] * len(estimates)
    rng = np.random.default_rng(seed)
    rounds = max(1, min(resamples, 4_000_000 // len(own)))
    figures = np.concatenate(
        [
            statistic(resampled(len(names), min(rounds, resamples - done), rng)[:, own])
            for done in range(0, resamples, rounds)
        ]
    )
    return [
        percentile(estimate, figure, len(names), confidence)
        for estimate, figure in zip(estimates, figures.T, strict=True)
    ]
