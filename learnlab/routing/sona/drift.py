"""What has changed: a candidate that does a kind of task otherwise than before, so that older tries mislead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learnlab.routing.shrinkage import Cells
from learnlab.routing.tries import Flags, Floats, Ints, Tries

LEAST = 25
"""Tries before and after a change, each: fewer cannot tell one."""

THRESHOLD = 10.0
"""How much likelier a change must make the outcomes than none, as a natural logarithm, at its best moment.

A cell of 1,000 tries that never changes reaches it about once in 500 times (tests/routing/test_drift.py).
"""


@dataclass(frozen=True)
class Change:
    """A change of one candidate (its place) on one task type: when, its rate before and after, tries after it."""

    task_type: str
    candidate: int
    at: np.datetime64
    before: float
    after: float
    n_after: int


def outdated(tries: Tries) -> tuple[Flags, tuple[Change, ...]]:
    """Return which tries lie before a change of their candidate on their task type, and the changes.

    Each candidate × task type is looked through for the moment that splits its qualities best: the likelihood of
    one rate before and another after, over that of one rate throughout (for 0/1 outcomes; a fraction counts as
    that part of a success). Source: D. V. Hinkley, "Inference about the change-point in a sequence of binomial
    variables", Biometrika 57 (1970), 477-488. Tries without time or quality belong to no change.
    """
    old = np.zeros(len(tries), dtype=np.bool_)
    cells = Cells.of(tries.tasks.known, ("task_type",))
    cell = cells.place(tries.tasks.known)[tries.task]
    usable = np.isfinite(tries.quality) & ~np.isnat(tries.started_at)
    key = cell * len(tries.candidates) + tries.candidate
    changes = []
    for one in np.unique(key[usable]):
        rows = np.flatnonzero(usable & (key == one))
        rows = rows[np.argsort(tries.started_at[rows], kind="stable")]
        found = _split(tries.quality[rows], tries.started_at[rows])
        if found is None:
            continue
        before, after = tries.quality[rows[:found]], tries.quality[rows[found:]]
        at = tries.started_at[rows[found]]
        old |= (key == one) & (tries.started_at < at)
        kind = cells.seen["task_type"][int(one) // len(tries.candidates)]
        place = int(one) % len(tries.candidates)
        changes.append(Change(kind, place, at, float(before.mean()), float(after.mean()), len(after)))
    return old, tuple(changes)


def _split(quality: Floats, moment: Ints | np.ndarray) -> int | None:
    """Return the first row after the most likely change, or None where none is likely enough."""
    n = len(quality)
    if n < 2 * LEAST:
        return None
    at = np.arange(LEAST, n - LEAST + 1)
    at = at[moment[at] > moment[at - 1]] if len(at) else at
    if not len(at):
        return None
    sums = np.concatenate([[0.0], np.cumsum(quality)])
    gain = _likelihood(sums[at], at) + _likelihood(sums[-1] - sums[at], n - at) - _likelihood(sums[-1:], n)
    best = int(gain.argmax())
    return int(at[best]) if gain[best] > THRESHOLD else None


def _likelihood(successes: Floats, n: Ints | int) -> Floats:
    """Return the logarithm of the largest likelihood of so many successes in n."""
    rate = np.clip(successes / n, 1e-9, 1 - 1e-9)
    return np.asarray(successes * np.log(rate) + (n - successes) * np.log1p(-rate))
