"""How a candidate is drawn from what is expected: probabilities of choosing, exactly those that are logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from learnlab.errors import RoutingError
from learnlab.routing.preference import Preference, best
from learnlab.routing.router import Expected
from learnlab.routing.tries import Floats, Ints

DRAWS = 100
"""Times that Thompson sampling imagines each task; shares are whole hundredths."""

_PIECE = 2_000_000


class Policy(Protocol):
    """A way to choose: the probability of each candidate on each task."""

    def probabilities(self, expected: Expected, rng: np.random.Generator) -> Floats:
        """Return the probability of choosing each candidate: (tasks, candidates), rows of sum 1."""
        ...


@dataclass(frozen=True)
class Greedy:
    """Always the best candidate under a preference."""

    preference: Preference

    def probabilities(self, expected: Expected, rng: np.random.Generator) -> Floats:
        """Return 1 for the best candidate of each task and 0 for the others; nothing is drawn.

        Raises:
            RoutingError: when nothing is known of any candidate of a task.
        """
        chosen = np.zeros(expected.quality.shape)
        chosen[np.arange(len(chosen)), best(expected, self.preference)] = 1.0
        return chosen


@dataclass(frozen=True)
class EpsilonGreedy:
    """The best candidate, but with probability epsilon any of them, all equally likely.

    Whoever explores does so among all that there are: beyond a budget, below a floor, and those of which nothing is
    known yet, as nothing would ever be learned of them otherwise.

    Raises:
        RoutingError: when epsilon is no number from 0 to 1.
    """

    preference: Preference
    epsilon: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise RoutingError(f"epsilon is {self.epsilon!r}: it must be a number from 0 to 1")

    def probabilities(self, expected: Expected, rng: np.random.Generator) -> Floats:
        """Return 1 - epsilon for the best candidate, and epsilon shared among all of them; nothing is drawn.

        Raises:
            RoutingError: when nothing is known of any candidate of a task.

        >>> quality, cost = np.array([[0.6, 0.9]]), np.array([[0.01, 0.20]])
        >>> expected = Expected(quality, 0 * quality, cost, 0 * cost)
        >>> from learnlab.routing.preference import AboveFloor
        >>> EpsilonGreedy(AboveFloor(0.5), 0.5).probabilities(expected, np.random.default_rng(0)).tolist()
        [[0.75, 0.25]]
        """
        greedy = Greedy(self.preference).probabilities(expected, rng)
        return _mixed(greedy, self.epsilon)


@dataclass(frozen=True)
class Thompson:
    """Each candidate as often as it may be the best one, given how unsure the router is.

    Every task is imagined 100 times, quality and cost drawn from normal distributions around what is expected
    with its standard errors (quality kept within 0-1, cost not negative); the share of the times in which a
    candidate is the best under the preference is its probability, mixed with an equal share for all of them
    so that each has at least `floor`. Source: W. R. Thompson, "On the likelihood that one unknown probability
    exceeds another", Biometrika 25 (1933), 285-294. The shares are themselves drawn, and then what is chosen is
    drawn from exactly those shares: the propensity that is logged is not an estimate.

    Raises:
        RoutingError: when the floor is no number from 0 to 1.
    """

    preference: Preference
    floor: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= 1:
            raise RoutingError(f"the least probability is {self.floor!r}: it must be a number from 0 to 1")

    def probabilities(self, expected: Expected, rng: np.random.Generator) -> Floats:
        """Return how often each candidate was the best one when the tasks were imagined.

        With more candidates than the floor allows, all are equally likely.

        Raises:
            RoutingError: when nothing is known of any candidate of a task.
        """
        n, k = expected.quality.shape
        shares = np.empty((n, k))
        step = max(1, _PIECE // (DRAWS * k))
        for start in range(0, n, step):
            piece = slice(start, start + step)
            shares[piece] = self._shares(expected, piece, rng)
        return _mixed(shares, min(1.0, self.floor * k))

    def _shares(self, expected: Expected, piece: slice, rng: np.random.Generator) -> Floats:
        """Return the share of imagined tasks on which each candidate is the best."""
        mean = np.array([expected.quality[piece], expected.cost[piece]])
        error = np.array([expected.quality_error[piece], expected.cost_error[piece]])
        quality, cost = np.maximum(_drawn(mean, error, rng), 0.0)
        quality = np.minimum(quality, 1.0)
        won = best(Expected(quality, quality, cost, cost), self.preference)
        n, k = len(won) // DRAWS, quality.shape[1]
        counts = np.bincount((won.reshape(n, DRAWS) + k * np.arange(n)[:, None]).ravel(), minlength=n * k)
        return counts.reshape(n, k) / DRAWS


def sample(probabilities: Floats, rng: np.random.Generator) -> Ints:
    """Return a candidate's place for each task, drawn with exactly these probabilities (tasks, candidates).

    Raises:
        RoutingError: when a row holds a negative number or none, or does not sum to 1.

    >>> sample(np.array([[0.0, 1.0], [1.0, 0.0]]), np.random.default_rng(0))
    array([1, 0])
    """
    sums = np.cumsum(probabilities, axis=1)
    if not ((probabilities >= 0).all() and (np.abs(sums[:, -1] - 1) <= 1e-9).all()):
        raise RoutingError("probabilities of choosing must be 0 or more and sum to 1 for every task")
    below = sums <= rng.random(len(sums))[:, None]
    last = probabilities.shape[1] - 1 - (probabilities[:, ::-1] > 0).argmax(axis=1)
    return np.asarray(np.minimum(below.sum(axis=1), last))


def _mixed(shares: Floats, epsilon: float) -> Floats:
    """Return the shares with a part `epsilon` of them given to all candidates equally."""
    return np.asarray((1 - epsilon) * shares + epsilon / shares.shape[1])


def _drawn(mean: Floats, error: Floats, rng: np.random.Generator) -> Floats:
    """Return normal draws of two figures, (2, tasks · `DRAWS`, candidates), the draws of one task together.

    An unknown error counts as none.
    """
    _, n, k = mean.shape
    spread = np.where(np.isfinite(error), error, 0.0)
    draws = mean[:, :, None, :] + spread[:, :, None, :] * rng.standard_normal((2, n, DRAWS, k))
    return np.asarray(draws.reshape(2, n * DRAWS, k))
