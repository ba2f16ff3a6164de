"""A store with patterns planted in it: topics whose tasks share words, and solutions of known worth."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from conftest import START
from encoders import WordEncoder

from learnlab.search.index.backlog import encode_waiting
from learnlab.store import Store
from learnlab.store.frames import conform

TOPICS = {
    "login": "session cookie redirect password signing expired",
    "invoice": "invoice rounding tax ledger currency total",
    "upload": "upload photo thumbnail stalled retry chunk",
    "calendar": "calendar timezone midnight clock summer date",
}
FILLER = ["please", "soon", "again", "today", "somewhere", "customer", "report", "ticket", "note", "urgent"]
RATES = {"sound": 0.95, "plain": 0.65, "brittle": 0.35}
N_TEXTS = 120
REPOS = ("shop", "desk", "depot", "quay")


def tasks(n: int, seed: int, rates: dict[str, float] = RATES, first: int = 0) -> pl.DataFrame:
    """Return n executions, an hour apart, on 120 texts, each with one of its topic's three solutions drawn by lot."""
    rng = np.random.default_rng([seed, first])
    topics = rng.choice(list(TOPICS), N_TEXTS)
    texts = [" ".join([*rng.permutation(TOPICS[topic].split()), *rng.choice(FILLER, 2)]) for topic in topics]
    at = rng.integers(0, N_TEXTS, n)
    topic, kind = topics[at], rng.choice(list(rates), n)
    success = rng.random(n) < np.array([rates[name] for name in kind])
    return pl.DataFrame(
        {
            "task_id": [f"00000000-0000-4000-8000-{first + i:012d}" for i in range(n)],
            "timestamp": [START.replace(tzinfo=None) + timedelta(hours=first + i) for i in range(n)],
            "task_type": rng.choice(["bugfix", "feature"], n),
            "task_description": [texts[one] for one in at],
            "repo": rng.choice(REPOS, n),
            "model_tier": ["small"] * n,
            "pool_type": ["local"] * n,
            "success": success,
            "success_source": ["verifier"] * n,
            "solution_summary": [f"{a} way to mend {b}" for a, b in zip(kind, topic, strict=True)],
        }
    )


def keep(store: Store, frame: pl.DataFrame, *, encode: bool = True) -> Store:
    """Store executions, and vectors for their texts, in one opening of the store."""
    with store.writing():
        store.add(conform(frame)[0])
        if encode:
            encode_waiting(store, WordEncoder())
    return store


def kinds(patterns: pl.DataFrame) -> dict[str, set[str]]:
    """Return which kinds of solution got each verdict."""
    named = patterns.with_columns(kind=pl.col("solution_summary").str.split(" ").list.first())
    return {verdict: set(rows["kind"]) for (verdict,), rows in named.group_by("verdict")}
