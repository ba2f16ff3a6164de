"""The figures of agents' sessions, one function each: rows of the agent views in, an Altair chart out."""

from __future__ import annotations

import altair as alt
import polars as pl

from learnlab.reports import marks
from learnlab.reports.marks import COLOURS, Figure, Measure
from learnlab.reports.session_estimates import totals

OTHERS = "others"
"""What a figure calls the names that it has no colour for."""

PARTS = {"own work": "#0072B2", "subagents": "#E69F00", "compaction": "#CC79A7"}
"""The colour of each part of the work in every figure."""

WHERE = {
    "model": "#0072B2",
    "tool": "#E69F00",
    "compaction": "#CC79A7",
    "waiting": "#8C8C8C",
    "untold": "#D9D9D9",
}
"""The colour of each thing that time goes to."""

TOKENS_IN = {
    "cache_read_tokens": ("read from the cache", "#009E73"),
    "cache_write_tokens": ("written to the cache", "#E69F00"),
    "uncached_tokens": ("neither", "#0072B2"),
    "unsplit_tokens": ("not told apart", "#8C8C8C"),
}
"""What became of tokens that went in, with its words and colour."""

_STEP = {"day": "1d", "week": "1w", "month": "1mo"}
_LONG, _SHORT = 7200.0, 120.0


def _colour(frame: pl.DataFrame, field: str, colours: dict[str, str]) -> alt.Color:
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    present = [name for name in colours if name in frame[field].to_list()]
    return alt.Color(f"{field}:N", scale=scale, legend=alt.Legend(title=None, orient="top", values=present))


def _placed(long: pl.DataFrame, field: str, names: dict[str, str]) -> pl.DataFrame:
    """Return a frame with `_place`, by which the parts of a bar follow one another."""
    return long.with_columns(_place=pl.col(field).replace_strict({name: i for i, name in enumerate(names)}))


def _dollars(title: str) -> alt.X:
    return alt.X("cost_usd:Q", title=title, axis=alt.Axis(format="$,.3~r", tickCount=6))


def cost_over_time(costs: pl.DataFrame) -> Figure:
    """Return the known cost in each period by model (`estimates.periods` of the view agent_costs).

    The 7 dearest models have a colour of their own.
    """
    ranked = totals(costs, "model")["model"].to_list()
    named = pl.when(pl.col("model").is_in(ranked[:7])).then("model").otherwise(pl.lit(OTHERS))
    bars = costs.drop_nulls("cost_usd").with_columns(model=named)
    bars = bars.group_by("period", "period_length", "model").agg(pl.col("cost_usd", "n_messages").sum())
    word = bars["period_length"][0] if bars.height else "day"
    until = pl.col("period").dt.offset_by(_STEP[word])
    places = pl.DataFrame({"model": [*ranked[:7], OTHERS], "_place": range(len(ranked[:7]) + 1)})
    bars = bars.with_columns(until=until).join(places, on="model", how="left").sort("period", "_place")
    figure = alt.Chart(bars).mark_bar(orient="vertical", stroke="white", strokeWidth=1)
    ticks = {"interval": "day", "step": 1} if word == "day" else 8
    axis = alt.Axis(format="%d %b", labelOverlap=True, tickCount=ticks)
    chart = figure.encode(
        x=alt.X("period:T", title=f"{word} (UTC)", axis=axis),
        x2="until:T",
        y=alt.Y(
            "cost_usd:Q",
            title=f"US dollars a {word}",
            axis=alt.Axis(format="$,.3~r", tickCount=6),
            stack=True,
        ),
        color=alt.Color(
            "model:N",
            sort=alt.EncodingSortField("_place", op="min"),
            scale=alt.Scale(range=list(COLOURS)),
            legend=alt.Legend(title=None, orient="top", columns=2, labelLimit=260),
        ),
        order=alt.Order("_place:Q"),
        tooltip=[
            alt.Tooltip("period:T", title=word, format="%d %b %Y"),
            "model:N",
            alt.Tooltip("cost_usd:Q", title="US dollars", format="$,.2f"),
            alt.Tooltip("n_messages:Q", title="messages", format=",d"),
        ],
    ).properties(height=280)
    says = "Known cost in each period in US dollars, by model. Sums, no estimates."
    left_out = f" The {len(ranked) - 7} cheapest models are one." if len(ranked) > 7 else ""
    subtitle = f"sums of known costs, no estimates.{left_out}"
    return marks.finished(alt.layer(chart), f"What agents cost, by {word} and model", subtitle, says)


def cost_by_repo(costs: pl.DataFrame) -> Figure:
    """Return the known cost of each repo by part of the work, the 20 dearest repos (the view agent_costs)."""
    known = costs.drop_nulls("cost_usd")
    shown, left_out = marks.most(known, "repo", "cost_usd", 20)
    order = totals(shown, "repo")["repo"].to_list()
    parts = shown.group_by("repo", "part").agg(pl.col("cost_usd", "n_messages").sum())
    bars = marks.ranked(_placed(parts, "part", PARTS), "repo", order).sort("_row", "_place")
    figure = alt.Chart(bars).mark_bar(size=18)
    chart = figure.encode(
        x=_dollars("US dollars"),
        y=marks.rows_of("repo"),
        color=_colour(bars, "part", PARTS),
        order=alt.Order("_place:Q"),
        tooltip=[
            "repo:N",
            "part:N",
            alt.Tooltip("cost_usd:Q", title="US dollars", format="$,.2f"),
            alt.Tooltip("n_messages:Q", title="messages", format=",d"),
        ],
    ).properties(height=max(2, len(order)) * 30)
    says = "Known cost of each repo in US dollars: own work, subagents, compaction. Sums, no estimates."
    subtitle = f"sums of known costs, no estimates.{left_out}"
    return marks.finished(alt.layer(chart), "What each repo cost, and who spent it", subtitle, says)


