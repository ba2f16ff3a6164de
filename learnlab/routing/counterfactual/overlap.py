"""How far a log can speak for another policy: how many tries count, how unevenly, and what was never tried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learnlab.intervals import TOO_FEW, Interval
from learnlab.routing.counterfactual.estimators import Log, kish
from learnlab.routing.counterfactual.ratios import ratio
from learnlab.routing.tries import Floats, Ints, Tasks

HARDLY = 0.02
"""A choice is hardly ever made on a kind of task when the log made it in less than this share of its tries."""

SURELY = 5.0
"""So many tries of a choice must be expected on a kind of task before none at all means that it is not made there."""

_RARE = 3.2905 / 1.95996
"""Half-widths of a 95 % interval that a normal estimate is off one time in a thousand."""

MOST_NEVER = 0.01
"""Up to this share of its choices a policy may make what was never tried; beyond it, it is not identified."""


@dataclass(frozen=True)
class Overlap:
    """How well a log supports judging a policy.

    `n_effective` is Kish's; `mean_weight` is 1 where everything the policy chooses had a chance in the log;
    `largest_share` is the part of the largest weight in the sum of all. `never_rate` and `hardly_rate` are the shares
    of the policy's choices (0-1) that were never, or hardly ever, made on the same kind of task.
    """

    n: int
    n_effective: float
    mean_weight: Interval
    median_weight: float
    high_weight: float
    largest_weight: float
    largest_share: float
    never_rate: float
    hardly_rate: float

    @property
    def is_identified(self) -> bool:
        """Whether the log can say anything of the policy: what it chooses was tried."""
        return self.n_effective > 0 and self.never_rate <= MOST_NEVER

    @property
    def note(self) -> str:
        """What must be known before the estimates are read; empty where nothing stands against them."""
        if not self.is_identified:
            return f"not identified: {self.never_rate:.0%} of its choices were never tried"
        if self.n_effective < TOO_FEW:
            return "too few to tell"
        if is_off(self.mean_weight):
            return "the weights do not average 1: logged propensities or support are in doubt"
        if self.largest_share > 0.1:
            return "one try decides a tenth or more"
        return ""


def is_off(mean: Interval) -> bool:
    """Return whether a mean that tends to 1 is farther from it than chance brings one in a thousand.

    >>> is_off(Interval(0.9, 0.85, 0.95, 100)), is_off(Interval(0.98, 0.97, 0.99, 100)), is_off(Interval(1, 1, 1, 9))
    (True, True, False)
    >>> is_off(Interval(0.9, 0.82, 0.98, 100))
    False
    """
    return abs(mean.estimate - 1) > _RARE * (mean.high - mean.low) / 2


def kinds(tasks: Tasks) -> Ints:
    """Return the kind of each task, its task type as a number from 0; all whose type is unknown (null) are one kind."""
    return tasks.known["task_type"].fill_null("").rank("dense").to_numpy().astype(np.int64) - 1


def overlap(log: Log, target: Floats, kind: Ints) -> Overlap:
    """Return how far a log supports a policy; `kind` numbers the kind of task of each try, from 0.

    >>> log = Log(np.ones(4), np.zeros(4, dtype=int), np.full(4, 0.5), np.arange(4))
    >>> overlap(log, np.tile([0.0, 1.0], (4, 1)), np.zeros(4, dtype=int)).note
    'not identified: 100% of its choices were never tried'
    """
    weights = log.weights(target)
    total = float(weights.sum())
    k = target.shape[1]
    counts = np.bincount(kind * k + log.chosen, minlength=(int(kind.max(initial=0)) + 1) * k).reshape(-1, k)
    of_kind, of_all = counts.sum(axis=1, keepdims=True), counts.sum(axis=0)
    missed = (counts == 0) & ((of_all == 0) | (of_kind * of_all >= SURELY * max(len(log), 1)))
    never = target * missed[kind]
    hardly = target * ((counts > 0) & (counts < HARDLY * of_kind))[kind]
    mean = ratio(weights, np.ones(len(log)), log.group).interval()
    return Overlap(
        n=len(log),
        n_effective=kish(weights),
        mean_weight=mean,
        median_weight=float(np.median(weights)),
        high_weight=float(np.quantile(weights, 0.99)),
        largest_weight=float(weights.max(initial=0.0)),
        largest_share=float(weights.max(initial=0.0)) / total if total else 0.0,
        never_rate=float(never.sum(axis=1).mean()),
        hardly_rate=float(hardly.sum(axis=1).mean()),
    )
