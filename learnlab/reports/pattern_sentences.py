"""Sentences about patterns: how tasks were grouped, what works and what does not, and what changes."""

from __future__ import annotations

from typing import Any

import polars as pl

from learnlab.patterns import Mined
from learnlab.patterns.material import LEAST_USES
from learnlab.patterns.solutions import ANTI_PATTERN, TOO_FEW_TO_TELL, UNIVERSAL, WORKS
from learnlab.reports.sentences import estimated, shown
from learnlab.reports.tables import shortened


def grouped(found: Mined) -> str:
    """Return how many texts are in how many clusters, how many are in none, and how many could not be looked at.

    >>> clusters = pl.DataFrame({"n_texts": [60, 30]})
    >>> print(grouped(Mined(clusters, pl.DataFrame(), n_texts=100, n_outliers=10)))
    Of 100 texts 90 are in 2 clusters; 10 (10.0 %) are like no others and in none.
    """
    n, share = found.clusters.height, shown(found.outlier_rate or 0.0, "rate")
    clusters = "1 cluster" if n == 1 else f"{n:,} clusters"
    are = "is" if found.n_outliers == 1 else "are"
    outside = (
        f"{found.n_outliers:,} ({share}) {are} like no others and in none"
        if found.n_outliers
        else "none is outside"
    )
    told = f"Of {found.n_texts:,} texts {found.n_texts - found.n_outliers:,} are in {clusters}; {outside}."
    if not found.n_without_vector:
        return told
    have = "has no vector and was" if found.n_without_vector == 1 else "have no vector and were"
    return f"{told} {found.n_without_vector:,} more {have} not looked at: `learnlab encode`."


def judged(patterns: pl.DataFrame) -> str:
    """Return how many patterns work, how many are anti-patterns, and of how many too little is known.

    >>> judged(pl.DataFrame({"verdict": ["works", "anti-pattern", "too few to tell", "works"]}))
    'Of 4 patterns 2 work, 1 is an anti-pattern, and of 1 too little is known to tell.'
    """
    if patterns.is_empty():
        return (
            "No solution was named often enough in any cluster to be a pattern: it takes the same words in "
            f"`solution_summary` {LEAST_USES} times."
        )
    n = {
        verdict: (patterns["verdict"] == verdict).sum() for verdict in (WORKS, ANTI_PATTERN, TOO_FEW_TO_TELL)
    }
    works = f"{n[WORKS]:,} {'works' if n[WORKS] == 1 else 'work'}"
    worse = f"{n[ANTI_PATTERN]:,} {'is an anti-pattern' if n[ANTI_PATTERN] == 1 else 'are anti-patterns'}"
    return f"Of {patterns.height:,} patterns {works}, {worse}, and of {n[TOO_FEW_TO_TELL]:,} too little is known to tell."


def _lifted(row: dict[str, Any]) -> str:
    """Return a pattern with its lift in points."""
    points = {name: 100 * row[name] for name in ("lift", "lift_low", "lift_high")}
    figure = estimated(points | {"n": row["n_compared"]}, "lift", "quality", "n")
    where = f" on tasks about {row['task_context']}" if row["task_context"] else ""
    return f"“{shortened(row['solution_summary'])}”{where}: {figure}"


def best(patterns: pl.DataFrame) -> str:
    """Return the pattern that adds most to success by the lower end of its interval, if any does."""
    rows = patterns.filter(verdict=WORKS).sort("lift_low", "pattern_id", descending=[True, False]).to_dicts()
    if not rows:
        return (
            "No pattern is known to work better than what is done otherwise in the same repos and task types."
        )
    return f"Most is added, by the lower end of the interval, by {_lifted(rows[0])}."


def worst(patterns: pl.DataFrame) -> str:
    """Return the anti-pattern that takes most from success by the upper end of its interval, if there is one."""
    rows = patterns.filter(verdict=ANTI_PATTERN).sort("lift_high", "pattern_id").to_dicts()
    if not rows:
        return (
            "No pattern is known to work worse than what is done otherwise in the same repos and task types."
        )
    return f"Most is lost, by the upper end of the interval, by {_lifted(rows[0])}."


def universal(patterns: pl.DataFrame) -> str:
    """Return how many of the patterns that can be told were used in many repos."""
    told = patterns.filter(pl.col("verdict") != TOO_FEW_TO_TELL) if patterns.height else patterns
    if told.is_empty():
        return "Too few to tell what holds in many repos."
    n = told["is_universal"].sum()
    return f"{n:,} of the {told.height:,} patterns that can be told were used in {UNIVERSAL} repos or more."


def conclusions(found: Mined) -> list[str]:
    """Return what a page on patterns says in the end; where there is no pattern, that and how tasks are grouped."""
    told = [judged(found.patterns)]
    if found.patterns.height:
        told += [say(found.patterns) for say in (best, worst, universal, changing)]
    return [*told, grouped(found)]


def changing(patterns: pl.DataFrame) -> str:
    """Return which patterns are drifting or dying.

    >>> rows = {"solution_summary": ["retry"], "task_context": ["network"], "trend": ["dying"], "rate_change": [None]}
    >>> changing(pl.DataFrame(rows, schema_overrides={"rate_change": pl.Float64}))
    'In the last weeks, “retry” (network) is dying: it is used less than half as often.'
    """
    rows = (
        patterns.filter(pl.col("trend").is_in(["drifting", "dying"]))
        .sort("trend", "solution_summary", "task_context")
        .to_dicts()
        if patterns.height
        else []
    )
    if not rows:
        return "No pattern is known to be drifting or dying in the last weeks."
    named = []
    for row in rows[:4]:
        name = f"“{shortened(row['solution_summary'])}” ({row['task_context'] or 'unnamed'})"
        if row["trend"] == "dying":
            named.append(f"{name} is dying: it is used less than half as often")
        else:
            change = shown(100 * row["rate_change"], "quality")
            named.append(f"{name} is drifting: its success rate changed by {change}")
    more = f"; and {len(rows) - 4:,} more" if len(rows) > 4 else ""
    return f"In the last weeks, {'; '.join(named)}{more}."
