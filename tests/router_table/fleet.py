"""The simulated fleet as a stream with drift: every day is routed by what came before, and the truth is known."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from learnlab.ingest.simulation import simulated_world as w
from learnlab.ingest.simulation.sample import simulate_into
from learnlab.ingest.simulation.simulated_truth import truth
from learnlab.routing.preference import PriceOfQuality, best
from learnlab.routing.reading import read_tries
from learnlab.routing.router import Router
from learnlab.routing.sona import FittedSona, Sona
from learnlab.routing.tries import Tries
from learnlab.store import Store

FIRST_DAY, DAY = 14, np.timedelta64(1, "D")


def fleet(seed: int, n: int = 20_000) -> tuple[Tries, np.ndarray, np.ndarray]:
    """Return a fleet's tries, and the true quality and cost of each tier at each try: (tries, 3)."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "fleet.duckdb").ensure()
        simulate_into(store, n, seed)
        tries = read_tries(store)
        pools = store.sql("select task_id, pool_type from executions order by timestamp, task_id")
    facts = truth(seed)
    phase = np.where(tries.started_at >= np.datetime64(facts.drift_at.replace(tzinfo=None), "us"), "after", "before")
    rows = tries.tasks.known[tries.task].select("repo", "task_type").with_columns(
        pool_type=pools["pool_type"], phase=pl.Series(phase)
    )
    figures = []
    for name in ("success_rate", "mean_cost_usd"):
        wide = facts.contexts.pivot(on="model_tier", index=["repo", "task_type", "pool_type", "phase"], values=name)
        joined = rows.join(wide, on=["repo", "task_type", "pool_type", "phase"], how="left", maintain_order="left")
        figures.append(joined.select(*w.TIERS).to_numpy())
    return tries, *figures


def regrets(tries: Tries, quality: np.ndarray, cost: np.ndarray, routers: list[Router], worth_usd: float) -> pl.DataFrame:
    """Return the regret (US dollars, expected) of each router at each try from the first judged day on."""
    preference = PriceOfQuality(worth_usd)
    value = quality * worth_usd - cost
    start = tries.started_at.min()
    day = ((tries.started_at - start) / DAY).astype(int)
    found = []
    fitted: dict[str, object] = {}
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
            found.append(pl.DataFrame({"router": router.name, "day": one, "try": now, "chosen": chosen, "regret_usd": lost}))
    return pl.concat(found)
