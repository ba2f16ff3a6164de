"""Ways to learn a stream compared: many runs of all of them, and intervals that speak of runs and of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from learnlab.routing.continual.learning import PLAIN, Learned, Training, learn
from learnlab.routing.continual.memory import JOINT, NAIVE, Way
from learnlab.routing.continual.scores import Score
from learnlab.routing.continual.stream import Domain, Rows, split
from learnlab.routing.continual.transfer import FIGURES
from learnlab.routing.tries import Floats


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


def compared(found_runs: list[Run], score: Score, *, resamples: int = 400, seed: int = 0) -> pl.DataFrame:
    """Return the figures of each way with 95 % intervals, and their differences to naive and to joint retraining.

    Grain: method, figure (`transfer.FIGURES`). Columns: method, figure, estimate, low, high, then the paired
    difference `over_naive` and `over_joint` (method − the other) with `_low` and `_high`, n_runs, n_groups (of tasks
    that were judged by). Each resample draws runs, and groups of held-back tasks, which count in every run and way
    alike: A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007), 386-411.
    """
    rng = np.random.default_rng(seed)
    groups = np.unique(np.concatenate([d.judge.group for run in found_runs for d in _domains(run)]))
    drawn = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=resamples)
    of_groups = np.concatenate([np.ones((1, len(groups))), drawn])
    of_runs = rng.multinomial(len(found_runs), np.full(len(found_runs), 1 / len(found_runs)), size=resamples)
    of_runs = np.concatenate([np.ones((1, len(found_runs))), of_runs])
    figures: dict[str, dict[str, Floats]] = {}
    for run, of_run in zip(found_runs, of_runs.T, strict=True):
        weights = [of_groups[:, np.searchsorted(groups, d.judge.group)] for d in _domains(run)]
        for method, learned in run.learned.items():
            matrix = matrices(learned, score, weights)
            for figure, of_matrix in FIGURES.items():
                sums = figures.setdefault(method, {}).setdefault(figure, np.zeros(resamples + 1))
                sums += of_run * of_matrix(matrix) / len(found_runs)
    rows = []
    for method, of_method in figures.items():
        for figure, values in of_method.items():
            row = {"method": method, "figure": figure, **_interval("", values)}
            for name, other in (("over_naive", NAIVE), ("over_joint", JOINT)):
                if other in figures and other != method:
                    row |= _interval(name, values - figures[other][figure])
            rows.append(row | {"n_runs": len(found_runs), "n_groups": len(groups)})
    return pl.DataFrame(rows, schema=SCHEMA)


_ENDS = ("", "_low", "_high")
SCHEMA = pl.Schema(
    {
        "method": pl.String(),
        "figure": pl.String(),
        **{name: pl.Float64() for name in ("estimate", "low", "high")},
        **{f"{name}{end}": pl.Float64() for name in ("over_naive", "over_joint") for end in _ENDS},
        "n_runs": pl.Int64(),
        "n_groups": pl.Int64(),
    }
)
"""The columns of a comparison."""


def _domains(run: Run) -> list[Domain]:
    return next(iter(run.learned.values())).domains


def _interval(name: str, values: Floats) -> dict[str, float]:
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    keys = [f"{name}{end}" for end in _ENDS] if name else ["estimate", "low", "high"]
    return dict(zip(keys, (float(values[0]), float(low), float(high)), strict=True))
