"""The figures of a search, one function each: how near the nearest are, where they lie, and what came of them."""

from __future__ import annotations

import altair as alt
import polars as pl

from learnlab.reports import marks
from learnlab.reports.charts import SUCCESS, TIERS
from learnlab.reports.marks import Figure, Measure
from learnlab.reports.search_estimates import OTHERS, OUTCOMES, QUERY, SIMILAR, Map
from learnlab.reports.sentences import shown
from learnlab.reports.tables import shortened

COST = Measure("cost_usd_p50", "median US dollars per execution (log scale)", "usd", log=True)
DURATION = Measure("duration_seconds_p50", "median seconds per execution (log scale)", "seconds", log=True)

KINDS = {SIMILAR: "#0072B2", OTHERS: "#8C8C8C"}
"""The colour of what is similar, and of the others, in every figure."""

OUTCOME_COLOURS = dict(zip(OUTCOMES, ("#0072B2", "#D55E00", "#CC79A7", "#8C8C8C"), strict=True))
OUTCOME_SHAPES = dict(zip(OUTCOMES, ("circle", "triangle-up", "square", "cross"), strict=True))
"""How a text whose executions ended so is drawn."""

_STEP = 0.05


def _bins(points: pl.DataFrame) -> pl.DataFrame:
    """Return the share (0-1) of the texts of each kind in each step of similarity."""
    texts = points.filter(pl.col("whose") != QUERY)
    start = ((pl.col("similarity") / _STEP).floor() * _STEP).clip(-1.0, 1.0 - _STEP)
    counted = texts.group_by("whose", start.alias("similarity_from")).agg(n=pl.len().cast(pl.Int64))
    return counted.with_columns(
        similarity_to=pl.col("similarity_from") + _STEP, share=pl.col("n") / pl.col("n").sum().over("whose")
    ).sort("whose", "similarity_from")


def similarity(points: pl.DataFrame, threshold: float) -> Figure:
    """Return how similar the texts of a map are to the task: those that count, and a sample of the others.

    `points` are those of `search_estimates.neighbourhood_of`.
    """
    tips = [
        alt.Tooltip("whose:N", title="texts"),
        alt.Tooltip("similarity_from:Q", title="similarity from", format=".2f"),
        alt.Tooltip("similarity_to:Q", title="to", format=".2f"),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("n:Q", format=",d"),
    ]
    scale = alt.Scale(domain=list(KINDS), range=list(KINDS.values()))
    bars = alt.Chart(_bins(points)).mark_bar(orient="vertical", opacity=0.6, stroke="white", strokeWidth=0.5)
    drawn = bars.encode(
        x=alt.X(
            "similarity_from:Q",
            title="cosine similarity to the task",
            axis=alt.Axis(format=".2~f"),
            scale=alt.Scale(nice=False),
        ),
        x2="similarity_to:Q",
        y=alt.Y("share:Q", title="share of the texts of a kind", stack=None, axis=alt.Axis(format="%")),
        color=alt.Color("whose:N", scale=scale, legend=alt.Legend(title=None, orient="top")),
        tooltip=tips,
    )
    chart = alt.layer(drawn, marks.vertical_line(threshold)).properties(height=200)
    says = (
        "Distribution of the similarity to the task, of what counts as similar and of a sample of the others."
    )
    subtitle = "right of the dashed line: similar enough to count · shares of texts, no estimates"
    return marks.finished(chart, "How near is what is near?", subtitle, says)


def neighbourhood(found: Map) -> Figure:
    """Return the map of a task among what is similar to it and others: two principal components, a point a text."""
    points = found.points.with_columns(
        task=pl.Series([shortened(text, 120) for text in found.points["task"].to_list()], dtype=pl.String)
    )
    across, up = (shown(share, "rate") for share in found.shares)
    axis = alt.Axis(labels=False, ticks=False, grid=False)
    place = {
        "x": alt.X(
            "x:Q", title=f"first component, {across} of the variance", axis=axis, scale=alt.Scale(zero=False)
        ),
        "y": alt.Y(
            "y:Q", title=f"second component, {up} of the variance", axis=axis, scale=alt.Scale(zero=False)
        ),
    }
    tips = [
        "task:N",
        alt.Tooltip("repos:N", title="repo"),
        alt.Tooltip("tiers:N", title="tier"),
        "outcome:N",
        alt.Tooltip("similarity:Q", format=".2f"),
        alt.Tooltip("n_executions:Q", title="executions", format=",d"),
        alt.Tooltip("n_successes:Q", title="of them succeeded", format=",d"),
    ]
    kept = ["x", "y", "task", "repos", "tiers", "outcome", "similarity", "n_executions", "n_successes"]
    others, near, task = (points.filter(whose=kind).select(kept) for kind in (OTHERS, SIMILAR, QUERY))
    ends = list(OUTCOME_COLOURS)
    legend = alt.Legend(title="similar task that", orient="top")
    colour = alt.Color(
        "outcome:N", scale=alt.Scale(domain=ends, range=list(OUTCOME_COLOURS.values())), legend=legend
    )
    shape = alt.Shape(
        "outcome:N", scale=alt.Scale(domain=ends, range=list(OUTCOME_SHAPES.values())), legend=legend
    )
    chart = alt.layer(
        alt.Chart(others)
        .mark_point(filled=True, size=22, opacity=0.4, color="#B0B0B0")
        .encode(**place, tooltip=tips),
        alt.Chart(near)
        .mark_point(filled=True, size=75, opacity=0.9)
        .encode(**place, color=colour, shape=shape, tooltip=tips),
        alt.Chart(task)
        .mark_point(shape="diamond", size=260, filled=True, color=marks.INK, stroke="white", strokeWidth=1.5)
        .encode(**place, tooltip=["task:N"]),
    ).properties(height=400)
    says = "The task, what is similar to it and a sample of others, as points: two principal components of their vectors."
    subtitle = "black: the task · colour: similar enough · grey: a sample of the others · a point is a text"
    return marks.finished(chart, "Where the task lies among others", subtitle, says)


def _compared(frame: pl.DataFrame, measure: Measure, n: str, title: str, by: str) -> Figure:
    order = [f"{tier}, {kind}" for tier in ("all tiers", *TIERS) for kind in (SIMILAR, OTHERS)]
    chart = marks.dots(frame, "comparison", measure, n, by_tier=True, order=order)
    says = f"{title}: of the similar executions and of all others, by model tier, with 95 % intervals."
    subtitle = f"similar: found by the search · others: the rest of the window · line: 95 % interval ({by})"
    return marks.finished(chart, title, subtitle, says)


def success(rates: pl.DataFrame) -> Figure:
    """Return the success rate of the similar beside the others, by tier and over all (`search_estimates.success`)."""
    return _compared(
        rates, SUCCESS, "n_verdicts", "Success of similar tasks, and of the others", "Wilson, or bootstrap"
    )


def cost(medians: pl.DataFrame) -> Figure:
    """Return the median cost of the similar beside the others (`search_estimates.medians`), on a log axis."""
    positive = medians.filter(pl.col("cost_usd_p50") > 0)
    return _compared(positive, COST, "n", "Cost of similar tasks, and of the others", "order statistics")


def duration(medians: pl.DataFrame) -> Figure:
    """Return the median duration of the similar beside the others (`search_estimates.medians`), on a log axis."""
    positive = medians.filter(pl.col("duration_seconds_p50") > 0)
    return _compared(
        positive, DURATION, "n", "Duration of similar tasks, and of the others", "order statistics"
    )
