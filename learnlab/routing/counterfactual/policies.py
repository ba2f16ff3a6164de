"""Policies to be judged: with what probability each would choose each candidate on a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.routing.narrowing import identity
from learnlab.routing.policy import Policy
from learnlab.routing.router import Fitted
from learnlab.routing.tries import Floats, Tasks

AS_LOGGED = "as logged"
"""The name of the policy that made the log."""


@dataclass(frozen=True)
class Other:
    """A policy other than the one that was logged: a name, and its probabilities on tasks (tasks, candidates)."""

    name: str
    probabilities: Callable[[Tasks], Floats]


def always(place: int, candidates: tuple[Candidate, ...], name: str) -> Other:
    """Return the policy that always chooses the candidate at one place.

    Raises:
        RoutingError: when there is no such place.
    """
    if not 0 <= place < len(candidates):
        raise RoutingError(f"there is no candidate at place {place}: there are {len(candidates)}")
    row = np.zeros(len(candidates))
    row[place] = 1.0
    return Other(name, lambda tasks: np.tile(row, (len(tasks), 1)))


def uniform(candidates: tuple[Candidate, ...]) -> Other:
    """Return the policy that chooses every candidate equally often, whatever the task.

    >>> uniform((Candidate(tier="small"), Candidate(tier="large"))).name
    'by lot'
    """
    share = 1.0 / max(len(candidates), 1)
    return Other("by lot", lambda tasks: np.full((len(tasks), len(candidates)), share))


def following(
    fitted: Fitted, policy: Policy, candidates: tuple[Candidate, ...], *, name: str = "", seed: int = 0
) -> Other:
    """Return the policy that chooses by what a fitted router expects.

    The router must have learned from other tries than those it is judged by: earlier ones.

    Raises:
        RoutingError: when the router has a candidate that the log does not know.
    """
    places = {identity(candidate): at for at, candidate in enumerate(candidates)}
    missing = [candidate for candidate in fitted.candidates if identity(candidate) not in places]
    if missing:
        raise RoutingError(f"the router {fitted.name!r} may choose what the log never names: {missing[0]!r}")
    columns = [places[identity(candidate)] for candidate in fitted.candidates]

    def probabilities(tasks: Tasks) -> Floats:
        chances = np.zeros((len(tasks), len(candidates)))
        chances[:, columns] = policy.probabilities(fitted.expect(tasks), np.random.default_rng(seed))
        return chances

    return Other(name or fitted.name, probabilities)
