"""The figures of routers, one function each: who comes to how much, at which cost, how surely, and who goes where."""

from __future__ import annotations

import altair as alt
import polars as pl

from learnlab.reports import marks
from learnlab.reports.marks import TRUTH_COLOUR, Figure, Measure
from learnlab.reports.routing_estimates import SONA
from learnlab.reports.routing_judgements import SAME
from learnlab.routing.counterfactual.policies import AS_LOGGED

VERDICTS = {
    "the reference": marks.INK,
    "better": "#0072B2",
    "worse": "#CC79A7",
    "too close to tell": "#8C8C8C",
    "too few to tell": "#B0B0B0",
    SAME: "#B0B0B0",
}
"""The colour of each verdict on a router against the reference, in every figure."""

VALUE = Measure("mean_value", "US dollars a task: worth of its successes − cost", "usd")
GAIN = Measure("value_gain", "US dollars a task more than the reference", "usd")
COST = Measure("mean_cost_usd", "US dollars a task", "usd")
QUALITY = Measure("mean_quality", "success rate", "rate")

_HOW = {
    True: "estimated from logged propensities, doubly robust",
    False: "every candidate tried on every task",
}


def _verdict(frame: pl.DataFrame) -> alt.Color:
    present = [verdict for verdict in VERDICTS if verdict in frame["verdict"].to_list()]
    scale = alt.Scale(domain=list(VERDICTS), range=list(VERDICTS.values()))
    return alt.Color("verdict:N", scale=scale, legend=alt.Legend(title=None, orient="top", values=present))


def _router(names: list[str], reference: str) -> alt.Color:
    """Return the encoding that tells routers apart: SONA and the reference strike the eye, whoever else is there."""
    fixed = {reference: marks.INK, SONA: "#0072B2"}
    free = [
        colour for colour in marks.COLOURS if colour not in (*fixed.values(), TRUTH_COLOUR, marks.COLOURS[-1])
    ]
    others = [name for name in names if name not in fixed]
    shades = [fixed.get(name) or free[others.index(name) % len(free)] for name in names]
    legend = alt.Legend(title=None, orient="top", columns=4, labelLimit=160)
    return alt.Color("router:N", scale=alt.Scale(domain=names, range=shades), legend=legend)


def standings(table: pl.DataFrame, *, is_estimated: bool) -> Figure:
    """Return what each router comes to on the judged tasks (`Judged.standings`), with the truth where it is known."""
    rows = table.drop_nulls("mean_value")
    order = rows.sort("mean_value", descending=True)["router"].to_list()
    chart = marks.dots(rows, "router", VALUE, "n_judged", colour=_verdict(rows), order=order)
    subtitle = [
        f"{_HOW[is_estimated]} · line: 95 % interval",
        "colour: the paired difference to the reference",
    ]
    if "true_value" in rows.columns:
        known = marks.ranked(rows.select("router", "true_value").drop_nulls(), "router", order)
        tips = ["router:N", alt.Tooltip("true_value:Q", title="truth", format="$,.3~r")]
        ticks = alt.Chart(known).mark_tick(thickness=2.5, size=22, color=TRUTH_COLOUR, orient="vertical")
        chart += ticks.encode(x=alt.X("true_value:Q"), y=marks.rows_of("router"), tooltip=tips)
        subtitle[1] += " · red tick: the truth"
    says = (
        "What each router yields on tasks it has not learned from, in US dollars a task, with 95 % intervals."
    )
    return marks.finished(chart, "What each router yields", subtitle, says)


def curves(swept: pl.DataFrame, table: pl.DataFrame, reference: str, *, is_estimated: bool) -> Figure:
    """Return quality against cost over all prices of quality (`Judged.curves`), a line a router.

    Large points are on a router's hull; crosses with 95 % intervals are the choices of SONA and the reference at the
    page's worth (`Judged.standings`), and what was logged.
    """
    names = swept["router"].unique(maintain_order=True).to_list()
    colour = _router(names, reference)
    tips = [
        alt.Tooltip("router:N"),
        alt.Tooltip("worth_usd:Q", title="worth of a success", format="$,.3~r"),
        alt.Tooltip("mean_cost_usd:Q", title="cost", format="$,.3~r"),
        alt.Tooltip("mean_quality:Q", title="success rate", format=".1%"),
    ]
    base = alt.Chart(swept).encode(x=COST.x(), y=QUALITY.y(), color=colour, tooltip=tips)
    size = alt.condition("datum.is_on_hull", alt.value(55), alt.value(12))
    at = table.filter(pl.col("router").is_in([SONA, reference, AS_LOGGED])).drop_nulls("mean_cost_usd")
    chosen = alt.Chart(at).encode(tooltip=[*QUALITY.tips(at, "router"), *COST.tips(at)[:3]])
    own = alt.condition("datum.router == 'as logged'", alt.value(marks.PALE), colour)
    across, up = (
        {"x2": "mean_cost_usd_high:Q", "y": QUALITY.y()},
        {"x": COST.x(), "y2": "mean_quality_high:Q"},
    )
    layers = [
        base.mark_line(strokeWidth=1.5, opacity=0.6).encode(order="worth_usd:Q"),
        base.mark_point(filled=True, opacity=0.9).encode(size=size),
        chosen.mark_rule(opacity=0.7).encode(x=COST.x("_low"), color=own, **across),
        chosen.mark_rule(opacity=0.7).encode(y=QUALITY.y("_low"), color=own, **up),
        chosen.mark_point(filled=True, size=110, shape="diamond", opacity=1).encode(
            x=COST.x(), y=QUALITY.y(), color=own
        ),
    ]
    if at.filter(router=AS_LOGGED).height:
        words = chosen.transform_filter("datum.router == 'as logged'").mark_text(
            align="left", dx=8, dy=12, fontSize=11
        )
        layers.append(words.encode(x=COST.x(), y=QUALITY.y(), text="router:N", color=alt.value(marks.PALE)))
    subtitle = [
        f"{_HOW[is_estimated]} · small: a price of quality; large: on the hull (in hindsight)",
        "diamonds: the choices at this page's worth, with 95 % intervals; the lines are about as unsure",
    ]
    says = "Success rate against cost of a task, a line a router over all prices of quality."
    chart = alt.layer(*layers).properties(height=360)
    return marks.finished(chart, "What quality costs", subtitle, says)


