"""The truth of the bundled sample, try by try: what every tier would do on each task, as the simulator knows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from learnlab.ingest.simulation.sample import SAMPLE, simulated_truth
from learnlab.routing.tries import Floats, Tries
from learnlab.store import Store

_WHERE = ("repo", "task_type", "phase")


@dataclass(frozen=True)
class TrueMeans:
    """The true success rate, mean cost (US dollars) and probability of being chosen: (tries, candidates) each."""

    quality: Floats
    cost: Floats
    propensity: Floats


def true_means(tries: Tries, db: str | Path = "") -> TrueMeans | None:
    """Return what is true of every tier on the task of each try, or None where nobody knows.

    It is known of the tiers and the routed tasks of the bundled sample alone: the simulator's rates and costs,
    averaged over its pools.
    """
    if Store(db).name != SAMPLE or any(one.model or one.pool or not one.tier for one in tries.candidates):
        return None
    rows = _asked(tries)
    table = _of_contexts().join(rows, on=_WHERE, how="right").sort("row")
    n, k = len(tries), len(tries.candidates)
    if table.height != n * k or table["model_tier"].null_count():
        return None
    places = {str(one.tier): at for at, one in enumerate(tries.candidates)}
    place = table["model_tier"].replace_strict(places, return_dtype=pl.Int64)
    grids = []
    for name in ("quality", "cost", "propensity"):
        grid = np.zeros((n, k))
        grid[table["row"].to_numpy(), place.to_numpy()] = table[name].to_numpy()
        grids.append(grid)
    return TrueMeans(*grids)


def _asked(tries: Tries) -> pl.DataFrame:
    """Return where each try stood in the simulated world, a row a try: row, repo, task_type, phase."""
    known = tries.tasks.known[tries.task].select("repo", "task_type")
    drift = np.datetime64(simulated_truth().drift_at.replace(tzinfo=None), "us")
    phase = np.where(tries.started_at >= drift, "after", "before")
    return known.with_columns(phase=pl.Series(phase, dtype=pl.String)).with_row_index("row")


def _of_contexts() -> pl.DataFrame:
    """Return the truth of the sample by repo, task_type, phase and model_tier: propensity, quality, cost."""
    contexts = simulated_truth().contexts
    where = (*_WHERE, "pool_type")
    # A small tier is no retry's: its share, over the probability of choosing it, is that of the tasks of a pool.
    tasks = contexts.filter(model_tier="small").select(*where, tasks=pl.col("share") / pl.col("propensity"))
    weighed = contexts.join(tasks, on=where)
    mean = (pl.col("success_rate") * pl.col("tasks")).sum() / pl.col("tasks").sum()
    return weighed.group_by(*_WHERE, "model_tier").agg(
        pl.col("propensity").first(), quality=mean, cost=pl.col("mean_cost_usd").first()
    )
