"""What every figure is drawn with: colours, axes with units, dots and bands with their intervals, one style.

Text from the data only ever enters as data: titles and expressions are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl

Figure = Any
"""An Altair chart: its types change from method to method, so the annotation only names it."""

TIER_COLOURS = {"small": "#009E73", "medium": "#E69F00", "large": "#0072B2", "unknown": "#8C8C8C"}
"""The colour of each tier in every figure, of M. Okabe and K. Ito's palette (2008), safe for colour-blind readers."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6B5B95", "#8C8C8C")
"""The colours of whatever else needs telling apart, at most eight: the same palette without its yellow."""

TRUTH_COLOUR = "#D55E00"
"""The colour of the simulator's truth in every figure."""

INK, PALE = "#333333", "#6E6E6E"
WIDTH = 560
_VALUES = {
    "rate": ".1%",
    "usd": "$,.3~r",
    "seconds": ",.3~r",
    "quality": ".1f",
    "count": ",d",
    "plain": ",.3~r",
}
_TICKS = {"rate": "%", "usd": "$,.3~r", "seconds": ",.3~r", "quality": "~r", "count": "~s", "plain": ",.3~r"}


def tier_colour(frame: pl.DataFrame | None = None) -> alt.Color:
    """Return the encoding that colours by tier; with a frame, a legend of the tiers in it stands on top."""
    scale = alt.Scale(domain=list(TIER_COLOURS), range=list(TIER_COLOURS.values()))
    if frame is None:
        return alt.Color("model_tier:N", scale=scale, legend=None)
    present = [tier for tier in TIER_COLOURS if tier in frame["model_tier"].to_list()]
    legend = alt.Legend(title="model tier", orient="top", values=present)
    return alt.Color("model_tier:N", scale=scale, legend=legend)


def name_colour(field: str, title: str) -> alt.Color:
    """Return the encoding that tells at most eight names apart, with a legend on top."""
    scale = alt.Scale(range=list(COLOURS))
    return alt.Color(
        f"{field}:N", scale=scale, legend=alt.Legend(title=title, orient="top", columns=3, labelLimit=160)
    )


@dataclass(frozen=True)
class Measure:
    """An estimate as an axis: its column (bounds under `_low` and `_high`), title with unit, format and scale."""

    column: str
    title: str
    unit: str
    log: bool = False
    domain: tuple[float, float] | None = None

    def _options(self) -> dict[str, Any]:
        scale = alt.Scale(type="log" if self.log else "linear", nice=not self.log, zero=False)
        if self.domain:
            scale = alt.Scale(domain=list(self.domain))
        elif self.log:
            scale = alt.Scale(type="log", padding=24)
        axis = alt.Axis(format=_TICKS[self.unit], tickCount=6, labelOverlap=True, grid=not self.log)
        return {"title": self.title, "scale": scale, "axis": axis}

    def x(self, end: str = "") -> alt.X:
        """Return the horizontal encoding of the estimate, or of one end of its interval."""
        return alt.X(f"{self.column}{end}:Q", **self._options())

    def y(self, end: str = "") -> alt.Y:
        """Return the vertical encoding of the estimate, or of one end of its interval."""
        return alt.Y(f"{self.column}{end}:Q", **self._options())

    def tips(self, frame: pl.DataFrame, *names: str) -> list[alt.Tooltip]:
        """Return the tooltips of the names, the estimate, its interval and every count in the frame."""
        ends = (("", "estimate"), ("_low", "95 % from"), ("_high", "95 % to"))
        figures = [
            alt.Tooltip(f"{self.column}{end}:Q", title=title, format=_VALUES[self.unit])
            for end, title in ends
            if f"{self.column}{end}" in frame.columns
        ]
        counts = [
            alt.Tooltip(f"{name}:Q", title=name.replace("_", " "), format=_VALUES["count"])
            for name in frame.columns
            if name == "n" or name.startswith("n_")
        ]
        return [
            *(alt.Tooltip(f"{name}:N", title=name.replace("_", " ")) for name in names),
            *figures,
            *counts,
        ]


def ranked(frame: pl.DataFrame, names: str, order: list[str]) -> pl.DataFrame:
    """Return a frame with `_row`, the place of each name in an order: so no name stands in a specification."""
    places = pl.DataFrame(
        {names: order, "_row": range(len(order))}, schema={names: pl.String, "_row": pl.Int64}
    )
    return frame.join(places, on=names, how="left", maintain_order="left")


_TWO_LINES = "[slice(datum.label, 0, indexof(datum.label, ' · ')), slice(datum.label, indexof(datum.label, ' · ') + 3)]"


