"""The figures of agreement, one function each: beyond chance, by person, without each, and beside the log."""

from __future__ import annotations

import altair as alt
import polars as pl

from learnlab.reports import marks
from learnlab.reports.marks import COLOURS, Figure, Measure

BEYOND_CHANCE = Measure("value", "agreement beyond chance (0: as chance gives, 1: full)", "plain")
SAME = Measure("rate", "share of answers that are the same", "rate", domain=(0.0, 1.0))

BESIDE = dict(zip(("the others", "the log"), (COLOURS[0], COLOURS[5]), strict=True))
"""The colour of whom somebody is compared with, in every figure."""


def beyond_chance(overall: pl.DataFrame, pairs: pl.DataFrame) -> Figure:
    """Return α of all together above κ of each two people: `overall` and `pairs` of `agreement_estimates`."""
    rows = pl.concat(
        [
            overall.filter(figure="alpha").select(pairs.columns).with_columns(kind=pl.lit("all: α")),
            pairs.with_columns(kind=pl.lit("two: κ")),
        ]
    ).drop_nulls("value")
    scale = alt.Scale(domain=["all: α", "two: κ"], range=[COLOURS[0], marks.PALE])
    colour = alt.Color("kind:N", scale=scale, legend=alt.Legend(title=None, orient="top"))
    order = rows.sort("kind", "value", descending=[False, True])["row"].to_list()
    chart = marks.vertical_line(0.0) + marks.dots(
        rows, "row", BEYOND_CHANCE, "n_items", colour=colour, order=order, is_pair=True
    )
    n_unknown = pairs["value"].null_count()
    left_out = f" {n_unknown} pairs are not shown: the table says why." if n_unknown else ""
    subtitle = f"people by number · line: 95 % interval (bootstrap over items) · dashed: chance.{left_out}"
    says = "Agreement beyond chance of all labellers together and of each two of them, with 95 % intervals."
    return marks.finished(chart, "How far labellers agree, beyond chance", subtitle, says)


def people(rows: pl.DataFrame) -> Figure:
    """Return how often each person says what the others say, and what the log says (`agreement_estimates.people`)."""
    drawn = rows.drop_nulls("rate")
    order = drawn.sort("question", "annotator")["row"].unique(maintain_order=True).to_list()
    known = marks.ranked(drawn, "row", order)
    present = [one for one in BESIDE if one in drawn["beside"].to_list()]
    colour = alt.Color(
        "beside:N",
        scale=alt.Scale(domain=list(BESIDE), range=list(BESIDE.values())),
        legend=alt.Legend(title="the same as", orient="top", values=present),
    )
    base = alt.Chart(known).encode(
        y=marks.rows_of("row", is_pair=True),
        yOffset=alt.YOffset("beside:N", sort=list(BESIDE)),
        color=colour,
        tooltip=SAME.tips(drawn, "row", "beside"),
    )
    counted = base.transform_calculate(shown="'n = ' + format(datum.n, ',d')").mark_text(
        align="left", fontSize=11, dx=8
    )
    chart = alt.layer(
        base.mark_rule(strokeWidth=2.5, opacity=0.75).encode(x=SAME.x("_low"), x2="rate_high:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=SAME.x()),
        counted.encode(x=alt.value(marks.WIDTH), text="shown:N", color=alt.value(marks.PALE)),
    ).properties(height=max(2, len(order)) * 44)
    says = "How often each labeller's answers are those of the others, and those of the log, with 95 % intervals."
    subtitle = "on the items that both answered · n: such items · line: 95 % interval (Wilson)"
    return marks.finished(chart, "Who agrees with the others, and with the log", subtitle, says)


def without_each(rows: pl.DataFrame) -> Figure:
    """Return α of everybody and of everybody but one, for each in turn (`agreement_estimates.without_each`)."""
    drawn = rows.drop_nulls("value")
    order = drawn.sort("question", pl.col("left_out").is_not_null(), "value", descending=[False, False, True])
    chart = marks.vertical_line(0.0) + marks.dots(
        drawn, "row", BEYOND_CHANCE, "n_items", order=order["row"].to_list(), is_pair=True
    )
    says = "Agreement beyond chance of everybody, and of everybody but one, with 95 % intervals."
    subtitle = "α without each person in turn · line: 95 % interval (bootstrap over items) · dashed: chance"
    return marks.finished(chart, "What each labeller does to agreement", subtitle, says)


def against_log(rows: pl.DataFrame) -> Figure:
    """Return how often each answer goes with each verdict of the log (`agreement_estimates.against_log`)."""
    base = alt.Chart(rows).encode(
        x=alt.X(
            "said:N",
            sort=["yes", "no", "cannot tell"],
            title="what labellers say",
            axis=alt.Axis(labelAngle=0),
        ),
        y=alt.Y("logged:N", sort=["succeeded", "failed"], title="what the log says"),
        tooltip=[
            alt.Tooltip("said:N", title="labellers say"),
            alt.Tooltip("logged:N", title="the log says"),
            alt.Tooltip("n:Q", format=",d"),
            alt.Tooltip("share:Q", title="of the log's verdict", format=".1%"),
        ],
    )
    scale = alt.Scale(domain=[0, 1], range=["#F4F7FA", COLOURS[0]])
    text = base.transform_calculate(
        shown="format(datum.share, '.0%') + '  (n = ' + format(datum.n, ',d') + ')'"
    )
    chart = alt.layer(
        base.mark_rect(stroke="white", strokeWidth=3).encode(
            color=alt.Color("share:Q", scale=scale, legend=None)
        ),
        text.mark_text(fontSize=13).encode(
            text="shown:N",
            color=alt.condition(alt.datum.share > 0.6, alt.value("white"), alt.value(marks.INK)),
        ),
    ).properties(height=110)
    says = "What labellers say beside what the log says, as shares of each verdict of the log."
    subtitle = "each row adds up to 100 % · a label each, so that an item counts as often as it was labelled"
    return marks.finished(chart, "What labellers say where the log has a verdict", subtitle, says)