def tokens_in(costs: pl.DataFrame) -> Figure:
    """Return what became of the tokens that went into each model: cache reads, cache writes, the rest.

    Shown are the 12 models with the most tokens in the view agent_costs.
    """
    split = pl.sum_horizontal("cache_read_tokens", "cache_write_tokens", "uncached_tokens")
    sums = totals(costs, "model").with_columns(
        unsplit_tokens=pl.max_horizontal(0, pl.col("input_tokens") - split)
    )
    shown, left_out = marks.most(sums.filter(pl.col("input_tokens") > 0), "model", "input_tokens", 12)
    order = shown.sort("input_tokens", descending=True)["model"].to_list()
    words = dict(TOKENS_IN.values())
    bars = shown.unpivot(on=list(TOKENS_IN), index="model", variable_name="use", value_name="tokens")
    bars = bars.with_columns(pl.col("use").replace({name: word for name, (word, _) in TOKENS_IN.items()}))
    bars = bars.with_columns(share=pl.col("tokens") / pl.col("tokens").sum().over("model"))
    bars = marks.ranked(_placed(bars.filter(pl.col("tokens") > 0), "use", words), "model", order)
    figure = alt.Chart(bars).mark_bar(size=18)
    chart = figure.encode(
        x=alt.X("share:Q", title="share of the tokens in", axis=alt.Axis(format="%", tickCount=6)),
        y=marks.rows_of("model"),
        color=_colour(bars, "use", words),
        order=alt.Order("_place:Q"),
        tooltip=[
            "model:N",
            alt.Tooltip("use:N", title="tokens"),
            alt.Tooltip("tokens:Q", format=",d"),
            alt.Tooltip("share:Q", format=".1%"),
        ],
    ).properties(height=max(2, len(order)) * 30)
    says = (
        "Share of the tokens that went into each model: read from the cache, written to it, neither, unknown."
    )
    subtitle = f"shares of counted tokens, no estimates.{left_out}"
    return marks.finished(alt.layer(chart), "What share of the tokens in came from the cache", subtitle, says)


def time_spent(time: pl.DataFrame) -> Figure:
    """Return the time that went to each model and tool, and to waiting: the 16 longest (the view agent_time)."""
    sums = time.group_by("what", "name").agg(pl.col("seconds", "n_steps", "n_errors").sum())
    sums = sums.filter(pl.col("seconds") > 0)
    whole = sums["seconds"].sum()
    unit, size = ("hours", 3600) if whole > _LONG else ("minutes", 60) if whole >= _SHORT else ("seconds", 1)
    sums = sums.with_columns(spent=pl.col("seconds") / size)
    shown, left_out = marks.most(sums, "name", "seconds", 16)
    order = (
        shown.sort("seconds", "name", descending=[True, False])["name"].unique(maintain_order=True).to_list()
    )
    figure = alt.Chart(marks.ranked(shown, "name", order)).mark_bar(size=16)
    chart = figure.encode(
        x=alt.X("spent:Q", title=unit, axis=alt.Axis(format=",.3~r", tickCount=6)),
        y=marks.rows_of("name"),
        color=_colour(shown, "what", WHERE),
        tooltip=[
            "what:N",
            "name:N",
            alt.Tooltip("spent:Q", title=unit, format=",.2f"),
            alt.Tooltip("n_steps:Q", title="steps", format=",d"),
            alt.Tooltip("n_errors:Q", title="failed", format=",d"),
        ],
    ).properties(height=max(2, len(order)) * 26)
    says = "Time of requests spent in each model, in each tool, in compactions and in waiting."
    subtitle = f"sums of the requests' own steps; a subagent's time is in the tool that started it.{left_out}"
    return marks.finished(alt.layer(chart), "Where the time went", subtitle, says)


def cost_of_a_request(typical: pl.DataFrame) -> Figure:
    """Return the median cost of a request in each repo (`session_estimates.medians`), the 20 with the most requests.

    Repos without an interval are left out.
    """
    measure = Measure("whole_cost_usd_p50", "median US dollars per request (log scale)", "usd", log=True)
    told = typical.filter(pl.col("whole_cost_usd_p50_low") > 0)
    shown, left_out = marks.most(told, "repo", "n", 20)
    n_untold = typical.height - told.height
    untold = f" Left out: {n_untold} with too few sessions to tell." if n_untold else ""
    chart = marks.dots(shown, "repo", measure, "n")
    says = "Median cost of a request in each repo with its 95 % interval."
    subtitle = f"with its subagents · line: 95 % interval (bootstrap over sessions).{left_out}{untold}"
    return marks.finished(chart, "What a request costs, by repo", subtitle, says)
