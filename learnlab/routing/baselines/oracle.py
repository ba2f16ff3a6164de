"""The oracle: it knows what will come of every candidate, and is there to measure others by, not to route."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.routing.router import Expected
from learnlab.routing.tries import Floats, Tasks, Tries


@dataclass(frozen=True)
class Oracle:
    """The outcomes of some tasks, told as if they were expected: no router can be better on them.

    `quality` and `cost` are (tasks, candidates), for exactly these tasks in this order. It cannot be fitted and
    knows nothing of any other task.
    """

    candidates: tuple[Candidate, ...]
    tasks: Tasks
    quality: Floats
    cost: Floats
    name: str = "oracle"

    @classmethod
    def of(cls, tries: Tries) -> Oracle:
        """Return the oracle of tries: the means of what came of each candidate; NaN where it was not tried."""
        return cls(tries.candidates, tries.tasks, *tries.matrix())

    def expect(self, tasks: Tasks) -> Expected:
        """Return the outcomes of its own tasks, without any error.

        Raises:
            RoutingError: for other tasks than its own.
        """
        is_own = tasks is self.tasks or (
            np.array_equal(tasks.group, self.tasks.group) and tasks.known.equals(self.tasks.known)
        )
        if not is_own:
            raise RoutingError("an oracle knows the outcomes of its own tasks alone, in their own order")
        return Expected(self.quality, 0 * self.quality, self.cost, 0 * self.cost)