def rows_of(names: str, *, is_path: bool = False, is_pair: bool = False) -> alt.Y:
    """Return the vertical axis with a row a name, in the order of `ranked`; a long path loses its beginning.

    A pair ("what · where") stands on two lines, so that neither half is cut away for the other.
    """
    by_rank = alt.EncodingSortField("_row", op="min", order="ascending")
    tail = "length(datum.label) > 29 ? '…' + slice(datum.label, -28) : datum.label"
    pair = f"indexof(datum.label, ' · ') < 0 ? datum.label : {_TWO_LINES}"
    told = tail if is_path else pair if is_pair else alt.Undefined
    axis = alt.Axis(
        labelLimit=290 if is_pair else 220, labelPadding=8, ticks=False, domain=False, labelExpr=told
    )
    return alt.Y(f"{names}:N", sort=by_rank, title=None, axis=axis)


def most(frame: pl.DataFrame, names: str, weight: str, limit: int) -> tuple[pl.DataFrame, str]:
    """Return the rows of the `limit` names with the most behind them, and a sentence on what was left out.

    >>> frame = pl.DataFrame({"model": ["a", "b", "c"], "n": [1, 3, 2]})
    >>> shown, says = most(frame, "model", "n", 2)
    >>> shown["model"].to_list(), says
    (['b', 'c'], ' Shown: the 2 with the most behind them, of 3.')
    """
    ranked = frame.group_by(names).agg(pl.col(weight).sum()).sort(weight, names, descending=[True, False])
    if ranked.height <= limit:
        return frame, ""
    kept = frame.filter(pl.col(names).is_in(ranked[:limit, names].implode()))
    return kept, f" Shown: the {limit} with the most behind them, of {ranked.height}."


SECONDS = Measure("seconds", "seconds per execution (log scale)", "seconds", log=True)
"""How long an execution takes, as an axis."""


def two_quantiles(medians: pl.DataFrame, tails: pl.DataFrame, by: str, column: str) -> pl.DataFrame:
    """Return medians and 95th percentiles (`estimates.quantiles` of a column) as one frame, a row a figure.

    `figure` names the group and the quantile; `seconds` with its bounds is above 0, for a log axis.
    """
    kinds = {"median": (medians, f"{column}_p50"), "95th percentile": (tails, f"{column}_p95")}
    return pl.concat(
        frame.select(
            by,
            "n",
            pl.format("{}, {}", pl.col(by), pl.lit(kind)).alias("figure"),
            *[pl.col(f"{name}{end}").alias(f"seconds{end}") for end in ("", "_low", "_high")],
        )
        for kind, (frame, name) in kinds.items()
    ).filter(pl.col("seconds") > 0)


def dots(
    frame: pl.DataFrame,
    names: str,
    measure: Measure,
    n: str,
    *,
    by_tier: bool = False,
    colour: alt.Color | None = None,
    order: list[str] | None = None,
    is_pair: bool = False,
) -> Figure:
    """Return a row a name, the highest on top: a dot, its interval as a line, and n at the right.

    `by_tier` gives the dots their tier's colour, `colour` another one; else they are dark grey, which is no tier's.
    """
    highest = frame.sort(measure.column, descending=True, nulls_last=True)[names].unique(maintain_order=True)
    frame, row = ranked(frame, names, order or highest.to_list()), rows_of(names, is_pair=is_pair)
    drawn = tier_colour() if by_tier else colour or alt.value(INK)
    base = alt.Chart(frame.drop_nulls(measure.column)).encode(y=row, tooltip=measure.tips(frame, names))
    counted = alt.Chart(frame.with_columns(_n=pl.col(n))).transform_calculate(
        shown="'n = ' + format(datum._n, ',d')"
    )
    return alt.layer(
        base.mark_rule(strokeWidth=2.5, opacity=0.75).encode(
            x=measure.x("_low"), x2=f"{measure.column}_high:Q", color=drawn
        ),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=measure.x(), color=drawn),
        counted.mark_text(align="left", color=PALE, fontSize=11, dx=8).encode(
            x=alt.value(WIDTH), y=row, text="shown:N"
        ),
    ).properties(height=max(2, frame[names].n_unique()) * (40 if is_pair else 32))


def split_dots(frame: pl.DataFrame, names: str, measure: Measure, split: str, order: list[str]) -> Figure:
    """Return a row a name with a dot for each value of `split` in it, coloured by tier, with intervals."""
    rows = (
        frame.group_by(names).agg(pl.col(measure.column).mean()).sort(measure.column, names, descending=True)
    )
    known = ranked(frame, names, rows[names].to_list()).drop_nulls(measure.column)
    base = alt.Chart(known).encode(
        y=rows_of(names),
        yOffset=alt.YOffset(f"{split}:N", sort=order),
        color=tier_colour(known),
        tooltip=measure.tips(frame, *dict.fromkeys((names, "model_tier", split))),
    )
    bars = base.mark_rule(strokeWidth=2.5, opacity=0.75)
    points = base.mark_point(filled=True, size=80, opacity=1)
    height = max(1, rows.height) * (15 * max(1, known[split].n_unique()) + 14)
    return alt.layer(
        bars.encode(x=measure.x("_low"), x2=f"{measure.column}_high:Q"), points.encode(x=measure.x())
    ).properties(height=height)