def reliability(bins: pl.DataFrame, reference: str) -> Figure:
    """Return what was expected and what came (`routing_judgements.reliability`), with the line where both are equal."""
    names = bins["router"].unique(maintain_order=True).to_list()
    known = bins.rename({"rate_low": "came_low", "rate_high": "came_high", "rate": "came"})
    came = Measure("came", "success rate that came", "rate")
    expected = Measure("mean_expected", "success rate that was expected", "rate")
    base = alt.Chart(known).encode(
        x=expected.x(),
        color=_router(names, reference),
        tooltip=[*came.tips(known, "router"), *expected.tips(known)[:1]],
    )
    ends = known.select(
        low=pl.min_horizontal("mean_expected", "came_low").min(),
        high=pl.max_horizontal("mean_expected", "came_high").max(),
    )
    ideal = pl.DataFrame({"x": [*ends.row(0)], "y": [*ends.row(0)]})
    chart = alt.layer(
        alt.Chart(ideal)
        .mark_line(color=marks.INK, strokeDash=[4, 3], strokeWidth=1)
        .encode(x="x:Q", y="y:Q"),
        base.mark_rule(strokeWidth=2, opacity=0.6).encode(y=came.y("_low"), y2="came_high:Q"),
        base.mark_line(strokeWidth=1.5, opacity=0.6).encode(y=came.y()),
        base.mark_point(filled=True, size=70, opacity=1).encode(y=came.y()),
    ).properties(height=320)
    subtitle = (
        "bins of about as many tries each · dashed: what was expected came · line: 95 % interval (Wilson)"
    )
    says = "Expected success rate and the one that came, in bins of rising expectation, with 95 % intervals."
    return marks.finished(chart, "Does what is expected come?", subtitle, says)


def shares(sent: pl.DataFrame, candidates: list[str], reference: str) -> Figure:
    """Return where SONA and the reference send the tasks of each type (`routing_estimates.shares`), stacked."""
    order = (
        sent.group_by("task_type")
        .agg(pl.col("n_tasks").max())
        .sort("n_tasks", "task_type", descending=[True, False])
    )
    rows = marks.ranked(sent, "task_type", order["task_type"].to_list()).rename({"candidate": "model_tier"})
    used = [name for name in candidates if name in rows["model_tier"].to_list()]
    is_tier = set(used) <= set(marks.TIER_COLOURS)
    places = pl.DataFrame({"model_tier": used, "_place": range(len(used))})
    rows = rows.join(places, on="model_tier", how="left", maintain_order="left")
    colour = marks.tier_colour(rows) if is_tier else marks.name_colour("model_tier", "")
    heads = {SONA: SONA, reference: f"{reference} (the reference)"}
    rows = rows.with_columns(pl.col("router").replace(heads))
    chart = (
        alt.Chart(rows)
        .mark_bar(height=18)
        .encode(
            x=alt.X(
                "sum(share):Q",
                title="share of the tasks",
                axis=alt.Axis(format="%", tickCount=5),
                scale=alt.Scale(domain=[0, 1]),
            ),
            y=marks.rows_of("task_type"),
            color=colour,
            order=alt.Order("_place:Q"),
            tooltip=[
                alt.Tooltip("task_type:N", title="task type"),
                "router:N",
                alt.Tooltip("model_tier:N", title="sent to"),
                alt.Tooltip("share:Q", format=".0%"),
                alt.Tooltip("n:Q", title="tasks", format=",d"),
            ],
        )
        .properties(width=marks.WIDTH // 2 - 20, height=max(2, order.height) * 26)
        .facet(
            column=alt.Column(
                "router:N", title=None, sort=list(heads.values()), header=alt.Header(labelFontSize=12)
            )
        )
    )
    says = "Which share of the tasks of each type the two routers send to which candidate."
    return marks.finished(chart, "Who sends what where", "the judged tasks · counts, no estimates", says)


def gains(gained: pl.DataFrame, *, is_estimated: bool) -> Figure:
    """Return what SONA gains over the reference on each task type (`Judged.gained`), with 95 % intervals."""
    rows = marks.dots(gained, "task_type", GAIN, "n_judged", colour=_verdict(gained))
    chart = marks.vertical_line(0.0) + rows
    says = "What a task of each type gains by SONA over the reference, in US dollars, with 95 % intervals."
    subtitle = f"{_HOW[is_estimated]} · dashed line: no difference · line: 95 % interval, paired"
    return marks.finished(chart, "Where SONA gains or loses", subtitle, says)
