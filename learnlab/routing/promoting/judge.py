"""Compares two routers on tries that neither has learned from: what a task gains, in US dollars, by one or the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learnlab.errors import RoutingError
from learnlab.intervals import TOO_FEW, Counts, Interval, cluster_bootstrap
from learnlab.routing.counterfactual import crossfit
from learnlab.routing.counterfactual.estimators import doubly_robust
from learnlab.routing.counterfactual.judged import judged
from learnlab.routing.counterfactual.overlap import kinds, overlap
from learnlab.routing.counterfactual.ratios import difference
from learnlab.routing.evaluate.resampling import verdict
from learnlab.routing.narrowing import expectations
from learnlab.routing.preference import PriceOfQuality, best
from learnlab.routing.router import Fitted, Router
from learnlab.routing.tries import Flags, Floats, Ints, Tasks, Tries

ALL_TRIED = "every candidate tried on every task"
FROM_PROPENSITIES = "doubly robust, from logged propensities"

_COMPLETE = 0.9
"""The share of tasks on which every candidate must have been tried with a known outcome to compare what came of each."""


@dataclass(frozen=True)
class Compared:
    """What a task gains by the first of two routers over the second (US dollars), 95 %, and how that was found.

    `gain` is None where it could not be found, and `note` says why and what would be needed; else `note` says what
    was left out.
    """

    gain: Interval | None
    judged_by: str | None = None
    note: str = ""

    @property
    def is_better(self) -> bool:
        """Whether the interval lies above 0, of enough tasks."""
        return self.gain is not None and self.gain.n >= TOO_FEW and self.gain.low > 0

    @property
    def verdict(self) -> str:
        """What that says, in words."""
        if self.gain is None or not np.isfinite(self.gain.low):
            return "not judged"
        return verdict(self.gain)


def judge(
    held: Tries, first: Fitted, second: Fitted, preference: PriceOfQuality, model: Router, *, seed: int = 0
) -> Compared:
    """Return what a task gains by the first router over the second on tries that neither has learned from.

    The gain is in worth times quality less cost. Where every candidate was tried on every task it is that of what
    each would have chosen, with a bootstrap interval over groups of tasks; else it is estimated from the logged
    propensities, doubly robust, with the interval of `counterfactual`; `model` is what that leans on. Where they are
    missing too, nothing is claimed.
    """
    if not len(held):
        return Compared(None, note="there is nothing later than what was learned from to judge by")
    try:
        chosen, other = (_chosen(one, held, preference) for one in (first, second))
    except RoutingError as error:
        return Compared(None, note=str(error))
    quality, cost = held.matrix()
    value = _value(quality, cost, preference)
    complete = np.asarray(np.isfinite(value).all(axis=1))
    if value.size and complete.mean() >= _COMPLETE:
        return _of_all(value, complete, held.tasks, chosen, other, seed)
    try:
        return _of_logged(held, chosen, other, preference, model, seed)
    except RoutingError as error:
        return Compared(None, note=str(error))


def _chosen(fitted: Fitted, held: Tries, preference: PriceOfQuality) -> Ints:
    return best(expectations(fitted, held.tasks, held.candidates), preference)


def _value(quality: Floats, cost: Floats, preference: PriceOfQuality) -> Floats:
    """Return what tries are worth, US dollars; where no cost at all is known, by their quality alone."""
    return preference.rank(quality, cost if np.isfinite(cost).any() else np.zeros_like(cost))


def _of_all(value: Floats, complete: Flags, tasks: Tasks, chosen: Ints, other: Ints, seed: int) -> Compared:
    rows = np.flatnonzero(complete)
    gain = value[rows, chosen[rows]] - value[rows, other[rows]]

    def mean(drawn: Counts) -> Floats:
        return np.asarray((drawn @ gain / drawn.sum(axis=1))[:, None])

    (found,) = cluster_bootstrap(tasks.group[rows], mean, seed=seed)
    if found is None:
        return Compared(None, note="all later tasks are of one group: too few to tell")
    left_out = len(complete) - len(rows)
    note = (
        f"{left_out:,} of {len(complete):,} tasks are left out: not every outcome is known"
        if left_out
        else ""
    )
    return Compared(found, ALL_TRIED, note)


def _of_logged(
    held: Tries, chosen: Ints, other: Ints, preference: PriceOfQuality, model: Router, seed: int
) -> Compared:
    logged = judged(held)
    reward = _value(logged.tries.quality, logged.tries.cost, preference)
    log, tries = logged.log(reward), logged.tries.take(np.isfinite(reward))
    kind = kinds(tries.tasks)[tries.task]
    targets = [np.eye(len(tries.candidates))[places[tries.task]] for places in (chosen, other)]
    for target in targets:
        found = overlap(log, target, kind)
        if not found.is_identified or found.n_effective < TOO_FEW:
            return Compared(None, note=f"the log cannot tell: {found.note}")
    expected = _value(*crossfit.expected(tries, model, seed=seed), preference)
    gain = difference(*(doubly_robust(log, target, expected) for target in targets))
    left_out = len(held) - len(tries)
    note = f"{left_out:,} of {len(held):,} tries are left out: no propensity, verdict or cost is known"
    return Compared(gain._replace(n=len(np.unique(log.group))), FROM_PROPENSITIES, note if left_out else "")
