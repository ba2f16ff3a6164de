"""A task in numbers: its sizes, its kind and where it belongs, and the main directions of its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.routing.keeping.kept import Arrays, taken
from learnlab.routing.tries import SIZES, Tasks

LEAST_TASKS = 5
"""Tasks that a task type or repo must have to get a column of its own; the others share none."""

FARTHEST = 4.0
"""Standard deviations beyond which a figure counts as no larger: a task unlike any other stays within bounds."""

LEAST_VARIANCE = 1e-6
"""Of the texts along a direction: below it they do not vary there, and nothing can be learned of it."""


@dataclass(frozen=True)
class Surface:
    """How tasks are put into numbers, as the tasks learned from fix it.

    `centre` and `spread` are of the logarithms of `SIZES` and of the complexity; `mean` and `basis` of the text's
    vectors: (dimension,) and (dimension, directions).
    """

    task_types: tuple[str, ...]
    repos: tuple[str, ...]
    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    mean: NDArray[np.float32]
    basis: NDArray[np.float32]

    @classmethod
    def of(cls, tasks: Tasks, n_directions: int) -> Surface:
        """Return the surface that tasks fix, with at most so many directions of their texts (principal components)."""
        sizes = _sizes(tasks)
        centre, spread = np.nan_to_num(_mean(sizes)), np.nan_to_num(_deviation(sizes))
        has = tasks.vectors.any(axis=1) if tasks.vectors.shape[1] else np.zeros(len(tasks), dtype=bool)
        texts = tasks.vectors[has][-20_000:]
        mean = texts.mean(axis=0) if len(texts) else np.zeros(tasks.vectors.shape[1], dtype=np.float32)
        basis = np.zeros((tasks.vectors.shape[1], 0), dtype=np.float32)
        if n_directions and len(texts) > n_directions:
            apart = texts - mean
            values, directions = np.linalg.eigh(apart.T @ apart / len(texts))
            largest = np.argsort(-values)[:n_directions]
            varies = values[largest] > LEAST_VARIANCE
            basis = directions[:, largest[varies]] / np.sqrt(values[largest[varies]])
        return cls(
            _common(tasks, "task_type"),
            _common(tasks, "repo"),
            centre.astype(np.float32),
            np.where(spread > 1e-6, spread, 1.0).astype(np.float32),
            mean.astype(np.float32),
            basis.astype(np.float32),
        )

    @property
    def n_columns(self) -> int:
        """How many numbers a task becomes."""
        return len(SIZES) + 2 + len(self.task_types) + len(self.repos) + int(self.basis.shape[1])

    def of_tasks(self, tasks: Tasks) -> NDArray[np.float32]:
        """Return tasks in numbers: (tasks, columns). What is new or unknown of a task is 0.

        Raises:
            RoutingError: when their vectors are of another dimension than those that fixed the surface.
        """
        dimension = tasks.vectors.shape[1]
        if dimension and len(self.mean) not in (0, dimension):
            raise RoutingError(
                f"the texts come with vectors of dimension {dimension}, and the router learned from others, "
                f"of dimension {len(self.mean)}: give it those of the model that it learned from"
            )
        sizes = (_sizes(tasks) - self.centre) / self.spread
        is_unknown = np.isnan(sizes)
        n_sizes, n_types = sizes.shape[1], len(self.task_types)
        found = np.zeros((len(tasks), self.n_columns), dtype=np.float32)
        found[:, :n_sizes] = np.where(is_unknown, 0, _within(sizes))
        found[:, n_sizes] = is_unknown[:, -1]
        _mark(found[:, n_sizes + 1 :], tasks, "task_type", self._places[0])
        _mark(found[:, n_sizes + 1 + n_types :], tasks, "repo", self._places[1])
        n_directions = self.basis.shape[1]
        if n_directions and dimension:
            has = tasks.vectors.any(axis=1)
            found[has, -n_directions:] = _within((tasks.vectors[has] - self.mean) @ self.basis)
        return found

    @cached_property
    def _places(self) -> tuple[dict[str, int], dict[str, int]]:
        """The place of each task type among them, and of each repo."""
        types, repos = (
            {name: at for at, name in enumerate(names)} for names in (self.task_types, self.repos)
        )
        return types, repos

    def describe(self) -> dict[str, Any]:
        """Return the names in it, as plain JSON."""
        return {"task_types": list(self.task_types), "repos": list(self.repos)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the numbers in it."""
        names = ("centre", "spread", "mean", "basis")
        return {f"surface.{name}": getattr(self, name) for name in names}

    @classmethod
    def restored(cls, description: Mapping[str, Any], arrays: Arrays) -> Surface:
        """Return the surface that said this of itself.

        Raises:
            RoutingError: when an array is missing or of another shape.
        """
        n = len(SIZES) + 1
        basis = taken(arrays, "surface.basis", (None, None))
        return cls(
            tuple(map(str, description["task_types"])),
            tuple(map(str, description["repos"])),
            taken(arrays, "surface.centre", (n,)),
            taken(arrays, "surface.spread", (n,)),
            taken(arrays, "surface.mean", (len(basis),)),
            basis,
        )


def _sizes(tasks: Tasks) -> NDArray[np.float32]:
    """Return the logarithms of sizes, and the complexity (NaN for unknown) last."""
    sizes = np.empty((len(tasks), len(SIZES) + 1), dtype=np.float32)
    sizes[:, :-1] = tasks.log_sizes
    complexity = tasks.known.get_column("complexity_score").to_numpy()
    sizes[:, -1] = np.minimum(np.maximum(complexity, 0.0), 100.0)
    return sizes


def _within(values: NDArray[Any]) -> NDArray[Any]:
    """Return values kept within ±`FARTHEST`; NaN stays NaN."""
    return np.asarray(np.minimum(np.maximum(values, -FARTHEST), FARTHEST))


def _mean(values: NDArray[np.float32]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    return np.asarray(np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _deviation(values: NDArray[np.float32]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    apart = np.where(known, values - _mean(values), 0)
    return np.asarray(np.sqrt((apart**2).sum(axis=0) / np.maximum(known.sum(axis=0), 1)))


def _common(tasks: Tasks, name: str) -> tuple[str, ...]:
    counts = tasks.known[name].drop_nulls().value_counts().sort("count", name, descending=[True, False])
    return tuple(sorted(counts.filter(counts["count"] >= LEAST_TASKS)[name].head(200)))


def _mark(columns: NDArray[np.float32], tasks: Tasks, name: str, places: dict[str, int]) -> None:
    """Write 1 into the column of each task's value, where it has one."""
    place = np.array(
        [places.get(value, -1) for value in tasks.known.get_column(name).to_list()], dtype=np.int64
    )
    rows = np.flatnonzero(place >= 0)
    columns[rows, place[rows]] = 1
