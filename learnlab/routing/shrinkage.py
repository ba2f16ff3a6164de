"""Shrunk means: what is seen in a cell, drawn towards what is seen around it, the less the more cells differ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from learnlab.routing.tries import Floats, Ints

UNSURE, LEAST, MOST = 20.0, 1.0, 1000.0
"""Tries that a parent's mean weighs where there are too few cells to estimate it; and its least and most weight."""

_FEW = 32
"""Rows up to which looking them up one by one is quicker than joining frames."""


class Means(NamedTuple):
    """A mean and its standard error for each cell and candidate, (cells, candidates); NaN where nothing is known."""

    mean: Floats
    error: Floats

    def at(self, cells: Ints) -> Means:
        """Return the means of some cells, a row each."""
        return Means(self.mean[cells], self.error[cells])


class Tally(NamedTuple):
    """Number, sum and sum of squares of the known values in each cell: (cells, candidates) each."""

    n: Floats
    total: Floats
    squares: Floats


def tally(cell: Ints, candidate: Ints, value: Floats, shape: tuple[int, int]) -> Tally:
    """Return what is known in each cell and of each candidate; a value that is not finite is left out."""
    there = np.isfinite(value)
    at, known = cell[there] * shape[1] + candidate[there], value[there]
    size = shape[0] * shape[1]
    figures = [np.bincount(at, weight, size).reshape(shape) for weight in (np.ones(len(at)), known, known**2)]
    return Tally(*(figure.astype(np.float64) for figure in figures))


@dataclass(frozen=True)
class Cells:
    """The combinations of some columns that were seen, numbered in their order."""

    seen: pl.DataFrame

    @classmethod
    def of(cls, known: pl.DataFrame, by: tuple[str, ...]) -> Cells:
        """Return the combinations of these columns that stand in a frame of tasks; without columns, one."""
        seen = known.select(by).unique().sort(by) if by else pl.DataFrame({"all": [True]})
        return cls(seen.with_columns(cell=pl.int_range(pl.len(), dtype=pl.Int64)))

    def __len__(self) -> int:
        return self.seen.height

    @cached_property
    def by(self) -> list[str]:
        """The columns that are combined; `all` where there are none."""
        return self.seen.columns[:-1]

    @cached_property
    def _places(self) -> dict[tuple[Any, ...], int]:
        return {row[:-1]: row[-1] for row in self.seen.iter_rows()}

    def place(self, known: pl.DataFrame) -> Ints:
        """Return the cell of each task; -1 where its combination was never seen."""
        by = self.by
        if by == ["all"]:
            return np.zeros(known.height, dtype=np.int64)
        if known.height <= _FEW:
            rows = zip(*(known.get_column(name).to_list() for name in by), strict=True)
            return np.array([self._places.get(row, -1) for row in rows], dtype=np.int64)
        placed = known.select(by).join(self.seen, on=by, how="left", nulls_equal=True, maintain_order="left")
        return placed["cell"].fill_null(-1).to_numpy()


def of_candidates(seen: Tally) -> Means:
    """Return each candidate's mean share (0-1) and its error from a tally of one cell.

    One try's weight is given to the mean of all candidates' tries, itself (x + ½) / (n + 1), so that no share
    is exactly 0 or 1; the error is the standard deviation of the beta distribution with that mean and n + 1
    tries. A score that is a fraction counts as that part of a success, which makes the error an upper bound.
    """
    pooled = (seen.total.sum() + 0.5) / (seen.n.sum() + 1)
    mean = np.where(seen.n > 0, (seen.total + pooled) / (seen.n + 1), np.nan)
    return Means(mean, np.sqrt(mean * (1 - mean) / (seen.n + 2)))


def strength(seen: Tally, parent_cell: Ints) -> tuple[float, float]:
    """Return how many tries a parent's mean weighs, σ²/τ², and σ²: one figure for all candidates.

    σ² is how much tries vary within a cell, τ² how much cells vary around their parent, by moments, with
    n tries, m̄ the mean of the parent's tries and G cells a parent:
    τ² = Σ (Σ n (m - m̄)² - (G - 1) σ²) / Σ (N - Σ n² / N), summed over parents and candidates.
    Formula: H. Bühlmann and E. Straub, "Glaubwürdigkeit für Schadensätze", Mitteilungen der Vereinigung
    schweizerischer Versicherungsmathematiker 70 (1970), 111-133. For shares, σ²/τ² is the sum of the two
    parameters of the beta distribution that cells are drawn from.
    """
    has = seen.n > 0
    mean = seen.total / np.maximum(seen.n, 1)
    n, total, square_n, n_cells = (
        _of_parents(figure, parent_cell) for figure in (seen.n, seen.total, seen.n**2, has.astype(float))
    )
    around = total / np.maximum(n, 1)
    within = np.maximum(seen.squares - seen.n * mean**2, 0.0).sum()
    sigma = float(within / max(n.sum() - has.sum(), 1))
    spread = float((seen.n * (mean - around[parent_cell]) ** 2).sum())
    freedom = float(np.maximum(n_cells - 1, 0).sum())
    if freedom < 1 or n.sum() <= has.sum():
        return UNSURE, sigma
    tau = (spread - freedom * sigma) / max(float((n - square_n / np.maximum(n, 1)).sum()), 1e-12)
    if sigma <= 0:
        return (LEAST if tau > 0 else UNSURE), 0.0
    return float(np.clip(sigma / tau, LEAST, MOST)) if tau > 0 else MOST, sigma


def shrunk(seen: Tally, above: Means, weight: float, sigma: float | None) -> Means:
    """Return the mean of each cell drawn towards what stands above it, (cells, candidates).

    With n tries of mean m in the cell, p ± e above it, and p weighing k tries: mean = (n m + k p) / (n + k),
    error² = v + (k e / (n + k))². The first part v is that of the beta distribution for shares (`sigma` None),
    mean (1 - mean) / (n + k + 1), else σ² / (n + k). Where nothing is known above, nothing is known.

    >>> above = Means(np.array([[0.5]]), np.array([[0.0]]))
    >>> ten_successes = Tally(np.array([[10.0]]), np.array([[10.0]]), np.array([[10.0]]))
    >>> shrunk(ten_successes, above, 10.0, None).mean.tolist()
    [[0.75]]
    """
    n = seen.n + weight
    mean = (seen.total + weight * above.mean) / n
    own = mean * (1 - mean) / (n + 1) if sigma is None else sigma / n
    return Means(mean, np.sqrt(np.maximum(own, 0.0) + (weight * above.error / n) ** 2))


def _of_parents(figure: Floats, parent_cell: Ints) -> Floats:
    """Return the sums over the cells of each parent: (parents, candidates)."""
    sums = np.zeros((int(parent_cell.max(initial=-1)) + 1, figure.shape[1]))
    np.add.at(sums, parent_cell, figure)
    return sums
