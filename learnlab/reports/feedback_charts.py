"""The figures of what people gave, one function each: who answers, what is asked in vain, what answers come to."""

from __future__ import annotations

import altair as alt
import polars as pl

from learnlab.reports import marks
from learnlab.reports.estimates import periods
from learnlab.reports.feedback_correction import KINDS
from learnlab.reports.feedback_estimates import ASKS, BECAUSE, CONTEXTUAL
from learnlab.reports.marks import TIER_COLOURS, Figure, Measure

SATISFACTION = Measure("mean", "mean rating: 2 poor, 3 fair, 4 good, 5 excellent", "plain", domain=(2.0, 5.0))
ACCEPTANCE = Measure("mean", "share of results that were taken", "rate", domain=(0.0, 1.0))
_FIGURES = {
    "excellent": "#0072B2", "good": "#56B4E9", "fair": "#E69F00", "poor": "#D55E00",
}  # fmt: skip


def response_rates(rates: pl.DataFrame) -> Figure:
    """Return the share of tasks that were rated, of all and by what is known of them (`response_rates`)."""
    measure = Measure("response_rate", "share of tasks with a rating that the team may see", "rate")
    shown, left_out = marks.most(rates, "row", "n_executions", 24)
    order = shown["row"].to_list()
    (everywhere,) = rates.filter(by="all tasks")["response_rate"].to_list()
    dots = marks.dots(shown, "row", measure, "n_executions", order=order)
    says = "Share of tasks that somebody rated, of all and by outcome, model tier and task type, with 95 % intervals."
    subtitle = f"dashed: all tasks · line: 95 % interval (Wilson) · n: tasks.{left_out}"
    return marks.finished(marks.vertical_line(everywhere) + dots, "Who answers", subtitle, says)


def asked(by_rule: pl.DataFrame) -> Figure:
    """Return how many of the tasks that each rule of prompting would ask about were rated (`asked_by` rule)."""
    measure = Measure("answered_rate", "share of these tasks that somebody rated", "rate")
    named = by_rule.with_columns(reason=pl.col("rule").replace_strict(BECAUSE))
    order = [BECAUSE[rule] for rule in ASKS if rule in by_rule["rule"].to_list()]
    says = "Share of the tasks that each reason to ask would pick that somebody rated, with 95 % intervals."
    subtitle = [
        "the rules as they are now, in hindsight · n: questions to one person who sees every task",
        "line: 95 % interval (Wilson)",
    ]
    chart = marks.dots(named, "reason", measure, "n_asked", order=order)
    return marks.finished(chart, "Which questions find an answer, by why they are asked", subtitle, says)


def _by_tier(rows: pl.DataFrame, measure: Measure, title: str, says: str) -> Figure:
    named = rows.with_columns(comparison=pl.format("{}, {}", "model_tier", "kind"))
    order = [f"{tier}, {kind}" for tier in TIER_COLOURS for kind in KINDS]
    shown = [row for row in order if row in named["comparison"].to_list()]
    told = named.with_columns(pl.when(pl.col("mean").is_not_null()).then("n").alias("n"))
    chart = marks.dots(told.drop_nulls("mean"), "comparison", measure, "n", by_tier=True, order=shown)
    subtitle = [
        "as answered: the plain mean · corrected: each outcome and task type counts as much as it has tasks",
        "n: tasks with an answer · line: 95 % interval, taking answers as independent",
    ]
    return marks.finished(chart, title, subtitle, says)


def satisfaction(rows: pl.DataFrame) -> Figure:
    """Return the mean rating of each tier, plain and corrected for who answers (`satisfaction`)."""
    says = "Mean rating of each model tier, plain and corrected for who answers, with 95 % intervals."
    return _by_tier(rows, SATISFACTION, "Satisfaction by model tier", says)


def acceptance(rows: pl.DataFrame) -> Figure:
    """Return the share of results taken in each tier, plain and corrected for who answers (`acceptance`)."""
    says = (
        "Share of results taken in each model tier, plain and corrected for who answers, with 95 % intervals."
    )
    return _by_tier(rows, ACCEPTANCE, "Results that were taken, by model tier", says)


