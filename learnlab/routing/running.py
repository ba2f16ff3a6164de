"""Sums of what came before a moment: for each question, over the entries of its key alone, the older the less."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from learnlab.routing.tries import Floats, Ints

_BLOCK = 10.0


def sums_before(
    key: Ints, value: Floats, at: Floats, asked: Ints, moment: Floats, half_life: float | None = None
) -> Floats:
    """Return the sums of the values with the key asked for that stand before its moment: (questions, columns).

    `value` is (entries, columns); keys are 0 or more. With a half-life, in the unit of the times, a value counts
    half as much for each half-life that lies between it and the moment. What stands at the moment itself does not
    count.

    >>> key, at, value = np.array([0, 0, 1]), np.array([1.0, 2.0, 1.0]), np.array([[1.0], [1.0], [5.0]])
    >>> sums_before(key, value, at, np.array([0, 0, 0]), np.array([1.0, 2.0, 3.0])).ravel().tolist()
    [0.0, 1.0, 2.0]
    >>> sums_before(key, value, at, np.array([0]), np.array([3.0]), half_life=1.0).ravel().tolist()
    [0.75]
    """
    n_keys = int(max(key.max(initial=-1), asked.max(initial=-1))) + 1
    found = np.zeros((len(asked), value.shape[1]))
    before = np.zeros((n_keys, value.shape[1]))
    for start, end in _blocks(at, moment, half_life):
        here = (at >= start) & (at < end)
        wanted = (moment > start) & (moment <= end)
        if half_life is None:
            worth, fade, passed = np.ones(here.sum()), np.ones(wanted.sum()), 1.0
        else:
            worth = np.exp2((at[here] - start) / half_life)
            fade = np.exp2((start - moment[wanted]) / half_life)
            passed = float(np.exp2((start - end) / half_life))
        weighed = value[here] * worth[:, None]
        within = _prefixes(key[here], weighed, at[here], asked[wanted], moment[wanted])
        found[wanted] = (before[asked[wanted]] + within) * fade[:, None]
        np.add.at(before, key[here], weighed)
        before *= passed
    return found


def _blocks(at: Floats, moment: Floats, half_life: float | None) -> Iterator[tuple[float, float]]:
    """Yield stretches of time, at most ten half-lives long, that hold every entry and every moment."""
    if not len(at) or not len(moment):
        return
    start, last = float(at.min()), float(max(at.max(), moment.max()))
    if half_life is None:
        yield start, float(np.nextafter(last, np.inf))
        return
    while start <= last:
        end = start + _BLOCK * half_life
        yield start, end
        start = end


def _prefixes(key: Ints, value: Floats, at: Floats, asked: Ints, moment: Floats) -> Floats:
    """Return the plain sums of what has the key asked for and stands before its moment."""
    times = np.unique(at)
    span = len(times) + 1
    place = key * span + np.searchsorted(times, at)
    order = np.argsort(place, kind="stable")
    sums = np.vstack([np.zeros((1, value.shape[1])), value[order].cumsum(axis=0)])
    end = np.searchsorted(place[order], asked * span + np.searchsorted(times, moment))
    return np.asarray(sums[end] - sums[np.searchsorted(place[order], asked * span)])


def codes(*columns: NDArray[np.int64]) -> Ints:
    """Return a number for each row, the same for the same combination of whole numbers.

    >>> codes(np.array([7, 7, 9]), np.array([0, 1, 0])).tolist()
    [0, 1, 2]
    """
    together = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        _, place = np.unique(column, return_inverse=True)
        _, together = np.unique(together * (place.max(initial=0) + 1) + place, return_inverse=True)
    return np.asarray(together, dtype=np.int64)
