"""Sentences about routers: what they learned from, who is better by how much, whether that can be believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from learnlab.intervals import TOO_FEW
from learnlab.reports.routing_estimates import SONA, Experiment
from learnlab.reports.routing_judgements import SAME, Judged
from learnlab.reports.sentences import estimated, shown
from learnlab.routing.counterfactual.policies import AS_LOGGED
from learnlab.routing.promoting.judge import ALL_TRIED

Row = dict[str, Any]


def material(found: Experiment) -> str:
    """Return what there is to learn from: tries, tasks, verdicts, costs, propensities, vectors, and since when."""
    tries = found.tries
    n = len(tries)
    counts = {
        "a trusted verdict": tries.quality,
        "a known cost": tries.cost,
        "the probability with which they were chosen": tries.propensity,
    }
    parts = [f"{shown(np.isfinite(figure).mean(), 'rate')} have {what}" for what, figure in counts.items()]
    times = tries.started_at[~np.isnat(tries.started_at)]
    when = (
        f", from {str(times.min())[:10]} to {str(times.max())[:10]}"
        if len(times)
        else ", none with a recorded time"
    )
    return (
        f"{n:,} tries of {len(tries.candidates)} candidates on {len(tries.tasks):,} tasks{when}: "
        f"{', '.join(parts[:-1])}, {parts[-1]}."
    )


def texts(found: Experiment) -> str:
    """Return how many tasks have a text that routers can read, and what is to be done where none has."""
    has = found.tries.tasks.vectors.any(axis=1)
    if not has.any():
        return (
            "No text has a vector: routers go by task type, repo and sizes alone, and kNN knows no neighbours. "
            "Vectors are made by: learnlab encode."
        )
    return f"{shown(has.mean(), 'rate')} of the tasks have a text with a vector, by which routers know similar tasks."


def split(found: Experiment) -> str:
    """Return who is learned from and who is judged, and what stands on neither side."""
    learned, judged, left = len(found.split.learned), len(found.split.judged), found.split.n_left_out
    told = f"Routers learn from {learned:,} tries and are judged on {judged:,} later ones"
    if not found.is_later:
        told = (
            f"No time says what is later, so routers learn from {learned:,} tries and are judged on {judged:,} that are "
            "drawn by lot"
        )
    told += "; no problem, and no text that is nearly another's, stands on both sides"
    if left:
        return f"{told}. {left:,} later tries of problems that were learned from are left out."
    return f"{told}."


def chosen(methods: pl.DataFrame) -> str:
    """Return which method SONA chose, and by how much it beats correcting nothing (`routing_estimates.methods`)."""
    best = methods.row(0, named=True)
    plain = methods.filter(pl.col("method").str.starts_with("looked-up")).to_dicts()
    told = f"SONA tried {methods.height} methods on its own tries and chose {best['method']}"
    if not plain or plain[0]["is_chosen"]:
        return f"{told}: nothing more is surely better."
    gap = estimated(plain[0], "above_chosen", "plain", "n")
    return f"{told}. Correcting nothing would lose {gap} nats more a try."


def changed(changes: pl.DataFrame) -> str:
    """Return what changed while routers learned, so that older tries of it are left out (`routing_estimates.changes`)."""
    if not changes.height:
        return "No candidate was seen to change on any task type while routers learned."
    told = [
        f"{row['candidate']} on {row['task_type']}, from {shown(row['rate_before'], 'rate')} to "
        f"{shown(row['rate_after'], 'rate')} (n = {row['n_after']:,} since {row['changed_at']:%Y-%m-%d})"
        for row in changes.to_dicts()
    ]
    rest = f"; and {len(told) - 5} more" if len(told) > 5 else ""
    return f"What SONA saw change, older tries of which it leaves out: {'; '.join(told[:5])}{rest}."


def judged(found: Experiment, on: Judged) -> str:
    """Return how routers are judged, or why they cannot be and what is shown in place of it."""
    if not on.standings.height:
        return (
            f"What routers would have come to cannot be told: {on.note}. Shown is how well they foretell what came of "
            "the choices that were logged, which takes no propensities."
        )
    left = f" {on.note[0].upper()}{on.note[1:]}." if on.note else ""
    if on.is_estimated:
        return (
            "Of each task only the outcome of what was chosen is known. What another choice would have come to is "
            f"estimated from the logged probabilities, doubly robust.{left}"
        )
    return (
        f"Every candidate was tried on every task, so nothing is estimated but from tasks to all tasks.{left}"
    )


def _by_name(table: pl.DataFrame) -> dict[str, Row]:
    return {row["router"]: row for row in table.to_dicts()} if table.height else {}


def best(found: Experiment, on: Judged) -> str:
    """Return which router comes to most, and how far SONA is from what it has to beat."""
    rows = _by_name(on.standings)
    told = [row for name, row in rows.items() if row["mean_value"] is not None and name != AS_LOGGED]
    if not told:
        return f"Which router is best cannot be told: {on.note or 'the log speaks for none of them'}."
    worth = shown(found.preference.worth_usd, "usd")
    top = max(told, key=lambda row: row["mean_value"])
    value = estimated(top, "mean_value", "usd", "n_judged")
    return (
        f"Where a success is worth {worth}, {top['router']} yields most: {value} a task, less its cost. "
        f"{gain(found, on)}"
    )


def gain(found: Experiment, on: Judged) -> str:
    """Return how far SONA is from the reference, in words and with the paired interval."""
    row = _by_name(on.standings).get(SONA)
    if not row or row["value_gain"] is None:
        return f"SONA and {found.reference} could not be compared."
    figure = estimated(row, "value_gain", "usd", "n_judged")
    return f"SONA against what it has to beat, {found.reference}: {figure} a task, {row['verdict']}."


def logged(found: Experiment, on: Judged) -> str:
    """Return how far the choices as they were logged are from the reference."""
    row = _by_name(on.standings).get(AS_LOGGED)
    if not row or row["value_gain"] is None:
        return (
            "How the choices compare with those that were made cannot be told: it takes logged propensities."
        )
    figure = estimated(row, "value_gain", "usd", "n_judged")
    return f"The choices as they were logged against {found.reference}: {figure} a task, {row['verdict']}."


def where(found: Experiment, on: Judged) -> str:
    """Return on which task types SONA gains or loses against the reference beyond the interval."""
    if not on.by_type.height:
        return f"Who wins where cannot be told: {on.note}."
    rows = on.by_type.filter(pl.col("router") == SONA).to_dicts()
    parts = []
    for verdict in ("better", "worse"):
        of = [row for row in rows if row["verdict"] == verdict]
        figures = [f"{row['task_type']} by {estimated(row, 'value_gain', 'usd', 'n_judged')}" for row in of]
        parts += [f"{verdict} on {', '.join(figures)}"] if figures else []
    few = [row["task_type"] for row in rows if row["verdict"] in ("too few to tell", "not judged")]
    told = f"SONA is {'; '.join(parts)}" if parts else "On no task type can SONA be told from the reference"
    alike = [row["task_type"] for row in rows if row["verdict"] == SAME]
    told += f"; on {', '.join(alike)} both choose alike" if alike else ""
    rest = f"; too few to tell on {', '.join(few)}" if few else ""
    return f"{told}{rest} ({len(rows)} task types, {sum(row['n_judged'] for row in rows):,} judged)."


def calibrated(calibrations: pl.DataFrame) -> str:
    """Return whether what SONA expects comes (`routing_judgements.calibrations`)."""
    row = _by_name(calibrations).get(SONA)
    if not row or row["n"] < TOO_FEW or row["ece_low"] is None:
        return "Too few to tell whether what SONA expects comes."
    figure = estimated(
        {name: 100 * one if name.startswith("ece") else one for name, one in row.items()},
        "ece",
        "quality",
        "n",
    )
    chance = shown(100 * row["ece_by_chance"], "quality")
    verdict = "more than" if row["ece_low"] > row["ece_by_chance"] else "no more than"
    return (
        f"What SONA expects of the candidates that were tried is off by {figure} on average over its bins, {verdict} "
        f"the {chance} that chance alone would bring."
    )


def foretold(predictions: pl.DataFrame) -> str:
    """Return who foretells best what comes of the logged choices (`routing_judgements.predictions`)."""
    if not predictions.height:
        return "How well outcomes are foretold cannot be told: there is no verdict on a judged try to compare with."
    top, own = predictions.row(0, named=True), _by_name(predictions).get(SONA)
    loss = estimated(top, "log_loss", "plain", "n_tries")
    told = f"Outcomes of what was chosen are foretold best by {top['router']}: its log loss (lower is better) is {loss}"
    if not own or own["verdict"] == "the reference":
        return f"{told}."
    less = estimated(own, "log_loss_gain", "plain", "n_tries")
    return f"{told}. The reference's log loss less that of SONA is {less}: {own['verdict']}."


def ruled(found: Experiment, *, promote: bool) -> str:
    """Return the decision on promotion without the figures that the conclusions tell beside it; else as `decided`."""
    if not found.promotion or not found.promotion.gain:
        return decided(found, promote=promote)
    mode = "" if promote else ", if it were decided now: nothing was changed"
    return f"The decision on promotion: {found.promotion.decision}{mode}."


def decided(found: Experiment, *, promote: bool) -> str:
    """Return the decision on promotion, or why there is none; without `promote` it is only what would be decided."""
    if not found.promotion:
        return f"No decision on promotion can be made: {found.refused}."
    word = found.promotion.decision if promote else f"{found.promotion.decision}, if it were decided now"
    mode = "" if promote else " Nothing was changed: set the parameter promote to let it come into force."
    return f"The decision on promotion: {word}. {found.promotion.reason}.{mode}"


def kept(found: Experiment) -> str:
    """Return what was decided before, and which router is in use."""
    if not found.decisions.height:
        return (
            "The store keeps no decision yet, and no router is in use: the best single candidate is chosen."
        )
    last = found.decisions.row(0, named=True)
    return (
        f"Decisions that the store keeps: {found.decisions.height:,}, the last of "
        f"{last['decided_at']:%Y-%m-%d %H:%M} UTC: {last['decision']}. In use is {last['in_use'] or 'no router'}."
    )


def true(found: Experiment, on: Judged) -> str:
    """Return what SONA and the reference truly regret, where the simulator knows it; else nothing."""
    rows = _by_name(on.standings)
    own, other = rows.get(SONA, {}), rows.get(found.reference, {})
    if own.get("true_regret") is None or other.get("true_regret") is None:
        return ""
    known = [row for row in rows.values() if row["true_regret"] is not None]
    least = min(known, key=lambda row: row["true_regret"])
    mine, theirs, fewest = (shown(row["true_regret"], "usd") for row in (own, other, least))
    return (
        f"The simulator knows the best choice on each of these {own['n_judged']:,} tries: SONA truly falls short of it "
        f"by {mine} a task, {found.reference} by {theirs}, and {least['router']} least of all, by {fewest}."
    )


def conclusions(
    found: Experiment, on: Judged, calibrations: pl.DataFrame, predictions: pl.DataFrame, *, promote: bool
) -> list[str]:
    """Return what the page says in the end: who is better, what was done so far, who wins where, promote or not."""
    if on.standings.height:
        told = [best(found, on)]
        told += [logged(found, on)] if on.judged_by != ALL_TRIED else []
        told += [where(found, on)]
    else:
        told = [judged(found, on), foretold(predictions)]
    truth = true(found, on)
    return [*told, ruled(found, promote=promote), calibrated(calibrations), *([truth] if truth else [])]
