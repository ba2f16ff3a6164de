"""A simulated fleet: executions, routing decisions and feedback drawn from a truth that can be looked up.

The same arguments give the same fleet, keys and hashes included: stored twice, it counts once. First attempts
have the router's logged propensity; a retry, one tier up after a known failure, was no choice and has none.
Everything in it is invented: repos, models, prices, people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import numpy as np
import polars as pl

from learnlab.ingest.simulation import simulated_world as w
from learnlab.ingest.simulation.simulated_runs import Flags, Ints, draw_runs, pick
from learnlab.ingest.simulation.simulated_texts import SOLUTION_KINDS, texts
from learnlab.ingest.simulation.simulated_truth import DAYS, LATEST, Truth, as_utc, truth
from learnlab.ingest.simulation.simulated_world import Floats, World
from learnlab.models import Topology

__all__ = ["Fleet", "Truth", "simulate", "truth"]

ROUTER_VERSION = "simulated-1"
PRICE_VERSION = "invented-2026-01"
AGENTS = ("mender", "joiner", "tester", "scribe", "builder", "reader", "tuner")
AUTHORS = tuple(f"person-{number}" for number in range(1, 13))
ISSUES = ("wrong_model", "too_slow", "poor_quality")

VERIFIERS, VERIFIER_SHARES = ("verifier", "ci", "user"), (0.75, 0.20, 0.05)
ERRORS, ERROR_SHARES = ("quality_gate", "validation", "crash", "unknown"), (0.45, 0.30, 0.15, 0.10)
COST_SOURCES, COST_SOURCE_SHARES = ("reported", "list_price", "unknown"), (0.85, 0.10, 0.05)

TIMEOUT_FACTOR = 2.0
"""A failure that took more than this many times its context's median is a timeout."""


@dataclass(frozen=True)
class Fleet:
    """What a simulated fleet did, and what is true of it.

    `executions`: one row an attempt, by time, with columns of `frames.SCHEMA`; metadata names the latent topic,
    the brief (tasks of one brief share their text) and whether it is a nightly one.
    `decisions`: one row a first attempt, with the columns of the table routing_decisions; one candidate a tier.
    `feedback`: one row an answer: feedback_id, task_id, timestamp, author, satisfaction, issues, visibility.
    """

    executions: pl.DataFrame
    decisions: pl.DataFrame
    feedback: pl.DataFrame
    truth: Truth


def _named(names: Sequence[str], at: Ints) -> pl.Series:
    return pl.Series(list(names), dtype=pl.String).gather(at)


def _known(values: pl.Series | Floats | Flags | Ints, where: Flags) -> pl.Series:
    """Return the values with null wherever they are not known."""
    return pl.DataFrame({"v": values, "w": where}).select(pl.when("w").then("v")).to_series()


