"""The figures of other policies, one function each: what was logged, how far it reaches, what they would have come to."""

from __future__ import annotations

import altair as alt
import polars as pl

from learnlab.reports import marks
from learnlab.reports.marks import TRUTH_COLOUR, Figure, Measure
from learnlab.routing.counterfactual.judging import DOUBLY_ROBUST, LOGGED, NAIVE, SELF_NORMALISED
from learnlab.routing.counterfactual.policies import AS_LOGGED

COLOURS = {LOGGED: marks.INK, DOUBLY_ROBUST: "#0072B2", SELF_NORMALISED: "#56B4E9", NAIVE: "#B0B0B0"}
"""The colour of each way to estimate, in the order in which they stand under each other."""

MEASURES = {
    "quality": Measure("estimate", "success rate", "rate"),
    "cost": Measure("estimate", "US dollars a task (log scale)", "usd", log=True),
}
"""The axis of each figure that is estimated."""


def chances(counts: pl.DataFrame) -> Figure:
    """Return with what probabilities each tier was chosen (`counterfactual_estimates.chances`), stacked."""
    axis = alt.Axis(format="%", tickCount=10)
    chart = (
        alt.Chart(counts)
        .mark_bar(stroke="white", strokeWidth=1)
        .encode(
            x=alt.X(
                "from:Q", title="logged probability of the choice", axis=axis, scale=alt.Scale(domain=[0, 1])
            ),
            x2="to:Q",
            y=alt.Y("sum(n):Q", title="tries", axis=alt.Axis(format=",d", tickCount=5)),
            color=marks.tier_colour(counts),
            tooltip=[
                alt.Tooltip("model_tier:N", title="model tier"),
                alt.Tooltip("from:Q", title="above", format=".0%"),
                alt.Tooltip("to:Q", title="up to", format=".0%"),
                alt.Tooltip("n:Q", title="tries", format=",d"),
            ],
        )
        .properties(height=220)
    )
    says = "How many tries were chosen with which logged probability, by model tier."
    subtitle = (
        "counts, no estimates · near 0: a try that stands for many · at 1: a choice without an alternative"
    )
    return marks.finished(chart, "How the log chose", subtitle, says)


def inverse_propensities(means: pl.DataFrame) -> Figure:
    """Return what the inverse propensities of each tier average (`counterfactual_estimates.inverse_propensities`)."""
    measure = Measure("mean_weight", "mean of 1/propensity where it was chosen, 0 elsewhere", "plain")
    chart = marks.vertical_line(1.0) + marks.dots(means, "model_tier", measure, "n", by_tier=True)
    says = "Mean inverse propensity of each tier with 95 % intervals; the dashed line at 1 is where true ones lie."
    subtitle = "dashed line: what true propensities tend to · line: 95 % interval (jackknife over problems)"
    return marks.finished(chart, "Can the logged propensities be true?", subtitle, says)


def support(overlap: pl.DataFrame) -> Figure:
    """Return how many tries count for each policy (`Judgement.overlap`): Kish's effective number, of all."""
    order = overlap.sort("n_effective", descending=True)["policy"].to_list()
    rows = marks.ranked(overlap, "policy", order).with_columns(share=pl.col("n_effective") / pl.col("n"))
    base = alt.Chart(rows).encode(
        y=marks.rows_of("policy"),
        tooltip=[
            "policy:N",
            alt.Tooltip("n:Q", title="tries", format=",d"),
            alt.Tooltip("n_effective:Q", title="of them count", format=",.0f"),
            alt.Tooltip("largest_weight:Q", title="largest weight", format=",.1f"),
            alt.Tooltip("never_rate:Q", title="never tried", format=".1%"),
            alt.Tooltip("hardly_rate:Q", title="hardly ever tried", format=".1%"),
            "note:N",
        ],
    )
    x = alt.X(
        "share:Q",
        title="share of the tries that count",
        axis=alt.Axis(format="%"),
        scale=alt.Scale(domain=[0, 1]),
    )
    text = base.transform_calculate(
        shown="format(datum.n_effective, ',.0f') + ' of ' + format(datum.n, ',d')"
    )
    chart = alt.layer(
        base.mark_bar(color="#56B4E9", height=16).encode(x=x),
        text.mark_text(align="left", dx=5, fontSize=11, color=marks.PALE).encode(x=x, text="shown:N"),
    ).properties(height=max(2, rows.height) * 30)
    says = "How many of the tries count for each policy: the effective sample size, as a share of all."
    subtitle = "effective sample size (Kish): so many equally weighted tries would tell as much"
    return marks.finished(chart, "How far the log reaches", subtitle, says)


