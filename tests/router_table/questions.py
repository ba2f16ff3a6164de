"""RouteLLM's questions: which of them need the strong model, by the text alone and with the subject."""

from __future__ import annotations

import polars as pl

from learnlab.routing.baselines import Lookup, Oracle, baselines
from learnlab.routing.evaluate.held import Held
from learnlab.routing.evaluate.outcomes import outcomes
from learnlab.routing.evaluate.summary import recovered_summary
from learnlab.routing.router import Expected, Router
from learnlab.routing.sona import Sona
from learnlab.routing.splits import Split, by_group, without_near_duplicates
from router_table.sources import Encode, routellm

CASES = (("mmlu", False), ("mmlu", True), ("gsm8k", False))
"""Benchmark, and whether the subject of a question is told; GSM8K has one subject."""


def questions(encode: Encode, n_seeds: int) -> pl.DataFrame:
    """Return APGR, CPT50 and CPT80 of each router over 80/20 splits: a row a case and router.

    The reference is the baseline of the highest APGR of the case.
    """
    found = []
    for benchmark, with_type in CASES:
        tries = without_near_duplicates(routellm(benchmark, encode, with_type=with_type))
        held = [_held(by_group(tries, seed), seed, with_type) for seed in range(n_seeds)]
        first = recovered_summary(held, "sona")
        others = first.filter(~pl.col("router").is_in(["sona", "oracle"]))
        best = others.sort("apgr", descending=True)["router"][0]
        table = recovered_summary(held, best)
        case = f"{benchmark}, {'text and subject' if with_type else 'text alone'}"
        found.append(table.select(pl.lit(case).alias("case"), pl.all()))
    return pl.concat(found)


def _held(split: Split, seed: int, with_type: bool) -> Held:
    learned: list[Router] = [one for one in baselines() if one.name in ("knn", "logistic")]
    learned += [Lookup()] if with_type else []
    said: dict[str, Expected] = {
        one.name: one.fit(split.learned).expect(split.judged.tasks) for one in (*learned, Sona(seed))
    }
    said["oracle"] = Oracle.of(split.judged).expect(split.judged.tasks)
    return Held(outcomes(split.judged), said)
