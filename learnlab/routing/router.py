"""What a router is: it learns from tries, and says for each task what to expect of each candidate, and how surely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from learnlab.events import Candidate
from learnlab.routing.tries import Flags, Floats, Ints, Tasks, Tries


@dataclass(frozen=True)
class Expected:
    """What a router expects of each candidate on each task; every array is (tasks, candidates).

    `quality` is the probability of success, or the expected score over 100 (0-1), `cost` the expected cost in US
    dollars; each `…_error` is the standard error of that expectation: how unsure the router is of the mean, not how
    much single outcomes vary. NaN where nothing is known of a candidate; what has no
    quality is chosen by lot at most, to learn of it.
    """

    quality: Floats
    quality_error: Floats
    cost: Floats
    cost_error: Floats

    def take(self, rows: Ints | Flags) -> Expected:
        """Return what is expected on some of the tasks, by their rows or by a flag each, in that order."""
        return Expected(self.quality[rows], self.quality_error[rows], self.cost[rows], self.cost_error[rows])


class Fitted(Protocol):
    """A router that has learned from tries."""

    @property
    def name(self) -> str:
        """What it is called in tables and charts: `sona`, `logistic`."""
        ...

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """What it can choose from, in the order of the columns of what it expects."""
        ...

    def expect(self, tasks: Tasks) -> Expected:
        """Return what to expect of each candidate on each task; task types, repos and sizes may be new."""
        ...


class Router(Protocol):
    """A way to learn what to expect; it keeps nothing of what it learned, `fit` returns that."""

    @property
    def name(self) -> str:
        """What it is called in tables and charts."""
        ...

    def fit(self, tries: Tries) -> Fitted:
        """Return the router that these tries make; the same tries make the same one.

        Unknown qualities and costs are left out; with no known quality it expects nothing (NaN).
        """
        ...
