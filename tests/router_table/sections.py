"""The sections of docs/router-table.md: each measures, and says what it found as Markdown."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl

from router_table import continual, fleet, models, questions

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "router_table.npz"
N_SEEDS = 5
N_ORDERS = 20


def encode(texts: Sequence[str]) -> np.ndarray:
    """Return the vectors of texts by the packaged encoder; they are kept in build/ for the next time."""
    from learnlab.search.encoders import encoder

    made = encoder()
    names = [sha256(f"{made.key}\n{text}".encode()).hexdigest() for text in texts]
    known: dict[str, np.ndarray] = {}
    if KEPT.exists():
        with np.load(KEPT) as file:
            known = dict(zip(file["names"].tolist(), file["vectors"], strict=True))
    missing = {name: text for name, text in zip(names, texts, strict=True) if name not in known}
    if missing:
        known |= dict(zip(missing, made.encode(list(missing.values())), strict=True))
        KEPT.parent.mkdir(exist_ok=True)
        np.savez(KEPT, names=np.array(list(known)), vectors=np.stack(list(known.values())))
    return np.stack([known[name] for name in names])


def _figure(row: dict[str, object], name: str, digits: int = 3, sign: str = "") -> str:
    """Return a figure with its interval as text; a dash where nothing is known."""
    value, low, high = (row.get(column) for column in (name, f"{name}_low", f"{name}_high"))
    if not isinstance(value, float):
        return "–"
    told = f"{value:{sign}.{digits}f}"
    if not (isinstance(low, float) and isinstance(high, float)):
        return told
    return f"{told} ({low:{sign}.{digits}f} to {high:{sign}.{digits}f})"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def of_questions() -> str:
    """RouteLLM's questions."""
    table = questions.questions(encode, N_SEEDS)
    rows = [
        [
            row["case"], row["router"], _figure(row, "apgr"), _figure(row, "cpt_50"), _figure(row, "cpt_80"),
            _figure(row, "apgr_gain", sign="+"), row["verdict"],
        ]
        for row in table.iter_rows(named=True)
    ]  # fmt: skip
    heads = ("case", "router", "APGR", "CPT 50", "CPT 80", "APGR over the best baseline", "so it is")
    return f"""## Weak or strong: RouteLLM's questions

{N_SEEDS} splits of 80/20, near-duplicate questions on one side; two models, no costs. APGR is the area under the curve
of the gap recovered over the share of strong calls (by lot: 0.5); CPT is the share of strong calls that recovers so much
of the gap. Intervals (95 %) are over questions and splits, paired. The aims were 0.75 on MMLU by the text alone and 0.78
with the subject. That SONA sees a text through its neighbours was decided on two splits of these MMLU questions (decision
27), and its interval does not know of that.

{_markdown(heads, rows)}
"""


def of_models() -> str:
    """CodeRouterBench with all outcomes."""
    table = models.crossvalidated(N_SEEDS)
    rows = [
        [
            row["router"], _figure(row, "mean_quality", 4), f"{row['cost_usd']:.2f}", f"{row['cumulative_regret']:.1f}",
            _figure(row, "quality_gain", 4, "+"), row["verdict"],
        ]
        for row in table.iter_rows(named=True)
    ]  # fmt: skip
    heads = (
        "router",
        "average performance",
        "cost (US dollars)",
        "regret",
        "performance over the lookup",
        "so it is",
    )
    return f"""## Eight models: CodeRouterBench id_test

2,919 tasks without text, five folds by task, {N_SEEDS} seeds, quality first. Regret is added up over all tasks against
the best model of each. The paper's own router, learned on other tasks of the same benchmark, reaches {models.PAPERS} at
22.31 dollars.

{_markdown(heads, rows)}
"""


