"""Replays of the simulated fleet's world, and a light model: the same truth, tasks, choices and outcomes drawn anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from learnlab.events import Candidate
from learnlab.ingest.simulation import simulated_runs as runs
from learnlab.ingest.simulation import simulated_world as w
from learnlab.models import Tier
from learnlab.routing.router import Expected
from learnlab.routing.tries import KNOWN, Floats, Ints, Tasks, Tries

TIERS = tuple(Candidate(tier=Tier(name)) for name in w.TIERS)
BEGIN, DAYS = datetime(2026, 4, 1), 90
WORLD = w.world(0)

_MEAN_COST = np.einsum("rtkmh,km->rtkh", WORLD.mean_cost, WORLD.model_share)
_SUCCESS = np.einsum("rp,rtkph->rtkh", WORLD.pool_share, WORLD.context_success)

LIKELY = np.zeros_like(WORLD.policy)
np.put_along_axis(LIKELY, (_SUCCESS[..., 0] - 0.2 * _MEAN_COST[..., 0]).argmax(2)[..., None], 1.0, 2)

POLICIES = {
    "small": np.broadcast_to([1.0, 0.0, 0.0], WORLD.policy.shape),
    "large": np.broadcast_to([0.0, 0.0, 1.0], WORLD.policy.shape),
    "by lot": np.full(WORLD.policy.shape, 1 / 3),
    "chosen": LIKELY,
}
"""Policies to judge, as probabilities (repo, task type, tier)."""


@dataclass(frozen=True)
class Replay:
    """Tries drawn from the world, their positions in it, and the probabilities they were drawn with."""

    tries: Tries
    repo: Ints
    task_type: Ints
    phase: Ints
    kept: float

    def target(self, policy: Floats) -> Floats:
        return policy[self.repo, self.task_type]

    def truth(self, policy: Floats, figure: str) -> float:
        """The value of a policy in this world, over all tasks there could have been in these phases."""
        of_phase = {
            "quality": np.einsum("rt,rtk,rtkh->h", WORLD.task_share, policy, self.kept * _SUCCESS),
            "cost": np.einsum("rt,rtk,rtkh->h", WORLD.task_share, policy, _MEAN_COST),
        }[figure]
        return float(of_phase @ (np.bincount(self.phase, minlength=2) / len(self.phase)))


def skewed(most: float) -> Floats:
    """A log that takes each context's likeliest tier with this probability, and the others equally seldom."""
    policy = np.full(WORLD.policy.shape, (1 - most) / 2)
    np.put_along_axis(policy, WORLD.policy.argmax(2)[..., None], most, 2)
    return policy


def replay(
    n: int, seed: int, policy: Floats = WORLD.policy, *, kept: float = 1.0, crowded: bool = False
) -> Replay:
    """Draw n tasks and run each once; `kept` is the share of successes that stay ones, `crowded` makes groups uneven."""
    rng = np.random.default_rng([seed, 6])
    n_briefs = max(1, int(n * runs.ONCE_SHARE))
    n_nightly = max(1, int(n_briefs * runs.NIGHTLY_SHARE))
    share = WORLD.task_share
    brief_repo, brief_type = np.unravel_index(runs.pick(rng, share.ravel(), n_briefs), share.shape)
    order = rng.permutation(n)
    brief = np.where(order < n_briefs, order, rng.integers(0, n_nightly, n))
    if crowded:
        brief = np.where(rng.random(n) < 0.4, (n_briefs * rng.random(n) ** 6).astype(np.int64), brief)
    r, t = brief_repo[brief], brief_type[brief]
    start = runs.draw_starts(rng, brief < n_nightly, BEGIN, DAYS)
    rows = {"r": r, "t": t, "k": runs.pick(rng, policy[r, t], n), "p": runs.pick(rng, WORLD.pool_share[r], n)}
    drift = DAYS * runs.DAY * w.DRIFT_AT
    done = runs.run_once(rng, WORLD, rows | {"start": start}, drift)
    success = done["success"] & (rng.random(n) < kept)
    known = pl.DataFrame(
        {
            "task_type": pl.Series(list(w.TASK_TYPES)).gather(t),
            "repo": pl.Series(list(w.REPOS)).gather(r),
            "file_count": t,
            "estimated_tokens": r,
            "complexity_score": np.zeros(n),
            "n_characters": np.ones(n, dtype=np.int64),
        },
        schema=KNOWN,
    )
    tries = Tries(
        tasks=Tasks(known, np.zeros((n, 0), dtype=np.float32), brief.astype(np.int64)),
        candidates=TIERS,
        task=np.arange(n),
        candidate=np.asarray(rows["k"]),
        quality=np.where(done["is_known"], success, np.nan).astype(np.float64),
        cost=np.asarray(done["cost"], dtype=np.float64),
        propensity=policy[r, t, rows["k"]],
        started_at=np.datetime64(BEGIN, "us") + (start * 1e6).astype("timedelta64[us]"),
    )
    return Replay(tries, r, t, (start >= drift).astype(np.int64), kept)


@dataclass(frozen=True)
class Cells:
    """A model that expects the mean of a task type and repo, drawn towards that of the type, and that to the mean.

    It knows both by the numbers that a replay puts into `file_count` and `estimated_tokens`: quick to read.
    """

    name: str = "cells"

    def fit(self, tries: Tries) -> FittedCells:
        t, r = (at[tries.task] for at in cell(tries.tasks))
        return FittedCells(
            tries.candidates,
            *(_cell_means(t, r, tries.candidate, seen) for seen in (tries.quality, tries.cost)),
        )


@dataclass(frozen=True)
class FittedCells:
    candidates: tuple[Candidate, ...]
    quality: Floats
    cost: Floats
    name: str = "cells"

    def expect(self, tasks: Tasks) -> Expected:
        at = cell(tasks)
        unknown = np.full((len(tasks), len(self.candidates)), np.nan)
        return Expected(self.quality[at], unknown, self.cost[at], unknown)


def cell(tasks: Tasks) -> tuple[Ints, Ints]:
    return tasks.known["file_count"].to_numpy(), tasks.known["estimated_tokens"].to_numpy()


def _cell_means(t: Ints, r: Ints, k: Ints, seen: Floats) -> Floats:
    there = np.isfinite(seen)
    shape = WORLD.policy.shape[1], WORLD.policy.shape[0], WORLD.policy.shape[2]
    at = np.ravel_multi_index((t[there], r[there], k[there]), shape)
    sums = np.bincount(at, seen[there], int(np.prod(shape))).reshape(shape)
    counts = np.bincount(at, minlength=int(np.prod(shape))).reshape(shape)
    of_candidate = (sums.sum((0, 1)) + 2 * sums.sum() / counts.sum()) / (counts.sum((0, 1)) + 2)
    of_type = (sums.sum(1) + 8 * of_candidate) / (counts.sum(1) + 8)
    return np.asarray((sums + 8 * of_type[:, None]) / (counts + 8))
