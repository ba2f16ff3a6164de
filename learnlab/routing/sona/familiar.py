"""Whether a task is like those that were learned from; of one that is not, a router knows no more than the means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnlab.routing.keeping.kept import Arrays, taken
from learnlab.routing.sona.surface import LEAST_TASKS
from learnlab.routing.tries import SIZES, Flags, Tasks

ENOUGH_REPOS = 3
"""Repos learned from before a new one is taken to be like them: how much repos differ is known then."""

REACH = 1.5
"""How far beyond the sizes learned from a size may lie, in units of the logarithm: four and a half times."""

REASONS = (
    "its task type was never learned from",
    "its repo is new, and those learned from are too few to say how repos differ",
    "it has a text, and nothing learned from had one",
    "its size lies far from all that was learned from",
)
"""Why a task is unfamiliar, in words."""


@dataclass(frozen=True)
class Familiar:
    """What was learned from, as far as it decides whether a task is like it.

    `least` and `most` bound the logarithms of the sizes (`tries.SIZES`) of 98 % of the tasks.
    """

    task_types: frozenset[str]
    repos: frozenset[str]
    had_texts: bool
    least: NDArray[np.float32]
    most: NDArray[np.float32]

    @classmethod
    def with_tasks(cls, tasks: Tasks) -> Familiar:
        """Return what tasks make familiar; a task type or repo counts from five tasks on."""
        sizes = tasks.log_sizes
        bounds = np.quantile(sizes, [0.01, 0.99], axis=0) if len(tasks) else np.zeros((2, len(SIZES)))
        return cls(
            _often(tasks, "task_type"),
            _often(tasks, "repo"),
            bool(tasks.vectors.any()),
            bounds[0].astype(np.float32),
            bounds[1].astype(np.float32),
        )

    def unlike(self, tasks: Tasks) -> Flags:
        """Return for each task which of `REASONS` make it unfamiliar: (tasks, reasons)."""
        flags = np.zeros((len(tasks), len(REASONS)), dtype=np.bool_)
        flags[:, 0] = _are_new(tasks, "task_type", self.task_types)
        if len(self.repos) < ENOUGH_REPOS:
            flags[:, 1] = _are_new(tasks, "repo", self.repos)
        if not self.had_texts:
            flags[:, 2] = tasks.vectors.any(axis=1)
        sizes = tasks.log_sizes
        is_far = (sizes > 0) & ((sizes < self.least - REACH) | (sizes > self.most + REACH))
        flags[:, 3] = is_far.any(axis=1)
        return flags

    def describe(self) -> dict[str, Any]:
        """Return the names in it, as plain JSON."""
        return {
            "task_types": sorted(self.task_types),
            "repos": sorted(self.repos),
            "had_texts": self.had_texts,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the bounds of the sizes."""
        return {"familiar.least": self.least, "familiar.most": self.most}

    @classmethod
    def restored(cls, description: Mapping[str, Any], arrays: Arrays) -> Familiar:
        """Return what was kept.

        Raises:
            RoutingError: when an array is missing or of another shape.
        """
        least, most = (taken(arrays, f"familiar.{name}", (len(SIZES),)) for name in ("least", "most"))
        return cls(
            frozenset(map(str, description["task_types"])),
            frozenset(map(str, description["repos"])),
            bool(description["had_texts"]),
            least,
            most,
        )


def _are_new(tasks: Tasks, name: str, known: frozenset[str]) -> list[bool]:
    return [value not in known for value in tasks.known.get_column(name).to_list()]


def _often(tasks: Tasks, name: str) -> frozenset[str]:
    counts = tasks.known[name].drop_nulls().value_counts()
    return frozenset(counts.filter(counts["count"] >= LEAST_TASKS)[name])