def contextual(rates: pl.DataFrame) -> Figure:
    """Return the share of yes to each contextual question among those who answered it (`contextual_rates`)."""
    measure = Measure("yes_rate", "share of yes among those who answered", "rate", domain=(0.0, 1.0))
    counts = rates.select("question", "n_open", "n_ratings").iter_rows()
    words = {name: f"{CONTEXTUAL[name]} · left open in {n_open:,} of {n:,}" for name, n_open, n in counts}
    named = rates.with_columns(row=pl.col("question").replace_strict(words))
    order = [words[name] for name in CONTEXTUAL if name in words]
    says = "Share of yes to each contextual question among those who answered it, with 95 % intervals."
    subtitle = [
        "n: ratings with an answer · left open: ratings without one, whether it was asked or not",
        "line: 95 % interval (Wilson), taking answers as independent",
    ]
    chart = marks.dots(named, "row", measure, "n_answered", order=order, is_pair=True)
    return marks.finished(chart, "The model, the speed, the result", subtitle, says)


def issues(rates: pl.DataFrame) -> Figure:
    """Return the share of each tier's ratings that name each issue (`issue_rates`)."""
    measure = Measure("issue_rate", "share of the tier's ratings that name it", "rate")
    named = rates.with_columns(pl.col("issue").str.replace_all("_", " "))
    chart = marks.split_dots(named, "issue", measure, "model_tier", list(TIER_COLOURS))
    says = "Share of the ratings of each model tier that name each issue, with 95 % intervals."
    subtitle = "line: 95 % interval (Wilson) · of ratings given, not corrected for who answers"
    return marks.finished(chart, "What was wrong", subtitle, says)


def over_time(days: pl.DataFrame) -> Figure:
    """Return how many pieces of each kind were given in each period (`queries/given`)."""
    timed = periods(days)
    counted = timed.group_by("period", "period_length", "feedback_type").agg(pl.col("n_given").sum())
    word = counted["period_length"][0] if counted.height else "day"
    chart = (
        alt.Chart(counted.sort("period", "feedback_type"))
        .mark_bar()
        .encode(
            x=alt.X("yearmonthdate(period):O", title=f"{word} from (UTC)", axis=_dates()),
            y=alt.Y("n_given:Q", title="pieces of feedback", axis=alt.Axis(format="~s", tickCount=6)),
            color=marks.name_colour("feedback_type", "kind"),
            tooltip=[
                alt.Tooltip("period:T", title=f"{word} from", format="%d %b %Y"),
                alt.Tooltip("feedback_type:N", title="kind"),
                alt.Tooltip("n_given:Q", title="pieces", format=",d"),
            ],
        )
        .properties(height=240)
    )
    says = "Pieces of feedback that the team may see, by kind, over time."
    return marks.finished(chart, "Feedback over time", "what counts and is shared with the team", says)


def _dates() -> alt.Axis:
    return alt.Axis(format="%d %b", labelOverlap=True, labelAngle=0, ticks=False)


def public(figures: pl.DataFrame) -> Figure:
    """Return what the public table says of satisfaction: ratings of each tier by what they say, a bar a tier."""
    counted = figures.filter(pl.col("figure").is_in(list(_FIGURES)))
    counted = (
        counted.group_by("model_tier", "figure").agg(pl.col("n_ratings").sum()).sort("model_tier", "figure")
    )
    scale = alt.Scale(domain=list(_FIGURES), range=list(_FIGURES.values()))
    order = [tier for tier in TIER_COLOURS if tier in counted["model_tier"].to_list()]
    chart = (
        alt.Chart(marks.ranked(counted, "model_tier", order))
        .mark_bar(size=22)
        .encode(
            y=marks.rows_of("model_tier"),
            x=alt.X(
                "n_ratings:Q", title="public ratings in the table", axis=alt.Axis(format="~s", tickCount=6)
            ),
            color=alt.Color(
                "figure:N", scale=scale, sort=list(_FIGURES), legend=alt.Legend(title=None, orient="top")
            ),
            tooltip=["model_tier:N", "figure:N", alt.Tooltip("n_ratings:Q", title="ratings", format=",d")],
        )
        .properties(height=max(2, len(order)) * 38)
    )
    says = "Public ratings of each model tier by what they say."
    subtitle = "only cells that enough people are in: counts, and no shares of all ratings"
    return marks.finished(chart, "What everybody may know", subtitle, says)
