"""Routers in one table, judged by a log: what `evaluate.summary` says where every candidate's outcome is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from learnlab.errors import RoutingError
from learnlab.intervals import TOO_FEW, Interval
from learnlab.routing.counterfactual import crossfit
from learnlab.routing.counterfactual.estimators import Log
from learnlab.routing.counterfactual.judged import judged
from learnlab.routing.counterfactual.overlap import kinds, overlap
from learnlab.routing.counterfactual.policies import AS_LOGGED
from learnlab.routing.counterfactual.ratios import Ratio, difference, ratio
from learnlab.routing.evaluate.frontier import hull, prices
from learnlab.routing.evaluate.resampling import verdict
from learnlab.routing.preference import PriceOfQuality, best
from learnlab.routing.router import Expected, Router
from learnlab.routing.tries import Floats, Ints, Tries

FIGURES = {
    "value": ("mean_value", "value_gain"),
    "quality": ("mean_quality", "quality_gain"),
    "cost": ("mean_cost_usd", "cost_gain_usd"),
}
"""The columns of each figure: its mean, and how far that is from the reference's."""


@dataclass(frozen=True)
class Scored:
    """Tries by which choices can be judged, and the doubly robust scores of all candidates on them.

    `quality` and `cost` are (tries, candidates): what a model expects, and on what was chosen by how much it was
    wrong, over the propensity. Single scores lie anywhere; the mean of those of a router's choices is the doubly robust
    estimate of what it would have come to. Source: S. Athey and S. Wager, "Policy learning with observational data",
    Econometrica 89 (2021), 133-161. `n_all` counts the tries that there were.
    """

    tries: Tries
    quality: Floats
    cost: Floats
    n_all: int

    def of_type(self, task_type: str) -> Scored:
        """Return the scores of the tries of one task type."""
        is_of_type = self.tries.tasks.known["task_type"].fill_null("unknown") == task_type
        rows = is_of_type.to_numpy()[self.tries.task]
        return Scored(self.tries.take(rows), self.quality[rows], self.cost[rows], int(rows.sum()))

    @property
    def is_priced(self) -> bool:
        """Whether costs are known."""
        return bool(np.isfinite(self.tries.cost).all())

    def log(self) -> Log:
        """Return what was chosen with what probability, groups numbered from 0."""
        group = np.unique(self.tries.tasks.group[self.tries.task], return_inverse=True)[1]
        return Log(
            np.zeros(len(self.tries)),
            self.tries.candidate,
            self.tries.propensity,
            np.asarray(group, dtype=np.int64),
        )


def scored(held: Tries, model: Router) -> Scored:
    """Return the scores of tries; `model` is what they lean on, cross-fitted by group.

    Left out is what has no propensity, no known quality, or no known cost where any cost is known.

    Raises:
        RoutingError: when too few tries have a propensity (`judged`), or none of those a known quality.
    """
    tries = judged(held).tries
    known = np.isfinite(tries.quality)
    if np.isfinite(tries.cost[known]).any():
        known &= np.isfinite(tries.cost)
    tries = tries.take(known)
    if not len(tries):
        raise RoutingError("no try with a propensity has a known quality: nothing can be judged")
    hopes = crossfit.expected(tries, model)
    chosen = np.arange(len(tries)), tries.candidate
    scores: list[Floats] = []
    for seen, hoped in zip((tries.quality, tries.cost), hopes, strict=True):
        score = hoped.copy()
        score[chosen] += (np.nan_to_num(seen) - hoped[chosen]) / tries.propensity
        scores.append(score)
    return Scored(tries, scores[0], scores[1], len(held))


