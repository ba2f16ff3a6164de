"""The figures of a page to label from: what its items are, and what has been answered."""

from __future__ import annotations

import altair as alt
import polars as pl

from learnlab.reports import marks
from learnlab.reports.marks import TIER_COLOURS, Figure, Measure

SHARE = Measure("value", "share of items", "rate", domain=(0.0, 1.0))
MEAN = Measure("value", "mean score, from 0 to 1", "plain", domain=(0.0, 1.0))


def kinds(tasks: pl.DataFrame) -> Figure:
    """Return how many items there are of each task type, by model tier (`labelling.Desk.tasks`)."""
    shown, left_out = marks.most(tasks.with_columns(n=pl.lit(1)), "task_type", "n", 15)
    counted = shown.group_by("task_type", "model_tier").agg(n_items=pl.len())
    order = (
        counted.group_by("task_type")
        .agg(pl.col("n_items").sum())
        .sort("n_items", "task_type", descending=True)
    )
    ranked = marks.ranked(counted.sort("task_type", "model_tier"), "task_type", order["task_type"].to_list())
    bars = (
        alt.Chart(ranked)
        .mark_bar(height={"band": 0.7})
        .encode(
            x=alt.X("n_items:Q", title="items", axis=alt.Axis(tickMinStep=1, format=",d")),
            y=marks.rows_of("task_type"),
            color=marks.tier_colour(ranked),
            order=alt.Order("_tier:Q"),
            tooltip=["task_type:N", "model_tier:N", alt.Tooltip("n_items:Q", title="items")],
        )
        .transform_calculate(_tier=f"indexof({list(TIER_COLOURS)!r}, datum.model_tier)")
        .properties(height=max(2, order.height) * 28)
    )
    says = "Items of the queue by task type and model tier."
    return marks.finished(bars, "What there is to label", f"one row a task type.{left_out}", says)


def answers(rows: pl.DataFrame) -> Figure:
    """Return what people answered, all shares or all means, with intervals (`labelling.answers`)."""
    is_share = rows["kind"][0] == "share"
    order = rows["row"].to_list()
    chart = marks.dots(rows, "row", SHARE if is_share else MEAN, "n_items", order=order, is_pair=True)
    how, what = ("Wilson", "Share of each answer") if is_share else ("bootstrapped", "Mean of each score")
    says = f"{what} over the labelled items, with 95 % intervals."
    subtitle = f"line: 95 % interval ({how}) · n: labelled items, each counted once"
    return marks.finished(chart, "What has been answered", subtitle, says)
