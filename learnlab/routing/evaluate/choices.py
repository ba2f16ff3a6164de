"""How good choices are, task by task: what they achieve, what they regret, how often they are the best."""

from __future__ import annotations

import numpy as np

from learnlab.errors import RoutingError
from learnlab.routing.tries import Floats, Ints

Choice = Ints | Floats
"""What was chosen: the place of a candidate for each task (tasks,), or probabilities (tasks, candidates)."""

_TIE = 1e-9


def shares(choice: Choice, shape: tuple[int, ...]) -> Floats:
    """Return the probability with which each candidate is chosen for each task: (tasks, candidates).

    Raises:
        RoutingError: when a place is none, or probabilities do not sum to 1.

    >>> shares(np.array([2, 0]), (2, 3)).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    if choice.ndim == 1 and choice.dtype.kind in "iu":
        if choice.shape != shape[:1] or (len(choice) and not 0 <= choice.min() <= choice.max() < shape[1]):
            raise RoutingError(
                f"{len(choice)} choices are no places of {shape[1]} candidates for {shape[0]} tasks"
            )
        return np.asarray(np.eye(shape[1])[choice])
    if choice.shape != shape or not ((choice >= 0).all() and np.allclose(choice.sum(axis=1), 1)):
        raise RoutingError(
            f"a choice of shape {choice.shape} is no probabilities for {shape} tasks and candidates"
        )
    return np.asarray(choice, dtype=np.float64)


def achieved(choice: Choice, figure: Floats) -> Floats:
    """Return what a choice is expected to bring on each task (tasks,), of a figure known for each candidate.

    Of qualities its mean is the average performance, of costs the mean cost. NaN where a candidate's figure is.

    >>> quality = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> achieved(np.array([0, 0]), quality).tolist(), achieved(np.full((2, 2), 0.5), quality).tolist()
    ([1.0, 0.0], [0.5, 0.5])
    """
    return np.asarray((shares(choice, figure.shape) * figure).sum(axis=1))


def regret(choice: Choice, figure: Floats) -> Floats:
    """Return by how much a choice is expected to fall short of the best candidate of each task: (tasks,), ≥ 0.

    The best is known in hindsight, from the same outcomes. Source: T. Lattimore and C. Szepesvári, "Bandit
    Algorithms" (2020), section 4.4, with the best action of each single round instead of the best one throughout.

    >>> regret(np.array([0, 0]), np.array([[1.0, 0.0], [0.25, 1.0]])).tolist()
    [0.0, 0.75]
    """
    return np.asarray(figure.max(axis=1) - achieved(choice, figure))


def cumulative_regret(choice: Choice, figure: Floats) -> Floats:
    """Return the regret added up over the tasks in their order (tasks,); a task with an unknown figure adds nothing.

    >>> cumulative_regret(np.array([0, 0, 1]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.5]])).tolist()
    [0.0, 1.0, 1.5]
    """
    return np.asarray(np.nancumsum(regret(choice, figure)))


def is_best(choice: Choice, figure: Floats) -> Floats:
    """Return the probability of having chosen a best candidate of each task (tasks,); all that tie count as best.

    Its mean is the share of best choices. NaN where a candidate's figure is not known.

    >>> is_best(np.array([0, 0]), np.array([[1.0, 1.0], [0.0, 1.0]])).tolist()
    [1.0, 0.0]
    """
    best = np.where(np.isnan(figure), np.nan, figure >= figure.max(axis=1, keepdims=True) - _TIE)
    return np.asarray((shares(choice, figure.shape) * best).sum(axis=1))
