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


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Return the Wilson score interval of a rate, or None when n is 0.

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
