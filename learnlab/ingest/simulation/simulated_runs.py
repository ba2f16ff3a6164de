"""The dice of the simulated fleet: tasks drawn from its world, and what comes of each attempt, as figures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from learnlab.ingest.simulation import simulated_world as w
from learnlab.ingest.simulation.simulated_texts import descriptions, texts
from learnlab.ingest.simulation.simulated_world import Floats, World

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

DAY = 86_400

ONCE_SHARE = 0.55
"""Briefs there are for each task: the other tasks repeat a nightly brief, so a text is used about twice."""

NIGHTLY_SHARE = 0.06
"""The share of briefs that are asked for again on many nights."""

BUSY_HOURS = (1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 12, 10, 12, 14, 14, 12, 9, 6, 4, 3, 2, 2, 1)
"""How busy each hour of a day is (UTC)."""

RETRY_PAUSE = 300.0
"""Mean seconds between a failure and its retry."""


def pick(rng: np.random.Generator, shares: ArrayLike, n: int) -> Ints:
    """Draw n positions with the given shares: one list of shares for all, or a row of shares a draw.

    >>> pick(np.random.default_rng(0), [0.0, 1.0], 3).tolist()
    [1, 1, 1]
    """
    edges = np.cumsum(np.asarray(shares, dtype=float), axis=-1)
    u = rng.random(n) * edges[..., -1]
    if edges.ndim == 1:
        return np.asarray(np.searchsorted(edges[:-1], u, side="right"), dtype=np.int64)
    return np.asarray((u[:, None] >= edges[:, :-1]).sum(axis=1), dtype=np.int64)


def log_normal(rng: np.random.Generator, mean: Floats, spread: float) -> Floats:
    """Draw one log-normal figure a mean; `spread` is the standard deviation of the logarithm."""
    return np.asarray(mean * np.exp(rng.normal(-(spread**2) / 2, spread, len(mean))))


def draw_briefs(rng: np.random.Generator, world: World, n: int) -> pl.DataFrame:
    """Draw n briefs, each what is asked for, in which repo and in which words: r, t, topic, text."""
    repo, task_type = np.unravel_index(pick(rng, world.task_share.ravel(), n), world.task_share.shape)
    topic = pick(rng, world.topic_share[repo, task_type], n)
    drawn = {"r": repo, "t": task_type, "topic": topic, "grammar": rng.integers(0, 4, n)}
    for words in ("phrase", "component", "lead", "evidence", "constraint"):
        drawn[words] = rng.integers(0, 1 << 16, n)
    frame = pl.DataFrame(drawn).with_columns(
        repo=pl.Series(list(w.REPOS)).gather(repo), task_type=pl.Series(list(w.TASK_TYPES)).gather(task_type)
    )
    names = [f"{kind}/{topic}" for kind in w.TASK_TYPES for topic in texts()["topics"][kind]]
    at = task_type * world.topic_share.shape[-1] + topic
    return frame.select("r", "t", topic=pl.Series(names).gather(at), text=descriptions(frame))


def draw_starts(rng: np.random.Generator, is_nightly: Flags, begin: datetime, days: float) -> Floats:
    """Draw when tasks start, in seconds after `begin`: by day, fewer at weekends, nightly ones at 01:30-02:30."""
    n = len(is_nightly)
    day = rng.random(n) * days
    is_weekend = (np.floor(day) + begin.weekday()) % 7 >= 5
    day = np.where(is_weekend & ~is_nightly & (rng.random(n) < 0.6), rng.random(n) * days, day)
    hour = np.where(is_nightly, 1.5 + rng.random(n), pick(rng, BUSY_HOURS, n) + rng.random(n))
    offset = (begin - begin.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    seconds = np.floor(day) * DAY + (hour * 3600 - offset) % DAY
    return np.where(seconds < days * DAY, seconds, day * DAY)


def run_once(rng: np.random.Generator, world: World, rows: dict[str, Any], drift: float) -> dict[str, Any]:
    """Run each row once: `rows` (positions r, t, k, p; start in seconds) with all that comes of it added.

    `k` and `p` are the positions of tier and pool. Success is drawn from the world and nothing else; whether
    the verdict is known is drawn apart from it.
    """
    r, t, k, p = (rows[axis] for axis in "rtkp")
    n, h = len(r), (rows["start"] >= drift).astype(np.int64)
    model, kind = pick(rng, world.model_share[k], n), pick(rng, w.SOLUTION_SHARE, n)
    success = rng.random(n) < world.success[r, t, k, p, h, model, kind]
    is_known = rng.random(n) < w.VERDICT_RATE
    slowness = np.exp(rng.normal(0, w.DURATION_SPREAD, n))
    read = np.rint(log_normal(rng, world.input_tokens[r, t], w.INPUT_SPREAD))
    cached = np.floor(read * rng.random(n) * 2 * w.CACHED_SHARE)
    written = np.rint(log_normal(rng, world.output_tokens[r, t], w.OUTPUT_SPREAD))
    price_in, price_out = world.price[k, model].T
    list_cost = (read - cached * (1 - w.CACHED_PRICE)) * price_in + written * price_out
    bias = np.array([tier[3] for tier in w.TIERS.values()])[k]
    return rows | {
        "m": model,
        "s": kind,
        "success": success,
        "is_known": is_known,
        "slowness": slowness,
        "seconds": slowness * world.median_seconds[r, t, k, p, h],
        "read": read.astype(np.int64),
        "cached": cached.astype(np.int64),
        "written": written.astype(np.int64),
        "cost": list_cost * world.price_factor[k, h],
        "estimate": log_normal(rng, bias * world.mean_cost[r, t, k, model, 0], w.ESTIMATE_SPREAD),
        "again": is_known & ~success & (k < len(w.TIERS) - 1) & (rng.random(n) < w.RETRY_RATE),
    }


def draw_runs(
    rng: np.random.Generator, world: World, n: int, begin: datetime, days: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Draw tasks and run them until there are n attempts; return the briefs, and the attempts by time.

    An attempt has `task` and `brief` (numbers), `attempt` (from 1), `is_nightly`, and what `run_once` gives.
    """
    n_tasks = min(n, int(n * 0.96) + 100)  # a little more than needed: one task in nine is tried again
    n_briefs = max(1, int(n_tasks * ONCE_SHARE))
    n_nightly = max(1, int(n_briefs * NIGHTLY_SHARE))
    briefs = draw_briefs(rng, world, n_briefs)
    order = rng.permutation(n_tasks)
    brief = np.where(order < n_briefs, order, rng.integers(0, n_nightly, n_tasks))
    r, t = briefs["r"].to_numpy()[brief], briefs["t"].to_numpy()[brief]
    rows: dict[str, Any] = {
        "task": np.arange(n_tasks),
        "brief": brief,
        "attempt": np.ones(n_tasks, dtype=np.int64),
        "is_nightly": brief < n_nightly,
        "start": draw_starts(rng, brief < n_nightly, begin, days),
        "r": r,
        "t": t,
        "k": pick(rng, world.policy[r, t], n_tasks),
        "p": pick(rng, world.pool_share[r], n_tasks),
    }
    made = []
    for _ in w.TIERS:
        done = run_once(rng, world, rows, days * DAY * w.DRIFT_AT)
        made.append(pl.DataFrame(done))
        again = done["again"]
        rows = {name: done[name][again] for name in rows}
        pause = rng.exponential(RETRY_PAUSE, len(rows["task"]))
        rows["start"] = np.minimum(rows["start"] + done["seconds"][again] + pause, days * DAY)
        rows["k"], rows["attempt"] = rows["k"] + 1, rows["attempt"] + 1
    return briefs, pl.concat(made).sort("task", "attempt").head(n).sort("start", "task", "attempt")
