"""What a router may know of a task from others: how each candidate did on its neighbours and on its kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.routing.neighbours import Memory
from learnlab.routing.running import codes, sums_before
from learnlab.routing.shrinkage import Cells
from learnlab.routing.tries import Floats, Ints, Tasks, Tries

Moments = np.datetime64 | NDArray[np.datetime64] | None

K = 50
"""Neighbours that are asked of each candidate."""

KIND, NEAR = 10.0, 5.0
"""Tries that the mean above weighs: for a kind of task; and for neighbours, in neighbours of cosine 1."""

_LEVELS = {"all": (), "type": ("task_type",), "repo": ("task_type", "repo")}
_DAY = np.timedelta64(1, "D")

FEATURES = (
    *(f"{level}_{figure}" for level in _LEVELS for figure in ("quality", "cost", "n")),
    *("near_quality", "near_cost", "near_n", "near_similarity"),
)
"""What is known of each task and candidate, by levels: of all tasks, of the type, of type and repo, of neighbours.

`quality` is the shrunk mean quality (0-1) and `cost` the shrunk mean cost (US dollars), NaN where the candidate was
never tried; `n` the number of known qualities behind it, the older and the less alike the less each counts;
`similarity` the mean cosine of the neighbours, 0 where there are none.
"""


@dataclass(frozen=True)
class History:
    """What is known of each task and candidate from others: a feature's values are (tasks, candidates)."""

    values: Floats
    names: tuple[str, ...] = FEATURES

    def __getitem__(self, name: str) -> Floats:
        return np.asarray(self.values[self.names.index(name)])


@dataclass(frozen=True)
class Remembered:
    """Tries made ready to be asked about many tasks, one after the other; `remember` makes it."""

    tries: Tries
    memory: Memory
    k: int
    half_life_days: float | None
    moment: np.datetime64 | None
    totals: dict[str, tuple[Cells, Ints, Floats]]

    def of(self, tasks: Tasks, as_of: NDArray[np.datetime64] | None = None) -> History:
        """Return what these tries tell of tasks, leaving out for each what is of its own group.

        With `as_of`, a moment a task, only what began before that moment tells anything.
        """
        shape = len(tasks), len(self.tries.candidates)
        values = np.empty((len(FEATURES), *shape))
        for at, level in enumerate(_LEVELS):
            sums = self._sums(level, tasks, as_of).reshape(*shape, 4)
            values[3 * at : 3 * at + 3] = _shrunk(sums, values[:2] if at else None, KIND)
        self._near(tasks, as_of, values[:2], values[9:])
        return History(values)

    def _sums(self, level: str, tasks: Tasks, as_of: NDArray[np.datetime64] | None) -> Floats:
        """Return known qualities and costs, numbers and sums, of each task's kind without its own group."""
        cells, place, totals = self.totals[level]
        k = len(self.tries.candidates)
        cell = np.repeat(cells.place(tasks.known), k)
        candidate = np.tile(np.arange(k), len(tasks))
        group = np.repeat(tasks.group, k)
        asked = np.where(cell >= 0, cell * k + candidate, len(cells) * k)
        key = place * k + self.tries.candidate
        theirs = self.tries.tasks.group[self.tries.task]
        own = np.isin(theirs, tasks.group[tasks.group >= 0])
        value, at = _values(self.tries, self._worth(as_of)), _days(self.tries.started_at)
        together = codes(np.append(theirs[own], group), np.append(key[own], asked))
        mine, my_asked = np.split(together, [int(own.sum())])
        if as_of is None:
            found = np.vstack([totals, np.zeros((1, 4))])[asked]
            at, moment, half_life = np.zeros(len(at)), np.ones(len(asked)), None
        else:
            moment, half_life = np.repeat(_days(as_of), k), self.half_life_days
            found = sums_before(key, value, at, asked, moment, half_life)
        found = found - sums_before(mine, value[own], at[own], my_asked, moment, half_life)
        return np.where(np.abs(found) < 1e-9, 0.0, found)

    def _worth(self, as_of: NDArray[np.datetime64] | None) -> Floats:
        """Return how much each try counts; with a moment a task that is settled when the sums are taken."""
        if as_of is not None or self.half_life_days is None or self.moment is None:
            return np.ones(len(self.tries))
        return _faded(self.moment - self.tries.started_at, self.half_life_days)

    def _near(self, tasks: Tasks, as_of: NDArray[np.datetime64] | None, above: Floats, out: Floats) -> None:
        """Write the four features of the neighbours."""
        for piece, near in self.memory.near(tasks, self.k, as_of):
            moment = self.moment if as_of is None else as_of[piece, None]
            for place, (found, seen) in enumerate(zip(near, self.memory.seen, strict=True)):
                is_near = np.isfinite(found.similarity)
                worth = np.where(is_near, np.maximum(found.similarity, 0.0), 0.0)
                if self.half_life_days is not None and moment is not None:
                    worth *= np.where(is_near, _faded(moment - seen.at[found.entry], self.half_life_days), 0)
                n, cost = seen.n[found.entry], seen.cost[found.entry]
                priced = np.isfinite(cost)
                columns = (n, n * seen.quality[found.entry], priced, np.where(priced, cost, 0.0))
                sums = np.stack([(worth * column).sum(axis=1) for column in columns], axis=-1)
                out[:3, piece, place] = _shrunk(sums, above[:, piece, place], NEAR)
                n_near = np.maximum(is_near.sum(axis=1), 1)
                out[3, piece, place] = np.where(is_near, found.similarity, 0.0).sum(axis=1) / n_near


