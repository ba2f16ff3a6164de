"""Splits of tries into what is learned from and what is judged: by time, or by groups at random.

Nothing of a group ever stands on both sides, and `joined_groups` makes one group of near-duplicates first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.routing.extra import extra
from learnlab.routing.tries import Flags, Ints, Tasks, Tries

NEAR_DUPLICATE = 0.95
"""The cosine from which two texts count as one problem.

Looked up among 15,432 benchmark questions under MiniLM: pairs above 0.95 are one question with its options in
another order, its numbers changed, or asked again of the same passage. Between 0.90 and 0.94 most pairs share a
template alone ("For which of these two scenarios …"), and from 0.90 on such a template ties 668 tasks into one.
"""

_PIECE = 2_000


@dataclass(frozen=True)
class Split:
    """Tries to learn from and tries to judge by, which share no group.

    `judged_rows` are the rows that the judged tasks had among all tasks. `n_left_out` counts the tries that stand on
    neither side.
    """

    learned: Tries
    judged: Tries
    judged_rows: Ints
    n_left_out: int = 0


def joined_groups(tasks: Tasks, cosine: float = NEAR_DUPLICATE) -> Ints:
    """Return a group for each task (tasks,), numbered from 0: groups are united where two vectors are this close.

    Closeness passes on: of three texts the first and the last may be less alike. Tasks without a vector keep their
    group. Vectors are compared in blocks, so that memory grows with the number of tasks and not with its square.

    >>> import polars as pl
    >>> from learnlab.routing.tries import KNOWN
    >>> known = pl.DataFrame([[None] * len(KNOWN)] * 3, schema=KNOWN, orient="row")
    >>> vectors = np.array([[1, 0], [0.6, 0.8], [0.8, 0.6]], dtype=np.float32)
    >>> joined_groups(Tasks(known, vectors, np.array([7, 8, 9]))).tolist()
    [0, 1, 1]
    """
    _, first, own = np.unique(tasks.group, return_index=True, return_inverse=True)
    vectors, row, place = _distinct(tasks.vectors)
    there = np.flatnonzero(place >= 0)
    united = _united(first[own], there, row[place[there]])
    for at in range(0, len(vectors), _PIECE):
        for to in range(at, len(vectors), _PIECE):
            one, other = np.nonzero(vectors[at : at + _PIECE] @ vectors[to : to + _PIECE].T > cosine)
            united = _united(united, row[at + one], row[to + other])
    return np.asarray(np.unique(united, return_inverse=True)[1], dtype=np.int64)


def _distinct(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], Ints, Ints]:
    """Return the different vectors that are not zero, the first row of each, and each row's place among them or -1."""
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    place = np.full(len(rows), -1, dtype=np.int64)
    there = np.flatnonzero(rows.any(axis=1))
    if not len(there):
        return rows[:0], there, place
    whole = rows[there].view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
    place[there] = inverse
    return rows[there[first]], there[first], place


def _united(first: Ints, one: Ints, other: Ints) -> Ints:
    """Return the first task of each task's group, once each of `one` is in a group with its fellow of `other`."""
    is_apart = first[one] != first[other]
    if not is_apart.any():
        return first
    sparse, csgraph = extra("scipy.sparse"), extra("scipy.sparse.csgraph")
    n = len(first)
    rows, columns = np.append(np.arange(n), one[is_apart]), np.append(first, other[is_apart])
    graph = sparse.coo_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(n, n))
    group = csgraph.connected_components(graph, directed=False)[1]
    return np.asarray(np.unique(group, return_index=True)[1][group], dtype=np.int64)


def without_near_duplicates(tries: Tries, cosine: float = NEAR_DUPLICATE) -> Tries:
    """Return the same tries, their tasks in groups that hold near-duplicates together: what to split."""
    return replace(tries, tasks=replace(tries.tasks, group=joined_groups(tries.tasks, cosine)))


def by_time(tries: Tries, share: float = 0.8) -> Split:
    """Return the first tries, about this share of those whose time is known, to learn from, and the later to judge by.

    Every judged try is later than everything learned from. Of a group that has tries on both sides the earlier are
    learned from and the later left out, as a new decision would find it; tries without a time are left out too.

    Raises:
        RoutingError: when the times leave nothing to learn from, or nothing to judge by.
    """
    known = ~np.isnat(tries.started_at)
    times = np.sort(tries.started_at[known])
    if not len(times) or times[0] == times[-1]:
        raise RoutingError(
            f"{len(times)} of {len(tries)} tries have a time, and no two differ: they have no earlier and later part"
        )
    cut = times[min(max(round(share * len(times)), 1), len(times) - 1)]
    cut = cut if cut > times[0] else times[times > cut][0]
    earlier = known & (tries.started_at < cut)
    group = tries.tasks.group[tries.task]
    later = known & ~earlier & ~np.isin(group, group[earlier])
    if not later.any():
        raise RoutingError(
            "every problem tried later was tried earlier too: nothing is left to judge by. Split by group instead"
        )
    return _split(tries, earlier, later)


def folds(tries: Tries, k: int = 5, seed: int = 0) -> Iterator[Split]:
    """Yield k splits of which each judges another k-th of the tasks, whole groups at random, and learns from the rest.

    Folds are about equal in tasks: groups go, the largest first, equal ones in random order, where fewest are.

    Raises:
        RoutingError: when there are fewer groups than folds.
    """
    fold = _fold_of_task(tries.tasks, k, seed)
    for one in range(k):
        is_judged = (fold == one)[tries.task]
        yield _split(tries, ~is_judged, is_judged)


def by_group(tries: Tries, seed: int = 0, share: float = 0.2) -> Split:
    """Return a split that judges about this share of the tasks, whole groups at random, and learns from the rest.

    The same seed gives the same split.

    Raises:
        RoutingError: when there are fewer than two groups.
    """
    names, own, size = np.unique(tries.tasks.group, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise RoutingError(f"{len(names)} groups of tasks cannot be split: nothing may stand on both sides")
    order = np.random.default_rng(seed).permutation(len(names))
    reached = np.cumsum(size[order])
    n_judged = int(np.clip(np.abs(reached - share * len(tries.tasks)).argmin() + 1, 1, len(names) - 1))
    is_judged = np.isin(own, order[:n_judged])[tries.task]
    return _split(tries, ~is_judged, is_judged)


def _fold_of_task(tasks: Tasks, k: int, seed: int) -> Ints:
    names, own, size = np.unique(tasks.group, return_inverse=True, return_counts=True)
    if not 2 <= k <= len(names):
        raise RoutingError(f"{len(names)} groups of tasks cannot be split into {k} folds")
    order = np.random.default_rng(seed).permutation(len(names))
    fold, filled = np.empty(len(names), dtype=np.int64), np.zeros(k, dtype=np.int64)
    for group in order[np.argsort(-size[order], kind="stable")]:
        fold[group] = filled.argmin()
        filled[fold[group]] += size[group]
    return fold[own]


def _split(tries: Tries, is_learned: Flags, is_judged: Flags) -> Split:
    rows = np.unique(tries.task[is_judged])
    return Split(
        learned=tries.take(is_learned).of_tasks(np.unique(tries.task[is_learned])),
        judged=tries.take(is_judged).of_tasks(rows),
        judged_rows=rows,
        n_left_out=int((~is_learned & ~is_judged).sum()),
    )
