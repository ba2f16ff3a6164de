"""The truth of the simulated fleet laid out as tables, for tests and for notebooks to put beside estimates.

Rates "as logged" are what all executions of a phase tend to, retries included; "if uniform" is what they would
tend to if a tier were chosen by lot for every task. Costs are US dollars, durations seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

import numpy as np
import polars as pl

from learnlab.ingest.simulation import simulated_world as w
from learnlab.ingest.simulation.simulated_texts import SOLUTION_KINDS, texts
from learnlab.ingest.simulation.simulated_world import Floats

LATEST = datetime(2026, 6, 30, tzinfo=UTC)
"""When the simulated executions end unless told otherwise."""

DAYS = 90
"""How many days they cover unless told otherwise."""


@dataclass(frozen=True)
class Truth:
    """What is true of a fleet: one frame a question, each with a row for either phase of the drift.

    `contexts`: repo × task_type × model_tier × pool_type: success_rate, propensity, share (of the phase's
    executions), mean_cost_usd, mean_duration_seconds, median_duration_seconds.
    `tiers`, `models`, `pools`: success_rate and means as logged; tiers also success_rate_first (first attempts
    only) and success_rate_if_uniform. The mean of the latter over the tiers is the uniform policy's value.
    `solutions`: task_type, topic, solution_summary, kind, its share of the topic's tries, success_rate.
    `estimates`: model_tier: estimate_ratio (mean estimate ÷ mean actual cost), mean_error_usd (actual −
    estimate, as logged).
    `feedback`: success (the true outcome): answer_rate, accepted_rate, and the rate of each satisfaction.
    `drift`: what changes at `drift_at`: outcome, where, and by how much.
    """

    drift_at: datetime
    contexts: pl.DataFrame
    tiers: pl.DataFrame
    models: pl.DataFrame
    pools: pl.DataFrame
    solutions: pl.DataFrame
    estimates: pl.DataFrame
    feedback: pl.DataFrame
    drift: pl.DataFrame


def as_utc(moment: datetime) -> datetime:
    """Return a time in UTC; one without zone is UTC already.

    >>> as_utc(datetime(2026, 6, 30, 2)).isoformat()
    '2026-06-30T02:00:00+00:00'
    """
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _grid(axes: dict[str, list[str]], **figures: Floats) -> pl.DataFrame:
    """Return a row for each combination of the axes' names, with the figures of arrays that have these axes."""
    names = pl.DataFrame(list(product(*axes.values())), schema=list(axes), orient="row")
    shape = tuple(len(axis) for axis in axes.values())
    return names.with_columns(
        pl.Series(name, np.broadcast_to(array, shape).ravel()) for name, array in figures.items()
    )


def _means(shares: Floats, kept: str, **figures: Floats) -> dict[str, Floats]:
    """Return the share of what is kept, and the mean of each figure there; arrays have the axes rtkph."""
    total = np.einsum(f"rtkph->{kept}", shares)
    means = {n: np.einsum(f"rtkph,rtkph->{kept}", shares, figure) / total for n, figure in figures.items()}
    return {"share": total, **means}


def _solutions(world: w.World, phases: dict[str, list[str]]) -> pl.DataFrame:
    tried = np.einsum("rtkph,rtj->rtkphj", world.share, world.topic_share)
    solved = np.einsum("rtkphj,rtkphms,km->tjsh", tried, world.success, world.model_share)
    rate = solved / np.einsum("rtkphj->tjh", tried)[:, :, None, :]
    topics = texts()["topics"]
    flat = {
        "task_type": [task_type for task_type in w.TASK_TYPES for _ in topics[task_type]],
        "topic": [topic for task_type in w.TASK_TYPES for topic in topics[task_type]],
    }
    n_topics, n_kinds, n_phases = len(flat["topic"]), len(SOLUTION_KINDS), len(w.PHASES)
    frame = _grid(
        {"at": [str(at) for at in range(n_topics)], "kind": list(SOLUTION_KINDS), **phases},
        share=w.SOLUTION_SHARE[None, :, None],
        success_rate=rate.reshape(n_topics, n_kinds, n_phases),
    )
    at = frame["at"].cast(pl.Int64)
    named = frame.with_columns(pl.Series(name, column).gather(at) for name, column in flat.items())
    summaries = [topics[row["task_type"]][row["topic"]][row["kind"]] for row in named.iter_rows(named=True)]
    named = named.with_columns(solution_summary=pl.Series(summaries))
    return named.select("task_type", "topic", "solution_summary", "kind", "phase", "share", "success_rate")


