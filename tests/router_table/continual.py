"""Five domains of questions learned one after another: what is forgotten, and what guards against it are worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from learnlab.routing.continual import comparing, tuning
from learnlab.routing.continual.memory import EWC, EWC_PLUS, JOINT, NAIVE, REPLAY, Way
from learnlab.routing.continual.scores import auc, log_score
from learnlab.routing.continual.stream import Rows, inputs
from learnlab.routing.splits import joined_groups
from learnlab.routing.tries import Tasks
from router_table.sources import Encode, routellm

SUBJECTS = {
    "STEM": "abstract_algebra anatomy astronomy college_biology college_chemistry college_computer_science "
    "college_mathematics college_physics computer_security conceptual_physics electrical_engineering "
    "elementary_mathematics high_school_biology high_school_chemistry high_school_computer_science "
    "high_school_mathematics high_school_physics high_school_statistics machine_learning",
    "humanities": "formal_logic high_school_european_history high_school_us_history high_school_world_history "
    "international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory "
    "professional_law world_religions",
    "social sciences": "econometrics high_school_geography high_school_government_and_politics "
    "high_school_macroeconomics high_school_microeconomics high_school_psychology human_sexuality "
    "professional_psychology public_relations security_studies sociology us_foreign_policy",
}
"""The subjects of MMLU by their fields, after D. Hendrycks et al., ICLR 2021; what is in none is "other"."""

ORDER = (*SUBJECTS, "other", "gsm8k")
N_KEPT = 1000


def domains(encode: Encode) -> list[tuple[str, Rows]]:
    """Return the five domains: the weak and the strong model's verdict on each question; near-duplicates one group."""
    field = {subject: name for name, subjects in SUBJECTS.items() for subject in subjects.split()} | {
        "gsm8k": "gsm8k"
    }
    both = [routellm(benchmark, encode, with_type=True) for benchmark in ("mmlu", "gsm8k")]
    every = Tasks(
        pl.concat([tries.tasks.known for tries in both]),
        np.concatenate([tries.tasks.vectors for tries in both]),
        np.arange(sum(len(tries.tasks) for tries in both)),
    )
    names = np.array([field.get(kind, "other") for kind in every.known["task_type"]])
    # The benchmark would tell the last domain by a flag that nobody had learned.
    seen = inputs(
        Tasks(every.known.with_columns(repo=pl.lit("questions")), every.vectors, every.group), "task_type"
    )
    quality = np.concatenate([tries.matrix()[0] for tries in both])
    rows = Rows(seen, quality, joined_groups(every))
    return [(name, rows.take(names == name)) for name in ORDER]


def table(encode: Encode, seeds: Sequence[int] = range(5)) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the figures of each way to learn, by log score and by AUC, and what was tried to set EWC and EWC++.

    Grain of the first: score, method, figure; columns of `comparing.compared`. Two runs a seed.
    """
    to_choose_by, to_judge_by = tuning.apart(domains(encode))
    best, tried = tuning.choose(to_choose_by, (101, 102, 103))
    ways = [Way(NAIVE), best[EWC], best[EWC_PLUS], Way(REPLAY, n_kept=N_KEPT), Way(JOINT)]
    runs = comparing.runs(to_judge_by, ways, seeds)
    found = [
        comparing.compared(runs, score).insert_column(0, pl.Series("score", [name] * len(ways) * 5))
        for name, score in (("log score", log_score), ("AUC", auc))
    ]
    return pl.concat(found), tried
