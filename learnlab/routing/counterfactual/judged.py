"""Which tries of a log can be judged: those whose propensity was logged; and the refusal where that are too few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from learnlab.errors import RoutingError
from learnlab.routing.counterfactual.estimators import Log
from learnlab.routing.tries import Floats, Ints, Tries

LEAST_SHARE = 0.5
"""Below this share of tries with a propensity nothing is judged: the answer would hold for a minority alone."""

NEEDED = (
    "Needed is the probability with which the router chose what it chose, logged at the moment of choosing: "
    "`propensity` of an execution, or of the chosen candidate of a routing decision (learnlab.route does); "
    "routing_confidence is none"
)
"""What would be needed, in words."""


@dataclass(frozen=True)
class Judged:
    """The tries of a log that have a propensity, how many there were in all, and so for how many the answer holds."""

    tries: Tries
    n_all: int

    @property
    def n_left_out(self) -> int:
        """Tries without a propensity: retries, other sources, the time before it was logged."""
        return self.n_all - len(self.tries)

    @property
    def share(self) -> float:
        """The share of tries that are judged (0-1)."""
        return len(self.tries) / self.n_all

    @property
    def days(self) -> float:
        """The days from the first judged try to the last; NaN where a time is not recorded."""
        times = self.tries.started_at
        if not len(times) or np.isnat(times).any():
            return float("nan")
        return float((times.max() - times.min()) / np.timedelta64(1, "s")) / 86_400

    def log(self, figure: Floats, *, is_rate: bool = False) -> Log:
        """Return the log of the tries whose figure is known, their groups numbered from 0.

        Raises:
            RoutingError: when a logged propensity is not above 0 and at most 1.
        """
        rows, tries = np.isfinite(figure), self.tries
        group = np.unique(tries.tasks.group[tries.task[rows]], return_inverse=True)[1]
        return Log(
            figure[rows], tries.candidate[rows], tries.propensity[rows], group.astype(np.int64), is_rate
        )


def judged(tries: Tries, *, lacking: Mapping[str, int] | None = None, least: float = LEAST_SHARE) -> Judged:
    """Return the tries whose propensity is known, and refuse where they are too few to speak for the log.

    `lacking` says how many tries lack it by their source, for the words of the refusal.

    Raises:
        RoutingError: when there are no tries, when less than a share `least` of them has a propensity, when one is
            not above 0 and at most 1, or when all are 1, so that nothing was ever tried but what was chosen.
    """
    if not len(tries):
        raise RoutingError("there are no tries to judge a policy by")
    there = np.isfinite(tries.propensity)
    n, n_all = int(there.sum()), len(tries)
    if not n or n < least * n_all:
        raise RoutingError(
            f"{n_all - n:,} of {n_all:,} tries lack the propensity of what was chosen{_from(lacking)}: "
            f"what another policy would have done is judged where at least {least:.0%} have one. {NEEDED}"
        )
    found = Judged(tries.take(there), n_all)
    Log(np.zeros(n), found.tries.candidate, found.tries.propensity, np.arange(n))
    if (found.tries.propensity == 1).all():
        raise RoutingError(
            f"all {n:,} logged propensities are 1: the router never tried anything but its choice, and the log "
            "cannot say what the others would have done. Let it explore, if only a little"
        )
    return found


def earlier_and_later(found: Judged, share: float) -> tuple[Tries, Judged]:
    """Return the first share of the tries, to learn policies from, and the later ones, to judge them by.

    Tries without a recorded time come first. A text that is asked again may stand on both sides, as it does for a
    router that is in use: a policy may know what came before.

    Raises:
        RoutingError: when the share is not between 0 and 1, or leaves nothing on one side.

    >>> from learnlab.routing.tries import KNOWN, Tasks
    >>> import polars as pl
    >>> tasks = Tasks(pl.DataFrame([[None] * 6] * 3, KNOWN, orient="row"), np.zeros((3, 0), np.float32), np.arange(3))
    >>> times, figures = np.array(["2026-05-02", "2026-05-01", "2026-05-03"], "datetime64[us]"), np.full(3, 0.5)
    >>> tries = Tries(tasks, (), np.arange(3), np.zeros(3, int), figures, figures, figures, times)
    >>> [len(part) for part in (lambda a, b: (a, b.tries))(*earlier_and_later(Judged(tries, 3), 0.7))]
    [2, 1]
    """
    if not 0 < share < 1:
        raise RoutingError(f"the share to learn from is {share!r}: it must be a number between 0 and 1")
    tries = found.tries
    order = np.argsort(
        np.where(np.isnat(tries.started_at), np.datetime64(0, "us"), tries.started_at), kind="stable"
    )
    cut = round(share * len(order))
    if not 0 < cut < len(order):
        raise RoutingError(f"{len(order)} tries are too few to learn from some and judge by the others")
    earlier, later = (_alone(tries, rows) for rows in (order[:cut], order[cut:]))
    return earlier, Judged(later, len(later))


def _alone(tries: Tries, rows: Ints) -> Tries:
    """Return some tries with their own tasks alone."""
    some = tries.take(rows)
    return some.of_tasks(np.unique(some.task))


def _from(lacking: Mapping[str, int] | None) -> str:
    """Return which sources lack it most, in words."""
    if not lacking:
        return ""
    ranked = sorted(lacking.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{n:,} from {source!r}" for source, n in ranked[:3]]
    rest = sum(n for _, n in ranked[3:])
    named += [f"{rest:,} from {len(ranked) - 3:,} other sources"] if rest else []
    return f" ({', '.join(named)})"
