"""The nearest tasks that each candidate was tried on, by the cosine of their texts' vectors, found piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from learnlab.routing.tries import Floats, Ints, Tasks, Tries

_PIECE = 8_000_000


class Seen(NamedTuple):
    """What one candidate came to, an entry a task with any known quality: its place among the tasks, mean
    quality, and number of known qualities."""

    task: Ints
    quality: Floats
    n: Floats


class Near(NamedTuple):
    """The nearest entries of one candidate for some tasks, (tasks, neighbours); a similarity of -inf is nobody."""

    entry: Ints
    similarity: NDArray[np.float32]


@dataclass(frozen=True)
class Memory:
    """Tasks that were tried, and what came of each candidate on them."""

    tasks: Tasks
    seen: tuple[Seen, ...]

    @classmethod
    def of(cls, past: Tries) -> Memory:
        """Return the memory of these tries; only tasks with a known quality are kept."""
        known = past.take(np.isfinite(past.quality))
        rows = np.unique(known.task)
        kept = known.of_tasks(rows)
        places = range(len(kept.candidates))
        return cls(kept.tasks, tuple(_seen(kept.take(kept.candidate == place)) for place in places))

    def near(self, tasks: Tasks, k: int) -> Iterator[tuple[slice, list[Near]]]:
        """Yield, for pieces of the tasks, the k nearest entries of each candidate, in no order among themselves.

        Nothing of a task's own group is near it, nor anything of a task without a vector. A negative group is
        nobody's.
        """
        step = max(1, _PIECE // max(len(self.tasks), 1))
        for start in range(0, len(tasks), step):
            piece = slice(start, min(start + step, len(tasks)))
            yield piece, self._nearest(self._similarity(tasks, piece), k)

    def _similarity(self, tasks: Tasks, piece: slice) -> NDArray[np.float32]:
        """Return the cosine of each task and each remembered one, -inf within a group: (tasks, remembered)."""
        vectors, group = tasks.vectors[piece], tasks.group[piece]
        if vectors.shape[1] != self.tasks.vectors.shape[1] or vectors.shape[1] == 0:
            return np.full((len(vectors), len(self.tasks)), -np.inf, dtype=np.float32)
        alike = vectors @ self.tasks.vectors.T
        alike[_within(group, self.tasks.group)] = -np.inf
        alike[~vectors.any(axis=1)] = -np.inf
        return np.asarray(alike)

    def _nearest(self, alike: NDArray[np.float32], k: int) -> list[Near]:
        """Return the nearest entries of each candidate; those that were tried on the same tasks share theirs."""
        found: list[Near] = []
        for place, seen in enumerate(self.seen):
            twin = next((at for at in range(place) if np.array_equal(self.seen[at].task, seen.task)), None)
            found.append(_top(alike[:, seen.task], k) if twin is None else found[twin])
        return found


def _top(columns: NDArray[np.float32], k: int) -> Near:
    n = columns.shape[1]
    every = np.broadcast_to(np.arange(n), columns.shape)
    entry = np.argpartition(columns, n - k, axis=1)[:, n - k :] if n > k else every
    return Near(entry, np.take_along_axis(columns, entry, axis=1))


def _within(group: Ints, remembered: Ints) -> tuple[Ints, Ints]:
    """Return the pairs of places that are of one group, that of a task and that of a remembered one."""
    order = np.argsort(remembered, kind="stable")
    low, high = (np.searchsorted(remembered[order], group, side) for side in ("left", "right"))
    n = np.where(group >= 0, high - low, 0)
    row = np.repeat(np.arange(len(group)), n)
    within = np.arange(len(row)) - np.repeat(np.cumsum(n) - n, n)
    return row, order[np.repeat(low, n) + within]


def _seen(tries: Tries) -> Seen:
    """Return the entries of one candidate's tries, in the order of their tasks."""
    order = np.argsort(tries.task, kind="stable")
    task, first, n = np.unique(tries.task[order], return_index=True, return_counts=True)
    if not len(task):
        return Seen(task, np.zeros(0), np.zeros(0))
    return Seen(task, np.add.reduceat(tries.quality[order], first) / n, n.astype(np.float64))
