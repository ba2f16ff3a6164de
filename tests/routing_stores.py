"""Stores that hold the worlds of `routing_worlds`: what was tried becomes executions. Run, it trains on one."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import polars as pl
from routing_worlds import REPOS, TIERS, TYPES, World, tried, world

from learnlab.routing.tries import Tries
from learnlab.store import Store
from learnlab.store.frames import conform


def fill(store: Store, tries: Tries, first: int = 0) -> Store:
    """Store tries as executions, their ids and problems numbered from `first`, each problem with a text of its own."""
    n = len(tries)
    frame = (
        tries.tasks.known[tries.task]
        .drop("n_characters")
        .with_columns(
            task_id=pl.Series([f"00000000-0000-4000-8000-{first + at:012d}" for at in range(n)]),
            task_group=pl.Series([f"g{first + at}" for at in tries.task]),
            task_description=pl.Series([f"task {first + at}" for at in tries.task]),
            timestamp=pl.Series(tries.started_at),
            model_tier=pl.Series([tries.candidates[at].tier.value for at in tries.candidate]),
            pool_type=pl.lit("local"),
            success=pl.Series(tries.quality).fill_nan(None).cast(pl.Boolean),
            success_source=pl.lit("verifier"),
            actual_cost=pl.Series(tries.cost).fill_nan(None),
            propensity=pl.Series(tries.propensity).fill_nan(None),
        )
    )
    good, faults = conform(frame)
    assert not len(faults), faults
    store.add(good)
    return store


def crossed(n: int, seed: int = 0, *, is_turned: bool = False) -> World:
    """A world in which only type and repo together tell what does well; turned, it is the other tier."""
    plain = world(n, seed)
    known = plain.tasks.known
    kind = np.array([TYPES.index(name) for name in known["task_type"]]) % 2
    repo = np.array([REPOS.index(name) for name in known["repo"]])
    small = ((kind ^ repo) == 1) ^ is_turned
    quality = np.where(small[:, None], [0.95, 0.5, 0.05], [0.05, 0.5, 0.95])
    return replace(plain, quality=quality, cost=np.full((n, 3), 0.01))


def logged(world: World, seed: int = 0, *, is_told: bool = True) -> Tries:
    """One try a task, drawn evenly from the tiers; its propensity told or not."""
    n = len(world.tasks)
    chosen = np.random.default_rng(seed).integers(0, len(TIERS), n)
    return tried(world, chosen, seed, np.full(n, 1 / len(TIERS)) if is_told else None)


def later(tries: Tries, minutes: int) -> Tries:
    """The same tries, so many minutes later."""
    return replace(tries, started_at=tries.started_at + np.timedelta64(minutes, "m"))


if __name__ == "__main__":
    from learnlab.routing.baselines import Lookup, best_single
    from learnlab.routing.promoting import promotion, reference

    reference.baselines = lambda: (best_single(), Lookup())
    print(promotion.train_router(sys.argv[1], sys.argv[2]).decision, flush=True)
