"""Full information: what every candidate would have achieved and cost on each task, which only benchmarks know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.routing.preference import Preference, PriceOfQuality
from learnlab.routing.tries import Floats, Ints, Tries


@dataclass(frozen=True)
class Outcomes:
    """What every candidate achieves (0-1) and costs (US dollars) on each task: (tasks, candidates).

    No quality is missing; a cost may be NaN, and figures about cost are then over the tasks whose costs are all
    known, the same ones for every router. `group` and `task_type` are those of the tasks.

    Raises:
        RoutingError: when a quality is missing or the shapes do not fit each other.
    """

    quality: Floats
    cost: Floats
    group: Ints
    task_type: NDArray[np.object_]

    def __post_init__(self) -> None:
        n = len(self.quality)
        if self.quality.ndim != 2 or not (self.cost.shape == self.quality.shape and len(self.group) == n):
            raise RoutingError(
                f"qualities {self.quality.shape}, costs {self.cost.shape} and groups {self.group.shape} do not fit:"
                " they are (tasks, candidates) twice, and (tasks,)"
            )
        if len(self.task_type) != n:
            raise RoutingError(f"{n} tasks come with {len(self.task_type)} task types")
        if missing := int((~np.isfinite(self.quality)).any(axis=1).sum()):
            raise RoutingError(
                f"{missing} of {n} tasks lack the quality of a candidate: nobody knows how a choice of it would have"
                " done. Leave them out with tries.of_tasks(is_complete(tries)), or ask learnlab.routing.counterfactual"
            )

    def __len__(self) -> int:
        return len(self.quality)

    def take(self, rows: Ints | NDArray[np.bool_]) -> Outcomes:
        """Return the outcomes of some of the tasks."""
        return Outcomes(self.quality[rows], self.cost[rows], self.group[rows], self.task_type[rows])


def is_complete(tries: Tries) -> NDArray[np.bool_]:
    """Return for each task whether the quality of every candidate on it is known: (tasks,)."""
    return np.asarray(np.isfinite(tries.matrix()[0]).all(axis=1))


def outcomes(tries: Tries) -> Outcomes:
    """Return what every candidate achieved and cost on each task of these tries; means where one was tried again.

    Raises:
        RoutingError: when a candidate's quality on a task is not known.
    """
    quality, cost = tries.matrix()
    task_type = tries.tasks.known["task_type"].fill_null("unknown").to_numpy().astype(object)
    return Outcomes(quality, cost, tries.tasks.group, task_type)


def value(of: Outcomes, preference: Preference) -> Floats:
    """Return what each candidate is worth on each task (tasks, candidates): what routers are compared in.

    At a price of quality, US dollars: quality times what a success is worth, less its cost. Under a budget or above
    a floor, the quality: both limits hold for what is expected, not for a single outcome, and whether the means
    keep to them stands beside it (`summary`).
    """
    return preference.rank(of.quality, of.cost) if isinstance(preference, PriceOfQuality) else of.quality