def remember(
    past: Tries, *, k: int = K, half_life_days: float | None = None, as_of: np.datetime64 | None = None
) -> Remembered:
    """Return tries ready to be asked about tasks; with `as_of` only those that began before that moment.

    With a half-life an outcome counts half as much for each half-life that it lies before `as_of`, or before the
    newest one. Where times matter, tries without a time are left out.

    Raises:
        RoutingError: when k or the half-life is not above 0.
    """
    if k < 1 or not (half_life_days is None or 0 < half_life_days < np.inf):
        raise RoutingError(f"{k} neighbours and a half-life of {half_life_days} days: both must be above 0")
    if as_of is not None:
        past = past.take(past.started_at < as_of)
    elif half_life_days is not None:
        past = past.take(~np.isnat(past.started_at))
        as_of = past.started_at.max() if len(past) else None
    empty = Remembered(past, Memory.of(past), k, half_life_days, as_of, {})
    value = _values(past, empty._worth(None))
    n_candidates = len(past.candidates)
    for level, by in _LEVELS.items():
        cells = Cells.of(past.tasks.known, by)
        place = cells.place(past.tasks.known)[past.task]
        totals = np.zeros((len(cells) * n_candidates, 4))
        np.add.at(totals, place * n_candidates + past.candidate, value)
        empty.totals[level] = cells, place, totals
    return empty


def history(
    tasks: Tasks, past: Tries, *, k: int = K, half_life_days: float | None = None, as_of: Moments = None
) -> History:
    """Return what the past tells of each task and candidate, leaving out for each task all of its own group.

    `as_of` is one moment, or one for each task: only tries that began before it tell anything. So what a router
    learns from is made like what it is given for a new task. A task of a negative group has no group.

    Raises:
        RoutingError: when k or the half-life is not above 0, or there is not one moment for each task.
    """
    if not isinstance(as_of, np.ndarray):
        return remember(past, k=k, half_life_days=half_life_days, as_of=as_of).of(tasks)
    if len(as_of) != len(tasks):
        raise RoutingError(f"{len(tasks)} tasks come with {len(as_of)} moments")
    timed = past.take(~np.isnat(past.started_at))
    return remember(timed, k=k, half_life_days=half_life_days).of(tasks, as_of.astype("datetime64[us]"))


def _shrunk(sums: Floats, above: Floats | None, weight: float) -> Floats:
    """Return mean quality, mean cost and n from (…, 4) sums: drawn towards what stands above, or plain means.

    At the top a quality is (x + ½) / (n + 1), so that it is never exactly 0 or 1.
    """
    n, total, n_priced, paid = np.moveaxis(sums, -1, 0)
    if above is None:
        quality = np.where(n > 0, (total + 0.5) / (n + 1), np.nan)
        return np.stack([quality, np.where(n_priced > 0, paid / np.maximum(n_priced, 1e-12), np.nan), n])
    quality = (total + weight * above[0]) / (n + weight)
    return np.stack([quality, (paid + weight * above[1]) / (n_priced + weight), n])


def _values(tries: Tries, worth: Floats) -> Floats:
    """Return for each try whether its quality is known, the quality, whether its cost is, and the cost."""
    known, priced = np.isfinite(tries.quality), np.isfinite(tries.cost)
    quality, cost = np.where(known, tries.quality, 0.0), np.where(priced, tries.cost, 0.0)
    return np.asarray(np.stack([known, quality, priced, cost], axis=1) * worth[:, None])


def _days(moments: NDArray[np.datetime64]) -> Floats:
    """Return moments in days since 1970; 0 for one that is not known."""
    days = moments.astype("datetime64[us]").astype(np.int64) / 86_400e6
    return np.where(np.isnat(moments), 0.0, days)


def _faded(age: NDArray[np.timedelta64], half_life_days: float | None) -> Floats:
    """Return the worth of outcomes of some age: halved with each half-life."""
    days = age / _DAY
    return np.asarray(np.exp2(-np.maximum(days, 0.0) / (half_life_days or np.inf)))
