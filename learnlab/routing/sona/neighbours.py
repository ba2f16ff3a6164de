"""The nearest texts: how each candidate did on tasks that read like this one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.routing.shrinkage import tally
from learnlab.routing.tries import Floats, Ints, Tries

MOST = 20_000
"""Tasks in a bank: the newest with a text. Looking through them takes some milliseconds."""

SHARPNESS = (10.0, 20.0)
"""How fast a text's weight falls with its distance: exp(sharpness · (cosine − the nearest one's))."""

NEAREST = (50, 200)
"""Numbers of nearest texts that count alike."""

WIDTHS = len(SHARPNESS) + len(NEAREST)
"""How many looks at the neighbourhood a task gets."""

PRIOR = 5.0
"""Tries that what is looked up by kind weighs among the neighbours'."""

_PIECE = 200
"""Tasks that look through the bank at once: larger pieces make larger arrays than the processor keeps near."""

_BELOW = np.float32(-2.0)


@dataclass(frozen=True)
class Bank:
    """Texts with what came of each candidate on them, a row a task.

    `vectors` (tasks, dimension), `group` (tasks,), `total` and `n`: the sum of known qualities and how many there
    are, (tasks, candidates).
    """

    vectors: NDArray[np.float32]
    group: Ints
    total: NDArray[np.float32]
    n: NDArray[np.float32]

    @classmethod
    def of(cls, tries: Tries) -> Bank:
        """Return the bank of the newest tasks that have a text and a known quality."""
        tasks = tries.tasks
        shape = len(tasks), len(tries.candidates)
        seen = tally(tries.task, tries.candidate, tries.quality, shape)
        newest = np.full(len(tasks), -1, dtype=np.int64)
        newest[tries.task] = np.arange(len(tries))
        has = (
            seen.n.any(axis=1) & tasks.vectors.any(axis=1)
            if tasks.vectors.shape[1]
            else np.zeros(shape[0], bool)
        )
        rows = np.flatnonzero(has)
        rows = np.sort(rows[np.argsort(newest[rows], kind="stable")][-MOST:])
        return cls(
            np.ascontiguousarray(tasks.vectors[rows]),
            tasks.group[rows],
            seen.total[rows].astype(np.float32),
            seen.n[rows].astype(np.float32),
        )

    def near(self, vectors: NDArray[np.float32], group: Ints, looked_up: Floats) -> NDArray[np.float32]:
        """Return each candidate's mean quality on the nearest texts, (tasks, candidates, `WIDTHS`).

        Texts of a task's own `group` (-1 for none) do not count. The means are drawn to what is `looked_up`
        (tasks, candidates); a task without a text gets that.

        Raises:
            RoutingError: when the vectors are of another dimension than the bank's.
        """
        found = np.repeat(looked_up[:, :, None], WIDTHS, axis=2).astype(np.float32)
        if not len(self.vectors):
            return found
        rows = np.flatnonzero(vectors.any(axis=1))
        if len(rows) and vectors.shape[1] != self.vectors.shape[1]:
            raise RoutingError(
                f"the texts come with vectors of dimension {vectors.shape[1]}, and those of the history are "
                f"of dimension {self.vectors.shape[1]}: both must come from one model"
            )
        tried, k = np.concatenate([self.n, self.total], axis=1), self.n.shape[1]
        for at in range(0, len(rows), _PIECE):
            piece = rows[at : at + _PIECE]
            cosine = vectors[piece] @ self.vectors.T
            cosine[group[piece][:, None] == self.group[None, :]] = -np.inf
            prior = looked_up[piece]
            for width, weight in enumerate(_weights(cosine)):
                seen = weight @ tried
                n, total = seen[:, :k], seen[:, k:]
                found[piece, :, width] = (total + PRIOR * prior) / (n + PRIOR)
        return found


def _weights(cosine: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield how much each text counts at each of `WIDTHS` looks; a cosine of -inf counts nothing."""
    apart = cosine - cosine.max(axis=1, keepdims=True, initial=-1.0)
    for sharpness in SHARPNESS:
        weight = sharpness * apart
        yield np.exp(weight, out=weight)
    for number in NEAREST:
        yield (cosine >= _least(cosine, number)).astype(np.float32)


def _least(cosine: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Return the least cosine among so many nearest texts, a row a task; below any cosine where there are fewer."""
    n = cosine.shape[1]
    if number >= n:
        return np.full((len(cosine), 1), _BELOW, dtype=np.float32)
    return np.maximum(np.partition(cosine, n - number, axis=1)[:, n - number, None], _BELOW)
