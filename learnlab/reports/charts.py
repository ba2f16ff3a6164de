"""The figures of the notebooks, one function each: a polars frame of estimates in, an Altair chart out."""

from __future__ import annotations

import altair as alt
import polars as pl

from learnlab.reports import marks
from learnlab.reports.marks import TIER_COLOURS, TRUTH_COLOUR, Figure, Measure

SUCCESS = Measure("success_rate", "success rate", "rate", domain=(0.0, 1.0))
QUALITY = Measure("quality_score_mean", "mean quality (0-100)", "quality")
PRICE = Measure("cost_usd_mean", "US dollars per execution (log scale)", "usd", log=True)
PRICE_OF_SUCCESS = Measure("cost_per_success_usd", "US dollars per success (log scale)", "usd", log=True)
TIERS = list(TIER_COLOURS)


def _with_truth(chart: Figure, truth: pl.DataFrame, names: str, measure: Measure, order: list[str]) -> Figure:
    ticks = alt.Chart(marks.ranked(truth, names, order)).mark_tick(thickness=3, size=26, color=TRUTH_COLOUR)
    tips = [alt.Tooltip(f"{names}:N"), alt.Tooltip(f"{measure.column}:Q", title="truth", format=",.3~r")]
    return chart + ticks.encode(x=measure.x(), y=marks.rows_of(names), tooltip=tips)


def success_by_tier(rates: pl.DataFrame, truth: pl.DataFrame | None = None) -> Figure:
    """Return the success rate of each tier (`estimates.success_rates_by_problem`), with the truth when given.

    `truth` has the columns model_tier and success_rate, as the simulator knows them.
    """
    chart = marks.dots(rates, "model_tier", SUCCESS, "n_verdicts", by_tier=True, order=TIERS)
    subtitle = "dot: successes in known verdicts · line: 95 % interval (bootstrap over problems, or Wilson)"
    says = "Success rate of each model tier with its 95 % interval."
    if truth is not None:
        chart = _with_truth(chart, truth, "model_tier", SUCCESS, TIERS)
        subtitle += " · red tick: the simulator's truth"
        says += " Red ticks mark the simulator's truth."
    return marks.finished(chart, "Success rate by model tier", subtitle, says)


def success_by_task_type(rates: pl.DataFrame) -> Figure:
    """Return the success rate of each tier within each task type, the 12 types with the most verdicts."""
    shown, left_out = marks.most(rates.filter(pl.col("n_verdicts") > 0), "task_type", "n_verdicts", 12)
    chart = marks.split_dots(shown, "task_type", SUCCESS, "model_tier", TIERS)
    says = "Success rate of each model tier within each task type, with 95 % intervals."
    return marks.finished(
        chart, "Success rate by task type and model tier", f"line: 95 % interval (Wilson).{left_out}", says
    )


def success_raw_and_adjusted(rates: pl.DataFrame, truth: pl.DataFrame | None = None) -> Figure:
    """Return each tier's raw success rate beside the one on a common mix (`estimates.adjusted_success_rates`).

    `truth`, when given, has model_tier and success_rate: the simulator's on the common mix.
    """
    kinds = {"as routed": ("success_rate", "n_verdicts"), "same mix": ("success_rate_adjusted", "n_compared")}
    both = pl.concat(
        rates.select(
            pl.format("{}, {}", pl.col("model_tier"), pl.lit(kind)).alias("comparison"),
            "model_tier",
            *[pl.col(f"{name}{end}").alias(f"success_rate{end}") for end in ("", "_low", "_high")],
            pl.col(n).cast(pl.Int64).alias("n_verdicts"),
        )
        for kind, (name, n) in kinds.items()
    ).drop_nulls("success_rate")
    order = [f"{tier}, {kind}" for tier in TIERS for kind in kinds]
    chart = marks.dots(both, "comparison", SUCCESS, "n_verdicts", by_tier=True, order=order)
    subtitle = (
        "as routed: every execution · same mix: first attempts, within repo × task type · line: 95 % interval"
    )
    if truth is not None:
        named = truth.with_columns(comparison=pl.format("{}, same mix", pl.col("model_tier")))
        chart = _with_truth(chart, named, "comparison", SUCCESS, order)
        subtitle += " · red tick: the simulator's truth"
    says = "Success rate of each tier as routed, and on the same mix of repos and task types, with 95 % intervals."
    return marks.finished(chart, "Model tiers as routed, and on the same mix of tasks", subtitle, says)


def cost_per_success_by_tier(costs: pl.DataFrame) -> Figure:
    """Return what one success costs in each tier (`estimates.costs_per_success`), on a log axis."""
    shown = costs.filter(pl.col("cost_per_success_usd_low") > 0)
    chart = marks.dots(shown, "model_tier", PRICE_OF_SUCCESS, "n", by_tier=True, order=TIERS)
    says = "US dollars spent per success in each model tier, with 95 % intervals."
    subtitle = (
        "spent on executions with a known verdict ÷ successes · line: 95 % interval (bootstrap over problems)"
    )
    return marks.finished(chart, "What one success costs, by model tier", subtitle, says)


