"""The simulated fleet as a stream with drift: every day is routed by what came before, and the truth is known."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from learnlab.ingest.simulation import simulated_world as w
from learnlab.ingest.simulation.sample import simulate_into
from learnlab.ingest.simulation.simulated_truth import DAYS, truth
from learnlab.routing.baselines import baselines
from learnlab.routing.evaluate.resampling import estimates, means, verdict
from learnlab.routing.preference import PriceOfQuality, best
from learnlab.routing.reading import read_tries
from learnlab.routing.router import Fitted, Router
from learnlab.routing.sona import FittedSona, Sona
from learnlab.routing.tries import Tries
from learnlab.store import Store

FIRST_DAY, DAY = 14, np.timedelta64(1, "D")
"""The days before the first are only learned from."""

DRIFT_DAY = round(DAYS * w.DRIFT_AT)

WORTH_USD = 1.0
"""What a success is worth: each tier is then the best one somewhere."""


def streams(n_seeds: int) -> pl.DataFrame:
    """Return the expected regret a task of each router, with what SONA saves: a row a router and part of the stream."""
    found = []
    for seed in range(n_seeds):
        # Without vectors, as the fleet's texts say no more than type and repo; neighbours know nothing then.
        routers = [*(one for one in baselines() if one.name != "knn"), Sona(seed)]
        found.append(regrets(*fleet(seed), routers, WORTH_USD).with_columns(seed=pl.lit(seed)))
    whole = pl.concat(found)
    parts = {
        "all": whole,
        "before the drift": whole.filter(pl.col("day") < DRIFT_DAY),
        "after it": whole.filter(pl.col("day") >= DRIFT_DAY),
    }
    return pl.concat(
        _compared(part).insert_column(0, pl.Series("part", [name] * whole["router"].n_unique()))
        for name, part in parts.items()
    )


def _compared(regret: pl.DataFrame) -> pl.DataFrame:
    """Return mean regrets, and those of each router less SONA's, with intervals over days and seeds: a row a router."""
    splits = []
    for _, one in regret.group_by("seed", maintain_order=True):
        wide = one.pivot(on="router", index=["seed", "day", "try"], values="regret_usd", maintain_order=True)
        names = wide.columns[3:]
        figures = [wide[name].to_numpy() for name in names]
        sona = wide["sona"].to_numpy()
        group = (wide["seed"] * 1000 + wide["day"]).to_numpy().astype(np.int64)
        splits.append((group, means(*figures, *(figure - sona for figure in figures))))
    intervals = estimates(splits)
    rows = []
    for name, own, over in zip(names, intervals[: len(names)], intervals[len(names) :], strict=True):
        rows.append(
            {
                "router": name,
                "regret_usd": own.estimate,
                "regret_usd_low": own.low,
                "regret_usd_high": own.high,
                "over_sona_usd": over.estimate,
                "over_sona_usd_low": over.low,
                "over_sona_usd_high": over.high,
                "sona_is": verdict(over) if name != "sona" else "itself",
            }
        )
    return pl.DataFrame(rows)


def fleet(seed: int, n: int = 20_000) -> tuple[Tries, np.ndarray, np.ndarray]:
    """Return a fleet's tries, and the true quality and cost of each tier at each try: (tries, 3)."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "fleet.duckdb").ensure()
        simulate_into(store, n, seed)
        tries = read_tries(store)
        pools = store.sql("select task_id, pool_type from executions order by timestamp, task_id")
    facts = truth(seed)
    phase = np.where(
        tries.started_at >= np.datetime64(facts.drift_at.replace(tzinfo=None), "us"), "after", "before"
    )
    rows = (
        tries.tasks.known[tries.task]
        .select("repo", "task_type")
        .with_columns(pool_type=pools["pool_type"], phase=pl.Series(phase))
    )
    figures = []
    for name in ("success_rate", "mean_cost_usd"):
        wide = facts.contexts.pivot(
            on="model_tier", index=["repo", "task_type", "pool_type", "phase"], values=name
        )
        joined = rows.join(
            wide, on=["repo", "task_type", "pool_type", "phase"], how="left", maintain_order="left"
        )
        figures.append(joined.select(*w.TIERS).to_numpy())
    return tries, *figures


def regrets(
    tries: Tries, quality: np.ndarray, cost: np.ndarray, routers: list[Router], worth_usd: float
) -> pl.DataFrame:
    """Return the regret (US dollars, expected) of each router at each try from the first judged day on."""
    preference = PriceOfQuality(worth_usd)
    value = quality * worth_usd - cost
    start = tries.started_at.min()
    day = ((tries.started_at - start) / DAY).astype(int)
    found = []
    fitted: dict[str, Fitted] = {}
    for one in range(FIRST_DAY, int(day.max()) + 1):
        past, now = tries.take(day < one), np.flatnonzero(day == one)
        if not len(now):
            continue
        tasks = tries.tasks.take(tries.task[now])
        for router in routers:
            before = fitted.get(router.name)
            if isinstance(before, FittedSona) and isinstance(router, Sona):
                is_weekly = (one - FIRST_DAY) % 7 == 0
                fitted[router.name] = router.learn(before, past) if is_weekly else before.with_history(past)
            else:
                fitted[router.name] = router.fit(past)
            chosen = best(fitted[router.name].expect(tasks), preference)
            lost = value[now].max(axis=1) - value[now, chosen]
            found.append(
                pl.DataFrame(
                    {"router": router.name, "day": one, "try": now, "chosen": chosen, "regret_usd": lost}
                )
            )
    return pl.concat(found)
