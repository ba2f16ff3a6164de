"""How long routers take to be judged: from a log by its propensities, and where every outcome is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from bench.figures import Figure, say
from bench.routing_world import load, spent
from learnlab.routing.baselines import Lookup
from learnlab.routing.counterfactual import judging
from learnlab.routing.counterfactual.judged import judged
from learnlab.routing.counterfactual.policies import always, uniform
from learnlab.routing.evaluate.held import Held
from learnlab.routing.evaluate.outcomes import Outcomes
from learnlab.routing.evaluate.resampling import RESAMPLES
from learnlab.routing.evaluate.summary import aiq_summary, recovered_summary, summary
from learnlab.routing.preference import PriceOfQuality
from learnlab.routing.router import Expected
from learnlab.routing.tries import Floats, Tries

TOPIC = f"judging routers on the clock; intervals of full information by {RESAMPLES:,} resamples"
PEER = f"numpy: {RESAMPLES:,} resampled means of one column"
_TASKS, _ROUTERS = 14_000, 6


def measure(n: int, tries: Tries) -> Iterator[Figure]:
    """Yield what three policies judged from a log take, and tables of six routers on tasks with all outcomes known."""
    say(f"{n:,}: judging; {load()}")
    log = tries.take(np.arange(len(tries))[-_TASKS:])
    log = log.of_tasks(np.unique(log.task))
    policies = [uniform(log.candidates), *(always(at, log.candidates, str(at)) for at in range(2))]
    two, three = (_held(_TASKS, k) for k in (2, 3))
    routers = f"{_ROUTERS} routers"
    works: dict[str, Callable[[], object]] = {
        f"counterfactual: {len(policies)} policies, 5 estimators": lambda: judging.judge(
            judged(log), policies, Lookup()
        ),
        f"value, regret and share of best, {routers}": lambda: summary([three], PriceOfQuality(1.0), "0"),
        f"APGR and CPT, {routers}": lambda: recovered_summary([two], "0"),
        f"AIQ, {routers}": lambda: aiq_summary([three], "0"),
    }
    column = np.random.default_rng(0).random(_TASKS)
    for what, work in works.items():
        (_, ours), (_, peer) = spent(work), spent(partial(_resampled, column))
        yield Figure(TOPIC, what, _TASKS, ours.wall, "s", PEER, peer.wall)


def _held(n: int, k: int) -> Held:
    """Return tasks with outcomes drawn for every candidate, and routers that expect them more or less well."""
    rng = np.random.default_rng(k)
    chance = np.clip(rng.random((n, 1)) / 2 + np.linspace(0.2, 0.5, k), 0, 1)
    quality = (rng.random((n, k)) < chance).astype(float)
    cost = np.linspace(0.01, 0.5, k) * rng.uniform(0.5, 2, (n, k))
    kinds = np.array([f"kind {at % 8}" for at in range(n)], dtype=object)
    error = np.full((n, k), 0.05)
    routers = {
        str(at): Expected(np.clip(chance + rng.normal(0, 0.1 * at, (n, k)), 0, 1), error, cost, error)
        for at in range(_ROUTERS)
    }
    return Held(Outcomes(quality, cost, np.arange(n), kinds), routers)


def _resampled(column: Floats) -> Floats:
    rng = np.random.default_rng(0)
    return np.array([column[rng.integers(0, len(column), len(column))].mean() for _ in range(RESAMPLES)])
