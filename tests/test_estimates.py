"""Estimates against figures by hand, closed forms, and a truth that was built in."""

from __future__ import annotations

from datetime import date, datetime
from math import sqrt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnlab.errors import ReportError
from learnlab.intervals import wilson
from learnlab.reports import estimates


def attempts(*rows: tuple[str, str, str, bool | None], **more: list[object]) -> pl.DataFrame:
    """Rows of (problem, tier, task type, success), each a first attempt in one repo."""
    frame = pl.DataFrame(rows, schema=["task_group", "model_tier", "task_type", "success"], orient="row")
    return frame.with_columns(repo=pl.lit("shop"), is_retry=pl.lit(False)).with_columns(
        pl.Series(name, values) for name, values in more.items()
    )


def test_rates_add_up_rows_of_a_view() -> None:
    days = pl.DataFrame(
        {
            "tier": ["a", "a", "b"],
            "n_executions": [5, 6, 3],
            "n_verdicts": [4, 6, 0],
            "n_successes": [1, 5, 0],
        }
    )
    first, second = estimates.success_rates(days, "tier").to_dicts()
    expected = wilson(6, 10)
    assert expected is not None
    assert (first["n_executions"], first["n_verdicts"], first["success_rate"]) == (11, 10, 0.6)
    assert (first["success_rate_low"], first["success_rate_high"]) == (expected.low, expected.high)
    assert [second[name] for name in ("success_rate", "success_rate_low", "success_rate_high")] == [None] * 3


def test_ratio_resamples_problems_not_rows() -> None:
    # Ten copies of each row of a problem tell nothing new: the interval must not shrink.
    rng = np.random.default_rng(1)
    one = pl.DataFrame(
        {"task_group": [str(i) for i in range(60)], "cost": rng.lognormal(size=60), "hit": [1] * 60}
    )
    ten = pl.concat([one] * 10)
    (alone,) = estimates.ratios(one.with_columns(t=pl.lit("a")), "r", "cost", "hit", "t").to_dicts()
    (copied,) = estimates.ratios(ten.with_columns(t=pl.lit("a")), "r", "cost", "hit", "t").to_dicts()
    assert copied["r"] == pytest.approx(one["cost"].mean())
    assert (copied["r_low"], copied["r_high"]) == pytest.approx((alone["r_low"], alone["r_high"]))
    assert (copied["n"], copied["n_problems"]) == (600, 60)


def test_mean_over_blocks_is_as_wide_as_the_closed_form() -> None:
    n = 20_000
    values = np.random.default_rng(2).exponential(size=n)
    rows = pl.DataFrame({"task_group": [str(i) for i in range(n)], "x": values, "t": ["a"] * n})
    (found,) = estimates.means(rows, "x", "t").to_dicts()
    half = 1.96 * values.std() / sqrt(n)
    assert found["x_mean"] == pytest.approx(values.mean())
    assert found["x_mean"] - found["x_mean_low"] == pytest.approx(half, rel=0.15)
    assert found["x_mean_high"] - found["x_mean"] == pytest.approx(half, rel=0.15)


def test_mean_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    runs, size = 200, 80
    rows = pl.DataFrame(
        {
            "run": np.repeat(np.arange(runs), size),
            "task_group": [str(i) for i in range(runs * size)],
            "x": rng.normal(5.0, 2.0, runs * size),
        }
    )
    found = estimates.means(rows, "x", "run")
    covered = found.filter(pl.col("x_mean_low") <= 5.0, pl.col("x_mean_high") >= 5.0).height
    # 95 % less what the percentile bootstrap loses at n = 80; 6 standard errors of 200 runs wide.
    assert 0.85 * runs <= covered <= runs - 1


def test_cost_per_success_leaves_out_what_is_not_known() -> None:
    rows = attempts(
        ("p", "small", "docs", True), ("q", "small", "docs", False), ("r", "small", "docs", None),
        ("s", "small", "docs", True), ("t", "large", "docs", False), ("u", "large", "docs", False),
        cost_usd=[1.0, 2.0, 50.0, None, 3.0, 4.0],
    )  # fmt: skip
    (small,) = estimates.costs_per_success(rows, "model_tier").filter(model_tier="small").to_dicts()
    (large,) = estimates.costs_per_success(rows, "model_tier").filter(model_tier="large").to_dicts()
    assert (small["n"], small["cost_per_success_usd"]) == (2, 3.0)
    # One of the two drawn may be the failure twice: no upper bound can be given.
    assert small["cost_per_success_usd_high"] is None
    assert (large["n"], large["cost_per_success_usd"]) == (2, None)


