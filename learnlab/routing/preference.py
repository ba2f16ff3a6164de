"""What somebody wants of a choice: quality within a budget, cheapness above a floor, or quality at a price."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learnlab.errors import RoutingError
from learnlab.routing.router import Expected
from learnlab.routing.tries import Flags, Floats, Ints

_TIE = 1e-12


def _amount(value: float, what: str, most: float = np.inf) -> None:
    try:
        fits = bool(np.isfinite(value)) and 0 <= value <= most
    except (TypeError, ValueError):
        fits = False
    if not fits:
        span = f"from 0 to {most:g}" if np.isfinite(most) else "that is not negative"
        raise RoutingError(f"{what} is {value!r}: it must be a number {span}")


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


def usable(expected: Expected) -> Flags:
    """Return which candidates may be chosen for each task: those whose quality is known, and their cost if any's is.

    A candidate of which a quality and no cost is known is left out where another's cost is known, for nothing
    could be said of what it saves.

    Raises:
        RoutingError: when a task has no candidate of which any quality is expected.
    """
    known = np.isfinite(expected.quality)
    if not (known.shape[1] and known.any(axis=1).all()):
        raise RoutingError("nothing is known of any candidate: there is nothing to choose by")
    priced = known & np.isfinite(expected.cost)
    if priced.all():
        return priced
    return priced | (known & ~priced.any(axis=1, keepdims=True))


def best(expected: Expected, preference: Preference) -> Ints:
    """Return the place of the best candidate for each task, among those that are `usable`.

    Among equals it is the cheaper one, then the one of higher quality, then the earlier one. Where no cost is
    known, every cost counts as 0.

    Raises:
        RoutingError: when a task has no candidate of which any quality is expected.

    >>> quality, cost = np.array([[0.6, 0.9]]), np.array([[0.01, 0.20]])
    >>> expected = Expected(quality, 0 * quality, cost, 0 * cost)
    >>> best(expected, PriceOfQuality(worth_usd=0.5)), best(expected, PriceOfQuality(worth_usd=1.0))
    (array([0]), array([1]))
    """
    may = usable(expected)
    quality, cost = expected.quality, expected.cost
    if not (may & np.isfinite(cost)).all():
        quality = np.where(may, quality, 0.0)
        cost = np.where(may & np.isfinite(cost), cost, 0.0)
    rank = preference.rank(quality, cost)
    if not may.all():
        rank = np.where(may, rank, -np.inf)
    first = rank.argmax(axis=1)
    top = rank.max(axis=1, keepdims=True)
    near = rank >= top - _TIE * np.maximum(1.0, np.abs(top))
    if np.count_nonzero(near) == len(rank):
        return np.asarray(first)
    price = np.where(near, cost, np.inf)
    cheap = near & (price <= price.min(axis=1, keepdims=True))
    return np.asarray(np.where(cheap, quality, -np.inf).argmax(axis=1))
