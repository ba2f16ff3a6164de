"""Stores that hold the worlds of `routing_worlds`: what was tried becomes executions."""

from __future__ import annotations

import numpy as np
import polars as pl
from routing_worlds import TIERS, World, all_tried, tried

from learnlab.routing.tries import Tries
from learnlab.store import Store
from learnlab.store.frames import conform


def fill(store: Store, tries: Tries, first: int = 0) -> Store:
    """Store tries as executions, their ids and problems numbered from `first`."""
    n = len(tries)
    known = tries.tasks.known[tries.task]
    frame = known.drop("n_characters").with_columns(
        task_id=pl.Series([f"00000000-0000-4000-8000-{first + at:012d}" for at in range(n)]),
        task_group=pl.Series([f"g{first + at}" for at in tries.task]),
        task_description=pl.Series([f"{first + at} ".ljust(80, "x") for at in tries.task]),
        timestamp=pl.Series(tries.started_at),
        model_tier=pl.Series([tries.candidates[at].tier.value for at in tries.candidate]),
        pool_type=pl.lit("local"),
        success=pl.Series(tries.quality).fill_nan(None).cast(pl.Boolean),
        success_source=pl.lit("verifier"),
        actual_cost=pl.Series(tries.cost).fill_nan(None),
        propensity=pl.Series(tries.propensity).fill_nan(None),
    )
    good, faults = conform(frame)
    assert not len(faults), faults
    store.add(good)
    return store


def logged(world: World, seed: int = 0, *, is_told: bool = True) -> Tries:
    """One try a task, drawn evenly from the tiers; its propensity told or not."""
    n = len(world.tasks)
    chosen = np.random.default_rng(seed).integers(0, len(TIERS), n)
    return tried(world, chosen, seed, np.full(n, 1 / len(TIERS)) if is_told else None)


def later(tries: Tries, minutes: int) -> Tries:
    """The same tries, so many minutes later."""
    from dataclasses import replace

    return replace(tries, started_at=tries.started_at + np.timedelta64(minutes, "m"))


__all__ = ["all_tried", "fill", "later", "logged"]
