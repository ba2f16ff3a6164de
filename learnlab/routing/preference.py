"""What somebody wants of a choice: quality within a budget, cheapness above a floor, or quality at a price."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learnlab.errors import RoutingError
from learnlab.routing.router import Expected
from learnlab.routing.tries import Floats, Ints

_TIE = 1e-12


def _amount(value: float, what: str, most: float = np.inf) -> None:
    if not (np.isfinite(value) and 0 <= value <= most):
        raise RoutingError(f"{what} is {value!r}: it must be a number from 0 to {most:g}")


@dataclass(frozen=True)
class PriceOfQuality:
    """The candidate with the most value: quality times what a success is worth (US dollars), less its cost.

    Raises:
        RoutingError: when the worth is negative or no number.
    """

    worth_usd: float

    def __post_init__(self) -> None:
        _amount(self.worth_usd, "what a success is worth")

    def rank(self, quality: Floats, cost: Floats) -> Floats:
        """Return how good each candidate is on each task, in US dollars; NaN where that is not known."""
        return np.asarray(quality * self.worth_usd - cost)


@dataclass(frozen=True)
class WithinBudget:
    """The candidate of the highest quality among those expected to cost at most so much a task (US dollars).

    Where none is within the budget, the cheapest.

    Raises:
        RoutingError: when the budget is negative or no number.
    """

    budget_usd: float

    def __post_init__(self) -> None:
        _amount(self.budget_usd, "a budget")

    def rank(self, quality: Floats, cost: Floats) -> Floats:
        """Return how good each candidate is on each task: its quality, or below 0 when it costs too much."""
        return np.where(cost <= self.budget_usd, quality, -cost / _scale(cost) - 1)


@dataclass(frozen=True)
class AboveFloor:
    """The cheapest candidate among those of which at least this quality (0-1) is expected.

    Where none reaches the floor, the one of the highest quality.

    Raises:
        RoutingError: when the floor is no number from 0 to 1.
    """

    floor: float

    def __post_init__(self) -> None:
        _amount(self.floor, "a floor of quality", 1.0)

    def rank(self, quality: Floats, cost: Floats) -> Floats:
        """Return how good each candidate is on each task: the cheaper the better above the floor."""
        return np.where(quality >= self.floor, 1 - cost / _scale(cost), quality - 1 - self.floor)


Preference = PriceOfQuality | WithinBudget | AboveFloor
"""What somebody wants of a choice."""


def _scale(cost: Floats) -> float:
    """Return the largest cost there is, so that costs divided by it lie between 0 and 1."""
    known = cost[np.isfinite(cost)]
    return float(max(known.max(initial=0.0), 1e-12))


def best(expected: Expected, preference: Preference) -> Ints:
    """Return the place of the best candidate for each task; among equals the cheaper, then the earlier one.

    A candidate whose quality is not known is not chosen, nor one whose cost is not known where others' are.

    Raises:
        RoutingError: when a task has no candidate of which any quality is expected.
    """
    known = np.isfinite(expected.quality)
    if not known.any(axis=1).all():
        raise RoutingError("nothing is known of any candidate: there is nothing to choose by")
    priced = known & np.isfinite(expected.cost)
    usable = np.where(priced.any(axis=1, keepdims=True), priced, known)
    cost = np.where(priced, expected.cost, 0.0)
    rank = np.where(usable, preference.rank(np.where(known, expected.quality, 0.0), cost), -np.inf)
    near = rank >= rank.max(axis=1, keepdims=True) - _TIE
    return np.asarray(np.where(near, cost, np.inf).argmin(axis=1))
