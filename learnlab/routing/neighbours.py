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
    quality, number of known qualities, mean cost (NaN where unknown), and when the last of its tries began."""

    task: Ints
    quality: Floats
    n: Floats
    cost: Floats
    at: NDArray[np.datetime64]


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

    def near(
        self, tasks: Tasks, k: int, as_of: NDArray[np.datetime64] | None = None
    ) -> Iterator[tuple[slice, list[Near]]]:
        """Yield, for pieces of the tasks, the k nearest entries of each candidate, in no order among themselves.

        Nothing of a task's own group is near it, nor anything of a task without a vector; with `as_of`, a moment
        a task, only what began before that moment is, so nothing without a time. A negative group is nobody's.
        """
        step = max(1, _PIECE // max(len(self.tasks), 1))
        for start in range(0, len(tasks), step):
            piece = slice(start, min(start + step, len(tasks)))
            alike = self._similarity(tasks, piece)
            yield piece, self._nearest(alike, k, None if as_of is None else as_of[piece])

    def _similarity(self, tasks: Tasks, piece: slice) -> NDArray[np.float32]:
        """Return the cosine of each task and each remembered one, -inf within a group: (tasks, remembered)."""
        vectors, group = tasks.vectors[piece], tasks.group[piece]
        if vectors.shape[1] != self.tasks.vectors.shape[1] or vectors.shape[1] == 0:
            return np.full((len(vectors), len(self.tasks)), -np.inf, dtype=np.float32)
        alike = vectors @ self.tasks.vectors.T
        alike[_within(group, self.tasks.group)] = -np.inf
        alike[~vectors.any(axis=1)] = -np.inf
        return np.asarray(alike)

    def _nearest(
        self, alike: NDArray[np.float32], k: int, as_of: NDArray[np.datetime64] | None
    ) -> list[Near]:
        found: list[Near] = []
        for place, seen in enumerate(self.seen):
            twin = next((at for at in range(place) if _is_same(self.seen[at], seen, as_of)), None)
            found.append(_top(alike, seen, k, as_of) if twin is None else found[twin])
        return found


def _is_same(one: Seen, other: Seen, as_of: NDArray[np.datetime64] | None) -> bool:
    """Return whether the nearest entries of one candidate are those of the other."""
    return np.array_equal(one.task, other.task) and (as_of is None or np.array_equal(one.at, other.at))


def _top(alike: NDArray[np.float32], seen: Seen, k: int, as_of: NDArray[np.datetime64] | None) -> Near:
    columns = alike[:, seen.task]
    if as_of is not None:
        columns[~(seen.at[None, :] < as_of[:, None])] = -np.inf
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
        return Seen(task, np.zeros(0), np.zeros(0), np.zeros(0), tries.started_at[:0])
    priced = np.isfinite(tries.cost)[order].astype(np.float64)
    paid = np.add.reduceat(np.where(priced > 0, tries.cost[order], 0.0), first)
    n_priced = np.add.reduceat(priced, first)
    return Seen(
        task,
        np.add.reduceat(tries.quality[order], first) / n,
        n.astype(np.float64),
        np.where(n_priced > 0, paid / np.maximum(n_priced, 1), np.nan),
        np.maximum.reduceat(tries.started_at[order], first),
    )
