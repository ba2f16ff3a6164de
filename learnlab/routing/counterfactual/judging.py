"""What policies would have achieved and cost on the tasks of a log, by every estimator, beside what was logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from learnlab.intervals import TOO_FEW, Interval
from learnlab.routing.counterfactual import crossfit, estimators
from learnlab.routing.counterfactual.estimators import Log
from learnlab.routing.counterfactual.judged import Judged
from learnlab.routing.counterfactual.overlap import Overlap, kinds, overlap
from learnlab.routing.counterfactual.policies import AS_LOGGED, Other
from learnlab.routing.counterfactual.ratios import Ratio, difference
from learnlab.routing.router import Router
from learnlab.routing.tries import Floats

DOUBLY_ROBUST, SELF_NORMALISED, INVERSE, MODEL_ALONE, NAIVE = METHODS = (
    "doubly robust",
    "self-normalised",
    "inverse propensity",
    "model alone",
    "naive mean",
)
"""The ways to estimate, the one to read first."""

LOGGED = "mean of the log"
"""How the value of the policy that made the log is estimated."""

FIGURES = ("quality", "cost")
"""What is estimated of a policy: mean quality (0-1) and mean cost (US dollars) of a task."""

MONTH = 30.0
"""Days of a month."""

_ESTIMATE = {
    **dict.fromkeys(("policy", "figure", "method"), pl.String),
    **dict.fromkeys(
        ("estimate", "low", "high", "difference", "difference_low", "difference_high"), pl.Float64
    ),
    **dict.fromkeys(("n", "n_problems"), pl.Int64),
    "n_effective": pl.Float64,
    "note": pl.String,
}


@dataclass(frozen=True)
class Judgement:
    """What was found, and of which tries.

    `estimates`: policy × figure × method: estimate, its bounds, difference to what was logged (paired) with its
    bounds, n, n_problems (groups), n_effective, note. Null where the log cannot say; `model alone` has no bounds.
    `overlap`: a row a policy: the fields of `Overlap`.
    """

    estimates: pl.DataFrame
    overlap: pl.DataFrame
    judged: Judged


def judge(judged: Judged, policies: Sequence[Other], model: Router, *, seed: int = 0) -> Judgement:
    """Return what each policy would have achieved and cost, had it chosen on the tasks of these tries.

    Tries whose verdict (or cost) nobody knows are left out of that figure, which is right when they are missing by
    lot. `model` is what the doubly robust estimate leans on, cross-fitted by group; the policies must be fixed without
    these tries.

    Raises:
        RoutingError: when a propensity is not above 0 and at most 1, or probabilities do not fit the log.
    """
    tries = judged.tries
    targets = [policy.probabilities(tries.tasks)[tries.task] for policy in policies]
    kind = kinds(tries.tasks)[tries.task]
    everything = judged.log(np.zeros(len(tries)))
    supports = [overlap(everything, target, kind) for target in targets]
    hopes = crossfit.expected(tries, model, seed=seed)
    rows: list[dict[str, object]] = []
    for figure, seen, hoped in zip(FIGURES, (tries.quality, tries.cost), hopes, strict=True):
        known = np.isfinite(seen)
        if not known.any():
            continue
        log = judged.log(seen, is_rate=figure == "quality" and _is_rate(seen[known]))
        base = estimators.logged(log)
        rows.append(_row(AS_LOGGED, figure, LOGGED, base, None))
        for policy, target, support in zip(policies, targets, supports, strict=True):
            for method, found in _every(log, target[known], hoped[known]).items():
                rows.append(_row(policy.name, figure, method, found, base, support))
    return Judgement(pl.DataFrame(rows, schema=_ESTIMATE), _supports(policies, supports), judged)


def months(judgement: Judgement, method: str = DOUBLY_ROBUST) -> pl.DataFrame:
    """Return what a month of 30 days at the log's volume of judged tasks would have come to under each policy.

    Columns: policy, n_tasks (a month), successes and cost_usd with their bounds, and the difference of each to what
    was logged with its bounds (`successes_difference_low` …). Empty where times are not recorded or span under a day.
    The volume is taken as it was: only rates and costs are uncertain.
    """
    days = judgement.judged.days
    if not days >= 1:
        return pl.DataFrame()
    volume = len(judgement.judged.tries) * MONTH / days
    rows = judgement.estimates.filter((pl.col("method") == method) | (pl.col("policy") == AS_LOGGED))
    ends = ("estimate", "low", "high", "difference", "difference_low", "difference_high")
    frames = [
        rows.filter(figure=figure).select(
            "policy",
            *[(pl.col(end) * volume).alias(f"{total}_{end}".removesuffix("_estimate")) for end in ends],
        )
        for figure, total in zip(FIGURES, ("successes", "cost_usd"), strict=True)
    ]
    both = frames[0].join(frames[1], on="policy", how="full", coalesce=True, maintain_order="left_right")
    return both.select("policy", pl.lit(round(volume), dtype=pl.Int64).alias("n_tasks"), pl.exclude("policy"))


def _is_rate(rewards: Floats) -> bool:
    return bool((rewards >= 0).all() and (rewards <= 1).all())


def _every(log: Log, target: Floats, hoped: Floats) -> dict[str, Ratio]:
    return {
        DOUBLY_ROBUST: estimators.doubly_robust(log, target, hoped),
        SELF_NORMALISED: estimators.snips(log, target),
        INVERSE: estimators.ips(log, target),
        MODEL_ALONE: estimators.direct(log, target, hoped),
        NAIVE: estimators.naive(log, target),
    }


def _row(
    policy: str, figure: str, method: str, found: Ratio, base: Ratio | None, support: Overlap | None = None
) -> dict[str, object]:
    unknown = Interval(float("nan"), float("nan"), float("nan"), found.n)
    estimate, gap = found.interval(), difference(found, base) if base else unknown
    note = support.note if support else ""
    if not note and found.n_effective < TOO_FEW:
        note = "too few to tell"
    if support and not support.is_identified:
        estimate = gap = unknown
    elif method == MODEL_ALONE:
        estimate, gap = (each._replace(low=float("nan"), high=float("nan")) for each in (estimate, gap))
    figures = zip(("estimate", "low", "high"), estimate[:3], strict=True)
    gaps = zip(("difference", "difference_low", "difference_high"), gap[:3], strict=True)
    return {
        "policy": policy,
        "figure": figure,
        "method": method,
        **{name: value if np.isfinite(value) else None for name, value in (*figures, *gaps)},
        "n": found.n,
        "n_problems": len(found.above),
        "n_effective": found.n_effective,
        "note": note,
    }


def _supports(policies: Sequence[Other], supports: Sequence[Overlap]) -> pl.DataFrame:
    rows = []
    for policy, found in zip(policies, supports, strict=True):
        fields = {name: getattr(found, name) for name in _SUPPORT}
        mean = dict(
            zip(("mean_weight", "mean_weight_low", "mean_weight_high"), found.mean_weight[:3], strict=True)
        )
        rows.append(
            {
                "policy": policy.name,
                **fields,
                **mean,
                "is_identified": found.is_identified,
                "note": found.note,
            }
        )
    schema = {
        "policy": pl.String,
        **dict.fromkeys(_SUPPORT, pl.Float64),
        "n": pl.Int64,
        **dict.fromkeys(("mean_weight", "mean_weight_low", "mean_weight_high"), pl.Float64),
        "is_identified": pl.Boolean,
        "note": pl.String,
    }
    return pl.DataFrame(rows, schema=schema)


_SUPPORT = (
    "n",
    "n_effective",
    "median_weight",
    "high_weight",
    "largest_weight",
    "largest_share",
    "never_rate",
    "hardly_rate",
)
