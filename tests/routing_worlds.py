"""Worlds made by hand for the tests of routers: tries whose true qualities and costs are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from learnlab.events import Candidate
from learnlab.models import Tier
from learnlab.routing.tries import KNOWN, Floats, Ints, Tasks, Tries

TIERS = (Candidate(tier=Tier.SMALL), Candidate(tier=Tier.MEDIUM), Candidate(tier=Tier.LARGE))
TYPES, REPOS = ("bugfix", "docs", "feature"), ("shop", "web")
DIMENSION = 8


@dataclass(frozen=True)
class World:
    """Tasks with the true quality and cost of every candidate on them: (tasks, candidates)."""

    tasks: Tasks
    quality: Floats
    cost: Floats


def tasks(n: int, seed: int = 0) -> Tasks:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, DIMENSION)).astype(np.float32)
    known = pl.DataFrame(
        {
            "task_type": rng.choice(TYPES, n),
            "repo": rng.choice(REPOS, n),
            "file_count": rng.integers(0, 9, n),
            "estimated_tokens": rng.integers(50, 900, n),
            "complexity_score": rng.uniform(0, 100, n),
            "n_characters": rng.integers(20, 400, n),
        },
        schema=KNOWN,
    )
    return Tasks(known, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.arange(n))


def world(n: int, seed: int = 0) -> World:
    """A world in which small does docs well, large is needed for features, and the text's first axis says more."""
    at = tasks(n, seed)
    kind = np.array([TYPES.index(name) for name in at.known["task_type"]])
    log_odds = np.array([[-0.5, 0.6, 1.2], [1.5, 1.6, 1.4], [-1.5, 0.0, 1.5]])[kind]
    log_odds = log_odds + 3 * at.vectors[:, :1] * np.array([1.0, 0.5, 0.0])
    cost = np.array([0.01, 0.1, 0.5]) * (1 + at.known["n_characters"].to_numpy()[:, None] / 400)
    return World(at, 1 / (1 + np.exp(-log_odds)), cost)


def tried(world: World, candidate: Ints, seed: int = 0, propensity: Floats | None = None) -> Tries:
    """One try a task, of the candidate given, with its outcome drawn from the truth."""
    n = len(world.tasks)
    rng = np.random.default_rng([seed, 1])
    at = np.arange(n)
    return Tries(
        tasks=world.tasks,
        candidates=TIERS,
        task=at,
        candidate=np.asarray(candidate, dtype=np.int64),
        quality=(rng.random(n) < world.quality[at, candidate]).astype(float),
        cost=world.cost[at, candidate] * np.exp(rng.normal(0, 0.3, n) - 0.045),
        propensity=np.full(n, np.nan) if propensity is None else propensity,
        started_at=np.datetime64("2026-05-01", "us") + at.astype("timedelta64[m]"),
    )


def all_tried(world: World, seed: int = 0) -> Tries:
    """Every candidate tried once on every task."""
    n, k = world.quality.shape
    rng = np.random.default_rng([seed, 2])
    task, candidate = np.repeat(np.arange(n), k), np.tile(np.arange(k), n)
    return Tries(
        tasks=world.tasks,
        candidates=TIERS,
        task=task,
        candidate=candidate,
        quality=(rng.random(n * k) < world.quality.ravel()).astype(float),
        cost=world.cost.ravel().copy(),
        propensity=np.full(n * k, np.nan),
        started_at=np.datetime64("2026-05-01", "us") + task.astype("timedelta64[m]"),
    )
