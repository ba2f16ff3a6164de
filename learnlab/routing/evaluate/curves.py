"""Curves of routers for charts: what quality a share of strong calls keeps, and what quality a budget buys."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from learnlab.intervals import TOO_FEW
from learnlab.routing.evaluate.frontier import bought_at, cost_range
from learnlab.routing.evaluate.gains import kept_at
from learnlab.routing.evaluate.held import Held
from learnlab.routing.evaluate.resampling import Statistic, estimates, together
from learnlab.routing.tries import Floats

POINTS, RESAMPLES = 21, 400


def kept_curves(splits: Sequence[Held], *, seed: int = 0) -> pl.DataFrame:
    """Return the quality that routers keep at even shares of strong calls: a row a router and share.

    Columns: router, n (groups of tasks), strong_share (0-1), mean_quality with `_low` and `_high` (95 % at each share,
    groups drawn).

    Raises:
        RoutingError: when no task is judged, there are not two candidates, or a gain is not known.
    """
    share = np.linspace(0, 1, POINTS)
    return _curves(
        splits, "strong_share", share, lambda held, name: kept_at(share, held.gain(name), *held.two()), seed
    )


def bought_curves(
    splits: Sequence[Held], *, costs: tuple[float, float] | None = None, seed: int = 0
) -> pl.DataFrame:
    """Return the quality that routers buy at even mean costs, on their hulls: a row a router and cost.

    Columns: router, n (groups of tasks), mean_cost_usd, mean_quality with `_low` and `_high` (95 % at each cost, groups
    drawn). The costs
    go, unless given, from the mean cost of the cheapest candidate to that of the dearest.

    Raises:
        RoutingError: when no task is judged, or there is no range of costs.
    """
    low, high = costs or cost_range(*(held.outcomes for held in splits))
    budget = np.linspace(low, high, POINTS)
    return _curves(
        splits,
        "mean_cost_usd",
        budget,
        lambda held, name: bought_at(budget, held.routers[name], held.outcomes),
        seed,
    )


def _curves(
    splits: Sequence[Held], axis: str, at: Floats, of: Callable[[Held, str], Statistic], seed: int
) -> pl.DataFrame:
    names = list(splits[0].routers) if splits else []
    found = estimates(
        [(held.outcomes.group, together(*(of(held, name) for name in names))) for held in splits],
        resamples=RESAMPLES,
        seed=seed,
    )
    return pl.DataFrame(
        {
            "router": np.repeat(names, len(at)),
            axis: np.tile(at, len(names)),
            "n": [one.n for one in found],
            "mean_quality": [one.estimate for one in found],
            "mean_quality_low": [one.low if one.n >= TOO_FEW else None for one in found],
            "mean_quality_high": [one.high if one.n >= TOO_FEW else None for one in found],
        }
    ).with_columns(pl.col("^mean_quality.*$").cast(pl.Float64).fill_nan(None))
