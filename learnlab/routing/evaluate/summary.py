"""Routers in one table, judged on the same held-out tasks, each compared with the same one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from learnlab.errors import RoutingError
from learnlab.intervals import TOO_FEW, Counts, Interval
from learnlab.routing.evaluate.choices import achieved, is_best, regret
from learnlab.routing.evaluate.frontier import aiq_of, cost_range
from learnlab.routing.evaluate.gains import recovered_by
from learnlab.routing.evaluate.held import Held
from learnlab.routing.evaluate.outcomes import value
from learnlab.routing.evaluate.resampling import Statistic, estimates, means, together, verdict
from learnlab.routing.preference import AboveFloor, Preference, WithinBudget, best
from learnlab.routing.router import Expected
from learnlab.routing.tries import Floats


def summary(splits: Sequence[Held], preference: Preference, reference: str, *, seed: int = 0) -> pl.DataFrame:
    """Return how routers do at a preference on the tasks that splits held out: a row a router.

    Columns: router, n (groups of tasks), n_judged (tasks, added up over the splits), verdict, and with `_low` and
    `_high` (95 %) mean_quality (0-1, the average performance), mean_cost_usd, mean_value, mean_regret and share_best
    (both of the value, against the best candidate of each task), value_gain, quality_gain and cost_gain_usd (less the
    reference's, paired). The value is what the preference asks for: see `value`. The verdict is on value_gain, or
    says "over the budget" or "below the floor" where the whole interval of the mean is.

    Raises:
        RoutingError: when no task is judged, a router is missing in a split, or the reference is none of them.
    """

    def of(held: Held) -> Statistic:
        columns: list[Floats] = []
        worth = value(held.outcomes, preference)
        for judged in held.routers.values():
            choice = best(judged, preference) if isinstance(judged, Expected) else judged
            columns += [achieved(choice, held.outcomes.quality), achieved(choice, held.outcomes.cost)]
            columns += [achieved(choice, worth), regret(choice, worth), is_best(choice, worth)]
        return means(*columns)

    figures = ("mean_quality", "mean_cost_usd", "mean_value", "mean_regret", "share_best")
    compared = {"mean_value": "value_gain", "mean_quality": "quality_gain", "mean_cost_usd": "cost_gain_usd"}
    table = _table(splits, of, figures, compared, reference, seed)
    off, says = pl.lit(False), ""
    if isinstance(preference, WithinBudget):
        off, says = pl.col("mean_cost_usd_low") > preference.budget_usd, "over the budget"
    elif isinstance(preference, AboveFloor):
        off, says = pl.col("mean_quality_high") < preference.floor, "below the floor"
    return table.with_columns(verdict=pl.when(off).then(pl.lit(says)).otherwise("verdict"))


def recovered_summary(splits: Sequence[Held], reference: str, *, seed: int = 0) -> pl.DataFrame:
    """Return what routers recover of the gap between two candidates, the weak and the strong: a row a router.

    Columns as in `summary`, with apgr, cpt_50, cpt_80 (see `recovered_by`), apgr_gain, cpt_50_gain and cpt_80_gain
    (less the reference's, paired); the verdict is on apgr_gain. A router's gain score is the quality it expects of
    the second candidate less that of the first, or the probability with which it chose the second.

    Raises:
        RoutingError: as `summary`; when there are not two candidates, or a gain is not known.
    """

    def of(held: Held) -> Statistic:
        weak, strong = held.two()
        return together(*(recovered_by(held.gain(name), weak, strong) for name in held.routers))

    figures = ("apgr", "cpt_50", "cpt_80")
    return _table(splits, of, figures, {name: f"{name}_gain" for name in figures}, reference, seed)


def aiq_summary(
    splits: Sequence[Held], reference: str, *, costs: tuple[float, float] | None = None, seed: int = 0
) -> pl.DataFrame:
    """Return the average improvement in quality of routers over one range of costs: a row a router.

    Columns as in `summary`, with aiq and aiq_gain (less the reference's, paired), and low_usd and high_usd, the range:
    unless given, from the mean cost of the cheapest candidate to that of the dearest. The verdict is on aiq_gain.

    Raises:
        RoutingError: as `summary`; when there is no range of costs.
    """
    low, high = costs or cost_range(*(held.outcomes for held in splits))

    def of(held: Held) -> Statistic:
        return together(*(aiq_of(judged, held.outcomes, low, high) for judged in held.routers.values()))

    table = _table(splits, of, ("aiq",), {"aiq": "aiq_gain"}, reference, seed)
    return table.with_columns(low_usd=pl.lit(low), high_usd=pl.lit(high))


def by_type(splits: Sequence[Held], table: Callable[[Sequence[Held]], pl.DataFrame]) -> pl.DataFrame:
    """Return one of these tables for each task type, one below the other, with the column task_type first.

    >>> from learnlab.routing.evaluate.outcomes import Outcomes
    >>> from learnlab.routing.preference import PriceOfQuality
    >>> kinds = np.array(["docs", "docs", "tests"], dtype=object)
    >>> outcomes = Outcomes(np.eye(3)[:, :2], np.ones((3, 2)), np.arange(3), kinds)
    >>> held = Held(outcomes, {"first": np.zeros(3, dtype=int), "second": np.ones(3, dtype=int)})
    >>> by_type([held], lambda one: summary(one, PriceOfQuality(1.0), "first")).select(
    ...     "task_type", "router", "mean_quality", "verdict").rows()[1:3]
    [('docs', 'second', 0.5, 'too few to tell'), ('tests', 'first', 0.0, 'the reference')]
    """
    kinds = sorted({kind for held in splits for kind in held.outcomes.task_type})
    parts = []
    for kind in kinds:
        of_kind = [held.take(held.outcomes.task_type == kind) for held in splits]
        found = table([held for held in of_kind if len(held.outcomes)])
        parts.append(found.select(pl.lit(kind).alias("task_type"), pl.all()))
    return pl.concat(parts) if parts else pl.DataFrame()


def _table(
    splits: Sequence[Held],
    of: Callable[[Held], Statistic],
    figures: tuple[str, ...],
    compared: Mapping[str, str],
    reference: str,
    seed: int,
) -> pl.DataFrame:
    """Return a table of figures of all routers, and of those to compare their gains over the reference's.

    `of` gives the statistic of a split: the figures of the first router, then those of the second …
    """
    names = list(splits[0].routers) if splits else []
    if reference not in names or any(list(held.routers) != names for held in splits):
        raise RoutingError(
            f"every split needs the same routers, {reference!r} among them; the first has {names}"
        )
    at = [figures.index(name) for name in compared]

    def with_gains(statistic: Statistic) -> Statistic:
        def both(drawn: Counts) -> Floats:
            found = statistic(drawn).reshape(len(drawn), len(names), len(figures))
            gains = found[:, :, at] - found[:, [names.index(reference)]][:, :, at]
            return np.concatenate([found, gains], axis=2).reshape(len(drawn), -1)

        return both

    found = estimates([(held.outcomes.group, with_gains(of(held))) for held in splits], seed=seed)
    n_judged = sum(len(held.outcomes) for held in splits)
    columns = [*figures, *compared.values()]
    rows = []
    for place, name in enumerate(names):
        own = dict(zip(columns, found[place * len(columns) :], strict=False))
        says = verdict(own[columns[len(figures)]]) if name != reference else "the reference"
        rows.append(
            {"router": name, "n": own[columns[0]].n, "n_judged": n_judged, "verdict": says} | _flat(own)
        )
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(_flat(own), pl.Float64))


def _flat(found: Mapping[str, Interval]) -> dict[str, float | None]:
    """Return estimates and bounds by the names of their columns; no bounds where there are too few groups to tell."""
    flat: dict[str, float | None] = {}
    for name, one in found.items():
        bounds = (one.low, one.high) if one.n >= TOO_FEW else (None, None)
        for column, figure in zip(
            (name, f"{name}_low", f"{name}_high"), (one.estimate, *bounds), strict=True
        ):
            flat[column] = figure if figure is not None and np.isfinite(figure) else None
    return flat
