"""Lift: how much more often a pattern succeeds than the same repos and task types do without it, and how sure that is."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.intervals import Z_95
from learnlab.search.extra import extra

Floats = NDArray[np.float64]

STRATA = ("pattern", "n_with", "x_with", "n_without", "x_without")
"""Columns of a table of strata: verdicts and successes with a pattern and without it, a row a pattern and stratum."""


def wilson_bounds(rate: Floats, n: Floats, z: float | Floats = Z_95) -> tuple[Floats, Floats]:
    """Return the lower and upper Wilson bounds of many rates at once; n need not be whole.

    Formula: E. B. Wilson (1927), as in `intervals.wilson`.

    >>> low, high = wilson_bounds(np.array([0.8]), np.array([10.0]))
    >>> round(low.item(), 4), round(high.item(), 4)
    (0.4902, 0.9433)
    """
    scale = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z / scale * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return np.clip(np.minimum(rate, centre - half), 0, 1), np.clip(np.maximum(rate, centre + half), 0, 1)


def difference_bounds(
    first: tuple[Floats, Floats], second: tuple[Floats, Floats], z: float | Floats = Z_95
) -> tuple[Floats, Floats]:
    """Return the bounds of first − second for many pairs of independent rates, each given as (rate, n).

    Formula: R. G. Newcombe (1998), as in `intervals.difference`.

    >>> low, high = difference_bounds(
    ...     (np.array([56 / 70]), np.array([70.0])), (np.array([48 / 80]), np.array([80.0])))
    >>> round(low.item(), 4), round(high.item(), 4)
    (0.0524, 0.3339)
    """
    (low_1, high_1), (low_2, high_2) = wilson_bounds(*first, z), wilson_bounds(*second, z)
    gap = first[0] - second[0]
    return (
        gap - np.hypot(first[0] - low_1, high_2 - second[0]),
        gap + np.hypot(high_1 - first[0], second[0] - low_2),
    )


def p_values(first: tuple[Floats, Floats], second: tuple[Floats, Floats]) -> Floats:
    """Return for each pair of rates the two-sided p-value of their difference.

    It is 1 − the confidence at which the interval of `difference_bounds` comes to touch 0, so that it is below
    0.05 exactly where the 95 % interval leaves 0 out.
    """
    low, high = np.zeros_like(first[0]), np.full_like(first[0], 40.0)
    for _ in range(50):
        middle = (low + high) / 2
        bounds = difference_bounds(first, second, middle)
        holds_zero = (bounds[0] <= 0) & (bounds[1] >= 0)
        low, high = np.where(holds_zero, low, middle), np.where(holds_zero, middle, high)
    p: Floats = 2 * extra("scipy.special").ndtr(-low)
    return p


def lifts(strata: pl.DataFrame) -> pl.DataFrame:
    """Return the lift of each pattern over its strata: a row a pattern, by pattern.

    `strata` has the columns of `STRATA`, a row a pattern and stratum (repo and task type); a stratum without
    verdicts on either side compares nothing and is left out. Columns: n_compared (verdicts with the pattern),
    rate_with, base_rate, lift, lift_low, lift_high, p_value.

    The base rate is standardised directly: Σ w_s x_s/n_s over the verdicts without the pattern, with the share
    w_s of the pattern's verdicts in stratum s (J. Fleiss, B. Levin and M. Paik, "Statistical Methods for Rates
    and Proportions", 3rd edition, chapter 19). It is as sure as a rate from n = 1 / Σ (w_s²/n_s) verdicts, its
    effective number (L. Kish, "Survey Sampling", 1965), whose Wilson interval it gets; the difference has
    Newcombe's interval. Verdicts count as independent: several attempts at one problem make it too narrow.
    Over 500 draws of outcomes from a known truth the 95 % interval covers 96 % with 5 to 29 verdicts and 95.5 %
    with more; below 5 verdicts it can fall to 85 % for a pattern whose truth lies near 0 or 1.

    >>> row = {"pattern": 0, "n_with": 70, "x_with": 56, "n_without": 80, "x_without": 48}
    >>> lifts(pl.DataFrame([row])).select(pl.col("lift", "lift_low", "lift_high").round(4)).row(0)
    (0.2, 0.0524, 0.3339)
    """
    weight = pl.col("n_with") / pl.col("n_with").sum()
    pooled = (
        strata.filter(pl.col("n_with") > 0, pl.col("n_without") > 0)
        .group_by("pattern")
        .agg(
            n_compared=pl.col("n_with").sum(),
            rate_with=pl.col("x_with").sum() / pl.col("n_with").sum(),
            base_rate=(weight * pl.col("x_without") / pl.col("n_without")).sum().clip(0, 1),
            n_effective=1 / (weight**2 / pl.col("n_without")).sum(),
        )
        .sort("pattern")
    )
    rate, n, base, n_base = (
        pooled[name].cast(pl.Float64).to_numpy()
        for name in ("rate_with", "n_compared", "base_rate", "n_effective")
    )
    low, high = difference_bounds((rate, n), (base, n_base))
    return pooled.drop("n_effective").with_columns(
        lift=pl.Series(rate - base),
        lift_low=pl.Series(low),
        lift_high=pl.Series(high),
        p_value=pl.Series(p_values((rate, n), (base, n_base))),
    )


def discoveries(p_values: NDArray[Any], rate: float = 0.05) -> NDArray[np.bool_]:
    """Return which of many tests to believe, so that of those believed a share `rate` is wrong on average.

    A p-value that is NaN is no test. Formula: Y. Benjamini and Y. Hochberg, "Controlling the false discovery
    rate", Journal of the Royal Statistical Society B 57 (1995), 289-300.

    >>> discoveries(np.array([0.001, 0.04, 0.03, 0.9, np.nan])).tolist()
    [True, False, False, False, False]
    """
    p = np.where(np.isnan(p_values), 2.0, p_values)
    n = int(np.sum(p <= 1))
    ordered = np.sort(p)[:n]
    passed = np.flatnonzero(ordered <= rate * np.arange(1, n + 1) / max(n, 1))
    return np.asarray(p <= (ordered[passed[-1]] if len(passed) else -1.0))


def shrunk(lift: Floats, low: Floats, high: Floats) -> Floats:
    """Return lifts drawn towards 0, each the more so the wider its interval is beside how much lifts differ.

    lift · τ²/(τ² + s²), where s is the interval's width in standard errors and τ² solves
    Σ lift²/(τ² + s²) = the number of lifts, 0 where they differ no more than chance makes them. Formulas:
    B. Efron and C. Morris, "Data analysis using Stein's estimator and its generalizations", Journal of the
    American Statistical Association 70 (1975), 311-319; R. Paule and J. Mandel, Journal of Research of the
    National Bureau of Standards 87 (1982), 377-385.

    >>> wide, narrow = 0.4, 0.02
    >>> lift = np.array([0.2, 0.2, -0.2])
    >>> shrunk(lift, lift - [wide, narrow, narrow], lift + [wide, narrow, narrow]).round(2).tolist()
    [0.09, 0.2, -0.2]
    """
    variance = ((high - low) / (2 * Z_95)) ** 2
    least, most = 0.0, 1.0
    for _ in range(60):
        middle = (least + most) / 2
        is_below = np.sum(lift**2 / (middle + variance)) > len(lift)
        least, most = (middle, most) if is_below else (least, middle)
    spread = (least + most) / 2 if np.sum(lift**2 / np.maximum(variance, 1e-12)) > len(lift) else 0.0
    return np.asarray(lift * spread / np.maximum(spread + variance, 1e-12))