def lines(frame: pl.DataFrame, measure: Measure, names: str, colour: alt.Color) -> Figure:
    """Return a line a name over `period`, each with its interval as a band."""
    word = frame["period_length"][0] if frame.height else "day"
    days = frame["period"].unique() if frame.height and word == "day" else ()
    is_short = len(days) and (max(days) - min(days)).days < 8
    ticks = {"interval": "day", "step": 1} if is_short else 8
    base = alt.Chart(frame.drop_nulls(measure.column)).encode(
        x=alt.X(
            "period:T",
            title=f"{word} (UTC)",
            axis=alt.Axis(format="%d %b", labelOverlap=True, tickCount=ticks),
        ),
        color=colour,
        tooltip=[alt.Tooltip("period:T", title=word, format="%d %b %Y"), *measure.tips(frame, names)],
    )
    return alt.layer(
        base.mark_area(opacity=0.16).encode(y=measure.y("_low"), y2=f"{measure.column}_high:Q"),
        base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=36, filled=True)).encode(y=measure.y()),
    ).properties(height=280)


def _crowded(frame: pl.DataFrame, across: str, up: str) -> list[bool]:
    """Return which points stand so close to the right of another that its label would run over theirs."""
    if not frame.height:
        return []
    x, y = frame[across].log10(), frame[up]
    width, height = (max(float(axis.max() - axis.min()), 1e-9) for axis in (x, y))  # type: ignore[operator,arg-type]
    places = sorted(zip((x / width).to_list(), (y / height).to_list(), range(frame.height), strict=True))
    below: dict[int, bool] = {}
    for i, (left, top, row) in enumerate(places):
        near = [r for (a, b, r) in places[:i] if left - a < 0.25 and abs(top - b) < 0.05]
        below[row] = bool(near) and not below[near[-1]]
    return [below[row] for row in range(frame.height)]


def crosses(frame: pl.DataFrame, across: Measure, up: Measure, names: str) -> Figure:
    """Return a point a name with its intervals both ways and its name beside it, coloured by tier.

    Names stand above their points; of two that are near each other, one stands below. `across` is positive.
    """
    tips = [*up.tips(frame, names, "model_tier"), *across.tips(frame)[:3]]
    base = alt.Chart(
        frame.with_columns(_below=pl.Series(_crowded(frame, across.column, up.column), dtype=pl.Boolean))
    )
    base = base.encode(color=tier_colour(frame), tooltip=tips)
    named = [
        base.transform_filter(alt.datum._below == below)
        .mark_text(align="left", dx=7, dy=dy, fontSize=11, limit=150)
        .encode(x=across.x(), y=up.y(), text=f"{names}:N", color=alt.value(INK))
        for below, dy in ((False, -9), (True, 11))
    ]
    return alt.layer(
        base.mark_rule(opacity=0.6).encode(x=across.x("_low"), x2=f"{across.column}_high:Q", y=up.y()),
        base.mark_rule(opacity=0.6).encode(x=across.x(), y=up.y("_low"), y2=f"{up.column}_high:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=across.x(), y=up.y()),
        *named,
    ).properties(height=340)


def vertical_line(at: float) -> Figure:
    """Return a dashed line across the figure at one value of the horizontal axis."""
    return alt.Chart(pl.DataFrame({"at": [at]})).mark_rule(color=INK, strokeDash=[4, 3]).encode(x="at:Q")


def horizontal_line(at: float) -> Figure:
    """Return a dashed line along the figure at one value of the vertical axis."""
    return alt.Chart(pl.DataFrame({"at": [at]})).mark_rule(color=INK, strokeDash=[4, 3]).encode(y="at:Q")


def finished(chart: Figure, title: str, subtitle: str | list[str], says: str) -> Figure:
    """Return a figure with its title, the words for those who cannot see it, and the style that all share."""
    words = alt.TitleParams(title, subtitle=subtitle, anchor="start", offset=12)
    fonts = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 220}
    sized = {} if isinstance(chart, alt.FacetChart) else {"width": WIDTH}
    return (
        chart.properties(title=words, description=says, background="white", **sized)
        .configure(font="system-ui, 'Helvetica Neue', Arial, sans-serif", padding=8)
        .configure_title(
            fontSize=15, subtitleFontSize=12, subtitleColor="#555555", color=INK, subtitlePadding=4
        )
        .configure_axis(**fonts, gridColor="#E6E6E6", domainColor=PALE, tickColor=PALE, labelColor=INK)
        .configure_legend(**fonts, symbolOpacity=1)
        .configure_view(stroke=None)
    )
