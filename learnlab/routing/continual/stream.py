"""A stream of domains: tasks of one kind after another, each with what candidates made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.intervals import TOO_FEW
from learnlab.routing.splits import joined_groups
from learnlab.routing.tries import Floats, Ints, Tasks, Tries

LEAST = 10 * TOO_FEW
"""Verdicts that a domain has at least: a fifth of them is held back to judge by."""


@dataclass(frozen=True)
class Rows:
    """Tasks as a network takes them: inputs (tasks, features), quality (tasks, candidates; NaN: not known), group."""

    inputs: NDArray[np.float32]
    quality: Floats
    group: Ints

    def __len__(self) -> int:
        return len(self.group)

    def take(self, rows: Ints | NDArray[np.bool_]) -> Rows:
        """Return some of them, by their places or by a flag each."""
        return Rows(self.inputs[rows], self.quality[rows], self.group[rows])

    def __add__(self, other: Rows) -> Rows:
        both = zip(_parts(self), _parts(other), strict=True)
        return Rows(*(np.concatenate(pair) for pair in both))


def _parts(rows: Rows) -> tuple[Any, Any, Any]:
    return rows.inputs, rows.quality, rows.group


@dataclass(frozen=True)
class Domain:
    """One kind of task: its name, what is learned from, and what is held back to judge by."""

    name: str
    learn: Rows
    judge: Rows


def inputs(tasks: Tasks, without: str = "") -> NDArray[np.float32]:
    """Return what a network sees of tasks, (tasks, features): the text's vector, sizes, and a flag a task type and repo.

    Sizes are logarithms; nothing is fitted, so what comes later changes no feature of what came before. The column
    `without` is left out: where it makes the domains, a new domain would be told by a flag that nobody learned.
    """
    known = tasks.known
    size = pl.col("file_count", "estimated_tokens", "n_characters").cast(pl.Float64).log1p() / 10
    sizes = known.select(
        size.fill_null(0.0),
        pl.col("complexity_score").fill_null(0.0) / 100,
        pl.col("complexity_score").is_null().cast(pl.Float64).alias("no_complexity"),
    ).to_numpy()
    flags = [
        (known[name].to_numpy()[:, None] == known[name].drop_nulls().unique().sort().to_numpy()[None, :])
        for name in ("task_type", "repo")
        if name != without
    ]
    # A vector has length 1 over its hundreds of parts: scaled so, each part is as large as a flag's spread.
    vectors = tasks.vectors * np.sqrt(tasks.vectors.shape[1])
    return np.concatenate([vectors, sizes, *flags], axis=1).astype(np.float32)


def domains(tries: Tries, by: str = "task_type") -> list[tuple[str, Rows]]:
    """Return the domains of tries, in the order of their median times (then by name), those of `LEAST` verdicts.

    `by` is the column of the tasks that makes them: `task_type` or `repo`. Near-duplicates have one group.

    Raises:
        RoutingError: when there are fewer than two.
    """
    quality, _ = tries.matrix()
    names = tries.tasks.known[by].fill_null("unknown")
    group = joined_groups(tries.tasks)
    seen, features = (
        pl.DataFrame({"name": names[tries.task], "at": tries.started_at}),
        inputs(tries.tasks, by),
    )
    order = seen.group_by("name").agg(pl.col("at").median()).sort("at", "name", nulls_last=True)["name"]
    found = []
    for name in order:
        rows = ((names == name).to_numpy()) & np.isfinite(quality).any(axis=1)
        if np.isfinite(quality[rows]).sum() >= LEAST:
            found.append((name, Rows(features[rows], quality[rows], group[rows])))
    if len(found) < 2:
        raise RoutingError(
            f"a stream needs two domains with {LEAST} trusted verdicts each, and by {by} there are {len(found)}"
        )
    return found


def split(found: list[tuple[str, Rows]], seed: int, held_back: float = 0.2) -> list[Domain]:
    """Return the domains with a share of their groups held back; a group is on one side in every domain.

    Raises:
        RoutingError: when all the groups of a domain are on one side.
    """
    groups = np.unique(np.concatenate([rows.group for _, rows in found]))
    held = groups[np.random.default_rng([seed, 0]).random(len(groups)) < held_back]
    flags = [(name, rows, np.isin(rows.group, held)) for name, rows in found]
    if any(flag.all() or not flag.any() for _, _, flag in flags):
        raise RoutingError("a domain has too few groups of tasks to learn from some and judge by others")
    return [Domain(name, rows.take(~flag), rows.take(flag)) for name, rows, flag in flags]
