"""Cost against quality: what a router achieves at every price of quality, and the area under its best mixtures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from learnlab.errors import RoutingError
from learnlab.intervals import Counts
from learnlab.routing.evaluate.choices import Choice, achieved
from learnlab.routing.evaluate.outcomes import Outcomes
from learnlab.routing.evaluate.resampling import Statistic
from learnlab.routing.preference import PriceOfQuality, best
from learnlab.routing.router import Expected
from learnlab.routing.tries import Floats, Ints

STOPS = 40
"""Prices of quality that a curve has at most, about; more would only pick more of the noise into its hull."""

_NO_DIFFERENCE = 1e-12


def prices(expected: Expected) -> Floats:
    """Return worths of a success (US dollars, rising from 0) between which the choices of a router change.

    Each is between two successive worths at which some task goes over to a dearer candidate (the slopes of the lower
    convex hull of its expected cost against quality); where there are more than `STOPS`, an even selection of them.
    """
    usable = np.isfinite(expected.quality) & np.isfinite(expected.cost)
    quality = np.where(usable, expected.quality, -np.inf)
    cost = np.where(usable, expected.cost, np.inf)
    rows = np.flatnonzero(usable.any(axis=1))
    cheapest = cost <= cost.min(axis=1, keepdims=True)
    at = np.where(cheapest, quality, -np.inf).argmax(axis=1)
    slopes = [np.zeros(0)]
    while len(rows):
        better = quality[rows] - quality[rows, at[rows], None]
        dearer = cost[rows] - cost[rows, at[rows], None]
        is_better = better > _NO_DIFFERENCE
        slope = np.divide(dearer, better, out=np.full(better.shape, np.inf), where=is_better)
        next_at = slope.argmin(axis=1)
        least = slope[np.arange(len(rows)), next_at]
        goes = np.isfinite(least)
        at[rows] = np.where(goes, next_at, at[rows])
        slopes.append(least[goes])
        rows = rows[goes]
    changes = np.unique(np.concatenate(slopes))
    if len(changes) > STOPS:
        changes = changes[np.linspace(0, len(changes) - 1, STOPS).round().astype(int)]
    return np.concatenate([[0.0], (changes[:-1] + changes[1:]) / 2, 2 * changes[-1:] + _NO_DIFFERENCE])


def cost_quality(expected: Expected, of: Outcomes) -> pl.DataFrame:
    """Return what a router's choices cost and achieve at each price of quality, a row a price.

    Columns: worth_usd, mean_cost_usd, mean_quality, is_on_hull (a vertex of the non-decreasing convex hull). Over the
    tasks whose costs are all known.

    Raises:
        RoutingError: when nothing is expected of any candidate, or no task's costs are known.
    """
    worth = prices(expected)
    quality, cost = (figure.mean(axis=0) for figure in _swept(expected, of, worth))
    on_hull = np.isin(np.arange(len(worth)), hull(cost, quality))
    return pl.DataFrame(
        {"worth_usd": worth, "mean_cost_usd": cost, "mean_quality": quality, "is_on_hull": on_hull}
    )


def hull(cost: Floats, quality: Floats) -> Ints:
    """Return the places of the points on the non-decreasing convex hull, the cheapest first.

    Every point on a line between two of them is a router too: one that goes by the first or the second at random.

    >>> hull(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.2, 0.3, 0.6, 0.5])).tolist()
    [0, 2]
    """
    kept: list[int] = []
    costs, qualities = cost.tolist(), quality.tolist()
    for place in np.lexsort((-quality, cost)).tolist():
        if kept and qualities[place] <= qualities[kept[-1]]:
            continue
        while len(kept) > 1:
            one, two = kept[-2], kept[-1]
            rise = (qualities[two] - qualities[one]) * (costs[place] - costs[two])
            if rise > (qualities[place] - qualities[two]) * (costs[two] - costs[one]):
                break
            kept.pop()
        kept.append(place)
    return np.array(kept, dtype=np.int64)


def aiq(cost: Floats, quality: Floats, low: float, high: float) -> float:
    """Return the average improvement in quality: the area under the hull of the points from cost low to cost high,
    divided by high − low (0-1).

    Beyond its dearest point a router keeps its quality; below its cheapest it is mixed with doing nothing, which
    costs and achieves 0. Only figures over one range can be compared. The hull is picked in hindsight: on 200 tasks
    of a world with a known AIQ of 0.83 it came out 0.01 too high on average, on 1,500 by less than 0.005, and the
    95 % intervals of `estimates` held the truth in 91 % and 93 % of 300 draws.
    Source: Q. J. Hu et al., "RouterBench: A Benchmark for Multi-LLM Routing System" (2024), section 3.

    Raises:
        RoutingError: unless 0 ≤ low < high.

    >>> aiq(np.array([1.0, 3.0]), np.array([0.2, 0.6]), 1.0, 5.0)
    0.5
    """
    if not 0 <= low < high < np.inf:
        raise RoutingError(f"from {low} to {high} US dollars is no range of costs to average over")
    costs, qualities = _vertices(cost, quality)
    at = np.unique(np.append(np.clip(costs, low, high), [low, high]))
    return float(np.trapezoid(np.interp(at, costs, qualities), at) / (high - low))


def cost_range(*of: Outcomes) -> tuple[float, float]:
    """Return the mean costs of the cheapest and the dearest candidate (US dollars), averaged over several splits: a
    range common to all routers.

    Raises:
        RoutingError: when no task's costs are known, or all candidates cost the same.
    """
    if not of:
        raise RoutingError("a split judges no task: there is nothing to evaluate")
    mean = np.mean([one.cost[_priced(one)].mean(axis=0) for one in of], axis=0)
    if mean.max() - mean.min() <= _NO_DIFFERENCE:
        raise RoutingError("all candidates cost the same: there is no range of costs to average over")
    return float(mean.min()), float(mean.max())


def aiq_of(judged: Expected | Choice, of: Outcomes, low: float, high: float) -> Statistic:
    """Return the statistic of a router's AIQ from cost low to cost high, over the tasks whose costs are all known.

    A choice that no price changes is one point.

    Raises:
        RoutingError: when nothing is expected of any candidate, or no task's costs are known.
    """
    return _of_points(judged, of, lambda cost, quality: [aiq(cost, quality, low, high)])


def bought_at(budget: Floats, judged: Expected | Choice, of: Outcomes) -> Statistic:
    """Return the statistic of the quality on a router's hull at some mean costs (US dollars a task), as in `aiq`.

    Raises:
        RoutingError: when nothing is expected of any candidate, or no task's costs are known.
    """
    return _of_points(judged, of, lambda cost, quality: np.interp(budget, *_vertices(cost, quality)))


def _of_points(
    judged: Expected | Choice, of: Outcomes, figures: Callable[[Floats, Floats], ArrayLike]
) -> Statistic:
    """Return the statistic of figures of a router's points of mean cost and mean quality, over the priced tasks."""
    priced = _priced(of)
    if isinstance(judged, Expected):
        quality, cost = _swept(judged, of, prices(judged))
    else:
        quality, cost = (achieved(judged, figure)[priced, None] for figure in (of.quality, of.cost))

    def statistic(drawn: Counts) -> Floats:
        at_priced = drawn[:, priced]
        n = np.maximum(at_priced.sum(axis=1, keepdims=True), 1)
        points = zip(at_priced @ cost / n, at_priced @ quality / n, strict=True)
        return np.array([figures(*point) for point in points])

    return statistic


def _vertices(cost: Floats, quality: Floats) -> tuple[Floats, Floats]:
    """Return costs and qualities of the hull's vertices, with doing nothing before the cheapest."""
    kept = hull(cost, quality)
    return np.append(0.0, cost[kept]), np.append(0.0, quality[kept])


def _priced(of: Outcomes) -> Ints:
    rows = np.flatnonzero(np.isfinite(of.cost).all(axis=1))
    if not len(rows):
        raise RoutingError("the costs of no task are all known: there is no curve of cost against quality")
    return rows


def _swept(expected: Expected, of: Outcomes, worth: Floats) -> tuple[Floats, Floats]:
    """Return the qualities and the costs of the choices at each worth, over the priced tasks: (tasks, worths)."""
    rows = _priced(of)
    known = expected.take(rows)
    chosen = np.column_stack([best(known, PriceOfQuality(float(one))) for one in worth])
    return (
        np.take_along_axis(of.quality[rows], chosen, axis=1),
        np.take_along_axis(of.cost[rows], chosen, axis=1),
    )