def estimates(
    found: pl.DataFrame, figure: str, order: list[str], truth: pl.DataFrame | None = None
) -> Figure:
    """Return what each policy would have come to (`Judgement.estimates`): success (`quality`) or `cost`.

    A row a policy, in the order given; the ways to estimate stand under each other, with their intervals.
    `truth`, where it is known, has policy, figure and truth.
    """
    known = found.filter(pl.col("method").is_in(list(COLOURS)), figure=figure).drop_nulls("estimate")
    measure = MEASURES[figure]
    if measure.log:
        least = pl.col("estimate") / 20  # a bound below 0 has no place on such an axis
        known = known.with_columns(pl.max_horizontal("low", least).alias("low")).filter(
            pl.col("estimate") > 0
        )
    rows = marks.ranked(known.rename({"low": "estimate_low", "high": "estimate_high"}), "policy", order)
    scale = alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    present = [method for method in COLOURS if method in rows["method"].to_list()]
    legend = alt.Legend(title=None, orient="top", values=present)
    base = alt.Chart(rows).encode(
        y=marks.rows_of("policy"),
        yOffset=alt.YOffset("method:N", sort=list(COLOURS)),
        color=alt.Color("method:N", scale=scale, legend=legend),
        tooltip=measure.tips(rows.select(*_TOLD), "policy", "method"),
    )
    parts = [
        base.mark_rule(strokeWidth=2.5, opacity=0.8).encode(x=measure.x("_low"), x2="estimate_high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(x=measure.x()),
    ]
    subtitle = "grey: what the log's own tries say, wrong where it chose by difficulty · line: 95 % interval"
    if truth is not None:
        true = marks.ranked(truth.filter(figure=figure), "policy", order)
        tips = ["policy:N", alt.Tooltip("truth:Q", format=",.3~r")]
        ticks = alt.Chart(true).mark_tick(thickness=2.5, size=40, color=TRUTH_COLOUR, orient="vertical")
        parts.append(ticks.encode(x=alt.X("truth:Q"), y=marks.rows_of("policy"), tooltip=tips))
        subtitle += " · red tick: the truth"
    chart = alt.layer(*parts).properties(height=max(1, rows["policy"].n_unique()) * 52)
    what = {"quality": "Success under each policy", "cost": "What a task would have cost under each policy"}[
        figure
    ]
    says = f"{what}, estimated in several ways with 95 % intervals."
    return marks.finished(chart, what, subtitle, says)


_TOLD = ("policy", "method", "estimate", "estimate_low", "estimate_high", "n", "n_problems")


def months(totals: pl.DataFrame) -> Figure:
    """Return how a month under each policy would have differed from the logged one: cost across, successes up."""
    rows = totals.filter(pl.col("policy") != AS_LOGGED).drop_nulls(
        ["successes_difference", "cost_usd_difference"]
    )
    names = rows["policy"].to_list()
    across = Measure("cost_usd_difference", "US dollars a month more than as logged", "usd")
    up = Measure("successes_difference", "successes a month more than as logged", "plain")
    base = alt.Chart(rows).encode(
        color=alt.Color(
            "policy:N",
            scale=alt.Scale(domain=names, range=_colours(names)),
            legend=alt.Legend(title=None, orient="top", columns=6),
        ),
        tooltip=["policy:N", *across.tips(rows)[:3], *up.tips(rows)],
    )
    logged = alt.Chart(pl.DataFrame({"x": [0.0], "y": [0.0], "is": ["as logged"]})).encode(x="x:Q", y="y:Q")
    chart = alt.layer(
        marks.vertical_line(0.0),
        marks.horizontal_line(0.0),
        base.mark_rule(strokeWidth=2, opacity=0.7).encode(
            x=across.x("_low"), x2="cost_usd_difference_high:Q", y=up.y()
        ),
        base.mark_rule(strokeWidth=2, opacity=0.7).encode(
            x=across.x(), y=up.y("_low"), y2="successes_difference_high:Q"
        ),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=across.x(), y=up.y()),
        logged.mark_text(align="left", dx=6, dy=12, fontSize=11, color=marks.PALE).encode(text="is:N"),
    ).properties(height=340)
    says = "How a month under each policy would have differed from the logged one in cost and in successes."
    subtitle = (
        "up: more successes · left: cheaper · lines: 95 % intervals of the paired differences (doubly robust)"
    )
    return marks.finished(chart, "A month under another policy", subtitle, says)


def _colours(policies: list[str]) -> list[str]:
    """Return a colour a policy: that of its tier where it always chooses one, else one that is no tier's."""
    fixed = {f"always {tier}": colour for tier, colour in marks.TIER_COLOURS.items()}
    others = [colour for colour in marks.COLOURS if colour not in fixed.values()]
    free = [name for name in policies if name not in fixed]
    return [fixed.get(name) or others[free.index(name) % len(others)] for name in policies]
