"""How routers do on tasks that they have not learned from: gains, curves, calibration, regret, each as one frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from learnlab.errors import RoutingError
from learnlab.reports.fleet_truth import true_means
from learnlab.reports.routing_estimates import SONA, Experiment
from learnlab.routing.baselines import Lookup
from learnlab.routing.counterfactual import standings as logged
from learnlab.routing.counterfactual.policies import AS_LOGGED
from learnlab.routing.counterfactual.standings import Scored
from learnlab.routing.evaluate import calibration, frontier, summary
from learnlab.routing.evaluate.held import Held
from learnlab.routing.evaluate.outcomes import Outcomes
from learnlab.routing.evaluate.resampling import estimates, gaps, means, verdict
from learnlab.routing.promoting.judge import ALL_TRIED, FROM_PROPENSITIES
from learnlab.routing.router import Expected
from learnlab.routing.tries import Floats, Tries

SAME = "the same choices"
"""The verdict on a router that chooses as the reference does, task by task."""

COMPLETE = 0.9
"""The share of judged tasks on which every outcome must be known, for routers to be judged by what came of each."""

_TOLD = (
    "router",
    "verdict",
    "n_judged",
    "n_effective",
    "mean_value",
    "value_gain",
    "value_gain_low",
    "value_gain_high",
    "mean_quality",
    "mean_cost_usd",
    "mean_regret",
    "true_regret",
    "note",
)

_LEAST = 1e-6


@dataclass(frozen=True)
class Judged:
    """What routers come to on the judged tasks.

    `standings`: a row a router, as `evaluate.summary.summary` or `counterfactual.standings.standings`; with true_value,
    true_regret and true_share_best where the simulator knows them. `by_type`: SONA and the reference, a row a task
    type. `curves`: router, worth_usd, mean_cost_usd, mean_quality, is_on_hull. All are empty where nothing could be
    judged, and `note` says why; else it says what was left out. `judged_by` says how.
    """

    standings: pl.DataFrame
    by_type: pl.DataFrame
    curves: pl.DataFrame
    judged_by: str
    note: str

    @property
    def told(self) -> pl.DataFrame:
        """The columns of the standings that a page shows, without a note where there is none to make."""
        names = [name for name in _TOLD if name in self.standings.columns]
        noted = self.standings["note"].str.len_chars().sum() if "note" in names else 0
        return self.standings.select(name for name in names if name != "note" or noted)

    @property
    def gained(self) -> pl.DataFrame:
        """What SONA gains over the reference on each task type, of those where that can be told."""
        return (
            self.by_type.filter(router=SONA).drop_nulls("value_gain_low")
            if self.by_type.height
            else self.by_type
        )

    @property
    def is_estimated(self) -> bool:
        """Whether figures are estimated from propensities, and not those of outcomes that are all known."""
        return self.judged_by == FROM_PROPENSITIES


def judged(found: Experiment, db: str | Path = "") -> Judged:
    """Return what the routers of an experiment come to, by all outcomes where they are known, else by propensities."""
    held = found.split.judged
    quality, cost = held.matrix()
    if not np.isfinite(cost).any():
        cost = np.zeros_like(cost)
    complete = np.asarray(np.isfinite(quality).all(axis=1) & np.isfinite(cost).all(axis=1))
    if complete.mean() >= COMPLETE:
        return _by_all(found, quality, cost, np.flatnonzero(complete))
    try:
        scored = logged.scored(held, Lookup())
    except RoutingError as error:
        return Judged(pl.DataFrame(), pl.DataFrame(), pl.DataFrame(), "", str(error))
    return _by_log(found, scored, db)


def _by_all(found: Experiment, quality: Floats, cost: Floats, rows: np.ndarray) -> Judged:
    tasks = found.split.judged.tasks
    kind = tasks.known["task_type"].fill_null("unknown").to_numpy().astype(object)
    outcomes = Outcomes(quality[rows], cost[rows], tasks.group[rows], kind[rows])
    held = Held(outcomes, {name: choice[rows] for name, choice in found.choices().items()})
    two = Held(outcomes, {name: held.routers[name] for name in dict.fromkeys((SONA, found.reference))})

    def table(splits: list[Held]) -> pl.DataFrame:
        return summary.summary(splits, found.preference, found.reference)

    left = len(tasks) - len(rows)
    note = f"{left:,} of {len(tasks):,} tasks are left out: not every outcome is known" if left else ""
    standings, by_type = table([held]), summary.by_type([two], lambda one: table(list(one)))
    standings, by_type = (_alike(table) for table in (standings, by_type))
    curves = _curves(found, lambda one: frontier.cost_quality(_taken(one, rows), outcomes))
    if not np.isfinite(found.split.judged.cost).any():
        unknown = [pl.lit(None, pl.Float64).alias(name) for name in standings.columns if "cost" in name]
        standings, by_type = standings.with_columns(unknown), by_type.with_columns(unknown)
        curves = curves.clear()
    return Judged(standings, by_type, curves, ALL_TRIED, note)


def _by_log(found: Experiment, scored: Scored, db: str | Path) -> Judged:
    choices = found.choices()
    standings = logged.standings(scored, choices, found.preference, found.reference)
    two = {name: choices[name] for name in dict.fromkeys((SONA, found.reference))}
    kinds = scored.tries.tasks.known["task_type"].fill_null("unknown")[scored.tries.task].unique().sort()
    by_type = pl.concat(
        logged.standings(scored.of_type(kind), two, found.preference, found.reference).select(
            pl.lit(kind).alias("task_type"), pl.all()
        )
        for kind in kinds
    )
    truth = _regrets(found, scored.tries, db)
    if truth is not None:
        standings = standings.join(truth, on="router", how="left", maintain_order="left")
    left, n = scored.n_all - len(scored.tries), scored.n_all
    note = f"{left:,} of {n:,} tries are left out: no propensity, verdict or cost is known" if left else ""
    curves = _curves(found, lambda one: logged.cost_quality(scored, one))
    return Judged(_alike(standings), _alike(by_type), curves, FROM_PROPENSITIES, note)


def _alike(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table in which no verdict is given on what chooses as the reference does: nothing differs there."""
    ends = pl.max_horizontal(pl.col("value_gain_low", "value_gain_high", "cost_gain_usd").abs())
    is_alike = (ends == 0).fill_null(False) & (pl.col("verdict") != "the reference")
    return table.with_columns(verdict=pl.when(is_alike).then(pl.lit(SAME)).otherwise("verdict"))


