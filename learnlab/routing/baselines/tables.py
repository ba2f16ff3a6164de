"""Tables of shrunk means: what to expect of each candidate by the kind of task, level under level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import polars as pl

from learnlab.routing.shrinkage import Cells, Means, Tally, of_candidates, shrunk, strength, tally
from learnlab.routing.tries import Flags, Floats, Ints, Tries

Levels = tuple[tuple[str, ...], ...]
"""Columns of a task by which a table goes, each level finer than the one before."""

BY_TYPE: Levels = (("task_type",),)
BY_TYPE_AND_REPO: Levels = (("task_type",), ("task_type", "repo"))

_MOST_KINDS = 1000
"""Kinds of single tasks of which a table remembers what it said."""


@dataclass(frozen=True)
class Level:
    """What is known of kinds of task: the means of each kind seen, and what those of a new kind would be drawn by."""

    cells: Cells
    means: Means
    weight: float
    sigma: float | None

    def expect(self, known: pl.DataFrame, above: Callable[[], Means]) -> Means:
        """Return what is expected of tasks, and where their kind was never seen, by what is expected one level above.

        A kind never seen keeps the mean above; how much kinds differ is added to its error.
        """
        place = self.cells.place(known)
        is_seen = (place >= 0)[:, None]
        if is_seen.all():
            return self.means.at(place)
        return self._with_new(place, is_seen, above())

    def _with_new(self, place: Ints, is_seen: Flags, above: Means) -> Means:
        zero = np.zeros(1)
        new = shrunk(Tally(zero, zero, zero), above, self.weight, self.sigma)
        if not is_seen.any():
            return new
        here = self.means.at(place)
        return Means(np.where(is_seen, here.mean, new.mean), np.where(is_seen, here.error, new.error))


@dataclass(frozen=True)
class Table:
    """Means by kind of task: those of the candidates, then levels of which each is shrunk towards the one above.

    `scale` is what the means are multiplied by, a figure a candidate.
    """

    scale: Floats
    candidates: Means
    levels: tuple[Level, ...]

    def expect(self, known: pl.DataFrame) -> Means:
        """Return what is expected of each candidate on each task, and its standard error: (tasks, candidates)."""
        found = self._of_one(known) if known.height == 1 else self._down_to(len(self.levels), known)
        return Means(found.mean * self.scale, found.error * self.scale)

    def _of_one(self, known: pl.DataFrame) -> Means:
        """Return what all levels say of one task; tasks come one by one of few kinds, so that it is remembered."""
        by = self.levels[-1].cells.by if self.levels else ()
        kind = tuple(known.get_column(name).item() for name in by)
        found = self._said.get(kind)
        if found is None:
            if len(self._said) >= _MOST_KINDS:
                self._said.clear()
            found = self._said[kind] = self._down_to(len(self.levels), known)
        return found

    @cached_property
    def _said(self) -> dict[tuple[str | None, ...], Means]:
        return {}

    def _down_to(self, n_levels: int, known: pl.DataFrame) -> Means:
        """Return what so many levels say: the one above is asked only where a kind was never seen."""
        if not n_levels:
            return self.candidates.at(np.zeros(known.height, dtype=np.int64))
        return self.levels[n_levels - 1].expect(known, partial(self._down_to, n_levels - 1, known))


def quality_table(tries: Tries, levels: Levels) -> Table:
    """Return the table of qualities (0-1) that tries make; NaN for a candidate with no known quality."""
    top = of_candidates(_tally(tries, None, 1, tries.quality))
    return Table(
        np.ones(len(tries.candidates)), top, _levels(tries, tries.quality, top, levels, is_share=True)
    )


def cost_table(tries: Tries, levels: Levels) -> Table:
    """Return the table of costs (US dollars) that tries make: means, not medians; NaN where no cost is known.

    Costs are taken as multiples of their candidate's mean, so that one weight of shrinking holds for dear and
    cheap ones. How much those multiples vary is one figure for all candidates too; where every candidate has one
    known cost at most, they are taken to vary by as much as their mean.
    """
    seen = _tally(tries, None, 1, tries.cost)
    scale = np.where(seen.n > 0, seen.total / np.maximum(seen.n, 1), np.nan)[0]
    relative = tries.cost / np.where(scale > 0, scale, np.nan)[tries.candidate]
    freedom = np.isfinite(relative).sum() - (scale > 0).sum()
    variance = float(np.nansum((relative - 1) ** 2)) / freedom if freedom > 0 else 1.0
    n = np.where(seen.n > 0, seen.n, np.nan)
    top = Means(n / n, np.sqrt(variance / n))
    return Table(scale, top, _levels(tries, relative, top, levels, is_share=False))


def _levels(tries: Tries, value: Floats, top: Means, levels: Levels, *, is_share: bool) -> tuple[Level, ...]:
    made: list[Level] = []
    parents, parent = Cells.of(tries.tasks.known, ()), top
    for by in levels:
        cells = Cells.of(tries.tasks.known, by)
        seen = _tally(tries, cells.place(tries.tasks.known), len(cells), value)
        parent_cell = parents.place(cells.seen)
        weight, variance = strength(seen, parent_cell)
        sigma = None if is_share else variance
        parent = shrunk(seen, parent.at(parent_cell), weight, sigma)
        parents = cells
        made.append(Level(cells, parent, weight, sigma))
    return tuple(made)


def _tally(tries: Tries, cell: Ints | None, n_cells: int, value: Floats) -> Tally:
    """Return the tally of tries by the cell of their task; without cells, of all together."""
    place = np.zeros_like(tries.task) if cell is None else cell[tries.task]
    return tally(place, tries.candidate, value, (n_cells, len(tries.candidates)))
