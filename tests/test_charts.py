"""The figures: what they draw, for one, eight and forty categories, and with hostile text in every field."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest
import vl_convert

from learnlab.reports import charts, marks

HOSTILE = "</script><img src=x onerror=alert(1)>"
Maker = Callable[[list[str]], Any]


def estimates(names: list[str], column: str, field: str, **more: Any) -> pl.DataFrame:
    """A row a name: estimates that differ, their bounds, and n."""
    n = len(names)
    values = [0.2 + 0.6 * i / max(1, n - 1) for i in range(n)]
    return pl.DataFrame(
        {
            field: names,
            column: values,
            f"{column}_low": [value - 0.1 for value in values],
            f"{column}_high": [value + 0.1 for value in values],
            "n": [100 + i for i in range(n)],
            "n_verdicts": [100 + i for i in range(n)],
        }
    ).with_columns(**{name: pl.lit(value) for name, value in more.items()})


def over_time(names: list[str], column: str, field: str) -> pl.DataFrame:
    days = [date(2026, 3, 1), date(2026, 3, 2)]
    frame = estimates(names, column, field, period_length="day")
    return pl.concat([frame.with_columns(period=pl.lit(day)) for day in days])


def crosses(names: list[str]) -> pl.DataFrame:
    across = estimates(names, "cost_usd_mean", "model").drop("n", "n_verdicts")
    return estimates(names, "success_rate", "model", model_tier="small").join(across, on="model")


TIERS = ["small", "medium", "large"]
NAMED: dict[str, Maker] = {
    "success_by_task_type": lambda names: charts.success_by_task_type(
        pl.concat([estimates(names, "success_rate", "task_type", model_tier=tier) for tier in TIERS])
    ),
    "worth_of_models": lambda names: charts.worth_of_models(crosses(names)),
    "quality_by_model": lambda names: charts.quality_by_model(
        estimates(names, "quality_score_mean", "model", model_tier="large")
    ),
    "differences": lambda names: charts.differences(
        estimates(names, "difference", "model", against=HOSTILE).rename({"n": "n_shared"}), "model", "quality"
    ),
    "success_by_pool": lambda names: charts.success_by_pool(estimates(names, "success_rate", "pool_type")),
    "durations_by_pool": lambda names: charts.durations_by_pool(
        estimates(names, "duration_seconds_p50", "pool_type"),
        estimates(names, "duration_seconds_p95", "pool_type"),
    ),
    "success_by_pool_over_time": lambda names: charts.success_by_pool_over_time(
        over_time(names, "success_rate", "pool_type")
    ),
    "durations_by_pool_over_time": lambda names: charts.durations_by_pool_over_time(
        over_time(names, "duration_seconds_p50", "pool_type")
    ),
    "rows_read": lambda names: charts.rows_read(
        pl.DataFrame({"source": names}).with_columns(
            n_rows_read=6, n_accepted=1, n_duplicates=2, n_rejected=3
        )
    ),
    "what_is_known": lambda names: charts.what_is_known(
        pl.DataFrame({"source": names, "what": "costs", "n_known": 1, "n_executions": 4, "share": 0.25})
    ),
}
"""The figures with a name from the data in every row."""

TIERED: dict[str, Callable[[], Any]] = {
    "success_by_tier": lambda: charts.success_by_tier(
        estimates(TIERS, "success_rate", "model_tier"),
        pl.DataFrame({"model_tier": TIERS, "success_rate": 0.5}),
    ),
    "success_raw_and_adjusted": lambda: charts.success_raw_and_adjusted(
        estimates(TIERS, "success_rate", "model_tier", n_compared=50).join(
            estimates(TIERS, "success_rate_adjusted", "model_tier").drop("n", "n_verdicts"), on="model_tier"
        ),
        pl.DataFrame({"model_tier": TIERS, "success_rate": 0.5}),
    ),
    "cost_per_success_by_tier": lambda: charts.cost_per_success_by_tier(
        estimates(TIERS, "cost_per_success_usd", "model_tier")
    ),
    "success_over_time": lambda: charts.success_over_time(over_time(TIERS, "success_rate", "model_tier")),
    "success_by_hour": lambda: charts.success_by_hour(estimates(["1", "2"], "success_rate", "hour_of_day")),
    "estimate_against_actual": lambda: charts.estimate_against_actual(
        pl.DataFrame(
            {"estimate_from": [0.1], "estimate_to": [1.0], "actual_from": [1.0], "actual_to": [9.0], "n": [5]}
        )
    ),
    "cost_ratio_by_tier": lambda: charts.cost_ratio_by_tier(
        estimates(TIERS, "actual_per_estimate", "model_tier"),
        pl.DataFrame({"model_tier": TIERS, "actual_per_estimate": 1.0}),
    ),
    "cost_error_by_tier": lambda: charts.cost_error_by_tier(
        estimates(TIERS, "cost_error_usd_mean", "model_tier")
    ),
    "cost_ratio_over_time": lambda: charts.cost_ratio_over_time(
        over_time(TIERS, "actual_per_estimate", "model_tier")
    ),
}
"""The figures whose rows are tiers, hours or cells."""

COUNTS_ALONE = {"rows_read", "what_is_known", "estimate_against_actual"}


def drawn(spec: dict[str, Any]) -> str:
    """The figure as Vega draws it: this fails on a broken specification."""
    svg: str = vl_convert.vegalite_to_svg(spec)
    return svg


def without_data(spec: Any) -> str:
    return json.dumps({key: value for key, value in spec.items() if key != "datasets"})


@pytest.mark.parametrize("name", [*NAMED, *TIERED])
def test_says_what_it_is(name: str) -> None:
    spec = (NAMED[name](["a", "b"]) if name in NAMED else TIERED[name]()).to_dict()
    assert len(spec["title"]["text"]) > 10
    assert len(spec["description"]) > 30
    words = spec["title"]["subtitle"]
    assert "no estimate" in words or "95 % interval" in words
    if name not in COUNTS_ALONE:
        assert "_low" in without_data(spec)
        assert '"95 % from"' in without_data(spec)
    assert spec["background"] == "white"


def test_every_figure_is_tested() -> None:
    public = {name for name in vars(charts) if not name.startswith("_") and callable(getattr(charts, name))}
    own = {name for name in public if getattr(charts, name).__module__ == charts.__name__}
    assert own == set(NAMED) | set(TIERED)


@pytest.mark.parametrize("name", NAMED)
def test_sixty_long_and_hostile_names_fit_and_stay_data(name: str) -> None:
    # One in eight is long: a single one would stretch the figure, and drawing takes as long as its text is.
    long = [
        f"{'' if i % 8 else 'a rather long name that nobody would call short ' * 3}{i}" for i in range(57)
    ]
    spec = NAMED[name]([HOSTILE, "'); alert(1); ('", *long, "plain"]).to_dict()
    svg = drawn(spec)
    height, width = (float(svg.split(f'{side}="')[1].split('"')[0]) for side in ("height", "width"))
    assert 100 < height < 2000
    assert 400 < width < 1000
    assert "Shown: the" in spec["title"]["subtitle"]
    assert "<script" not in svg
    assert "<img" not in svg
    assert "alert" not in without_data(spec)
    assert "a rather long" not in without_data(spec)


@pytest.mark.parametrize("name", ["success_by_pool", "worth_of_models", "what_is_known"])
def test_one_name_is_enough(name: str) -> None:
    svg = drawn(NAMED[name](["the only one"]).to_dict())
    assert "the only one" in svg
    assert float(svg.split('height="')[1].split('"')[0]) > 100


@pytest.mark.parametrize("name", TIERED)
def test_draws_tiers(name: str) -> None:
    assert "<path" in drawn(TIERED[name]().to_dict())


def test_a_tier_has_one_colour_everywhere() -> None:
    for make in (*TIERED.values(), lambda: NAMED["quality_by_model"](["a"])):
        text = without_data(make().to_dict())
        if '"model_tier"' in text and '"domain": ["small"' in text:
            domain = text.split('"domain": ["small"')[1]
            assert f'"range": {json.dumps(list(marks.TIER_COLOURS.values()))}' in domain
    svg = drawn(TIERED["success_by_tier"]().to_dict())
    assert all(marks.TIER_COLOURS[tier] in svg for tier in TIERS)


def test_colours_can_be_told_apart() -> None:
    """Any two differ in brightness or in the blue-yellow axis that colour-blind readers see."""

    def seen(colour: str) -> tuple[float, float]:
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        brightness = 0.3 * red + 0.6 * green + 0.1 * blue
        return brightness, blue - (red + green) / 2

    tiers = [seen(colour) for colour in marks.TIER_COLOURS.values()]
    for at, first in enumerate(tiers):
        for second in tiers[at + 1 :]:
            assert abs(first[0] - second[0]) + abs(first[1] - second[1]) > 0.15


def test_bounds_that_are_null_leave_the_dot() -> None:
    frame = estimates(TIERS, "success_rate", "model_tier").with_columns(
        success_rate_low=pl.lit(None, dtype=pl.Float64), success_rate_high=pl.lit(None, dtype=pl.Float64)
    )
    svg = drawn(charts.success_by_tier(frame).to_dict())
    assert all(marks.TIER_COLOURS[tier] in svg for tier in TIERS)


def test_a_long_path_keeps_its_end_and_a_day_stands_once_on_an_axis() -> None:
    told = json.dumps(NAMED["rows_read"](["a" * 60]).to_dict())
    assert "slice(datum.label, -28)" in told
    rows = over_time(["shop"], "success_rate", "pool_type").with_columns(period_length=pl.lit("day"))
    axis = charts.success_by_pool_over_time(rows.head(1)).to_dict()
    assert '"tickCount": {"interval": "day", "step": 1}' in json.dumps(axis)