def success_over_time(rates: pl.DataFrame) -> Figure:
    """Return the success rate of each tier in each period (`estimates.periods`, then `success_rates`)."""
    chart = marks.lines(rates, SUCCESS, "model_tier", marks.tier_colour(rates))
    says = "Success rate of each model tier over time, with 95 % bands."
    return marks.finished(chart, "Success rate by model tier over time", "band: 95 % interval (Wilson)", says)


def worth_of_models(models: pl.DataFrame, measure: Measure = SUCCESS) -> Figure:
    """Return what each model achieves against what an execution costs: the 30 models with the most executions.

    The frame has model, model_tier, n, and cost_usd_mean and the measure's column with their bounds.
    """
    up = Measure(measure.column, measure.title, measure.unit)
    known = models.filter(pl.col("cost_usd_mean_low") > 0).drop_nulls(up.column)
    shown, left_out = marks.most(known, "model", "n", 30)
    says = "What each model achieves against the US dollars of an execution, with 95 % intervals both ways."
    subtitle = f"up and to the left is better value · crosses: 95 % intervals.{left_out}"
    return marks.finished(
        marks.crosses(shown, PRICE, up, "model"), "What each model achieves for its price", subtitle, says
    )


def quality_by_model(qualities: pl.DataFrame) -> Figure:
    """Return the mean quality of each model (`estimates.means`), coloured by its tier."""
    shown, left_out = marks.most(qualities, "model", "n", 40)
    chart = marks.dots(shown, "model", QUALITY, "n", by_tier=True)
    says = "Mean quality of each model with its 95 % interval."
    subtitle = f"line: 95 % interval (bootstrap over problems) · colour: model tier.{left_out}"
    return marks.finished(chart, "Mean quality by model", subtitle, says)


def differences(gaps: pl.DataFrame, by: str, unit: str = "rate") -> Figure:
    """Return how far each is from the best on the problems both attempted (`estimates.shared_differences`).

    `unit` is rate or quality.
    """
    titles = {"rate": "difference in success rate", "quality": "difference in quality points (0-100)"}
    measure = Measure("difference", titles[unit], unit)
    best = gaps.select(pl.col("against").alias(by), "against", "n_shared", difference=pl.lit(0.0))[:1]
    shown, left_out = marks.most(pl.concat([best, gaps], how="diagonal"), by, "n_shared", 40)
    chart = marks.vertical_line(0.0) + marks.dots(shown, by, measure, "n_shared")
    says = "Difference of each to the best one on the problems both attempted, with 95 % intervals."
    subtitle = f"left of the dashed line: behind the best · line: 95 % interval (paired bootstrap).{left_out}"
    return marks.finished(chart, "On the same problems, how far from the best?", subtitle, says)


def success_by_pool(rates: pl.DataFrame) -> Figure:
    """Return the success rate of each pool (`estimates.success_rates`), the 40 with the most verdicts."""
    shown, left_out = marks.most(rates, "pool_type", "n_verdicts", 40)
    chart = marks.dots(shown, "pool_type", SUCCESS, "n_verdicts")
    says = "Success rate of each pool with its 95 % interval."
    return marks.finished(
        chart,
        "Success rate by pool",
        f"line: 95 % interval (bootstrap over problems, or Wilson).{left_out}",
        says,
    )


def durations_by_pool(medians: pl.DataFrame, tails: pl.DataFrame) -> Figure:
    """Return how long executions take in each pool: median and 95th percentile (`estimates.quantiles`)."""
    both = marks.two_quantiles(medians, tails, "pool_type", "duration_seconds")
    shown, left_out = marks.most(both, "pool_type", "n", 20)
    order = shown.sort("pool_type", maintain_order=True)["figure"].to_list()
    chart = marks.dots(shown, "figure", marks.SECONDS, "n", order=order)
    says = "Median and 95th percentile of the seconds an execution takes in each pool, with 95 % intervals."
    subtitle = f"line: 95 % interval (order statistics).{left_out}"
    return marks.finished(chart, "How long executions take, by pool", subtitle, says)


def success_by_pool_over_time(rates: pl.DataFrame) -> Figure:
    """Return the success rate of the 6 busiest pools in each period."""
    shown, left_out = marks.most(rates, "pool_type", "n_verdicts", 6)
    chart = marks.lines(shown, SUCCESS, "pool_type", marks.name_colour("pool_type", "pool"))
    says = "Success rate of each pool over time, with 95 % bands."
    return marks.finished(
        chart, "Success rate by pool over time", f"band: 95 % interval (Wilson).{left_out}", says
    )


