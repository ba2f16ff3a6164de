"""Real questions that both models answered: one answer each is logged, and the value of a router is known beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from learnlab.events import Candidate
from learnlab.models import Tier
from learnlab.routing.baselines import Lookup
from learnlab.routing.counterfactual import crossfit, estimators
from learnlab.routing.counterfactual.judged import judged
from learnlab.routing.tries import KNOWN, Flags, Floats, Ints, Tasks, Tries

MODELS = (Candidate(model="weak", tier=Tier.SMALL), Candidate(model="strong", tier=Tier.LARGE))


@pytest.fixture(scope="module")
def questions(shared_data: Path) -> tuple[Tasks, Floats]:
    """MMLU, in an order drawn by lot, and which model was right: (questions, weak or strong)."""
    path = shared_data / "routellm_mmlu_gsm8k" / "routellm_mmlu_gsm8k.csv.gz"
    rows = (
        pl.read_csv(path, infer_schema_length=0)
        .filter(benchmark="mmlu")
        .sample(fraction=1, shuffle=True, seed=0)
    )
    known = rows.select(
        "task_type", n_characters=pl.col("prompt").str.len_chars().cast(pl.Int64), repo=pl.lit("mmlu")
    )
    filled = known.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in KNOWN.items() if name not in known
    )
    group = rows["prompt"].rank("dense").to_numpy().astype(np.int64)
    right = rows.select(pl.col("weak_correct", "strong_correct") == "True").to_numpy().astype(np.float64)
    return Tasks(filled.select(KNOWN.keys()), np.zeros((len(group), 0), dtype=np.float32), group), right


def answered(tasks: Tasks, right: Floats, chosen: Ints, propensity: Floats) -> Tries:
    n = len(tasks)
    nowhen = np.full(n, np.datetime64("NaT"), dtype="datetime64[us]")
    at = np.arange(n)
    return Tries(tasks, MODELS, at, chosen, right[at, chosen], np.full(n, np.nan), propensity, nowhen)


def router(tasks: Tasks, learned: Tasks, right: Floats) -> Floats:
    """Send to the strong model the half of the subjects in which it gained most, as learned from other questions."""
    gains = learned.known.select("task_type", gain=right[:, 1] - right[:, 0]).group_by("task_type").mean()
    middle = gains["gain"].median()
    gain = tasks.known.join(gains, on="task_type", how="left", maintain_order="left")["gain"]
    strong = gain.fill_null(middle).to_numpy() >= middle
    return np.stack([~strong, strong], axis=1).astype(np.float64)


def hard(tasks: Tasks, right: Floats) -> Flags:
    """Whether the weak model does worse in a question's subject than in most: where a careful router spends."""
    rate = tasks.known.select(pl.lit(pl.Series(right[:, 0])).mean().over("task_type")).to_series().to_numpy()
    return np.asarray(rate < np.median(rate))


@pytest.mark.soak
@pytest.mark.parametrize("logging", ["uniform", "skewed"])
def test_the_value_of_a_router_on_real_questions(
    questions: tuple[Tasks, Floats], logging: str, soak: bool
) -> None:
    every, right_of_all = questions
    n = len(every) // 5
    tasks, right = every.take(np.arange(n)), right_of_all[:n]
    target = router(tasks, every.take(np.arange(n, len(every))), right_of_all[n:])
    truth = float((target * right).sum(axis=1).mean())
    strong = np.full(n, 0.5) if logging == "uniform" else np.where(hard(tasks, right), 0.9, 0.1)
    errors: dict[str, list[float]] = {}
    held: dict[str, list[bool]] = {}
    for seed in range(500 if soak else 10):
        chosen = (np.random.default_rng(seed).random(n) < strong).astype(np.int64)
        tries = answered(tasks, right, chosen, np.where(chosen == 1, strong, 1 - strong))
        log = judged(tries).log(tries.quality, is_rate=True)
        hoped, _ = crossfit.expected(tries, Lookup())
        for way, found in {
            "mean of the log": estimators.logged(log),
            "naive": estimators.naive(log, target),
            "ips": estimators.ips(log, target),
            "snips": estimators.snips(log, target),
            "direct": estimators.direct(log, target, hoped),
            "dr": estimators.doubly_robust(log, target, hoped),
        }.items():
            interval = found.interval()
            errors.setdefault(way, []).append(interval.estimate - truth)
            held.setdefault(way, []).append(interval.low <= truth <= interval.high)
    rmse = {way: float(np.sqrt(np.mean(np.square(found)))) for way, found in errors.items()}
    if soak:
        shares = {way: round(float(np.mean(found)), 3) for way, found in held.items()}
        print(logging, f"truth {truth:.4f}", {way: round(each, 4) for way, each in rmse.items()}, shares)
    assert rmse["snips"] < rmse["ips"]
    assert rmse["dr"] < rmse["ips"]
    assert rmse["snips"] < rmse["mean of the log"]
    for way in ("snips", "dr"):
        assert np.mean(held[way]) >= (0.92 if soak else 0.8)
        assert abs(np.mean(errors[way])) < 0.01
    if logging == "skewed":
        assert rmse["naive"] > 1.2 * rmse["dr"]
