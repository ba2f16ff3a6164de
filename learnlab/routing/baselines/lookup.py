"""Baselines that look up means: one for all tasks, by task type, by task type and repo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from learnlab.events import Candidate
from learnlab.routing.baselines.tables import (
    BY_TYPE,
    BY_TYPE_AND_REPO,
    Levels,
    Table,
    cost_table,
    quality_table,
)
from learnlab.routing.router import Expected
from learnlab.routing.tries import Tasks, Tries


@dataclass(frozen=True)
class Looked:
    """A fitted table of qualities and one of costs; see `Lookup`."""

    name: str
    candidates: tuple[Candidate, ...]
    quality: Table
    cost: Table

    def expect(self, tasks: Tasks) -> Expected:
        """Return the shrunk means of each task's kind; for a kind never seen, those of the level above."""
        return Expected(*self.quality.expect(tasks.known), *self.cost.expect(tasks.known))


@dataclass(frozen=True)
class Lookup:
    """The mean of each candidate on tasks of the same kind, shrunk towards its mean on all of them.

    With n tries and x successes of a kind, a candidate's mean p and a weight k: (x + k p) / (n + k), the mean of
    a beta distribution whose standard deviation is the error; k is estimated from how much kinds differ
    (`learnlab.routing.shrinkage`). With two levels a kind and repo is shrunk towards its kind. Costs likewise.
    """

    name: str = "lookup"
    levels: Levels = BY_TYPE

    def fit(self, tries: Tries) -> Looked:
        """Return the tables that these tries make."""
        quality, cost = quality_table(tries, self.levels), cost_table(tries, self.levels)
        return Looked(self.name, tries.candidates, quality, cost)


@dataclass(frozen=True)
class Cheapest:
    """The candidate of the lowest mean cost, whatever the task and the preference.

    Of the others no quality is expected, so that nobody chooses them. Among equally cheap ones it is the one of
    higher mean quality. Without any known cost nothing is expected.
    """

    name: str = "cheapest"

    def fit(self, tries: Tries) -> Looked:
        """Return what is expected when the cheapest candidate of known quality is always chosen."""
        fitted = best_single().fit(tries)
        top, cost = fitted.quality.candidates, fitted.cost.scale
        price = np.where(np.isfinite(top.mean[0]), cost, np.nan)
        mean = np.full_like(top.mean, np.nan)
        if np.isfinite(price).any():
            is_cheapest = price == np.nanmin(price)
            chosen = np.where(is_cheapest, top.mean[0], -np.inf).argmax()
            mean[0, chosen] = top.mean[0, chosen]
        kept = replace(fitted.quality, candidates=top._replace(mean=mean, error=top.error + 0 * mean))
        return replace(fitted, name=self.name, quality=kept)


def best_single() -> Lookup:
    """Return the router that expects the same of every task: each candidate's mean.

    Under a preference it chooses one candidate for all tasks, the best single one.
    """
    return Lookup("best_single", ())


def lookup_by_repo() -> Lookup:
    """Return the lookup by task type and, within that, by repo."""
    return Lookup("lookup_by_repo", BY_TYPE_AND_REPO)