def standings(
    of: Scored, choices: Mapping[str, Ints], preference: PriceOfQuality, reference: str
) -> pl.DataFrame:
    """Return what routers would have come to, and how far from the reference: a row a router, first what was logged.

    `choices` are places of candidates, (tasks,) of the scored tries. Columns as in `evaluate.summary.summary`, but for
    regrets and shares of best choices, which no log tells; besides n_effective (tries that count, of n_judged) and note:
    why nothing is said of a router, or what speaks against it. Intervals (95 %) are those of `ratios`.

    Raises:
        RoutingError: when the reference is none of the routers.
    """
    if reference not in choices:
        raise RoutingError(f"the reference {reference!r} is none of the routers {list(choices)}")
    log, at = of.log(), np.arange(len(of.tries))
    kind = kinds(of.tries.tasks)[of.tries.task]
    logged = _ratios(of.tries.quality, np.nan_to_num(of.tries.cost), log, preference)
    own = {AS_LOGGED: _Own(logged, float(len(log)), "")}
    for name, choice in choices.items():
        place = choice[of.tries.task]
        support = overlap(log, np.eye(len(of.tries.candidates))[place], kind)
        if support.is_identified and support.n_effective >= TOO_FEW:
            found = _ratios(of.quality[at, place], of.cost[at, place], log, preference)
            own[name] = _Own(found, support.n_effective, support.note)
        else:
            own[name] = _Own({}, support.n_effective, f"the log cannot tell: {support.note}")
    rows = [
        {"router": name} | _row(one, own[reference].ratios, of, name == reference)
        for name, one in own.items()
    ]
    return pl.DataFrame(rows, schema=_SCHEMA)


def cost_quality(of: Scored, expected: Expected) -> pl.DataFrame:
    """Return what a router would have cost and achieved at each price of quality: `evaluate.frontier.cost_quality`.

    Raises:
        RoutingError: when nothing is expected of any candidate, or no cost is known.
    """
    if not of.is_priced:
        raise RoutingError("no cost is known: there is no curve of cost against quality")
    at, worths = np.arange(len(of.tries)), prices(expected)
    choices = [best(expected, PriceOfQuality(float(worth)))[of.tries.task] for worth in worths]
    quality, cost = (np.array([score[at, one].mean() for one in choices]) for score in (of.quality, of.cost))
    on_hull = np.isin(np.arange(len(worths)), hull(cost, quality))
    return pl.DataFrame(
        {"worth_usd": worths, "mean_cost_usd": cost, "mean_quality": quality, "is_on_hull": on_hull}
    )


@dataclass(frozen=True)
class _Own:
    """What is said of one router: its ratios by figure, none where nothing is; how many tries count; a note."""

    ratios: Mapping[str, Ratio]
    n_effective: float
    note: str


def _ratios(quality: Floats, cost: Floats, log: Log, preference: PriceOfQuality) -> dict[str, Ratio]:
    figures = {"value": preference.rank(quality, cost), "quality": quality, "cost": cost}
    ones = np.ones(len(log))
    return {
        name: ratio(figure, ones, log.group, is_rate=name == "quality") for name, figure in figures.items()
    }


def _row(own: _Own, to: Mapping[str, Ratio], of: Scored, is_reference: bool) -> dict[str, object]:
    n = int(np.unique(of.tries.tasks.group[of.tries.task]).size)
    row: dict[str, object] = {
        "n": n,
        "n_judged": len(of.tries),
        "n_effective": own.n_effective,
        "note": own.note,
    }
    says = "not judged"
    for figure, (mean, gain) in FIGURES.items():
        if figure == "cost" and not of.is_priced:
            continue
        first, second = own.ratios.get(figure), to.get(figure)
        row |= _flat(mean, first.interval() if first else None)
        gap = difference(first, second) if first and second else None
        row |= _flat(gain, gap)
        if figure == "value" and gap:
            says = verdict(gap._replace(n=n))
    return row | {"verdict": "the reference" if is_reference else says}


def _flat(name: str, found: Interval | None) -> dict[str, float | None]:
    ends = zip((name, f"{name}_low", f"{name}_high"), found[:3] if found else (None,) * 3, strict=True)
    return {column: end if end is not None and np.isfinite(end) else None for column, end in ends}


_SCHEMA = {
    "router": pl.String,
    **dict.fromkeys(("n", "n_judged"), pl.Int64),
    "verdict": pl.String,
    **{
        f"{name}{end}": pl.Float64
        for pair in FIGURES.values()
        for name in pair
        for end in ("", "_low", "_high")
    },
    "n_effective": pl.Float64,
    "note": pl.String,
}
