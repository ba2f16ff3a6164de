"""Sentences about other policies: who is judged by what, whether it can be believed, and what would have come of them."""

from __future__ import annotations

from typing import Any

import polars as pl

from learnlab.intervals import TOO_FEW, Interval
from learnlab.reports.counterfactual_estimates import Compared, Logged, held
from learnlab.reports.sentences import estimated, shown
from learnlab.routing.counterfactual.judging import DOUBLY_ROBUST, LOGGED, NAIVE
from learnlab.routing.counterfactual.overlap import is_off
from learnlab.routing.counterfactual.policies import AS_LOGGED

Row = dict[str, Any]


def judged(log: Logged) -> str:
    """Return how many tries carry a propensity, and who is left out: what is said holds for those alone."""
    n, n_all = len(log.judged.tries), log.judged.n_all
    share = shown(log.judged.share, "rate")
    told = f"{n:,} of {n_all:,} tries ({share}) carry the probability with which they were chosen"
    if n == n_all:
        return f"{told}."
    retries, first = log.sources["n_retries_without"].sum(), log.sources["n_first_without"].sum()
    parts = [f"{retries:,} retries"] if retries else []
    parts += [f"{first:,} first attempts"] if first else []
    others = " and ".join(parts) or f"{n_all - n:,} tries"
    return f"{told}: what is said here holds for those alone. {others} without it are no part of it, nor is their cost."


def known(found: Compared) -> str:
    """Return how many of the judged tries have a verdict and a cost, and what is taken for granted of the others."""
    n = len(found.judgement.judged.tries)
    logged = found.estimates.filter(policy=AS_LOGGED)
    counts = dict(logged.select("figure", "n").iter_rows())
    verdicts, costs = counts.get("quality", 0), counts.get("cost", 0)
    told = (
        f"Policies learn from the earlier {found.n_learned:,} tries and are judged by the later {n:,}: "
        f"{verdicts:,} with a trusted verdict, {costs:,} with a known cost"
    )
    if verdicts == costs == n:
        return f"{told}."
    return f"{told}. The others are left out, which is right where whether it is known has nothing to do with what it is."


def sane(means: pl.DataFrame) -> str:
    """Return whether the logged propensities can be true (`counterfactual_estimates.inverse_propensities`).

    Off is what chance would bring one time in a thousand: among several intervals one may well leave 1 out.

    >>> rows = {"model_tier": ["small"], "n": [90], "mean_weight": [1.02], "mean_weight_low": [0.9],
    ...     "mean_weight_high": [1.14]}
    >>> print(sane(pl.DataFrame(rows)))
    The inverse propensities average 1 as far as chance allows: nothing speaks against what was logged. Farthest off is
    small: 1.02 (95...% interval 0.9 to 1.14, n...90).
    """
    ends = ("mean_weight", "mean_weight_low", "mean_weight_high", "n")
    rows = (
        means.drop_nulls("mean_weight_low")
        .sort((pl.col("mean_weight") - 1).abs(), descending=True)
        .to_dicts()
    )
    if not rows:
        return "Too few to tell whether the logged propensities can be true."
    named = {row["model_tier"]: estimated(row, "mean_weight", "plain", "n") for row in rows}
    off = [row["model_tier"] for row in rows if is_off(Interval(*(row[end] for end in ends)))]
    if not off:
        tier, figure = next(iter(named.items()))
        return (
            "The inverse propensities average 1 as far as chance allows: nothing speaks against what was logged. "
            f"Farthest off is {tier}: {figure}."
        )
    told = "; ".join(f"{tier} {named[tier]}" for tier in off)
    return (
        f"The inverse propensities should average 1 and do not: {told}. Either what was logged is not what was drawn "
        "from, or a tier was not always to be had; read the estimates with that in mind."
    )


def decided(decisions: pl.DataFrame) -> str:
    """Return whether routing decisions list the probabilities of all candidates, and whether these add up to 1."""
    n, complete, whole, differing = (
        int(decisions[name].sum()) if decisions.height else 0
        for name in ("n_decisions", "n_complete", "n_adding_up", "n_differing")
    )
    if not n:
        return (
            "No routing decision of these executions is kept: the propensities are those of the executions."
        )
    if complete == whole == n and not differing:
        return f"All {n:,} routing decisions list the probability of every candidate, and these add up to 1."
    return (
        f"Of {n:,} routing decisions {complete:,} list the probability of every candidate; in {whole:,} of these they "
        f"add up to 1, and {differing:,} decisions name another probability than their execution."
    )


def supported(overlap: pl.DataFrame) -> str:
    """Return for which policies the log says little or nothing, and why."""
    noted = overlap.filter(pl.col("note") != "").to_dicts()
    if noted:
        told = "; ".join(f"{row['policy']}: {row['note']}" for row in noted)
        return f"The log cannot speak for every policy in the same way: {told}."
    least = overlap.sort("n_effective").to_dicts()[0]
    return (
        f"Everything these policies choose was tried. Fewest tries count for {least['policy']}: the {least['n']:,} "
        f"tell as much as {least['n_effective']:,.0f} of equal weight would."
    )


