"""The figures of patterns, one function each: what each solution adds, where it is used, and how the clusters lie."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from learnlab.reports import marks
from learnlab.reports.marks import Figure, Measure
from learnlab.reports.pattern_estimates import HOLDS, VERDICTS, strongest
from learnlab.reports.search_estimates import Map
from learnlab.reports.sentences import shown
from learnlab.reports.tables import shortened

LIFT = Measure("lift", "lift: success rate − rate without it in the same repos and task types", "rate")

COLOURS = dict(zip(VERDICTS, ("#0072B2", "#D55E00", "#8C8C8C"), strict=True))
"""The colour of each verdict on a pattern, in every figure."""

_HOLDS_COLOURS = dict(zip(HOLDS, ("#0072B2", "#D55E00", "#CC79A7", "#B0B0B0"), strict=True))


def _legend(values: list[str], title: str | None = None) -> alt.Legend:
    return alt.Legend(title=title, orient="top", values=values)


def lifts(patterns: pl.DataFrame, n: int = 10) -> Figure:
    """Return what each pattern adds to success, with its interval: the `n` of each verdict most can be said of.

    `patterns` are those of a mining.
    """
    rows = strongest(patterns, n)
    present = [verdict for verdict in VERDICTS if verdict in rows["verdict"].to_list()]
    scale = alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    colour = alt.Color("verdict:N", scale=scale, legend=_legend(present))
    order = rows["row"].unique(maintain_order=True).to_list()
    chart = marks.vertical_line(0.0) + marks.dots(
        rows, "row", LIFT, "n_compared", colour=colour, order=order, is_pair=True
    )
    n_known = patterns["lift"].count()
    left_out = f" Shown: {rows.height} of {n_known}." if rows.height < n_known else ""
    says = "Lift of patterns with 95 % intervals: what works, what does not, and what is too little known."
    subtitle = f"line: 95 % interval (not shrunk) · colour: with false discoveries held in check.{left_out}"
    return marks.finished(chart, "What a solution adds, where it was used", subtitle, says)


def universal(patterns: pl.DataFrame, n: int = 15) -> Figure:
    """Return the success rate of the universal patterns that work, with the rate without them as a tick.

    Shown are the `n` with the highest lower end of the lift.
    """
    kept = patterns.filter("is_universal", verdict=VERDICTS[0]).drop_nulls("lift_low")
    rows = strongest(kept, n)
    measure = Measure("success_rate", "success rate", "rate", domain=(0.0, 1.0))
    order = rows["row"].unique(maintain_order=True).to_list()
    ticks = (
        alt.Chart(marks.ranked(rows, "row", order))
        .mark_tick(thickness=3, size=18, color=marks.PALE)
        .encode(
            x=alt.X("base_rate:Q"),
            y=marks.rows_of("row", is_pair=True),
            tooltip=[alt.Tooltip("row:N"), alt.Tooltip("base_rate:Q", title="without it", format=".1%")],
        )
    )
    drawn = rows.drop("lift", "lift_low", "lift_high")
    chart = marks.dots(drawn, "row", measure, "n_verdicts", order=order, is_pair=True) + ticks
    left_out = f" Shown: {rows.height} of {kept.height}." if rows.height < kept.height else ""
    says = "Success rate of the universal patterns that work, with 95 % intervals, and the rate without them."
    subtitle = (
        f"grey tick: the same repos and task types without it · line: 95 % interval (Wilson).{left_out}"
    )
    return marks.finished(chart, "What works in many repos", subtitle, says)


def clusters(found: Map) -> Figure:
    """Return the map of clusters (`pattern_estimates.clusters_on_a_plane`): the larger, the more executions."""
    points = found.points.with_columns(
        pl.col("name", "terms", "repos").map_elements(lambda t: shortened(t, 120), return_dtype=pl.String)
    )
    across, up = (shown(share, "rate") for share in found.shares)
    axis, scale = alt.Axis(labels=False, ticks=False, grid=False), alt.Scale(zero=False, padding=24)
    base = alt.Chart(points).encode(
        x=alt.X("x:Q", title=f"first component, {across} of the variance", axis=axis, scale=scale),
        y=alt.Y("y:Q", title=f"second component, {up} of the variance", axis=axis, scale=scale),
    )
    present = [kind for kind in HOLDS if kind in points["holds"].to_list()]
    colours = alt.Scale(domain=list(_HOLDS_COLOURS), range=list(_HOLDS_COLOURS.values()))
    dots = base.mark_point(filled=True, opacity=0.8, stroke="white").encode(
        size=alt.Size("n_executions:Q", scale=alt.Scale(range=[40, 900], zero=True), legend=None),
        color=alt.Color("holds:N", scale=colours, legend=_legend(present, "patterns in it")),
        tooltip=[
            "name:N",
            "terms:N",
            "repos:N",
            alt.Tooltip("n_texts:Q", title="texts", format=",d"),
            alt.Tooltip("n_executions:Q", title="executions", format=",d"),
            alt.Tooltip("holds:N", title="its patterns"),
        ],
    )
    largest = points.filter("is_named").sort("n_executions", "name", descending=[True, False]).head(12)
    named = alt.Chart(largest).encode(x="x:Q", y="y:Q", text="name:N")
    text: dict[str, Any] = {"fontSize": 11, "dy": -16, "limit": 170}
    halo = named.mark_text(**text, color="white", stroke="white", strokeWidth=3, opacity=0.6)
    names = halo + named.mark_text(**text, color=marks.INK)
    says = "Clusters of similar tasks on two principal components of their centres; size is executions."
    subtitle = "a circle is a cluster, its size the executions in it · colour: the patterns it holds · named: the largest"
    return marks.finished(
        alt.layer(dots, names).properties(height=420), "Clusters of similar tasks", subtitle, says
    )
