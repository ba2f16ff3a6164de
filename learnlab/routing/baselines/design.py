"""Tasks as rows of numbers: kinds as flags, sizes on a log scale, what is missing as a flag, the text's vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from learnlab.routing.shrinkage import Cells
from learnlab.routing.tries import SIZES, Floats, Tasks

KINDS = ("task_type", "repo")

MOST_KINDS = 60
"""Values of a column that have a flag of their own: the commonest ones; the others, and new ones, have none."""


@dataclass(frozen=True)
class Design:
    """Which columns rows have, learned from tasks; whatever is new in a task leaves its columns at the middle.

    Sizes are kept within what was seen, so that nothing is said of what lies far beyond.
    """

    flags: tuple[Cells, ...]
    low: Floats
    high: Floats
    middle: Floats
    spread: Floats
    centre: Floats

    @classmethod
    def of(cls, tasks: Tasks) -> Design:
        """Return the columns of these tasks."""
        flags = tuple(_commonest(tasks, kind) for kind in KINDS)
        sizes = _sizes(tasks)
        there = np.isfinite(sizes)
        n = np.maximum(there.sum(axis=0), 1)
        middle = np.where(there, sizes, 0.0).sum(axis=0) / n
        low = np.where(there, sizes - middle, 0.0).min(axis=0, initial=0.0) + middle
        high = np.where(there, sizes - middle, 0.0).max(axis=0, initial=0.0) + middle
        spread = np.sqrt(np.where(there, (sizes - middle) ** 2, 0.0).sum(axis=0) / n)
        has = tasks.vectors.any(axis=1)
        centre = tasks.vectors[has].sum(axis=0, dtype=np.float64) / max(int(has.sum()), 1)
        return cls(flags, low, high, middle, np.where(spread > 0, spread, 1.0), centre)

    def known(self, tasks: Tasks) -> Floats:
        """Return rows of what is known of the tasks besides their text: (tasks, columns)."""
        flags = [_flags(cells, tasks) for cells in self.flags]
        sizes = _sizes(tasks)
        there = np.isfinite(sizes)
        kept = np.clip(np.where(there, sizes, self.middle), self.low, self.high)
        scaled = np.where(there, (kept - self.middle) / self.spread, 0.0)
        return np.hstack([*flags, scaled, ~there[:, -1:]]).astype(np.float64)

    def rows(self, tasks: Tasks) -> Floats:
        """Return rows of what is known of the tasks with their texts' vectors: (tasks, columns).

        A task without a vector, or with one of another dimension than was learned from, has the middle one.
        """
        texts = np.zeros((len(tasks), len(self.centre)))
        if tasks.vectors.shape[1] == len(self.centre):
            has = tasks.vectors.any(axis=1)
            texts[has] = tasks.vectors[has] - self.centre
        return np.hstack([self.known(tasks), texts])


def _commonest(tasks: Tasks, kind: str) -> Cells:
    """Return the commonest values of a column as cells; among equally common ones the first by name."""
    counts = tasks.known[kind].value_counts(name="n").sort("n", kind, descending=[True, False])
    return Cells.of(counts.head(MOST_KINDS), (kind,))


def _flags(cells: Cells, tasks: Tasks) -> Floats:
    place = cells.place(tasks.known)
    return np.asarray(place[:, None] == np.arange(len(cells))[None, :], dtype=np.float64)


def _sizes(tasks: Tasks) -> Floats:
    """Return logarithms of sizes, and the complexity in hundredths, NaN where nobody gave one: (tasks, 4)."""
    sizes = np.log1p(tasks.known.select(SIZES).cast(pl.Float64).to_numpy())
    complexity = tasks.known["complexity_score"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.column_stack([sizes, complexity / 100])
