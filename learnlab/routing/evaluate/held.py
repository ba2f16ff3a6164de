"""What is judged: the tasks that a split held out, and what each router expects of them or chose for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.routing.evaluate.choices import Choice, shares
from learnlab.routing.evaluate.outcomes import Outcomes
from learnlab.routing.router import Expected
from learnlab.routing.tries import Floats, Ints


@dataclass(frozen=True)
class Held:
    """The tasks that one split held out, and what each router expects of them or chose for them, by its name."""

    outcomes: Outcomes
    routers: Mapping[str, Expected | Choice]

    def take(self, rows: Ints | NDArray[np.bool_]) -> Held:
        """Return the same for some of the tasks."""
        return Held(self.outcomes.take(rows), {name: _taken(one, rows) for name, one in self.routers.items()})

    def two(self) -> tuple[Floats, Floats]:
        """Return the qualities of the first candidate, the weak one, and of the second, the strong one: (tasks,) each.

        Raises:
            RoutingError: when there are not two candidates.
        """
        quality = self.outcomes.quality
        if quality.shape[1] != 2:
            raise RoutingError(f"a gap lies between 2 candidates: these tasks have {quality.shape[1]}")
        return quality[:, 0], quality[:, 1]

    def gain(self, router: str) -> Floats:
        """Return how much a router expects the second candidate to be better than the first, for each task (tasks,).

        Of a router that chose, it is the probability with which it chose the second.
        """
        judged = self.routers[router]
        if isinstance(judged, Expected):
            return np.asarray(judged.quality[:, 1] - judged.quality[:, 0])
        return shares(judged, self.outcomes.quality.shape)[:, 1]


def _taken(judged: Expected | Choice, rows: Ints | NDArray[np.bool_]) -> Expected | Choice:
    return judged.take(rows) if isinstance(judged, Expected) else judged[rows]
