"""The figures of continual learning: what was forgotten, what it came to, and what taking in new tasks takes."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from learnlab.reports import marks
from learnlab.reports.marks import Figure, Measure
from learnlab.routing.continual.memory import METHODS

COLOURS = dict(zip(METHODS, ("#D55E00", "#56B4E9", "#0072B2", "#E69F00", "#333333"), strict=True))
"""The colour of each way to learn, in every figure."""

NATS = "thousandths of a nat a verdict"


def _colour(frame: pl.DataFrame, legend: bool = True) -> alt.Color:
    present = [method for method in METHODS if method in frame["method"].to_list()]
    scale = alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    shown = alt.Legend(title=None, orient="top", values=present) if legend else None
    return alt.Color("method:N", scale=scale, legend=shown)


def stream(domains: pl.DataFrame) -> Figure:
    """Return how many tasks with a verdict each domain has, in the order in which they came."""
    order = domains["domain"].to_list()
    base = alt.Chart(marks.ranked(domains, "domain", order)).encode(
        x=alt.X("n_tasks:Q", title="tasks with a trusted verdict", axis=alt.Axis(format="~s", tickCount=6)),
        y=marks.rows_of("domain"),
        tooltip=["domain:N", alt.Tooltip("n_tasks:Q", format=",d"), alt.Tooltip("n_verdicts:Q", format=",d")],
    )
    text = base.mark_text(align="left", dx=6, color=marks.PALE).encode(
        text=alt.Text("n_tasks:Q", format=",d")
    )
    chart = alt.layer(base.mark_bar(size=18, color=marks.COLOURS[0]), text)
    says = "How many tasks each domain has, the first to come on top. Counts, no estimates."
    return marks.finished(
        chart.properties(height=30 * len(order)),
        "The stream of domains",
        "the first to come on top, by the median time of its tasks · counts, no estimates",
        says,
    )


def forgetting(matrix: pl.DataFrame) -> Figure:
    """Return a heat map a way to learn: each domain (across) after each domain that was learned (down)."""
    learned = matrix.filter(pl.col("n_domains") > 0)
    order = learned.filter(method=learned["method"][0])["after"].unique(maintain_order=True).to_list()
    places = pl.DataFrame({"domain": order, "_column": range(len(order))})
    rows = marks.ranked(learned, "after", order).join(places, on="domain", how="left", maintain_order="left")
    largest = max(1.0, *rows["below_joint"].abs())
    across = alt.EncodingSortField("_column", op="min", order="ascending")
    down = alt.EncodingSortField("_row", op="min", order="ascending")
    scale = alt.Scale(scheme="redblue", domain=[-largest, largest])
    axis: dict[str, Any] = {"ticks": False, "domain": False, "labelLimit": 90}
    base = alt.Chart().encode(
        x=alt.X(
            "domain:N", sort=across, title="how well it is foretold", axis=alt.Axis(labelAngle=-40, **axis)
        ),
        y=alt.Y("after:N", sort=down, title="after learning", axis=alt.Axis(**axis)),
        tooltip=[
            "method:N",
            alt.Tooltip("after:N", title="after learning"),
            "domain:N",
            alt.Tooltip("score:Q", title="log score, thousandths of a nat", format=",.1f"),
            alt.Tooltip("below_joint:Q", title="less joint retraining's in the end", format="+,.1f"),
            alt.Tooltip("n_runs:Q", title="runs"),
        ],
    )
    ink = (
        alt.when(f"datum.is_learned && abs(datum.below_joint) > {0.55 * largest}")
        .then(alt.value("white"))
        .otherwise(alt.value(marks.INK))
    )
    frame = alt.when(alt.datum.is_learned).then(alt.value(1.0)).otherwise(alt.value(0.35))
    cells = base.mark_rect(stroke="white", strokeWidth=2).encode(
        color=alt.Color("below_joint:Q", scale=scale, legend=None), opacity=frame
    )
    told = "round(datum.below_joint) == 0 ? '0' : format(datum.below_joint, '+.0f')"
    text = base.transform_calculate(shown=told).mark_text(fontSize=11).encode(text="shown:N", color=ink)
    size = 34 * len(order)
    chart = alt.layer(cells, text, data=rows).properties(width=min(size, 238), height=min(size, 238))
    header = alt.Header(title=None, labelFontSize=13, labelFontWeight="bold", labelAnchor="start")
    facets = chart.facet(alt.Facet("method:N", sort=list(METHODS), header=header), columns=2)
    says = "How well each domain is foretold after each domain that was learned, for each way to learn."
    n = rows["n_runs"][0]
    subtitle = [
        f"log score less what joint retraining reaches there in the end, in {NATS}: 0 is as good",
        f"pale: not yet learned · means of {n} runs in the domains' own order; intervals stand below",
    ]
    return marks.finished(facets, "The matrix of forgetting", subtitle, says)


def transfer(figures: pl.DataFrame) -> Figure:
    """Return the backward transfer of each way (`figure` "backward transfer"), with its interval."""
    measure = Measure("estimate", f"backward transfer, {NATS} (0: nothing forgotten)", "quality")
    chart = marks.vertical_line(0.0) + marks.dots(
        figures, "method", measure, "n_groups", colour=_colour(figures, legend=False), order=list(METHODS)
    )
    says = "Backward transfer of each way to learn, with 95 % intervals."
    subtitle = "left of the dashed line: forgotten · line: 95 % interval · n: groups of tasks judged by"
    return marks.finished(chart, "How much each way forgets", subtitle, says)


def over_naive(figures: pl.DataFrame) -> Figure:
    """Return how much better each way is than naive fine-tuning, in what it comes to and in what it forgets."""
    wanted = {
        "average": "in the end",
        "backward transfer": "backward transfer",
        "when learned": "when learned",
    }
    rows = figures.filter(pl.col("figure").is_in(list(wanted))).drop_nulls("over_naive")
    rows = rows.with_columns(row=pl.format("{} · {}", "method", pl.col("figure").replace_strict(wanted)))
    order = [f"{method} · {what}" for what in wanted.values() for method in METHODS[1:]]
    order = [name for name in order if name in rows["row"].to_list()]
    measure = Measure("over_naive", f"better than naive fine-tuning by, {NATS}", "quality")
    drawn = rows.drop("estimate", "estimate_low", "estimate_high")
    chart = marks.vertical_line(0.0) + marks.dots(
        drawn, "row", measure, "n_groups", colour=_colour(rows, legend=False), order=order, is_pair=True
    )
    says = "How much better each way is than naive fine-tuning, with paired 95 % intervals."
    subtitle = "log score · right of the dashed line: better · line: paired 95 % interval over runs and groups of tasks"
    return marks.finished(chart, "What each way gains over fine-tuning alone", subtitle, says)


def course(frame: pl.DataFrame) -> Figure:
    """Return how much better than naive each way foretells the domains learned so far, as the stream goes on."""
    measure = Measure("over_naive", "better than naive, thousandths of a nat", "quality")
    drawn = frame.drop_nulls("over_naive").drop("estimate", "estimate_low", "estimate_high")
    base = alt.Chart(drawn).encode(
        x=alt.X("n_domains:O", title="domains learned", axis=alt.Axis(labelAngle=0)),
        color=_colour(drawn),
        tooltip=["method:N", alt.Tooltip("n_domains:Q", title="domains learned"), *measure.tips(drawn)],
    )
    band = base.mark_area(opacity=0.13).encode(y=measure.y("_low"), y2="over_naive_high:Q")
    line = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=40, filled=True)).encode(y=measure.y())
    says = "How much better than naive each way foretells the domains learned so far, with paired 95 % bands."
    subtitle = "log score, mean over the domains learned so far · dashed: naive · band: paired 95 % interval"
    chart = alt.layer(marks.horizontal_line(0.0), band, line).properties(height=300)
    return marks.finished(chart, "What the guards are worth as the stream goes on", subtitle, says)


def times(frame: pl.DataFrame) -> Figure:
    """Return the seconds that taking in a domain takes against the tasks in the store (`growth.timed`)."""
    axis = alt.Axis(format="~s", grid=False)
    base = alt.Chart(frame).encode(
        x=alt.X("n_tasks:Q", title="tasks in the store (log scale)", scale=alt.Scale(type="log"), axis=axis),
        color=_colour(frame),
        tooltip=[
            "method:N",
            *(alt.Tooltip(f"{name}:Q", format=",d") for name in ("n_tasks", "n_new", "n_repeats")),
            *(alt.Tooltip(f"seconds{end}:Q", format=",.3~r") for end in ("", "_low", "_high")),
        ],
    )
    measure = Measure("seconds", "seconds (log scale)", "seconds", log=True)
    spread = base.mark_rule(strokeWidth=2.5, opacity=0.6).encode(y=measure.y("_low"), y2="seconds_high:Q")
    line = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=50, filled=True)).encode(y=measure.y())
    says = "Seconds that joint retraining and EWC++ take when a domain comes, against the tasks in the store."
    n = frame["n_repeats"][0]
    subtitle = f"measured here, mean of {n} · line: quickest to slowest · EWC++ learns the new tasks alone"
    return marks.finished(
        alt.layer(spread, line).properties(height=280), "What taking in a domain takes", subtitle, says
    )