def test_quantile_bounds_are_order_statistics() -> None:
    rows = pl.DataFrame({"pool": ["p"] * 1000 + ["q"] * 5, "x": [float(i) for i in range(1000)] + [1.0] * 5})
    first, second = estimates.quantiles(rows, "x", 95, "pool").to_dicts()
    # np ± 1.96 √(np(1−p)) = 950 ± 13.51, as ranks from 1 rounded up: 937 and 964, whose values are one less.
    assert (first["x_p95_low"], first["x_p95_high"]) == (936.0, 963.0)
    assert first["x_p95"] == pytest.approx(949.05)
    assert (second["x_p95"], second["x_p95_low"], second["x_p95_high"]) == (1.0, None, None)


@given(st.integers(2, 400), st.integers(1, 99), st.integers(0, 2**32))
def test_quantile_stands_between_its_bounds(n: int, percent: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=n)
    rows = pl.DataFrame({"pool": ["p"] * n, "x": values})
    (row,) = estimates.quantiles(rows, "x", percent, "pool").to_dicts()
    low, at, high = (row[f"x_p{percent}{end}"] for end in ("_low", "", "_high"))
    told = n * min(percent, 100 - percent) >= 500
    assert (low is not None) == (high is not None) == told
    assert not told or low <= at <= high


def test_adjusting_undoes_a_mix_of_tasks() -> None:
    # Within either task type both tiers are equally good; the large one gets nine tenths of the hard tasks.
    hard = [("h", "large", "hard", i % 5 == 0) for i in range(90)] + [
        ("h", "small", "hard", i % 5 == 0) for i in range(10)
    ]
    easy = [("e", "large", "easy", i % 5 != 0) for i in range(10)] + [
        ("e", "small", "easy", i % 5 != 0) for i in range(90)
    ]
    large, small = estimates.adjusted_success_rates(attempts(*hard, *easy), "model_tier").to_dicts()
    assert (large["success_rate"], small["success_rate"]) == pytest.approx((0.26, 0.74))
    assert (large["success_rate_adjusted"], small["success_rate_adjusted"]) == pytest.approx((0.5, 0.5))
    assert (large["n_strata"], large["n_compared"]) == (2, 100)
    # By hand: weights ½ and ½; (s+1)/(n+2) is 19/92 at n = 90 and 9/12 at n = 10.
    spread = 0.25 * (19 / 92 * 73 / 92 / 90 + 9 / 12 * 3 / 12 / 10)
    assert large["success_rate_adjusted_high"] - 0.5 == pytest.approx(1.959964 * sqrt(spread), rel=1e-5)


def test_adjusting_leaves_out_retries_and_what_is_not_shared() -> None:
    shared = [("p", tier, "docs", i < 6) for tier in ("large", "small") for i in range(12)]
    alone = [("q", "large", "only-large", False)] * 50
    retried = attempts(*[("r", "large", "docs", False)] * 30).with_columns(is_retry=pl.lit(True))
    few = [("s", "medium", "docs", True)] * 3
    frame = pl.concat([attempts(*shared, *alone, *few), retried])
    rows = {
        row["model_tier"]: row for row in estimates.adjusted_success_rates(frame, "model_tier").to_dicts()
    }
    assert rows["large"]["success_rate"] == pytest.approx(6 / 92)
    assert rows["large"]["success_rate_adjusted"] == rows["small"]["success_rate_adjusted"] == 0.5
    assert (rows["medium"]["n_compared"], rows["medium"]["success_rate_adjusted"]) == (0, None)