def _curves(found: Experiment, curve: Callable[[Expected], pl.DataFrame]) -> pl.DataFrame:
    frames = []
    for name, one in found.expected.items():
        try:
            frames.append(curve(one).select(pl.lit(name).alias("router"), pl.all()))
        except RoutingError:
            continue
    return pl.concat(frames) if frames else pl.DataFrame()


def _taken(one: Expected, rows: np.ndarray) -> Expected:
    return Expected(one.quality[rows], one.quality_error[rows], one.cost[rows], one.cost_error[rows])


def _regrets(found: Experiment, tries: Tries, db: str | Path) -> pl.DataFrame | None:
    """Return how routers truly do, or None where nobody knows: router, true_value, true_regret, true_share_best."""
    true = true_means(tries, db)
    if true is None:
        return None
    kind = np.full(len(tries), "", dtype=object)
    outcomes = Outcomes(true.quality, true.cost, tries.tasks.group[tries.task], kind)
    chosen = {name: choice[tries.task] for name, choice in found.choices().items()}
    table = summary.summary(
        [Held(outcomes, {AS_LOGGED: true.propensity, **chosen})], found.preference, found.reference
    )
    return table.select(
        "router", true_value="mean_value", true_regret="mean_regret", true_share_best="share_best"
    )


def predictions(found: Experiment) -> pl.DataFrame:
    """Return how well each router foretold what came of the candidates that were tried: a row a router, best first.

    Columns: router, n (groups of tasks), n_tries (with a known quality), log_loss (nats a try) with `_low` and `_high`,
    log_loss_gain (less than the reference's, paired) with bounds, verdict. No propensity is needed; what is told is
    how well outcomes of logged choices are foretold, not how well routers choose. Left out are routers that expect
    nothing of a candidate that was tried; where that is the reference, the simplest of the others stands for it.
    """
    tries = found.split.judged
    rows = np.flatnonzero(np.isfinite(tries.quality))
    task, candidate, came = tries.task[rows], tries.candidate[rows], tries.quality[rows]
    losses = {}
    for name, one in found.expected.items():
        said = np.clip(one.quality[task, candidate], _LEAST, 1 - _LEAST)
        if np.isfinite(said).all():
            losses[name] = -(came * np.log(said) + (1 - came) * np.log1p(-said))
    if not len(rows) or not losses:
        return pl.DataFrame()
    reference = found.reference if found.reference in losses else next(iter(losses))
    group, own = tries.tasks.group[task], losses[reference]
    base = means(*[own] * len(losses))
    every = means(*losses.values())
    figures = estimates([(group, every)])
    apart = estimates([(group, gaps(base, every))])
    made = [
        {
            "router": name,
            "n": loss.n,
            "n_tries": len(rows),
            **_ends("log_loss", loss),
            **_ends("log_loss_gain", gain),
            "verdict": "the reference" if name == reference else verdict(gain),
        }
        for name, loss, gain in zip(losses, figures, apart, strict=True)
    ]
    return pl.DataFrame(made).fill_nan(None).sort("log_loss", maintain_order=True)


def _ends(name: str, found: tuple[float, float, float, int]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), found[:3], strict=True))


def reliability(found: Experiment) -> pl.DataFrame:
    """Return what SONA and the reference expected of the candidates that were tried, and what came: a row a bin.

    Columns: router, and those of `evaluate.calibration.reliability`.
    """
    frames = [
        calibration.reliability(expected, came).select(pl.lit(name).alias("router"), pl.all())
        for name, expected, came, _ in _pairs(found)
    ]
    return pl.concat(frames)


def calibrations(found: Experiment) -> pl.DataFrame:
    """Return how well SONA and the reference are calibrated: router, n, ece with bounds, ece_by_chance, brier."""
    rows = []
    for name, expected, came, group in _pairs(found):
        if not np.isfinite(expected * came).any():
            continue
        one = calibration.calibration(expected, came, group)
        rows.append(
            {"router": name, "n": one.ece.n, **_ends("ece", one.ece), "ece_by_chance": one.ece_by_chance}
            | _ends("brier", one.brier)
        )
    return pl.DataFrame(rows).fill_nan(None) if rows else pl.DataFrame()


def _pairs(found: Experiment) -> list[tuple[str, Floats, Floats, np.ndarray]]:
    tries = found.split.judged
    group = tries.tasks.group[tries.task]
    return [
        (name, found.expected[name].quality[tries.task, tries.candidate], tries.quality, group)
        for name in dict.fromkeys((SONA, found.reference))
    ]