def _feedback() -> pl.DataFrame:
    rows = [
        {"success": success, "answer_rate": rate, "accepted_rate": w.ACCEPTED_RATES[success]}
        | {f"{level}_rate": p for level, p in zip(w.LEVELS, w.SATISFACTION[success], strict=True)}
        for success, rate in w.ANSWER_RATES.items()
    ]
    return pl.DataFrame(rows)


def _drift(happens_at: datetime) -> pl.DataFrame:
    tier, task_type, loss = w.TIER_DRIFT
    schema = ["figure", "model_tier", "task_type", "pool_type", "change", "size"]
    rows = [
        ("success", tier, task_type, None, "added to the log-odds", loss),
        ("duration_seconds", None, None, w.POOL_DRIFT[0], "factor", w.POOL_DRIFT[1]),
        ("actual_cost", w.COST_DRIFT[0], None, None, "factor", w.COST_DRIFT[1]),
    ]
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(happens_at=pl.lit(happens_at.replace(tzinfo=None), dtype=pl.Datetime("us")))


def truth(seed: int = 0, *, end: datetime = LATEST, days: float = DAYS) -> Truth:
    """Return what is true of the fleet of a seed, without simulating any execution.

    >>> truth(0).contexts.height == 8 * 7 * 3 * 4 * 2
    True
    """
    world = w.world(seed)
    repos, types, tiers, pools = list(w.REPOS), list(w.TASK_TYPES), list(w.TIERS), list(w.POOLS)
    phases = {"phase": list(w.PHASES)}
    context, share = world.context_success, world.share
    shape = context.shape
    of_models = np.einsum("rtkmh,km->rtkh", world.mean_cost, world.model_share)
    cost = np.broadcast_to(of_models[:, :, :, None, :], shape)
    median = world.median_seconds
    mean = median * np.exp(w.DURATION_SPREAD**2 / 2)
    outcomes = {"success_rate": context, "mean_cost_usd": cost, "mean_duration_seconds": mean}

    axes = {"repo": repos, "task_type": types, "model_tier": tiers, "pool_type": pools, **phases}
    propensity = np.broadcast_to(world.policy[:, :, :, None, None], shape)
    contexts = _grid(axes, propensity=propensity, share=share, **outcomes, median_duration_seconds=median)

    first = np.repeat(world.first_share[..., None], len(w.PHASES), axis=-1)
    by_lot = np.einsum("rt,rp->rtp", world.task_share, world.pool_share)[:, :, None, :, None]
    by_tier = _means(share, "kh", **outcomes)
    by_tier["success_rate_first"] = _means(first, "kh", rate=context)["rate"]
    by_tier["success_rate_if_uniform"] = _means(np.broadcast_to(by_lot, shape), "kh", rate=context)["rate"]

    by_model = np.einsum("rtkphms,s->rtkphm", world.success, np.array([odds for _, odds in w.SOLUTIONS]))
    weights = share / np.einsum("rtkph->kh", share)[:, None, :]
    model_rate = np.einsum("rtkph,rtkphm->kmh", weights, by_model).reshape(len(w.MODELS), -1)
    model_cost = np.einsum("rtkph,rtkmh->kmh", weights, world.mean_cost).reshape(len(w.MODELS), -1)
    model_share = np.einsum("rtkph,km->kmh", share, world.model_share).reshape(len(w.MODELS), -1)
    models = _grid(
        {"model": list(w.MODELS), **phases},
        share=model_share,
        success_rate=model_rate,
        mean_cost_usd=model_cost,
    ).with_columns(model_tier=pl.col("model").replace_strict({m: row[0] for m, row in w.MODELS.items()}))

    ratio = np.array([tier[3] for tier in w.TIERS.values()])[:, None] / world.price_factor
    estimates = _grid(
        {"model_tier": tiers, **phases},
        estimate_ratio=ratio,
        mean_error_usd=by_tier["mean_cost_usd"] * (1 - ratio),
    )
    drift_at = as_utc(end) - timedelta(days=days) * (1 - w.DRIFT_AT)
    return Truth(
        drift_at=drift_at,
        contexts=contexts,
        tiers=_grid({"model_tier": tiers, **phases}, **by_tier),
        models=models,
        pools=_grid({"pool_type": pools, **phases}, **_means(share, "ph", **outcomes)),
        solutions=_solutions(world, phases),
        estimates=estimates,
        feedback=_feedback(),
        drift=_drift(drift_at),
    )
