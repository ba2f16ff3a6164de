"""What other policies would have come to, made ready for a page: judged or stopped with the reason, with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.reports.fleet_truth import true_means
from learnlab.reports.publish import stop
from learnlab.routing.baselines import baselines, lookup_by_repo
from learnlab.routing.counterfactual import stored
from learnlab.routing.counterfactual.judged import Judged, earlier_and_later
from learnlab.routing.counterfactual.judging import DOUBLY_ROBUST, FIGURES, Judgement, judge, months
from learnlab.routing.counterfactual.policies import AS_LOGGED, Other, always, following, uniform
from learnlab.routing.counterfactual.sanity import inverse_means
from learnlab.routing.policy import Greedy
from learnlab.routing.preference import PriceOfQuality
from learnlab.routing.sona import Sona
from learnlab.routing.tries import Tries

LEARNED = ("lookup", "logistic")
"""The baselines whose choices are judged, where they are there: each learns from the earlier part of the log."""

_BIN = 0.05


@dataclass(frozen=True)
class Logged:
    """What a store can say of other policies: the tries with a propensity, and who logs it.

    `sources` and `decisions` are the rows of the queries `propensities` and `decision_propensities`.
    """

    judged: Judged
    sources: pl.DataFrame
    decisions: pl.DataFrame


@dataclass(frozen=True)
class Compared:
    """Policies judged by the later part of a log, and how many earlier tries the learned ones learned from."""

    judgement: Judgement
    policies: tuple[Other, ...]
    n_learned: int

    @property
    def estimates(self) -> pl.DataFrame:
        """Policy × figure × method, see `Judgement`."""
        return self.judgement.estimates

    @property
    def months(self) -> pl.DataFrame:
        """What a month would have come to under each policy, doubly robust."""
        return months(self.judgement)

    @property
    def names(self) -> list[str]:
        """The policies in the order of the page, the logged one first."""
        return [AS_LOGGED, *(policy.name for policy in self.policies)]


def logged(
    db: str | Path = "", *, repo: str = "", days_back: int | None = None, as_of: str | datetime = ""
) -> Logged:
    """Return what a store has logged of its choices; where nothing can be judged, the notebook stops and says why.

    Raises:
        StoreError: when there is no such store.
    """
    try:
        judged = stored.judged_tries(db, repo=repo, days_back=days_back, as_of=as_of)
    except RoutingError as error:
        stop(f"No other policy can be judged here: {error}.")
    sources, decisions = (
        read(db, repo=repo, days_back=days_back, as_of=as_of)
        for read in (stored.propensities, stored.decisions)
    )
    return Logged(judged, sources, decisions)


def compared(
    log: Logged, *, learned_share: float = 0.6, worth_usd: float = 1.0, with_sona: bool = False
) -> Compared:
    """Return policies judged by the later part of a log; those that learn do so from the earlier part.

    Where that cannot be done, the notebook stops with the reason.
    """
    try:
        earlier, later = earlier_and_later(log.judged, learned_share)
        policies = _policies(earlier, PriceOfQuality(worth_usd), with_sona)
        return Compared(judge(later, policies, lookup_by_repo()), policies, len(earlier))
    except RoutingError as error:
        stop(f"No other policy can be judged here: {error}.")


def _policies(earlier: Tries, preference: PriceOfQuality, with_sona: bool) -> tuple[Other, ...]:
    candidates = earlier.candidates
    fixed = [always(at, candidates, f"always {tier(one)}") for at, one in enumerate(candidates)]
    routers = [router for router in baselines() if router.name in LEARNED]
    learned = [router.fit(earlier) for router in [*routers, *([Sona()] if with_sona else [])]]
    follow = [following(fitted, Greedy(preference), candidates) for fitted in learned]
    return (*fixed, uniform(candidates), *follow)


def tier(candidate: Candidate) -> str:
    """Return the name of a candidate's tier.

    >>> tier(Candidate(tier="small"))
    'small'
    """
    return candidate.tier.value if candidate.tier else "unknown"


def chances(judged: Judged) -> pl.DataFrame:
    """Return how often tiers were chosen with which probability: model_tier, from, to (0-1), n."""
    names = pl.Series([tier(one) for one in judged.tries.candidates], dtype=pl.String)
    rows = pl.DataFrame(
        {"model_tier": names.gather(judged.tries.candidate), "chance": judged.tries.propensity}
    )
    place = ((pl.col("chance") / _BIN).ceil() - 1).clip(0)
    counted = rows.group_by("model_tier", place.alias("place")).agg(n=pl.len().cast(pl.Int64))
    ends = {"from": pl.col("place") * _BIN, "to": (pl.col("place") + 1) * _BIN}
    return counted.with_columns(**ends).drop("place").sort("model_tier", "from")


def inverse_propensities(judged: Judged) -> pl.DataFrame:
    """Return for each tier what its inverse propensities average, with bounds: 1 where what was logged is true.

    Columns: model_tier, n (tries with it), mean_weight and its bounds.
    """
    tries = judged.tries
    means = inverse_means(judged.log(np.zeros(len(tries))), len(tries.candidates))
    rows = [
        (
            tier(one),
            int((tries.candidate == at).sum()),
            *(end if np.isfinite(end) else None for end in mean[:3]),
        )
        for at, (one, mean) in enumerate(zip(tries.candidates, means, strict=True))
    ]
    names = ("mean_weight", "mean_weight_low", "mean_weight_high")
    schema = {"model_tier": pl.String, "n": pl.Int64, **dict.fromkeys(names, pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def truth(found: Compared, db: str | Path = "") -> pl.DataFrame | None:
    """Return what each policy is truly worth on the judged tasks, or None where nobody knows: policy, figure, truth.

    It is known of the bundled sample alone: the simulator's rates and costs, averaged over its pools.
    """
    tries = found.judgement.judged.tries
    means = true_means(tries, db)
    if means is None:
        return None
    targets = {policy.name: policy.probabilities(tries.tasks)[tries.task] for policy in found.policies}
    targets[AS_LOGGED] = means.propensity
    rows = []
    for figure in FIGURES:
        true, seen = getattr(means, figure), getattr(tries, figure)
        for name in found.names:
            value = (targets[name] * true).sum(axis=1)[np.isfinite(seen)].mean()
            rows.append((name, figure, float(value)))
    return pl.DataFrame(
        rows, schema={"policy": pl.String, "figure": pl.String, "truth": pl.Float64}, orient="row"
    )


def held(found: Compared, true: pl.DataFrame, method: str = DOUBLY_ROBUST) -> tuple[int, int]:
    """Return how many intervals of a method hold the truth, and how many there are."""
    both = found.estimates.filter(method=method).join(true, on=("policy", "figure")).drop_nulls("low")
    return int(both["truth"].is_between(both["low"], both["high"]).sum()), both.height
