"""What came of other tasks, as the network is told of it: looked up by kind, and seen on the nearest texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from learnlab.routing.baselines.tables import BY_TYPE_AND_REPO, Table, cost_table, quality_table
from learnlab.routing.shrinkage import Means
from learnlab.routing.sona.drift import Change, since_changes
from learnlab.routing.sona.neighbours import Bank
from learnlab.routing.sona.network import Singles
from learnlab.routing.sona.surface import Surface
from learnlab.routing.tries import Ints, Tasks, Tries

FOLDS = 5
"""Parts of the tasks learned from; each is told of by the others alone, as a new task would be."""

LEAST_COST = 1e-9
"""US dollars that a cost counts as at least, so that it has a logarithm."""


@dataclass(frozen=True)
class Told:
    """What is told of tasks before the network: looked-up quality and cost, with their errors, and its inputs."""

    quality: Means
    cost: Means
    inputs: Singles


@dataclass(frozen=True)
class Past:
    """Tries, of which what was before a change is unknown, in tables by kind and as a bank of texts."""

    tries: Tries
    quality: Table
    cost: Table
    bank: Bank
    changes: tuple[Change, ...] = ()

    @classmethod
    def of(cls, tries: Tries) -> Past:
        """Return the past that tries make; what was before a change is unknown in it (`drift.since_changes`)."""
        kept, changes = since_changes(tries)
        quality, cost = quality_table(kept, BY_TYPE_AND_REPO), cost_table(kept, BY_TYPE_AND_REPO)
        return cls(kept, quality, cost, Bank.of(kept), changes)

    def tell(self, tasks: Tasks, surface: Surface) -> Told:
        """Return what is told of tasks that the past does not hold."""
        quality, cost = self.quality.expect(tasks.known), self.cost.expect(tasks.known)
        near = self.bank.near(tasks.vectors, np.full(len(tasks), -1, dtype=np.int64), quality.mean)
        return _told(quality, cost, near, surface.of_tasks(tasks))

    def tell_its_own(self, surface: Surface) -> Told:
        """Return what is told of the past's own tasks: by the tries of other folds, and by texts of other groups.

        Where a change lies is found by the tries of all of them: a task near one may say where, by its own outcome.
        """
        return _told(*self._of_its_own, surface.of_tasks(self.tries.tasks))

    @cached_property
    def _of_its_own(self) -> tuple[Means, Means, Singles]:
        """Quality and cost looked up for its own tasks, and quality on the nearest texts: the same for every surface."""
        tasks = self.tries.tasks
        fold = folds(tasks.group, FOLDS, seed=0)
        shape = len(tasks), len(self.tries.candidates)
        parts = [np.full(shape, np.nan) for _ in range(4)]
        for one in range(FOLDS):
            is_here = fold == one
            if not is_here.any():
                continue
            others = self.tries.take(~is_here[self.tries.task])
            known = tasks.known.filter(is_here)
            found = [table(others, BY_TYPE_AND_REPO).expect(known) for table in (quality_table, cost_table)]
            for part, values in zip(parts, (*found[0], *found[1]), strict=True):
                part[is_here] = values
        quality, cost = Means(*parts[:2]), Means(*parts[2:])
        return quality, cost, self.bank.near(tasks.vectors, tasks.group, quality.mean)


def folds(group: Ints, n: int, seed: int) -> Ints:
    """Return the fold of each task, 0 to n - 1, at random; tasks of one group have one fold."""
    of_group = np.random.default_rng(seed).permutation(int(group.max(initial=-1)) + 1) % n
    return np.asarray(of_group[group], dtype=np.int64)


def log_odds(share: np.ndarray) -> np.ndarray:
    """Return the logarithm of the odds of shares (0-1), kept within ±7; NaN stays NaN."""
    inside = np.minimum(np.maximum(share, 1e-3), 1 - 1e-3)
    return np.asarray(np.log(inside / (1 - inside)))


def _told(quality: Means, cost: Means, near: Singles, columns: Singles) -> Told:
    base = log_odds(quality.mean)
    offsets = [base, np.log(np.maximum(cost.mean, LEAST_COST))]
    beside = log_odds(near) - base[:, :, None]
    n, *wide = beside.shape
    inputs = np.concatenate([*offsets, beside.reshape(n, prod(wide)), columns], axis=1).astype(np.float32)
    if not np.isfinite(inputs).all():
        inputs = np.nan_to_num(inputs)
    return Told(quality, cost, inputs)
