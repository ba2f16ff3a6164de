"""Trends: whether a pattern still works as it did, and whether it is still used."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.intervals import TOO_FEW
from learnlab.patterns.lift import Floats, difference_bounds, discoveries, p_values, wilson_bounds

STEADY_WITHIN = 0.2
"""A change of the rate whose whole interval is smaller than this is none to speak of."""

FALLEN_TO = 0.5
"""What is used less than this share as often as before falls away."""


def trends(counted: pl.DataFrame, n_recent: int, n_before: int) -> pl.DataFrame:
    """Return the trend of each pattern: `counted` with trend and rate_change (recent − before, null without verdicts).

    `counted` has, for the recent weeks and the time before, uses (u_recent, u_before), verdicts (n_recent,
    n_before) and successes (x_recent, x_before); `n_recent` and `n_before` are the uses of all solutions then,
    beside which those of the pattern are seen, so that a quiet month is no trend.

    dying: its share of all uses has fallen below half of what it was, by the whole 95 % interval. drifting: its
    rate differs, believed at a false discovery rate of 5 % over all patterns. steady: the interval of the
    change lies within 0.2 of 0. Else too few to tell.

    >>> one = {"u_recent": 1, "u_before": 200, "n_recent": 1, "n_before": 190, "x_recent": 1, "x_before": 100}
    >>> trends(pl.DataFrame([one]), 4000, 9000)["trend"].to_list()
    ['dying']
    """
    columns = ("u_recent", "u_before", "n_recent", "n_before", "x_recent", "x_before")
    u_r, u_b, n_r, n_b, x_r, x_b = (counted[name].cast(pl.Float64).to_numpy() for name in columns)
    is_dying = _is_dying(u_r, u_b, float(n_recent), float(n_before))
    has_verdicts, enough = (n_r > 0) & (n_b > 0), (n_r >= TOO_FEW) & (n_b >= TOO_FEW)
    recent = (x_r / np.maximum(n_r, 1), np.maximum(n_r, 1))
    before = (x_b / np.maximum(n_b, 1), np.maximum(n_b, 1))
    low, high = difference_bounds(recent, before)
    is_drifting = discoveries(np.where(enough, p_values(recent, before), np.nan))
    is_steady = enough & (low > -STEADY_WITHIN) & (high < STEADY_WITHIN)
    change = np.where(has_verdicts, recent[0] - before[0], np.nan)
    return counted.with_columns(
        trend=pl.when(pl.Series(is_dying))
        .then(pl.lit("dying"))
        .when(pl.Series(is_drifting))
        .then(pl.lit("drifting"))
        .when(pl.Series(is_steady))
        .then(pl.lit("steady"))
        .otherwise(pl.lit("too few to tell")),
        rate_change=pl.Series(change, nan_to_null=True),
    )


def _is_dying(u_recent: Floats, u_before: Floats, n_recent: float, n_before: float) -> NDArray[np.bool_]:
    """Return whether the recent share of uses is below half of the share before, by the whole 95 % interval.

    The interval of recent − before/2 adds the distances to the Wilson bounds in squares: G. Y. Zou and
    A. Donner, Statistics in Medicine 27 (2008), 1693-1702.
    """
    if not n_recent or not n_before:
        return np.zeros(len(u_recent), dtype=np.bool_)
    recent, before = u_recent / n_recent, u_before / n_before
    high = wilson_bounds(recent, np.full_like(recent, n_recent))[1]
    low = wilson_bounds(before, np.full_like(before, n_before))[0]
    gap = recent - FALLEN_TO * before
    return np.asarray(gap + np.hypot(high - recent, FALLEN_TO * (before - low)) < 0)
