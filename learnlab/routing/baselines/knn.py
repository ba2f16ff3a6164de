"""The baseline of nearest neighbours: what came of each candidate on the tasks whose texts are most alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from learnlab.events import Candidate
from learnlab.routing.baselines.neighbours import Memory, Near, Seen
from learnlab.routing.baselines.tables import BY_TYPE, Table, cost_table, quality_table
from learnlab.routing.router import Expected
from learnlab.routing.shrinkage import Means
from learnlab.routing.tries import Floats, Ints, Tasks, Tries

MOST = 15_000
"""Tasks that are remembered at most: the last ones that were tried."""

JUDGED = 2_000
"""Remembered tasks on which the number of neighbours is chosen, spread evenly over all."""

NEIGHBOURS, WEIGHTS = (10, 20, 50, 100, 200, 400), (3.0, 10.0, 30.0)
"""What is tried: numbers of neighbours, and how many neighbours of cosine 1 a candidate's mean weighs."""


class Size(NamedTuple):
    """How many neighbours are asked, and how many of cosine 1 their candidate's mean weighs."""

    k: int
    weight: float


@dataclass(frozen=True)
class Asked:
    """A fitted memory; see `Neighbours`."""

    name: str
    candidates: tuple[Candidate, ...]
    memory: Memory
    quality: Table
    cost: Table
    size: Size

    def expect(self, tasks: Tasks) -> Expected:
        """Return the mean of each task's neighbours, shrunk to the candidate's; a task without a vector has none."""
        mean, error = np.empty((2, len(tasks), len(self.candidates)))
        top = self.quality.expect(tasks.known)
        for piece, near in self.memory.near(tasks, self.size.k):
            for place, (found, seen) in enumerate(zip(near, self.memory.seen, strict=True)):
                above = Means(top.mean[piece, place], top.error[piece, place])
                mean[piece, place], error[piece, place] = weighed(found, seen, above, self.size.weight)
        return Expected(mean, error, *self.cost.expect(tasks.known))


@dataclass(frozen=True)
class Neighbours:
    """The k nearest tasks tried with a candidate, by the cosine of their texts, shrunk to the candidate's mean.

    With cosines w (0 where negative), n known qualities of mean q each, a candidate's mean p and a weight s:
    (Σ w n q + s p) / (Σ w n + s); the error is that of a beta distribution with Σ w n + s tries. k and s are
    those of the least squared error on remembered tasks, each left out with all of its group. Costs are those of
    the lookup by task type. T. Cover and P. Hart, IEEE Transactions on Information Theory 13 (1967), 21-27.
    """

    name: str = "knn"

    def fit(self, tries: Tries) -> Asked:
        """Return the memory of the last 15,000 tasks of these tries, with the size that serves best."""
        quality = quality_table(tries, ())
        memory = Memory.of(_last(tries, MOST))
        size = _size(memory, quality)
        return Asked(self.name, tries.candidates, memory, quality, cost_table(tries, BY_TYPE), size)


def weighed(near: Near, seen: Seen, above: Means, weight: float) -> Means:
    """Return the mean quality of each task's neighbours, shrunk to what stands above, and its error: (tasks,)."""
    trust = np.maximum(near.similarity, 0.0) * seen.n[near.entry]
    n = trust.sum(axis=1) + weight
    mean = ((trust * seen.quality[near.entry]).sum(axis=1) + weight * above.mean) / n
    return Means(mean, np.sqrt(mean * (1 - mean) / (n + 1) + (weight * above.error / n) ** 2))


def _last(tries: Tries, most: int) -> Tries:
    """Return the tries of the tasks that were tried last, at most so many."""
    tried = tries.task[np.isfinite(tries.quality)]
    _, newest = np.unique(tried[::-1], return_index=True)
    return tries.of_tasks(tried[::-1][np.sort(newest)[:most]])


def _size(memory: Memory, quality: Table) -> Size:
    """Return the number of neighbours and the weight of the least squared error, own groups left out."""
    sizes = [Size(k, weight) for k in NEIGHBOURS for weight in WEIGHTS]
    rows = np.unique(np.linspace(0, max(len(memory.tasks) - 1, 0), JUDGED).astype(np.int64))
    if not len(memory.tasks):
        return sizes[0]
    judged = memory.tasks.take(rows)
    error = np.zeros(len(sizes))
    for piece, near in memory.near(judged, max(NEIGHBOURS)):
        for found, seen, top in zip(near, memory.seen, quality.candidates.mean[0], strict=True):
            error += _errors(found, seen, rows[piece], float(top), sizes)
    return sizes[int(error.argmin())]


def _errors(near: Near, seen: Seen, rows: Ints, top: float, sizes: list[Size]) -> Floats:
    """Return the sum of squared errors of each size on those tasks that the candidate was tried on."""
    at = np.searchsorted(seen.task, rows)
    tried = np.flatnonzero(np.append(seen.task, -1)[at] == rows)
    if not len(tried):
        return np.zeros(len(sizes))
    nearest = np.argsort(-near.similarity[tried], axis=1, kind="stable")
    entry = np.take_along_axis(near.entry[tried], nearest, axis=1)
    alike = np.take_along_axis(near.similarity[tried], nearest, axis=1)
    trust = np.maximum(alike, 0.0) * seen.n[entry]
    sums, totals = trust.cumsum(axis=1), (trust * seen.quality[entry]).cumsum(axis=1)
    truth, n, most = seen.quality[at[tried]], seen.n[at[tried]], entry.shape[1]
    told = (
        (totals[:, min(k, most) - 1] + weight * top) / (sums[:, min(k, most) - 1] + weight)
        for k, weight in sizes
    )
    return np.array([float((n * (mean - truth) ** 2).sum()) for mean in told])