def durations_by_pool_over_time(medians: pl.DataFrame) -> Figure:
    """Return the median duration of the 6 busiest pools in each period (`estimates.quantiles`)."""
    measure = Measure("duration_seconds_p50", "median seconds per execution", "seconds")
    shown, left_out = marks.most(medians, "pool_type", "n", 6)
    chart = marks.lines(shown, measure, "pool_type", marks.name_colour("pool_type", "pool"))
    says = "Median seconds per execution of each pool over time, with 95 % bands."
    subtitle = f"band: 95 % interval (order statistics).{left_out}"
    return marks.finished(chart, "How long executions take, by pool over time", subtitle, says)


def success_by_hour(rates: pl.DataFrame) -> Figure:
    """Return the success rate by the hour of the day (`estimates.hours_of_day`, then `success_rates`)."""
    zone = alt.X(
        "hour_of_day:O", title="hour of the day, in the page's time zone", axis=alt.Axis(labelAngle=0)
    )
    tips = SUCCESS.tips(rates, "hour_of_day")
    base = alt.Chart(rates.drop_nulls("success_rate")).encode(
        x=zone, tooltip=tips, color=alt.value(marks.COLOURS[0])
    )
    chart = alt.layer(
        base.mark_rule(strokeWidth=2.5, opacity=0.75).encode(y=SUCCESS.y("_low"), y2="success_rate_high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(y=SUCCESS.y()),
    ).properties(height=240)
    says = "Success rate by the hour of the day, with 95 % intervals."
    return marks.finished(chart, "Success rate by hour of the day", "line: 95 % interval (Wilson)", says)


def estimate_against_actual(bins: pl.DataFrame) -> Figure:
    """Return how many executions lie where, estimate across and actual cost up, on log axes (`estimates.cost_bins`)."""
    low = bins.select(pl.min_horizontal(pl.col("estimate_from", "actual_from").min()))
    high = bins.select(pl.max_horizontal(pl.col("estimate_to", "actual_to").max()))
    ends = [low.item() or 0.01, high.item() or 1.0]
    scale, axis = (
        alt.Scale(type="log", domain=ends, nice=False),
        alt.Axis(format="$,.3~r", tickCount=6, labelOverlap=True, grid=False),
    )
    tips = [
        alt.Tooltip("estimate_from:Q", title="estimate from", format="$,.3~r"),
        alt.Tooltip("estimate_to:Q", title="to", format="$,.3~r"),
        alt.Tooltip("actual_from:Q", title="actual from", format="$,.3~r"),
        alt.Tooltip("actual_to:Q", title="to ", format="$,.3~r"),
        alt.Tooltip("n:Q", title="executions", format=",d"),
    ]
    cells = (
        alt.Chart(bins)
        .mark_rect()
        .encode(
            x=alt.X("estimate_from:Q", title="estimated US dollars (log scale)", scale=scale, axis=axis),
            x2="estimate_to:Q",
            y=alt.Y("actual_from:Q", title="actual US dollars (log scale)", scale=scale, axis=axis),
            y2="actual_to:Q",
            color=alt.Color("n:Q", scale=alt.Scale(scheme="blues", type="sqrt"), title="executions"),
            tooltip=tips,
        )
    )
    equal = alt.Chart(pl.DataFrame({"estimate_from": ends, "actual_from": ends}))
    diagonal = equal.mark_line(color=TRUTH_COLOUR, strokeDash=[5, 4]).encode(
        x="estimate_from:Q", y="actual_from:Q"
    )
    says = "How many executions have which estimated and which actual cost; the dashed line is where both are equal."
    subtitle = "above the dashed line an execution cost more than expected · a count an area, no estimate"
    return marks.finished(
        alt.layer(cells, diagonal).properties(height=380),
        "What was expected and what it cost",
        subtitle,
        says,
    )


COST_RATIO = Measure("actual_per_estimate", "actual ÷ estimated cost (1 = as expected)", "plain")


def cost_ratio_by_tier(ratios: pl.DataFrame, truth: pl.DataFrame | None = None) -> Figure:
    """Return actual over estimated cost of each tier (`estimates.ratios`), with the simulator's truth when given."""
    chart = marks.vertical_line(1.0) + marks.dots(
        ratios, "model_tier", COST_RATIO, "n", by_tier=True, order=TIERS
    )
    subtitle = (
        "right of the dashed line: dearer than expected · line: 95 % interval (bootstrap over problems)"
    )
    says = "Actual divided by estimated cost of each model tier, with 95 % intervals; the dashed line is as expected."
    if truth is not None:
        chart = _with_truth(chart, truth, "model_tier", COST_RATIO, TIERS)
        says += " Red ticks mark the simulator's truth."
        subtitle += " · red tick: the truth"
    return marks.finished(chart, "Actual over estimated cost by model tier", subtitle, says)


def cost_error_by_tier(errors: pl.DataFrame) -> Figure:
    """Return the mean signed error of the estimates in each tier, in US dollars (`estimates.means`)."""
    measure = Measure(
        "cost_error_usd_mean", "mean error, actual − estimate (US dollars per execution)", "usd"
    )
    chart = marks.vertical_line(0.0) + marks.dots(
        errors, "model_tier", measure, "n", by_tier=True, order=TIERS
    )
    subtitle = (
        "right of the dashed line: dearer than expected · line: 95 % interval (bootstrap over problems)"
    )
    says = "Mean signed cost error of each model tier, with 95 % intervals."
    return marks.finished(chart, "Signed error of the estimates by model tier", subtitle, says)


def cost_ratio_over_time(ratios: pl.DataFrame) -> Figure:
    """Return actual over estimated cost of each tier in each period."""
    chart = marks.horizontal_line(1.0) + marks.lines(
        ratios, COST_RATIO, "model_tier", marks.tier_colour(ratios)
    )
    subtitle = "above the dashed line: dearer than expected · band: 95 % interval (bootstrap over problems)"
    says = "Actual divided by estimated cost of each model tier over time, with 95 % bands."
    return marks.finished(
        chart.properties(height=280), "Actual over estimated cost over time", subtitle, says
    )


OUTCOMES = {"accepted": "#009E73", "duplicates": "#8C8C8C", "rejected": "#D55E00"}
"""The colour of each thing that can happen to a row that is read."""


def rows_read(sources: pl.DataFrame) -> Figure:
    """Return what became of the rows of each source: accepted, duplicate or rejected (`queries/sources`)."""
    shown, left_out = marks.most(sources, "source", "n_rows_read", 30)
    order = shown.sort("n_rows_read", descending=True)["source"].unique(maintain_order=True).to_list()
    long = (
        marks.ranked(shown, "source", order)
        .unpivot(
            on=[f"n_{what}" for what in OUTCOMES],
            index=["source", "_row"],
            variable_name="outcome",
            value_name="n",
        )
        .with_columns(pl.col("outcome").str.strip_prefix("n_"))
        .with_columns(_place=pl.col("outcome").replace_strict({name: i for i, name in enumerate(OUTCOMES)}))
    )
    colour = alt.Color(
        "outcome:N",
        scale=alt.Scale(domain=list(OUTCOMES), range=list(OUTCOMES.values())),
        legend=alt.Legend(title=None, orient="top"),
    )
    bars = alt.Chart(long).mark_bar(size=18)
    chart = bars.encode(
        x=alt.X("n:Q", title="rows read", axis=alt.Axis(format="~s", tickCount=6)),
        y=marks.rows_of("source", is_path=True),
        color=colour,
        order=alt.Order("_place:Q"),
        tooltip=["source:N", "outcome:N", alt.Tooltip("n:Q", format=",d", title="rows")],
    ).properties(height=max(2, shown.height) * 30)
    says = "Rows read from each source: accepted, duplicates and rejected. Counts, no estimates."
    return marks.finished(
        alt.layer(chart),
        "What became of every row that was read",
        f"counts over all readings, no estimates.{left_out}",
        says,
    )


def what_is_known(shares: pl.DataFrame) -> Figure:
    """Return the share of executions of each source with a verdict, a cost, a time … (`estimates.known_shares`)."""
    shown, left_out = marks.most(shares, "source", "n_executions", 12)
    scale = alt.Scale(domain=[0, 1], scheme="blues")
    order = shown.sort("n_executions", descending=True)["source"].unique(maintain_order=True).to_list()
    base = alt.Chart(marks.ranked(shown, "source", order)).encode(
        x=alt.X(
            "what:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelAngle=0, orient="top", domain=False, ticks=False),
        ),
        y=marks.rows_of("source", is_path=True),
        tooltip=[
            "source:N",
            "what:N",
            alt.Tooltip("share:Q", format=".1%"),
            alt.Tooltip("n_known:Q", format=",d"),
        ],
    )
    ink = alt.when(alt.datum.share > 0.55).then(alt.value("white")).otherwise(alt.value(marks.INK))
    chart = alt.layer(
        base.mark_rect(stroke="white", strokeWidth=2).encode(
            color=alt.Color("share:Q", scale=scale, legend=None)
        ),
        base.mark_text(fontSize=12).encode(text=alt.Text("share:Q", format=".0%"), color=ink),
    ).properties(height=max(1, shown["source"].n_unique()) * 34)
    says = "Share of the executions of each source whose verdict, cost, time, quality, duration and tokens are known."
    return marks.finished(
        chart, "What the sources say of their executions", f"counts, no estimates.{left_out}", says
    )
