"""Real outcomes as tries: every candidate of a benchmark on every task of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from learnlab.events import Candidate
from learnlab.models import normalise_task_type
from learnlab.routing.tries import KNOWN, Floats, Tasks, Tries

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

Encode = Callable[[Sequence[str]], np.ndarray]


def _tries(
    known: dict[str, object], vectors: np.ndarray, names: Sequence[str], quality: Floats, cost: Floats
) -> Tries:
    n, k = quality.shape
    size = known["n_characters"]
    assert isinstance(size, pl.Series)
    whole = dict.fromkeys(KNOWN) | {"file_count": 0, "estimated_tokens": size // 4} | known
    frame = pl.DataFrame({"n_characters": size}).select(
        **{name: value if isinstance(value, pl.Series) else pl.lit(value) for name, value in whole.items()}
    )
    return Tries(
        tasks=Tasks(frame.select(pl.col(c).cast(t) for c, t in KNOWN.items()), vectors, np.arange(n)),
        candidates=tuple(Candidate(model=name) for name in names),
        task=np.repeat(np.arange(n), k),
        candidate=np.tile(np.arange(k), n),
        quality=quality.ravel().astype(float),
        cost=cost.ravel().astype(float),
        propensity=np.full(n * k, np.nan),
        started_at=np.full(n * k, np.datetime64("NaT", "us")),
    )


def routellm(benchmark: str, encode: Encode, *, with_type: bool) -> Tries:
    """RouteLLM's MMLU or GSM8K: a weak and a strong model, right or wrong; there are no costs (NaN)."""
    path = DATA / "routellm_mmlu_gsm8k" / "routellm_mmlu_gsm8k.csv.gz"
    rows = pl.read_csv(path).filter(benchmark=benchmark)
    right = rows.select(pl.col("weak_correct", "strong_correct").cast(pl.String).str.to_lowercase() == "true")
    known = {
        "task_type": rows["task_type"] if with_type else "question",
        "repo": benchmark,
        "n_characters": rows["prompt"].str.len_chars(),
    }
    quality = right.cast(pl.Float64).to_numpy()
    return _tries(
        known, encode(rows["prompt"].to_list()), ("weak", "strong"), quality, np.full_like(quality, np.nan)
    )


def coderouter() -> Tries:
    """CodeRouterBench's id_test: eight models on 2,919 tasks without text; a score from 0 to 1 and a cost each."""
    rows = pl.read_csv(DATA / "coderouterbench" / "id_test_results_long.csv")
    wide = {
        value: rows.pivot(on="model", index=["task_id", "dimension"], values=value).sort("task_id")
        for value in ("score", "cost_usd", "cost_source")
    }
    models = [name for name in wide["score"].columns if name not in ("task_id", "dimension")]
    scores = wide["score"]
    known = {
        "task_type": scores["dimension"].map_elements(normalise_task_type, pl.String),
        "repo": "coderouterbench",
        "n_characters": pl.Series([0] * len(scores)),
    }
    cost = wide["cost_usd"].select(models).to_numpy().astype(float)
    missing = (wide["cost_source"].select(models) == "missing_token_record").to_numpy()
    return _tries(
        known,
        np.zeros((len(scores), 0), np.float32),
        models,
        scores.select(models).to_numpy(),
        np.where(missing, np.nan, cost),
    )


def coderouter_ood(encode: Encode) -> Tries:
    """CodeRouterBench's 176 repository tasks with their texts: the same eight models, resolved or not."""
    folder = DATA / "coderouterbench"
    rows = pl.read_csv(folder / "ood176_results_long.csv")
    tasks = [
        json.loads(line) for line in (folder / "ood176_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    texts = pl.DataFrame({"task_id": [t["task_id"] for t in tasks], "prompt": [t["prompt"] for t in tasks]})
    wide = {
        v: rows.pivot(on="model", index=["task_id", "dimension", "bench"], values=v).sort("task_id")
        for v in ("resolved", "cost_usd")
    }
    order = [candidate.model for candidate in coderouter().candidates]
    scores = wide["resolved"].join(texts, on="task_id", how="left", maintain_order="left")
    known = {
        "task_type": scores["dimension"].map_elements(normalise_task_type, pl.String),
        "repo": scores["bench"],
        "n_characters": scores["prompt"].str.len_chars(),
    }
    return _tries(
        known,
        encode(scores["prompt"].to_list()),
        order,
        scores.select(order).to_numpy().astype(float),
        wide["cost_usd"].select(order).to_numpy().astype(float),
    )