def _rows(found: Compared, figure: str, method: str) -> list[Row]:
    """Return the policies that can be told apart from nothing, the logged one left out."""
    return found.estimates.filter(figure=figure, method=method).drop_nulls("low").to_dicts()


def _changed(row: Row, unit: str) -> str:
    """Return a paired difference to what was logged, with its interval, and whether it can be told."""
    names = {"x": "difference", "x_low": "difference_low", "x_high": "difference_high"}
    scale = 100 if unit == "rate" else 1
    figures = {short: scale * row[long] for short, long in names.items()}
    told = estimated(figures | {"n": row["n"]}, "x", "quality" if unit == "rate" else unit, "n")
    apart = row["difference_low"] > 0 or row["difference_high"] < 0
    return told if apart else f"{told}, which is too close to call"


def successes(found: Compared) -> str:
    """Return which policy would have succeeded most, and how far that is from what was logged."""
    rows = [row for row in _rows(found, "quality", DOUBLY_ROBUST) if row["n_effective"] >= TOO_FEW]
    logged = found.estimates.filter(policy=AS_LOGGED, figure="quality", method=LOGGED).to_dicts()
    if not rows or not logged:
        return "Too few to tell what any other policy would have achieved."
    best = max(rows, key=lambda row: (row["estimate"], row["policy"]))
    rate = shown(best["estimate"], "rate")
    return (
        f"As logged {estimated(_named(logged[0]), 'x', 'rate', 'n')} succeeded. Most would have succeeded "
        f"under {best['policy']}: {rate}, a difference of {_changed(best, 'rate')}."
    )


def _named(row: Row) -> Row:
    return {"x": row["estimate"], "x_low": row["low"], "x_high": row["high"], "n": row["n"]}


def of_policy(found: Compared, policy: str) -> str:
    """Return what one policy would have changed in success and cost, against what was logged."""
    told = []
    for figure, what, unit in (("quality", "success", "rate"), ("cost", "the cost of a task", "usd")):
        rows = [row for row in _rows(found, figure, DOUBLY_ROBUST) if row["policy"] == policy]
        if rows and rows[0]["n_effective"] >= TOO_FEW:
            told.append(f"{what} by {_changed(rows[0], unit)}")
    if not told:
        return f"Too few to tell what {policy} would have come to."
    return f"Choosing by {policy} would have changed {', and '.join(told)}."


def month(found: Compared, policy: str) -> str:
    """Return what a month under a policy would have come to, beside one as logged."""
    totals = {row["policy"]: row for row in found.months.to_dicts()} if found.months.height else {}
    one, logged = totals.get(policy), totals.get(AS_LOGGED)
    if not one or not logged or None in (one["successes"], one["cost_usd"]):
        return "Times, verdicts or costs are missing: a month cannot be told."

    def total(row: Row, name: str, unit: str) -> str:
        low, high = (shown(row[f"{name}_{end}"], unit) for end in ("low", "high"))
        return f"{shown(row[name], unit)} ({low} to {high})"

    each = [
        f"{total(row, 'successes', 'plain')} successes for {total(row, 'cost_usd', 'usd')}"
        for row in (logged, one)
    ]
    return (
        f"A month of {logged['n_tasks']:,} tasks (first attempts alone) came to {each[0]} as logged, and would have "
        f"come to {each[1]} under {policy}."
    )


def misled(found: Compared) -> str:
    """Return where the naive mean would mislead most: how far it is from the doubly robust estimate."""
    robust = {
        row["policy"]: row for row in _rows(found, "quality", DOUBLY_ROBUST) if row["n_effective"] >= TOO_FEW
    }
    naive = {row["policy"]: row for row in _rows(found, "quality", NAIVE) if row["policy"] in robust}
    if not naive:
        return "Too few to tell how far the naive mean would mislead."
    worst = max(naive, key=lambda name: abs(naive[name]["estimate"] - robust[name]["estimate"]))
    plain, fair = shown(naive[worst]["estimate"], "rate"), estimated(_named(robust[worst]), "x", "rate", "n")
    if robust[worst]["low"] <= naive[worst]["estimate"] <= robust[worst]["high"]:
        return f"Averaging the log's own tries would mislead little here: most about {worst}, {plain} beside {fair}."
    return (
        f"Averaging the log's own tries would mislead most about {worst}: {plain} where the doubly robust estimate is "
        f"{fair}. It lies outside that interval, as it will where the log chose by what also decides success."
    )


def true(found: Compared, truth: pl.DataFrame) -> str:
    """Return how many intervals hold the simulator's truth, of the doubly robust and of the naive ones."""
    robust, n = held(found, truth)
    naive, _ = held(found, truth, NAIVE)
    return (
        f"The simulator knows the truth: {robust} of the {n} doubly robust intervals hold it, and {naive} of the {n} "
        "naive ones."
    )


def conclusions(found: Compared, truth: pl.DataFrame | None) -> list[str]:
    """Return what the page says in the end; the learned policy told of is the last that could be judged."""
    learned = found.names[-1]
    told = [successes(found), of_policy(found, learned), month(found, learned), misled(found)]
    told.append(supported(found.judgement.overlap))
    return [*told, true(found, truth)] if truth is not None else told
