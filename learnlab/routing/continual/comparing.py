"""Ways to learn a stream compared: many runs of all of them, and intervals that speak of runs and of tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from learnlab.routing.continual.learning import PLAIN, Learned, Training, learn
from learnlab.routing.continual.memory import JOINT, NAIVE, Way
from learnlab.routing.continual.scores import Score
from learnlab.routing.continual.stream import Domain, Rows, split
from learnlab.routing.continual.transfer import FIGURES
from learnlab.routing.tries import Floats, Ints


@dataclass(frozen=True)
class Run:
    """One split and order of the domains, learned in every way: what each came to, by its method.

    `is_own_order` says that the domains came in the order they were given in.
    """

    learned: dict[str, Learned]
    is_own_order: bool


def runs(
    found: list[tuple[str, Rows]],
    ways: Sequence[Way],
    seeds: Sequence[int],
    training: Training = PLAIN,
) -> list[Run]:
    """Return two runs a seed, each of its own split and first network: the domains' own order, and a drawn one."""
    made = []
    for seed in seeds:
        drawn = np.random.default_rng([seed, 3]).permutation(len(found))
        for is_own, order in ((True, range(len(found))), (False, drawn)):
            stream = split([found[place] for place in order], 2 * seed + is_own)
            made.append(Run({way.method: learn(stream, way, seed, training) for way in ways}, is_own))
    return made


def matrices(learned: Learned, score: Score, weights: list[Floats] | None = None) -> Floats:
    """Return the matrix of forgetting, (resamples, domains + 1, domains); one resample of all tasks unless given.

    `weights` are those of each domain's held-back tasks, (resamples, tasks).
    """
    judged = [domain.judge for domain in learned.domains]
    weights = weights or [np.ones((1, len(rows))) for rows in judged]
    columns = [
        np.stack([score(row[j], rows.quality, weights[j]) for row in learned.chances], axis=-1)
        for j, rows in enumerate(judged)
    ]
    return np.stack(columns, axis=-1)


def _resampled(
    found_runs: list[Run], score: Score, resamples: int, seed: int
) -> Iterator[tuple[str, Floats, Floats]]:
    """Return each way's method in each run, the matrices of all resamples, and what the run counts in each of them.

    The first is no resample but the runs as they are. Each resample draws runs, and groups of held-back tasks, which
    count in every run and way alike: A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007),
    386-411.
    """
    rng = np.random.default_rng(seed)
    groups, n_runs = _judged_groups(found_runs), len(found_runs)
    of_groups, of_runs = (
        np.concatenate([np.ones((1, n)), rng.multinomial(n, np.full(n, 1 / n), size=resamples)])
        for n in (len(groups), n_runs)
    )
    for run, of_run in zip(found_runs, of_runs.T, strict=True):
        weights = [of_groups[:, np.searchsorted(groups, d.judge.group)] for d in _domains(run)]
        for method, learned in run.learned.items():
            yield method, matrices(learned, score, weights), of_run / n_runs


def compared(found_runs: list[Run], score: Score, *, resamples: int = 400, seed: int = 0) -> pl.DataFrame:
    """Return the figures of each way with 95 % intervals, and their differences to naive and to joint retraining.

    Grain: method, figure (`transfer.FIGURES`). Columns: method, figure, estimate, then the paired difference
    `over_naive` and `over_joint` (method − the other), each with `_low` and `_high`, n_runs, n_groups (of tasks
    that were judged by). The intervals speak of runs and of groups of tasks.
    """
    figures: dict[str, dict[str, Floats]] = {}
    for method, matrix, counts in _resampled(found_runs, score, resamples, seed):
        for figure, of_matrix in FIGURES.items():
            so_far = figures.setdefault(method, {}).setdefault(figure, np.zeros(resamples + 1))
            so_far += counts * of_matrix(matrix)
    n = {"n_runs": len(found_runs), "n_groups": len(_judged_groups(found_runs))}
    rows = []
    for method, of_method in figures.items():
        for figure, values in of_method.items():
            row = {"method": method, "figure": figure, **_interval("estimate", values)}
            for name, other in (("over_naive", NAIVE), ("over_joint", JOINT)):
                if other in figures and other != method:
                    row |= _interval(name, values - figures[other][figure])
            rows.append(row | n)
    return pl.DataFrame(rows, schema=SCHEMA)


def course(found_runs: list[Run], score: Score, *, resamples: int = 400, seed: int = 0) -> pl.DataFrame:
    """Return how well the domains learned so far are foretold as the stream goes on, with 95 % intervals.

    Grain: method, n_domains (how many were learned). Columns: those, estimate with `_low` and `_high`, n_runs.
    """
    figures: dict[str, Floats] = {}
    for method, matrix, counts in _resampled(found_runs, score, resamples, seed):
        so_far = [matrix[:, i, :i].mean(axis=1) for i in range(1, matrix.shape[1])]
        figures[method] = figures.get(method, 0.0) + counts[:, None] * np.stack(so_far, axis=1)
    rows = []
    for method, values in figures.items():
        for i in range(values.shape[1]):
            row = {"method": method, "n_domains": i + 1, **_interval("estimate", values[:, i])}
            if NAIVE in figures and method != NAIVE:
                row |= _interval("over_naive", values[:, i] - figures[NAIVE][:, i])
            rows.append(row | {"n_runs": len(found_runs)})
    return pl.DataFrame(rows, schema=COURSE)


def forgotten(found_runs: list[Run], score: Score) -> pl.DataFrame:
    """Return the matrix of forgetting of each way, a mean over the runs in the domains' own order.

    Grain: method, n_domains (how many were learned; 0: none), domain. Columns: those, after (the last one learned;
    "" for none), score, is_learned (whether the domain was among them), n_runs.
    """
    own = [run for run in found_runs if run.is_own_order]
    rows = []
    for method in own[0].learned:
        matrix = np.mean([matrices(run.learned[method], score)[0] for run in own], axis=0)
        names = [domain.name for domain in _domains(own[0])]
        rows += [
            {
                "method": method,
                "n_domains": i,
                "domain": name,
                "after": names[i - 1] if i else "",
                "score": matrix[i, j],
            }
            | {"is_learned": j < i, "n_runs": len(own)}
            for i in range(len(matrix))
            for j, name in enumerate(names)
        ]
    return pl.DataFrame(rows)


def _judged_groups(found_runs: list[Run]) -> Ints:
    return np.unique(np.concatenate([d.judge.group for run in found_runs for d in _domains(run)]))


_ENDS = ("", "_low", "_high")
SCHEMA = pl.Schema(
    {
        "method": pl.String(),
        "figure": pl.String(),
        **{
            f"{name}{end}": pl.Float64() for name in ("estimate", "over_naive", "over_joint") for end in _ENDS
        },
        "n_runs": pl.Int64(),
        "n_groups": pl.Int64(),
    }
)
"""The columns of a comparison."""

COURSE = pl.Schema(
    {"method": pl.String(), "n_domains": pl.Int64()}
    | {f"{name}{end}": pl.Float64() for name in ("estimate", "over_naive") for end in _ENDS}
    | {"n_runs": pl.Int64()}
)
"""The columns of the course of a stream."""


def _domains(run: Run) -> list[Domain]:
    return next(iter(run.learned.values())).domains


def _interval(name: str, values: Floats) -> dict[str, float]:
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    figures = (float(values[0]), float(low), float(high))
    return {f"{name}{end}": figure for end, figure in zip(_ENDS, figures, strict=True)}
