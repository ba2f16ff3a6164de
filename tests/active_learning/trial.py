"""One trial: a fleet whose verdicts are hidden, a budget of labels spent in an order, and what was learned from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from learnlab.feedback.ordering.beliefs import LEVELS, beliefs
from learnlab.feedback.ordering.ranking import ranked
from learnlab.ingest.simulation.simulator import simulate

CELL = list(LEVELS[-1])
CONTEXT = ["repo", "task_type", "pool_type", "phase"]
WORTH_USD = 1.0
JUDGED = ("random", "uncertainty", "coverage", "age", "mixed")


@dataclass(frozen=True)
class World:
    """A fleet's pool of candidates with their hidden verdicts, and what is held back with its truth.

    `kinds`: every cell that can be, with the pool's executions in it. `held`: cell, tier, truth, n (executions).
    `choices`: the tasks held back as kinds of context, with the true rate and cost of each tier.
    """

    pool: pl.DataFrame
    kinds: pl.DataFrame
    held: pl.DataFrame
    choices: pl.DataFrame


def world(seed: int, n: int) -> World:
    """Return the fleet of a seed, its problems in two halves."""
    fleet = simulate(n, seed)
    after = pl.col("timestamp") >= fleet.truth.drift_at.replace(tzinfo=None)
    phase = pl.when(after).then(pl.lit("after")).otherwise(pl.lit("before"))
    known = fleet.executions.drop_nulls("success").with_columns(phase=phase)
    problems = known["task_group"].unique().sort()
    half = problems.sample(fraction=0.5, seed=seed, shuffle=True)
    pool = known.filter(pl.col("task_group").is_in(half.implode()))
    rest = known.filter(~pl.col("task_group").is_in(half.implode()))
    cells = pl.concat([known.select(CELL), fleet.truth.contexts.select(CELL)]).unique().sort(CELL)
    counts = pool.group_by(CELL).agg(n_executions=pl.len())
    kinds = cells.join(counts, on=CELL, how="left", maintain_order="left")
    contexts = fleet.truth.contexts.select(*CONTEXT, "model_tier", "success_rate", "mean_cost_usd")
    tried = rest.group_by(*CONTEXT, "model_tier").agg(n=pl.len())
    asked = rest.filter(pl.col("attempt") == 1).group_by(CONTEXT).agg(n=pl.len())
    nothing = {
        "is_told": False,
        "is_judged": False,
        "logged": None,
        "n_yes": 0,
        "n_no": 0,
        "is_settled": False,
    }
    ratings = {"lowest_rating": None, "highest_rating": None}
    lots = np.random.default_rng([seed, 7]).permutation(pool.height)
    return World(
        pool=pool.select("task_id", *CELL, "success", started_at="timestamp").with_columns(
            pl.Series("lot", lots),
            **{name: pl.lit(value, pl.Boolean if value is None else None) for name, value in nothing.items()},
            **{name: pl.lit(value, pl.Int64) for name, value in ratings.items()},
        ),
        kinds=kinds.with_columns(pl.col("n_executions").fill_null(0)),
        held=tried.join(contexts, on=[*CONTEXT, "model_tier"]).sort(*CONTEXT, "model_tier"),
        choices=asked.join(contexts, on=CONTEXT).sort(*CONTEXT, "model_tier"),
    )


def counted(world: World, labelled: pl.DataFrame) -> pl.DataFrame:
    """Return the kinds with the verdicts that the labels give."""
    told = labelled.group_by(CELL).agg(
        n_verdicts=pl.len(), n_successes=pl.col("success").cast(pl.Int64).sum()
    )
    kinds = world.kinds.join(told, on=CELL, how="left", maintain_order="left")
    return kinds.with_columns(pl.col("n_verdicts", "n_successes").fill_null(0))


def by_lookup(world: World, labelled: pl.DataFrame) -> pl.DataFrame:
    """Return what the shrunken lookup expects of each cell: the cell, expected."""
    return beliefs(counted(world, labelled)).select(*CELL, expected="rate")


def by_logistic(world: World, labelled: pl.DataFrame) -> pl.DataFrame | None:
    """Return what a logistic regression expects of each cell, or None where all labels are one."""
    from sklearn.linear_model import LogisticRegression

    if labelled["success"].n_unique() < 2:
        return None
    encode = partial(_columns, world.kinds)
    model = LogisticRegression().fit(encode(labelled), labelled["success"].to_numpy())
    return world.kinds.select(CELL).with_columns(
        expected=pl.Series(model.predict_proba(encode(world.kinds))[:, 1])
    )


def _columns(kinds: pl.DataFrame, rows: pl.DataFrame) -> np.ndarray:
    """Return a column a type, tier and repo that there is, 1 where a row is of it."""
    columns = [(rows[by] == value).to_numpy() for by in CELL for value in kinds[by].unique().sort()]
    return np.stack(columns, axis=1).astype(float)


def scores(world: World, expected: pl.DataFrame) -> dict[str, float]:
    """Return log loss, Brier score and regret (US dollars a task) of expectations, under the truth."""
    seen = world.held.join(expected, on=CELL)
    p, q, n = (seen[name].to_numpy() for name in ("success_rate", "expected", "n"))
    loss = -(p * np.log(q) + (1 - p) * np.log1p(-q))
    brier = p * (1 - q) ** 2 + (1 - p) * q**2
    worth = pl.col("expected") * WORTH_USD - pl.col("mean_cost_usd")
    true = pl.col("success_rate") * WORTH_USD - pl.col("mean_cost_usd")
    choices = world.choices.join(expected, on=CELL).with_columns(worth=worth, true=true)
    lost = choices.group_by(CONTEXT).agg(
        pl.col("n").first(), lost=pl.col("true").max() - pl.col("true").get(pl.col("worth").arg_max())
    )
    return {
        "log_loss": float(loss @ n / n.sum()),
        "brier": float(brier @ n / n.sum()),
        "regret_usd": float(lost.select((pl.col("lost") * pl.col("n")).sum() / pl.col("n").sum()).item()),
    }


PREDICTORS = {"lookup": by_lookup, "logistic": by_logistic}


def spent(
    world: World, seed: int, by: str, batch: int, n_batches: int, *, predictors: Iterable[str] = PREDICTORS
) -> pl.DataFrame:
    """Return the scores after each batch of labels in an order: seed, order, n_labels, predictor and the scores."""
    waiting, labelled = world.pool, world.pool.clear()
    rows = []
    for _ in range(n_batches):
        head = ranked(waiting.drop("success"), counted(world, labelled), batch, by)
        labelled = pl.concat([labelled, waiting.join(head, on="task_id", how="semi")])
        waiting = waiting.join(head, on="task_id", how="anti")
        for predictor in predictors:
            expected = PREDICTORS[predictor](world, labelled)
            if expected is not None:
                told = {"seed": seed, "order": by, "n_labels": labelled.height, "predictor": predictor}
                rows.append(told | scores(world, expected))
    return pl.DataFrame(rows)
