"""CodeRouterBench: which of eight models to send a task to, learned from all outcomes, from one at a time, elsewhere."""

from __future__ import annotations

import numpy as np
import polars as pl

from learnlab.intervals import Interval, bootstrap, paired_bootstrap
from learnlab.routing.baselines import Lookup, Oracle, baselines, best_single
from learnlab.routing.evaluate.held import Held
from learnlab.routing.evaluate.outcomes import outcomes
from learnlab.routing.evaluate.summary import summary
from learnlab.routing.policy import Thompson, sample
from learnlab.routing.preference import PriceOfQuality, best
from learnlab.routing.router import Expected, Router
from learnlab.routing.sona import FittedSona, Sona
from learnlab.routing.splits import folds
from learnlab.routing.tries import Tries
from router_table.sources import Encode, coderouter, coderouter_ood

QUALITY_FIRST = PriceOfQuality(1e6)
"""Quality above all: a task's score counts, its cost only among equals."""

PAPERS = 0.5014
"""Average performance of the paper's router. Its regret of 202.0 is against the paper's own oracle, of 0.570."""

FEW, EVERY = 40, 25
"""Steps of a stream that are drawn by lot before anything is learned, and steps between two looks at what came."""

AGAIN = (200, 400, 800, 1600)
"""Steps after which SONA's network is trained anew; in between it only looks at what came meanwhile."""


def papers_regret() -> float:
    """Return the regret of the paper's average performance against the best model of each task here."""
    best_of_each = coderouter().matrix()[0].max(axis=1)
    return float((best_of_each - PAPERS).sum())


def crossvalidated(n_seeds: int) -> pl.DataFrame:
    """Return average performance, cost and regret of each router by five folds, for several seeds: a row a router."""
    tries = coderouter()
    quality, cost = tries.matrix()
    learned: list[Router] = [one for one in baselines() if one.name != "knn"]
    held = []
    for seed in range(n_seeds):
        routers = [*learned, Sona(seed)]
        chosen = {one.name: np.full(len(tries.tasks), -1) for one in routers}
        for split in folds(tries, 5, seed):
            for one in routers:
                said = one.fit(split.learned).expect(split.judged.tasks)
                chosen[one.name][split.judged_rows] = best(said, QUALITY_FIRST)
        chosen["oracle"] = best(Oracle.of(tries).expect(tries.tasks), QUALITY_FIRST)
        held.append(Held(outcomes(tries), chosen))
    table = summary(held, QUALITY_FIRST, "lookup")
    total = {
        name: [
            float(np.mean([np.nansum(cost[np.arange(len(cost)), one.routers[name]]) for one in held])),
            float(
                np.mean(
                    [
                        (quality.max(axis=1) - quality[np.arange(len(cost)), one.routers[name]]).sum()
                        for one in held
                    ]
                )
            ),
        ]
        for name in chosen
    }
    return table.with_columns(
        cost_usd=pl.col("router").replace_strict(
            {n: t[0] for n, t in total.items()}, return_dtype=pl.Float64
        ),
        cumulative_regret=pl.col("router").replace_strict(
            {n: t[1] for n, t in total.items()}, return_dtype=pl.Float64
        ),
    )


def streams(n_orders: int) -> pl.DataFrame:
    """Return what each router comes to where only the chosen model's outcome is seen, over orders: a row a router."""
    whole = _streamed(n_orders)
    regret = {name: one["cumulative_regret"].to_numpy() for (name,), one in whole.group_by("router")}
    rows = []
    for name in whole["router"].unique(maintain_order=True):
        row: dict[str, object] = {"router": name}
        one = whole.filter(router=name)
        for figure in ("mean_quality", "cost_usd", "cumulative_regret"):
            row |= _bounds(figure, bootstrap(one[figure].to_numpy()))
        if name != "lookup":
            row |= _bounds("over_lookup", paired_bootstrap(regret[name], regret["lookup"]))
        rows.append(row)
    return pl.DataFrame(rows)


def _bounds(name: str, interval: Interval | None) -> dict[str, float | None]:
    estimate, low, high = interval[:3] if interval else (None, None, None)
    return {name: estimate, f"{name}_low": low, f"{name}_high": high}


def _streamed(n_orders: int) -> pl.DataFrame:
    """Return what each router comes to on each order: a row a router and order, in the same order of orders."""
    tries = coderouter()
    quality, cost = tries.matrix()
    found = []
    for order in range(n_orders):
        rows = np.random.default_rng([order, 7]).permutation(len(tries.tasks))
        for router in (None, best_single(), Lookup(), Sona(order)):
            chosen = _stream(tries, quality, cost, rows, router, order)
            at = quality[rows, chosen]
            found.append(
                {
                    "router": router.name if router else "by lot",
                    "order": order,
                    "mean_quality": float(at.mean()),
                    "cost_usd": float(np.nansum(cost[rows, chosen])),
                    "cumulative_regret": float((quality[rows].max(axis=1) - at).sum()),
                }
            )
    return pl.DataFrame(found)


def _stream(
    tries: Tries, quality: np.ndarray, cost: np.ndarray, rows: np.ndarray, router: Router | None, order: int
) -> np.ndarray:
    """Return what is chosen for each task of a stream, Thompson sampling from what the router expects by then."""
    rng = np.random.default_rng([order, 8])
    k = quality.shape[1]
    chosen = np.empty(len(rows), dtype=np.int64)
    chosen[:FEW] = rng.permutation(np.arange(FEW) % k)
    if router is None:
        return rng.integers(0, k, len(rows))
    fitted = None
    for at in range(FEW, len(rows), EVERY):
        seen = _seen(tries, quality, cost, rows[:at], chosen[:at])
        if isinstance(fitted, FittedSona) and not any(at - EVERY < one <= at for one in AGAIN):
            fitted = fitted.with_history(seen)
        else:
            fitted = router.fit(seen)
        piece = rows[at : at + EVERY]
        said = fitted.expect(tries.tasks.take(piece))
        chosen[at : at + EVERY] = sample(Thompson(QUALITY_FIRST).probabilities(said, rng), rng)
    return chosen


def _seen(tries: Tries, quality: np.ndarray, cost: np.ndarray, rows: np.ndarray, chosen: np.ndarray) -> Tries:
    n = len(rows)
    return Tries(
        tasks=tries.tasks.take(rows),
        candidates=tries.candidates,
        task=np.arange(n),
        candidate=chosen,
        quality=quality[rows, chosen],
        cost=cost[rows, chosen],
        propensity=np.full(n, np.nan),
        started_at=np.full(n, np.datetime64("NaT", "us")),
    )


def elsewhere(encode: Encode) -> pl.DataFrame:
    """Return what routers learned on id_test come to on the 176 repository tasks: a row a router."""
    learned, judged = coderouter(), coderouter_ood(encode)
    routers: list[Router] = [*(one for one in baselines() if one.name != "knn"), Sona(0)]
    said: dict[str, Expected | np.ndarray] = {}
    for one in routers:
        said[one.name] = best(one.fit(learned).expect(judged.tasks), QUALITY_FIRST)
    quality, _ = judged.matrix()
    for place, candidate in enumerate(judged.candidates):
        if place == int(np.nanmean(quality, axis=0).argmax()):
            said[f"always {candidate.model} (best afterwards)"] = np.full(len(judged.tasks), place)
    return summary([Held(outcomes(judged), said)], QUALITY_FIRST, "best_single")
