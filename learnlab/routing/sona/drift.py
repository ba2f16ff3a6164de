"""What has changed: a candidate that does otherwise than before, so that older tries mislead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from learnlab.routing.shrinkage import Cells
from learnlab.routing.tries import Floats, Ints, Tries

LEAST = 25
"""Tries before and after a change, each: fewer cannot tell one."""

THRESHOLD = 10.0
"""How much likelier a change must make what came than none, as a natural logarithm, at its best moment.

Tries that never change reach it in less than 1 of 200 cells of 1,000 (tests/routing/test_drift.py).
"""


@dataclass(frozen=True)
class Change:
    """A change of one candidate (its place): of its quality on one task type, or of its cost everywhere (None).

    `before` and `after` are mean qualities (0-1), or mean costs in US dollars; `n_after` tries tell of the latter.
    """

    figure: Literal["quality", "cost"]
    task_type: str | None
    candidate: int
    at: np.datetime64
    before: float
    after: float
    n_after: int


def since_changes(tries: Tries) -> tuple[Tries, tuple[Change, ...]]:
    """Return tries whose quality and cost are unknown (NaN) where they were before a change, and the changes.

    Each cell, a candidate × task type for quality and a candidate for cost, is looked through for the moment that
    splits it best: by the likelihood of one rate before and another after, over that of one rate throughout (for
    0/1 outcomes; a fraction counts as that part of a success); for costs of two means of the logarithm, what the
    task types cost taken off. Source: D. V. Hinkley, "Inference about the change-point in a sequence of random
    variables", Biometrika 57 (1970), 1-17. Tries without a time belong to no change.
    """
    cells = Cells.of(tries.tasks.known, ("task_type",))
    k = len(tries.candidates)
    cell = cells.place(tries.tasks.known)[tries.task] * k + tries.candidate
    quality, cost = tries.quality.copy(), tries.cost.copy()
    changes = []
    for one, split in _splits(tries, cell, tries.quality, _rates):
        changes.append(
            Change("quality", cells.seen["task_type"][one // k], one % k, *_told(tries, tries.quality, split))
        )
        quality[(cell == one) & (tries.started_at < changes[-1].at)] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(tries.cost > 0, np.log(tries.cost), np.nan)
    apart = logs - _mean_of_cell(logs, cell)[cell]
    for one, split in _splits(tries, tries.candidate, apart, _means):
        changes.append(Change("cost", None, one, *_told(tries, tries.cost, split)))
        cost[(tries.candidate == one) & (tries.started_at < changes[-1].at)] = np.nan
    return replace(tries, quality=quality, cost=cost), tuple(changes)


Gain = Callable[[Floats, Ints], Floats]
"""How much likelier each of some splits makes values in order of time than none."""


def _splits(tries: Tries, cell: Ints, value: Floats, gain: Gain) -> list[tuple[int, tuple[Ints, Ints]]]:
    """Return the cells that changed, each with the rows before and after, in order of time."""
    usable = np.flatnonzero(np.isfinite(value) & ~np.isnat(tries.started_at))
    usable = usable[np.lexsort((tries.started_at[usable], cell[usable]))]
    if not len(usable):
        return []
    names, first = np.unique(cell[usable], return_index=True)
    found = []
    for name, rows in zip(names, np.split(usable, first[1:]), strict=True):
        at = _split(value[rows], tries.started_at[rows], gain)
        if at is not None:
            found.append((int(name), (rows[:at], rows[at:])))
    return found


def _split(value: Floats, moment: NDArray[np.datetime64], gain: Gain) -> int | None:
    """Return the first place after the most likely change, or None where none is likely enough."""
    at = np.arange(LEAST, len(value) - LEAST + 1)
    at = at[moment[at] > moment[at - 1]] if len(at) else at
    if not len(at):
        return None
    gained = gain(value, at)
    best = int(gained.argmax())
    return int(at[best]) if gained[best] > THRESHOLD else None


def _rates(value: Floats, at: Ints) -> Floats:
    n, sums = len(value), np.concatenate([[0.0], np.cumsum(value)])
    return np.asarray(
        _likelihood(sums[at], at) + _likelihood(sums[-1] - sums[at], n - at) - _likelihood(sums[-1:], n)
    )


def _likelihood(successes: Floats, n: Ints | int) -> Floats:
    """Return the logarithm of the largest likelihood of so many successes in n."""
    rate = np.clip(successes / n, 1e-9, 1 - 1e-9)
    return np.asarray(successes * np.log(rate) + (n - successes) * np.log1p(-rate))


def _means(value: Floats, at: Ints) -> Floats:
    n, sums, squares = len(value), np.concatenate([[0.0], np.cumsum(value)]), float((value**2).sum())
    whole = squares - sums[-1] ** 2 / n
    apart = squares - sums[at] ** 2 / at - (sums[-1] - sums[at]) ** 2 / (n - at)
    return np.asarray(n / 2 * np.log(np.maximum(whole, 1e-12) / np.maximum(apart, 1e-12)))


def _mean_of_cell(value: Floats, cell: Ints) -> Floats:
    there = np.isfinite(value)
    size = int(cell.max(initial=-1)) + 1
    n = np.bincount(cell[there], minlength=size)
    return np.asarray(np.bincount(cell[there], value[there], size) / np.maximum(n, 1))


def _told(tries: Tries, value: Floats, split: tuple[Ints, Ints]) -> tuple[np.datetime64, float, float, int]:
    before, after = split
    return tries.started_at[after[0]], float(value[before].mean()), float(value[after].mean()), len(after)