def _as_uuids(hexadecimal: Iterable[str]) -> pl.Series:
    """Return UUID text for texts of at least 32 hexadecimal digits; what is longer is cut."""
    digits = pl.Series("digits", list(hexadecimal), dtype=pl.String)
    pieces = [pl.col("digits").str.slice(at, n) for at, n in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return digits.to_frame().select(pl.concat_str(pieces, separator="-")).to_series()


def _uuids(rng: np.random.Generator, n: int) -> pl.Series:
    """Draw n UUIDs as text, of version 8: made by a rule of our own."""
    raw = np.frombuffer(rng.bytes(16 * n), dtype=np.uint8).reshape(n, 16).copy()
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x80
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80
    text = raw.tobytes().hex()
    return _as_uuids(text[at : at + 32] for at in range(0, len(text), 32))


def _content_hashes(executions: pl.DataFrame) -> pl.Series:
    """Return the SHA-256 of each row's content (a line of JSON), cut to 128 bits, as UUID text."""
    pieces = (piece.write_ndjson().splitlines() for piece in executions.iter_slices(50_000))
    return _as_uuids(sha256(line.encode()).hexdigest() for lines in pieces for line in lines)


def _errors(rng: np.random.Generator, failed: Flags, is_long: Flags) -> dict[str, pl.Series]:
    """Return the error type and message of each known failure, null elsewhere."""
    n = len(failed)
    kinds = (*ERRORS, "timeout")
    messages = [texts()["error_messages"][kind] for kind in kinds]
    kind = np.where(is_long, len(ERRORS), pick(rng, ERROR_SHARES, n))
    counts = np.array([len(words) for words in messages])
    message = np.cumsum([0, *counts[:-1]])[kind] + rng.integers(0, 1 << 16, n) % counts[kind]
    flat = [text for words in messages for text in words]
    return {
        "error_type": _known(_named(kinds, kind), failed),
        "error_message": _known(_named(flat, message), failed),
    }


def _solutions(runs: pl.DataFrame, topics: pl.Series) -> pl.Series:
    """Return what each attempt tried: its topic's solution of the kind that was drawn."""
    catalogue = {
        f"{task_type}/{name}": topic
        for task_type, group in texts()["topics"].items()
        for name, topic in group.items()
    }
    flat = [topic[kind] for topic in catalogue.values() for kind in SOLUTION_KINDS]
    places = {name: at * len(SOLUTION_KINDS) for at, name in enumerate(catalogue)}
    return _named(flat, (topics.replace_strict(places) + runs["s"]).to_numpy())


def _answers(rng: np.random.Generator, success: Flags) -> pl.DataFrame:
    """Draw who answers, how satisfied and whether they accept: by the true outcome, so not at random."""
    n = len(success)
    rates, accepted, levels = (
        np.array([table[True], table[False]])[np.where(success, 0, 1)]
        for table in (w.ANSWER_RATES, w.ACCEPTED_RATES, w.SATISFACTION)
    )
    answered = rng.random(n) < rates
    level = pick(rng, levels, n)
    return pl.DataFrame(
        {
            "answered": answered,
            "satisfaction": _known(_named(w.LEVELS, level), answered),
            "user_rating": _known(5 - level, answered),
            "user_accepted": _known(rng.random(n) < accepted, answered),
        }
    )


def _executions(
    rng: np.random.Generator, world: World, runs: pl.DataFrame, briefs: pl.DataFrame, begin: datetime
) -> pl.DataFrame:
    """Lay the figures of attempts out as executions, all columns but ids and hashes."""
    n = runs.height
    col = {name: runs[name].to_numpy() for name in runs.columns}
    r, t, k = col["r"], col["t"], col["k"]
    repos, types, models = list(w.REPOS), list(w.TASK_TYPES), list(w.MODELS)
    success, known, is_first = col["success"], col["is_known"], col["attempt"] == 1
    model = k * world.model_share.shape[1] + col["m"]
    brief = briefs[col["brief"]]
    size = np.array([row[2] for row in w.REPOS.values()])[r]
    files = rng.poisson(np.array([row[6] for row in w.TASK_TYPES.values()])[t] * size)
    cost_source = pick(rng, COST_SOURCE_SHARES, n)
    has_cost = cost_source < 2
    difficulty = 100 * (1 - world.context_success[..., 0].mean(axis=(2, 3)))[r, t]
    quality = np.where(success, rng.normal(82, 9, n), rng.normal(48, 14, n)).clip(0, 100).round(1)
    confidence = (world.policy.max(axis=2)[r, t] + rng.normal(0, 0.08, n)).clip(0, 1).round(3)
    start = (begin.timestamp() + col["start"]) * 1e6
    frame = pl.DataFrame(
        {
            "attempt": col["attempt"],
            "timestamp": pl.Series(start.astype(np.int64)).cast(pl.Datetime("us")),
            "task_type": _named(types, t),
            "task_description": brief["text"],
            "repo": _named(repos, r),
            "file_count": files,
            "estimated_tokens": brief["text"].str.len_chars().cast(pl.Int64) // 4,
            "agent": _named(AGENTS, t),
            "model": _named(models, model),
            "model_tier": _named(list(w.TIERS), k),
            "pool_type": _named(list(w.POOLS), col["p"]),
            "swarm_topology": _known(_named(list(Topology), rng.integers(0, 6, n)), rng.random(n) < 0.15),
            "routing_confidence": _known(confidence, is_first),
            "propensity": _known(world.policy[r, t, k], is_first),
            "complexity_score": _known(
                (difficulty + rng.normal(0, 8, n)).clip(0, 100).round(1), rng.random(n) < 0.9
            ),
            "success": _known(success, known),
            "success_source": _known(_named(VERIFIERS, pick(rng, VERIFIER_SHARES, n)), known).fill_null(
                "unknown"
            ),
            "duration_seconds": col["seconds"].round(3),
            "quality_score": _known(quality, known & (rng.random(n) < 0.6)),
            "cost_estimate": col["estimate"].round(8),
            "actual_cost": _known(col["cost"].round(8), has_cost),
            "cost_source": _named(COST_SOURCES, cost_source),
            "price_version": _known(_named([PRICE_VERSION], np.zeros(n, dtype=np.int64)), cost_source == 1),
            "input_tokens": _known(col["read"], has_cost),
            "output_tokens": _known(col["written"], has_cost),
            "cached_tokens": _known(col["cached"], has_cost),
            **_errors(rng, known & ~success, col["slowness"] > TIMEOUT_FACTOR),
            "peak_memory_mb": (300 + rng.gamma(2.0, 60.0, n) * (1 + files)).round(1),
            "cpu_time_seconds": (col["seconds"] * rng.uniform(0.1, 0.6, n)).round(3),
            "solution_summary": _solutions(runs, brief["topic"]),
        }
    )
    metadata = pl.struct(topic=brief["topic"], brief=runs["brief"], is_nightly=runs["is_nightly"])
    day_part = (pl.col("timestamp").dt.hour() // 6).cast(pl.String)
    session = pl.concat_str("repo", pl.col("timestamp").dt.strftime("%Y%m%d"), day_part, separator="-")
    return frame.with_columns(
        session_id=session,
        metadata=metadata.struct.json_encode(),
        source=pl.lit("simulator"),
        source_position=pl.int_range(1, n + 1, dtype=pl.Int64),
    )


def _decisions(
    rng: np.random.Generator, world: World, runs: pl.DataFrame, executions: pl.DataFrame
) -> pl.DataFrame:
    """Return the router's decision before each first attempt: a model of each tier, in the pool that was free."""
    is_first = (runs["attempt"] == 1).to_numpy()
    runs, executions = runs.filter(is_first), executions.filter(is_first)
    n, n_models = runs.height, world.model_share.shape[1]
    r, t, k = (runs[axis].to_numpy() for axis in "rtk")
    candidates = []
    for at, tier in enumerate(w.TIERS):
        drawn = pick(rng, world.model_share[at], n)
        model = at * n_models + np.where(k == at, runs["m"].to_numpy(), drawn)
        candidate = pl.struct(
            model=_named(list(w.MODELS), model),
            tier=pl.lit(tier),
            pool=pl.col("pool_type"),
            propensity=pl.Series(world.policy[r, t, at]),
        )
        candidates.append(candidate.struct.json_encode())
    chosen = pl.struct(
        "model", pl.col("model_tier").alias("tier"), pl.col("pool_type").alias("pool"), "propensity"
    )
    context = pl.struct("repo", "task_type", "complexity_score", "estimated_tokens")
    return executions.select(
        decision_id=_uuids(rng, n),
        task_id="task_id",
        timestamp="timestamp",
        candidates=pl.concat_str(pl.lit("["), pl.concat_str(candidates, separator=","), pl.lit("]")),
        chosen=chosen.struct.json_encode(),
        context=context.struct.json_encode(),
        router_version=pl.lit(ROUTER_VERSION),
    )


def _feedback(rng: np.random.Generator, executions: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    given = executions.with_columns(answers["satisfaction"]).filter(answers["answered"])
    n = given.height
    waited = given["duration_seconds"].to_numpy() + rng.exponential(1800, n)
    is_low = given["satisfaction"].is_in(["fair", "poor"]).to_numpy()
    issue = _named(ISSUES, rng.integers(0, len(ISSUES), n))
    return given.select(
        feedback_id=_uuids(rng, n),
        task_id="task_id",
        timestamp=pl.col("timestamp") + pl.Series(waited * 1e6).cast(pl.Int64).cast(pl.Duration("us")),
        author=_named(AUTHORS, rng.integers(0, len(AUTHORS), n)),
        satisfaction="satisfaction",
        issues=pl.when(pl.Series(is_low))
        .then(pl.concat_list(issue))
        .otherwise(pl.lit([], dtype=pl.List(pl.String))),
        visibility=_named(("private", "team", "public"), pick(rng, (0.6, 0.3, 0.1), n)),
    ).sort("timestamp")


def simulate(n: int = 20_000, seed: int = 0, *, end: datetime = LATEST, days: float = DAYS) -> Fleet:
    """Return a fleet of n executions over the days before `end` (UTC), with the truth they were drawn from.

    Raises:
        ValueError: when n or days is not positive, or the seed is negative.

    >>> fleet = simulate(100)
    >>> fleet.executions.height, fleet.executions["task_id"].n_unique()
    (100, 100)
    """
    if n < 1 or days <= 0 or seed < 0:
        raise ValueError(f"cannot simulate {n} executions over {days} days with seed {seed}")
    until = as_utc(end)
    begin = until - timedelta(days=days)
    world = w.world(seed)
    figures = [seed, n, int(begin.timestamp()), int(until.timestamp())]
    rng, ids = np.random.default_rng([*figures, 1]), np.random.default_rng([*figures, 2])
    briefs, runs = draw_runs(rng, world, n, begin, days)
    answers = _answers(rng, runs["success"].to_numpy())
    executions = _executions(rng, world, runs, briefs, begin).with_columns(
        answers["user_rating"], answers["user_accepted"], task_id=_uuids(ids, n)
    )
    executions = executions.with_columns(task_group=pl.col("task_id").first().over(runs["task"]))
    executions = executions.with_columns(record_key=_uuids(ids, n), content_hash=_content_hashes(executions))
    return Fleet(
        executions=executions,
        decisions=_decisions(rng, world, runs, executions),
        feedback=_feedback(rng, executions, answers),
        truth=truth(seed, end=end, days=days),
    )