def of_streams() -> str:
    """CodeRouterBench as a stream."""
    table = models.streams(N_ORDERS)
    rows = [
        [
            row["router"], _figure(row, "mean_quality", 4), _figure(row, "cost_usd", 2),
            _figure(row, "cumulative_regret", 1), _figure(row, "over_lookup", 1, "+"),
        ]
        for row in table.iter_rows(named=True)
    ]  # fmt: skip
    heads = (
        "router",
        "average performance",
        "cost (US dollars)",
        "cumulative regret",
        "regret over the lookup's",
    )
    return f"""## Eight models, learning on the way

The same tasks one after another, {N_ORDERS} orders, each router seeing the outcome of the model it chose and of no
other (Thompson sampling; the first {models.FEW} by lot). Intervals are over the orders, paired. The paper's router, which
learned beforehand and from all outcomes, has a regret of 202.0 against the paper's own oracle (0.570), which is no figure
to compare with: against the best of the eight models on each task, as here, its {models.PAPERS} is a regret of
{models.papers_regret():.1f}.

{_markdown(heads, rows)}
"""


def of_elsewhere() -> str:
    """CodeRouterBench's repository tasks."""
    table = models.elsewhere(encode)
    rows = [
        [
            row["router"],
            _figure(row, "mean_quality"),
            _figure(row, "mean_cost_usd"),
            _figure(row, "quality_gain", sign="+"),
            row["verdict"],
        ]
        for row in table.iter_rows(named=True)
    ]
    heads = (
        "router",
        "resolved",
        "cost a task (US dollars)",
        "over the best single model of id_test",
        "so it is",
    )
    return f"""## Elsewhere: CodeRouterBench's 176 repository tasks

Learned on id_test alone, whose tasks are small and have no text; these are large and have one. SONA finds every one of
them unlike what it learned from and abstains: it expects of each model what it did on the whole.

{_markdown(heads, rows)}
"""


def of_fleet() -> str:
    """The simulated fleet."""
    table = fleet.streams(N_SEEDS)
    rows = [
        [
            row["part"], row["router"], _figure(row, "regret_usd", 4), _figure(row, "over_sona_usd", 4, "+"),
        ]
        for row in table.iter_rows(named=True)
    ]  # fmt: skip
    heads = ("part of the stream", "router", "regret a task (US dollars)", "more than SONA's")
    return f"""## The simulated fleet, which drifts

{N_SEEDS} fleets of 20,000 executions in 90 days; every day is routed by what the days before told, a success being
worth {fleet.WORTH_USD:g} dollar. On day {fleet.DRIFT_DAY} the medium tier gets worse at one task type and the large one
dearer. Regret is against the known best tier. Baselines learn anew every day from everything; SONA looks at what came
every day, and its network learns the new with EWC++ once a week. No router is given vectors of texts; kNN, which goes by
them alone, is left out. Intervals are over days and fleets, paired.

{_markdown(heads, rows)}
"""


def of_domains() -> str:
    """Domains learned one after another."""
    table, _ = continual.table(encode, range(N_SEEDS))
    kept = table.filter(pl.col("figure").is_in(["average", "backward transfer"]))
    figures = [("estimate", "+"), ("over_naive", "+"), ("over_joint", "+")]
    rows = [
        [row["score"], row["figure"], row["method"], *(_figure(row, name, 3, sign) for name, sign in figures)]
        for row in kept.sort("score", "figure", maintain_order=True).iter_rows(named=True)
    ]
    heads = ("score", "figure", "way", "estimate", "over naive", "over joint retraining")
    return f"""## One domain after another: what is forgotten

Four fields of MMLU, then GSM8K; {N_SEEDS} seeds, two orders each. Strength and decay of EWC and EWC++ were chosen on
other questions. The average is over all five domains at the end; backward transfer is how much the earlier ones changed
after they were learned (0: nothing forgotten).

{_markdown(heads, rows)}
"""


SECTIONS: dict[str, Callable[[], str]] = {
    "questions": of_questions,
    "models": of_models,
    "streams": of_streams,
    "elsewhere": of_elsewhere,
    "fleet": of_fleet,
    "domains": of_domains,
}


def timed(name: str) -> tuple[str, float]:
    """Return a section's text, and the seconds of processor time that it took."""
    began = time.process_time()
    return SECTIONS[name](), time.process_time() - began
