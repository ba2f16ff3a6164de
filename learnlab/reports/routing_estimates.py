"""One experiment with routers, made ready for a page: what there is to learn from, what was trained, what it chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from learnlab.errors import RoutingError
from learnlab.intervals import Z_95, wilson
from learnlab.reports.publish import stop
from learnlab.routing.baselines import baselines
from learnlab.routing.deciding.decision import named
from learnlab.routing.keeping.registry import promotions
from learnlab.routing.narrowing import expectations
from learnlab.routing.preference import PriceOfQuality, best
from learnlab.routing.promoting.promoted import Promotion
from learnlab.routing.promoting.promotion import Trial, trial
from learnlab.routing.promoting.reference import best_baseline
from learnlab.routing.reading import checked_fields, read_tries
from learnlab.routing.router import Expected, Fitted
from learnlab.routing.sona import FittedSona, Sona
from learnlab.routing.sona.training import Method
from learnlab.routing.splits import Split, by_group, by_time, without_near_duplicates
from learnlab.routing.tries import Ints, Tries

SONA = Sona().name


@dataclass(frozen=True)
class Experiment:
    """Routers that learned from the earlier tries of a store, and what they expect of the tasks of the later ones.

    `expected`: a router's name → what it expects of the judged tasks; `reference` is the one that a new router has to
    beat: the router in use, else the best baseline within the earlier tries. `promotion` is None where no decision
    can be made, and `refused` says why; `is_later` is false where the judged tasks are drawn by lot. `decisions` are
    those that the store keeps (`promotions`), newest first.
    """

    tries: Tries
    split: Split
    is_later: bool
    sona: FittedSona
    reference: str
    expected: Mapping[str, Expected]
    preference: PriceOfQuality
    promotion: Promotion | None
    refused: str
    decisions: pl.DataFrame

    @property
    def names(self) -> list[str]:
        """The candidates in words, by their places."""
        return [named(one) for one in self.tries.candidates]

    def choices(self) -> dict[str, Ints]:
        """Return which candidate each router chooses for the judged tasks (tasks,), without exploring."""
        return {name: best(one, self.preference) for name, one in self.expected.items()}


def experiment(
    db: str | Path = "",
    *,
    candidates: str = "model_tier",
    worth_usd: float = 1.0,
    seed: int = 0,
    promote: bool = False,
) -> Experiment:
    """Return routers trained on the earlier tries of a store; where none can be, the notebook stops with the reason.

    `candidates` are the fields that a choice is made of, separated by commas. Only with `promote` does the decision
    on promotion come into force.

    Raises:
        StoreError: when there is no such store.
    """
    try:
        fields = checked_fields([field.strip() for field in candidates.split(",") if field.strip()])
        preference = PriceOfQuality(worth_usd)
        tries = read_tries(db, candidates=fields)
        _enough(tries)
        found, refused = _tried(db, fields, worth_usd, seed, promote)
        split, is_later = (found.split, True) if found else _split(tries)
        sona = found.fitted if found else Sona(seed).fit(split.learned)
        assert isinstance(sona, FittedSona)
        routers = [one.fit(split.learned) for one in baselines()]
        reference = _reference(found, split, preference)
        expected = {one.name: _expected(one, split) for one in (*routers, sona)}
        if found and found.champion and reference not in expected:
            expected[reference] = _expected(found.champion, split)
    except RoutingError as error:
        stop(f"No router can be trained here: {error}.")
    expected = {name: one for name, one in expected.items() if np.isfinite(one.quality).any(axis=1).all()}
    decided = found.promotion if found else None
    return Experiment(
        tries, split, is_later, sona, reference, expected, preference, decided, refused, promotions(db)
    )


def _enough(tries: Tries) -> None:
    known = np.unique(tries.candidate[np.isfinite(tries.quality)])
    if not len(known):
        raise RoutingError(f"none of {len(tries):,} tries has a trusted verdict")
    if len(known) < 2:
        only = named(tries.candidates[known[0]])
        raise RoutingError(f"only {only} has trusted verdicts, and a choice takes two")


def _tried(
    db: str | Path, fields: tuple[str, ...], worth_usd: float, seed: int, promote: bool
) -> tuple[Trial | None, str]:
    try:
        return trial(db, Sona(seed), worth_usd=worth_usd, candidates=fields, is_kept=promote), ""
    except RoutingError as error:
        return None, str(error)


def _split(tries: Tries) -> tuple[Split, bool]:
    whole = without_near_duplicates(tries)
    try:
        return by_time(whole), True
    except RoutingError:
        return by_group(whole), False


def _reference(found: Trial | None, split: Split, preference: PriceOfQuality) -> str:
    if found and found.champion and found.promotion.champion:
        return found.promotion.champion
    return best_baseline(split.learned, preference, SONA).name


def _expected(fitted: Fitted, split: Split) -> Expected:
    return expectations(fitted, split.judged.tasks, split.judged.candidates)


def material(tries: Tries) -> pl.DataFrame:
    """Return what there is to learn from, a row a candidate: counts, success rate with bounds, mean cost.

    Columns: candidate, n_tries, n_verdicts, n_costs, n_propensities, success_rate with `_low` and `_high` (Wilson,
    over the verdicts as they were logged), mean_cost_usd.
    """
    rows = []
    for place, candidate in enumerate(tries.candidates):
        own = tries.take(tries.candidate == place)
        verdicts, costs = (figure[np.isfinite(figure)] for figure in (own.quality, own.cost))
        rate = wilson(float(verdicts.sum()), len(verdicts))
        n_propensities = int(np.isfinite(own.propensity).sum())
        counts = (named(candidate), len(own), len(verdicts), len(costs), n_propensities)
        mean = float(costs.mean()) if len(costs) else None
        rows.append((*counts, *(rate[:3] if rate else (None,) * 3), mean))
    counted = dict.fromkeys(("n_tries", "n_verdicts", "n_costs", "n_propensities"), pl.Int64)
    figures = ("success_rate", "success_rate_low", "success_rate_high", "mean_cost_usd")
    schema = {"candidate": pl.String, **counted, **dict.fromkeys(figures, pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def methods(sona: FittedSona) -> pl.DataFrame:
    """Return the methods that SONA tried on its own tries, the chosen one first.

    Columns: method, is_chosen, n (tasks), loss (a try, of tasks not learned from), above_chosen (how much more than the
    chosen one's) with `_low` and `_high` (95 %, paired, normal).
    """
    chosen, rows = sona.tried[0], []
    for one in sona.tried:
        n = len(one.losses)
        scale = n * one.loss / one.losses.sum()
        apart = (one.losses - chosen.losses) * scale
        reach = Z_95 * float(apart.std()) / np.sqrt(n)
        mean = float(apart.mean())
        rows.append((in_words(one.method), one is chosen, n, one.loss, mean, mean - reach, mean + reach))
    figures = ("loss", "above_chosen", "above_chosen_low", "above_chosen_high")
    schema = {"method": pl.String, "is_chosen": pl.Boolean, "n": pl.Int64} | dict.fromkeys(
        figures, pl.Float64
    )
    return pl.DataFrame(rows, schema=schema, orient="row")


def in_words(method: Method) -> str:
    """Return a method of SONA in words.

    >>> in_words(Method(n_hidden=32, weight_decay=0.3, n_directions=8))
    'a network of 32 hidden units, weight decay 0.3, with 8 directions of the text'
    """
    if not method.epochs:
        return "looked-up means, corrected by nothing"
    what = f"a network of {method.n_hidden} hidden units" if method.n_hidden else "a regression"
    text = f", with {method.n_directions} directions of the text" if method.n_directions else ""
    return f"{what}, weight decay {method.weight_decay:g}{text}"


def changes(sona: FittedSona) -> pl.DataFrame:
    """Return what changed while it was learned: task_type, candidate, changed_at, rate_before, rate_after, n_after."""
    rows = [
        (
            one.task_type,
            named(sona.candidates[one.candidate]),
            one.at.astype("datetime64[us]").item(),
            one.before,
            one.after,
            one.n_after,
        )
        for one in sona.changes
    ]
    texts, rates = ("task_type", "candidate"), ("rate_before", "rate_after")
    schema: dict[str, Any] = {**dict.fromkeys(texts, pl.String), "changed_at": pl.Datetime("us")}
    schema |= {**dict.fromkeys(rates, pl.Float64), "n_after": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def shares(found: Experiment) -> pl.DataFrame:
    """Return where SONA and the reference send the judged tasks of each type.

    Columns: task_type, router, candidate, n (tasks sent there), n_tasks (of that type), share (0-1). Counts, no
    estimates; a candidate that gets none has no row.
    """
    kind = found.split.judged.tasks.known["task_type"].fill_null("unknown")
    choices = found.choices()
    names = pl.Series(found.names, dtype=pl.String)
    frames = [
        pl.DataFrame({"task_type": kind, "candidate": names.gather(choices[name])}).select(
            "task_type", pl.lit(name).alias("router"), "candidate"
        )
        for name in (SONA, found.reference)
    ]
    counts = pl.concat(frames).group_by("task_type", "router", "candidate").agg(n=pl.len().cast(pl.Int64))
    whole = pl.col("n").sum().over("task_type", "router")
    return counts.with_columns(n_tasks=whole, share=pl.col("n") / whole).sort(
        "task_type", "router", "candidate"
    )
