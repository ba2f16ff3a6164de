"""Ratios of sums over groups, with intervals that know that tries of one group are not independent."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from learnlab.intervals import Z_95, Interval, wilson
from learnlab.intervals import difference as apart
from learnlab.routing.tries import Floats, Ints

_LEAST_FREEDOM = 2.0


def student(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t with so many degrees of freedom (2 and more).

    Expansion in powers of 1/freedom: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions" (1964),
    26.7.5; off by under 1 % from 3 degrees on. Below that it is that of 2, which is exact: 4.303.

    >>> round(student(10), 3), round(student(1e9), 3), round(student(2), 3)
    (2.228, 1.96, 4.303)
    """
    if freedom < 3:
        return 4.302653
    z, v = Z_95, freedom
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / v ** (at + 1) for at, term in enumerate(terms))


def _spread(left_out: Floats, size: float) -> tuple[float, float]:
    """Return the jackknife's standard error of figures with one group left out each, and its degrees of freedom.

    What is nothing beside the size of the figures is 0: the rounding of sums.
    The squares of the groups' contributions say how many of them the error rests on: F. E. Satterthwaite,
    "An approximate distribution of estimates of variance components", Biometrics Bulletin 2 (1946), 110-114.
    """
    squares = (left_out - left_out.mean()) ** 2
    total = float(squares.sum())
    n = len(left_out)
    if n < 2 or total <= n * (1e-13 * size) ** 2:
        return 0.0, _LEAST_FREEDOM
    return sqrt(total * (n - 1) / n), max(total**2 / float((squares**2).sum()), _LEAST_FREEDOM)


@dataclass(frozen=True)
class Ratio:
    """An estimate that is a sum over a sum: a part of each for every group of tries that belong together.

    `n` counts tries, `n_effective` those that count (`estimators.kish`). `is_rate` says that outcomes lie in 0-1.
    """

    above: Floats
    below: Floats
    n: int
    n_effective: float
    is_rate: bool = False

    @property
    def value(self) -> float:
        """The estimate; NaN where nothing stands below the line."""
        below = float(self.below.sum())
        return float(self.above.sum()) / below if below > 0 else float("nan")

    def left_out(self) -> Floats:
        """Return the estimate with each group left out in its turn."""
        below = self.below.sum() - self.below
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = (self.above.sum() - self.above) / below
        return np.where(below > 1e-12 * self.below.sum(), parts, self.value)

    def interval(self) -> Interval:
        """Return the estimate with its 95 % interval: jackknife over groups, Student's t.

        B. Efron, "The Jackknife, the Bootstrap and Other Resampling Plans" (1982), chapter 3. Where all outcomes
        that count are one and the same rate, nothing varies and the interval is Wilson's at the effective number.
        NaN bounds below two groups.
        """
        value = self.value
        if not np.isfinite(value) or len(self.above) < 2:
            return Interval(value, float("nan"), float("nan"), self.n)
        error, freedom = _spread(self.left_out(), abs(value))
        if error == 0 and self.is_rate and 0 <= value <= 1:
            n = max(int(self.n_effective), 1)
            edge = wilson(round(value * n), n)
            assert edge is not None
            return Interval(value, min(edge.low, value), max(edge.high, value), self.n)
        reach = student(freedom) * error
        return Interval(value, value - reach, value + reach, self.n)


def ratio(
    above: Floats, below: Floats, group: Ints, *, n_effective: float | None = None, is_rate: bool = False
) -> Ratio:
    """Return the ratio of two sums over tries, added up by group: numbers from 0 without gaps.

    >>> ratio(np.array([1.0, 0.0, 1.0]), np.ones(3), np.array([0, 0, 1])).value.__round__(3)
    0.667
    """
    size = int(group.max(initial=-1)) + 1
    over, under = (np.bincount(group, part, size).astype(np.float64) for part in (above, below))
    n = len(group)
    return Ratio(over, under, n, float(n) if n_effective is None else n_effective, is_rate)


def difference(first: Ratio, second: Ratio) -> Interval:
    """Return first − second with its paired 95 % interval; both are sums over the same groups of the same tries.

    Raises:
        ValueError: when they are not over the same groups.

    >>> one = ratio(np.array([3.0, 4.0, 5.0]), np.ones(3), np.arange(3))
    >>> two = ratio(np.array([1.0, 2.0, 3.0]), np.ones(3), np.arange(3))
    >>> difference(one, two)
    Interval(estimate=2.0, low=2.0, high=2.0, n=3)
    """
    if first.above.shape != second.above.shape:
        raise ValueError(f"paired estimates need the same groups: {len(first.above)} and {len(second.above)}")
    gap = first.value - second.value
    if not np.isfinite(gap) or len(first.above) < 2:
        return Interval(gap, float("nan"), float("nan"), first.n)
    error, freedom = _spread(first.left_out() - second.left_out(), max(abs(first.value), abs(second.value)))
    same = np.allclose(first.left_out(), second.left_out(), rtol=1e-12, atol=0)
    if error == 0 and first.is_rate and second.is_rate and not same:
        return apart(first.interval(), second.interval())._replace(n=first.n)
    reach = student(freedom) * error
    return Interval(gap, gap - reach, gap + reach, first.n)