def test_differences_are_paired_and_leave_out_retries() -> None:
    rng = np.random.default_rng(4)
    difficulty = rng.normal(0, 30, 200)
    groups = [f"p{i}" for i in range(200)]
    frame = pl.concat(
        [
            pl.DataFrame(
                {"task_group": groups, "model": model, "q": 50 + difficulty - gap + rng.normal(0, 1, 200)}
            )
            for model, gap in (("best", 0.0), ("near", 1.0), ("far", 9.0))
        ]
    ).with_columns(is_retry=pl.lit(False))
    retry = pl.DataFrame({"task_group": ["p0"], "model": ["best"], "q": [-1e6], "is_retry": [True]})
    rows = estimates.shared_differences(pl.concat([frame, retry]), "q", "model").to_dicts()
    assert [(row["model"], row["against"], row["n_shared"]) for row in rows] == [
        ("near", "best", 200), ("far", "best", 200)
    ]  # fmt: skip
    # Unpaired, an interval would be about 2 × 1.96 × 30 √(2/200) ≈ 12 wide.
    assert rows[0]["difference"] == pytest.approx(-1.0, abs=0.3)
    assert rows[0]["difference_high"] - rows[0]["difference_low"] < 1.0


def test_differences_need_a_shared_problem() -> None:
    rows = pl.DataFrame(
        {"task_group": ["a", "b"], "model": ["m", "n"], "success": [True, False], "is_retry": False}
    )
    assert estimates.shared_differences(rows, "success", "model").height == 0


@pytest.mark.parametrize(
    ("days", "length", "first"),
    [(10, "day", date(2026, 3, 4)), (60, "week", date(2026, 3, 2)), (300, "month", date(2026, 3, 1))],
)
def test_periods_suit_the_span(days: int, length: str, first: date) -> None:
    moments = [datetime(2026, 3, 4), datetime(2026, 3, 4).replace(day=4)]
    frame = pl.DataFrame({"at": [*moments, None]}, schema={"at": pl.Datetime("us")})
    late = pl.DataFrame({"at": [datetime.fromordinal(datetime(2026, 3, 4).toordinal() + days)]})
    found = estimates.periods(pl.concat([frame, late.cast({"at": pl.Datetime("us")})]), "at")
    assert found.height == 3
    assert (found["period"].min(), set(found["period_length"])) == (first, {length})


def test_halves_split_the_time_not_the_rows() -> None:
    frame = pl.DataFrame(
        {"day": [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 31), None]}
    )
    assert estimates.halves(frame, "day")["half"].to_list() == ["earlier"] * 3 + ["later"]
    assert estimates.halves(frame.clear(), "day").height == 0


def test_hours_of_day_follow_the_clock_of_a_zone() -> None:
    frame = pl.DataFrame({"hour": [datetime(2026, 7, 1, 22), datetime(2026, 1, 1, 22), None]})
    assert estimates.hours_of_day(frame, "Europe/Berlin")["hour_of_day"].to_list() == [0, 23]
    with pytest.raises(ReportError, match="'Mars/Olympus' is no time zone"):
        estimates.hours_of_day(frame, "Mars/Olympus")


def test_cost_bins_hold_every_cost_above_nothing() -> None:
    costs = pl.DataFrame(
        {"cost_estimate_usd": [0.011, 0.012, 1.5, 0.0], "cost_usd": [0.011, 0.012, 2.0, 1.0]}
    )
    bins = estimates.cost_bins(costs, per_decade=1)
    assert bins.rows() == [
        pytest.approx((0.01, 0.1, 0.01, 0.1, 2)),
        pytest.approx((1.0, 10.0, 1.0, 10.0, 1)),
    ]


def test_known_shares_by_hand() -> None:
    coverage = pl.DataFrame({"source": ["a"], "n_executions": [4], "n_verdicts": [3], "n_costs": [0]})
    assert estimates.known_shares(coverage).rows() == [
        ("a", 4, "verdicts", 3, 0.75),
        ("a", 4, "costs", 0, 0.0),
    ]


def test_attempts_at_one_problem_widen_the_interval_of_a_rate() -> None:
    problems = pl.DataFrame(
        {"task_group": [str(i) for i in range(100)], "success": [i % 2 == 0 for i in range(100)]}
    )
    named = problems.with_columns(tier=pl.lit("a"))
    once = estimates.success_rates_by_problem(named, "tier").to_dicts()[0]
    thrice = estimates.success_rates_by_problem(pl.concat([named] * 3), "tier").to_dicts()[0]
    assert (thrice["n_verdicts"], thrice["n_problems"]) == (300, 100)
    width = [row["success_rate_high"] - row["success_rate_low"] for row in (once, thrice)]
    assert width[1] == pytest.approx(width[0], rel=0.1)
