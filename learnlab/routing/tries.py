"""What a router learns from: tasks as they are known before they run, and what came of the candidates tried on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.events import Candidate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

KNOWN = pl.Schema(
    {
        "task_type": pl.String,
        "repo": pl.String,
        "file_count": pl.Int64,
        "estimated_tokens": pl.Int64,
        "complexity_score": pl.Float64,
        "n_characters": pl.Int64,
    }
)
"""What is known of a task before it runs, by the names of an execution's fields, and the length of its text.

`complexity_score` is null where nobody gave one. Nothing that is known only afterwards has a column here.
"""

SIZES = ("file_count", "estimated_tokens", "n_characters")
"""The sizes among them, which routers take the logarithms of."""


@dataclass(frozen=True)
class Tasks:
    """Tasks as they are known before they run, a row each.

    `known` has the columns of `KNOWN`. `vectors` are those of the texts (tasks, dimension), of length 1; a row of
    zeros where a text has none, dimension 0 where no model was at hand. `group` numbers the problem: tasks with one
    number are attempts at one thing, or near-duplicates, and never stand on two sides of a split.
    """

    known: pl.DataFrame
    vectors: NDArray[np.float32]
    group: Ints

    def __post_init__(self) -> None:
        if not self.known.height == len(self.vectors) == len(self.group):
            raise RoutingError(
                f"{self.known.height} tasks come with {len(self.vectors)} vectors and {len(self.group)} groups"
            )

    def __len__(self) -> int:
        return self.known.height

    @cached_property
    def log_sizes(self) -> NDArray[np.float32]:
        """The logarithms of 1 plus each of `SIZES`, a row a task."""
        sizes = np.array([self.known.get_column(name).to_numpy() for name in SIZES], dtype=np.float64)
        return np.asarray(np.log1p(np.maximum(sizes, 0.0)).T, dtype=np.float32)

    def take(self, rows: Ints | NDArray[np.bool_]) -> Tasks:
        """Return some of the tasks, by their rows or by a flag each, in that order."""
        at = np.arange(len(self))[rows]
        return Tasks(self.known[at], self.vectors[at], self.group[at])


@dataclass(frozen=True)
class Tries:
    """What came of candidates tried on tasks, a row a try, in order of time.

    `task` and `candidate` are rows of `tasks` and places in `candidates`. `quality` (0-1: a success, or a score over
    100), `cost` (US dollars) and `propensity` (0-1) are NaN where nobody knows them. `started_at` (UTC) is NaT
    where nobody recorded it.
    """

    tasks: Tasks
    candidates: tuple[Candidate, ...]
    task: Ints
    candidate: Ints
    quality: Floats
    cost: Floats
    propensity: Floats
    started_at: NDArray[np.datetime64]

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, name)) for name in _OF_A_TRY}
        if len(lengths) != 1:
            raise RoutingError(f"tries have columns of different lengths: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.task)

    def take(self, rows: Ints | NDArray[np.bool_]) -> Tries:
        """Return some of the tries, by their rows or by a flag each; the tasks stay as they are."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _OF_A_TRY})

    def of_tasks(self, rows: Ints | NDArray[np.bool_]) -> Tries:
        """Return the tries of some tasks, with those tasks alone, in their new order."""
        at = np.arange(len(self.tasks))[rows]
        place = np.full(len(self.tasks), -1, dtype=np.int64)
        place[at] = np.arange(len(at))
        kept = self.take(place[self.task] >= 0)
        return replace(kept, tasks=self.tasks.take(at), task=place[kept.task])

    def matrix(self) -> tuple[Floats, Floats]:
        """Return mean quality and mean cost of each candidate on each task: (tasks, candidates), NaN where not tried."""
        return self._means(self.quality), self._means(self.cost)

    def _means(self, figure: Floats) -> Floats:
        shape = len(self.tasks), len(self.candidates)
        there = np.isfinite(figure)
        sums, counts = np.zeros(shape), np.zeros(shape)
        np.add.at(sums, (self.task[there], self.candidate[there]), figure[there])
        np.add.at(counts, (self.task[there], self.candidate[there]), 1.0)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


_OF_A_TRY = ("task", "candidate", "quality", "cost", "propensity", "started_at")
