"""Sentences about estimates: what they claim, and when they refuse to."""

from __future__ import annotations

import polars as pl
import pytest

from learnlab.reports import sentences


def rates(*rows: tuple[str, float, float, float, int], column: str = "x") -> pl.DataFrame:
    names = ["tier", column, f"{column}_low", f"{column}_high", "n"]
    return pl.DataFrame(rows, schema=names, orient="row")


def plain(text: str) -> str:
    """Return a sentence with ordinary spaces, as a test writes it."""
    return text.replace("\u00a0", " ").replace("\u2060", "")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0, "usd", "$0"), (0.000012345, "usd", "$0.0000123"), (99.95, "plain", "100"), (1234567.0, "usd", "$1,234,567"),
     (-0.016, "rate", "−1.6 %"), (-1.6, "quality", "−1.6 points"), (100.4, "seconds", "100 s")],
)  # fmt: skip
def test_figures_have_a_unit_and_three_digits(value: float, unit: str, text: str) -> None:
    assert plain(sentences.shown(value, unit)) == text


def test_no_line_breaks_inside_a_figure() -> None:
    assert sentences.shown(-0.016, "rate") == "−\u20601.6\u00a0%"
    row = rates(("a", 0.5, 0.4, 0.6, 2140)).to_dicts()[0]
    assert sentences.estimated(row, "x", "rate", "n").endswith("n\u00a0=\u00a02,140)")


def test_a_difference_is_told_by_its_own_interval_not_by_overlap() -> None:
    close = rates(("a", 0.5, 0.4, 0.6, 90), ("b", 0.55, 0.45, 0.65, 90))
    said = plain(sentences.first_of(close, "tier", "x", "rate", "n", "rate"))
    assert said.startswith("b has the highest rate: 55.0 %")
    # The reach is the root of 10² + 10², 14.1 points.
    assert said.endswith(
        "The difference is 5.0 points (95 % interval −9.1 points to 19.1 points), too close to call."
    )
    overlapping = rates(("a", 0.5, 0.4, 0.6, 90), ("b", 0.65, 0.55, 0.75, 90))
    said = plain(sentences.first_of(overlapping, "tier", "x", "rate", "n", "rate"))
    assert said.endswith("15.0 points (95 % interval 0.9 points to 29.1 points), so it can be told.")


def test_attempts_at_fewer_problems_are_said() -> None:
    row = rates(("a", 0.5, 0.4, 0.6, 8757)).with_columns(n_problems=2919).to_dicts()[0]
    assert plain(sentences.estimated(row, "x", "rate", "n")).endswith("n = 8,757 on 2,919 problems)")


def test_few_observations_do_not_compete() -> None:
    frame = rates(("a", 1.0, 0.6, 1.0, 9), ("b", 0.5, 0.4, 0.6, 10))
    said = sentences.first_of(frame, "tier", "x", "rate", "n", "rate")
    assert said.startswith("Only b has the 10 observations that a comparison takes: rate 50.0")
    assert sentences.first_of(frame[:1], "tier", "x", "rate", "n", "rate").startswith("Too few to tell")
    alone = sentences.first_of(frame[1:], "tier", "x", "rate", "n", "rate")
    assert alone.startswith("Only b is there, so nothing is compared")


def test_a_source_that_names_no_pool_has_no_best_pool() -> None:
    frame = rates(("unknown", 0.5, 0.4, 0.6, 90)).rename({"tier": "pool_type"}).with_columns(n_executions=100)
    said = sentences.first_of(frame, "pool_type", "x", "rate", "n", "rate")
    assert said == "The source names no pool (100 executions): there is no rate to compare."


def test_a_bound_that_is_missing_proves_nothing() -> None:
    frame = pl.concat(
        [rates(("a", 1.0, 0.9, 1.1, 50)), rates(("b", 9.0, 8.0, 10.0, 50)).with_columns(x_high=None)]
    )
    said = sentences.first_of(frame, "tier", "x", "usd", "n", "cost", least=True)
    assert "$8 to no bound" in said
    assert said.endswith("no bound: too close to call.")


def test_changes_tell_only_what_the_intervals_allow() -> None:
    before = rates(("a", 0.8, 0.75, 0.85, 90), ("b", 0.5, 0.4, 0.6, 90), ("c", 0.9, 0.8, 1.0, 90))
    after = rates(("a", 0.6, 0.55, 0.65, 90), ("b", 0.45, 0.35, 0.55, 90), ("d", 0.1, 0.0, 0.2, 90))
    both = pl.concat([before.with_columns(half=pl.lit("earlier")), after.with_columns(half=pl.lit("later"))])
    said = sentences.changes(both, "tier", "x", "rate", "n", "rate")
    assert said.count("fell") == 1
    assert "a fell from 80.0 %" in plain(said)
    steady = sentences.changes(both.filter(tier="b"), "tier", "x", "rate", "n", "rate")
    assert steady.startswith("No rate changed")
    assert sentences.changes(both.filter(tier="c"), "tier", "x", "rate", "n", "rate").startswith("Too few")
    assert sentences.changes(both.clear(), "tier", "x", "rate", "n", "rate").startswith("No time is recorded")


def test_orders_say_when_the_mix_of_tasks_made_the_order() -> None:
    frame = pl.DataFrame(
        {
            "model_tier": ["large", "small"], "n_verdicts": [50, 50], "n_compared": [50, 50],
            "success_rate": [0.3, 0.7], "success_rate_adjusted": [0.6, 0.5],
            "success_rate_adjusted_low": [0.5, 0.4], "success_rate_adjusted_high": [0.7, 0.6],
        }
    )  # fmt: skip
    said = sentences.orders(frame)
    assert "the order is large, then small, not small, then large as routed" in said
    assert "(100 verdicts on first attempts)" in said
    assert said.endswith("The difference between large and small is too close to call.")
    same = frame.with_columns(
        success_rate=pl.Series([0.7, 0.3]),
        success_rate_adjusted_low=pl.Series([0.59, 0.4]),
        success_rate_adjusted_high=pl.Series([0.7, 0.55]),
    )
    assert sentences.orders(same).endswith("the order stays as routed: large, then small.")
    assert sentences.orders(frame[:1]).startswith("Too few")


def test_behind_names_the_level_and_the_worse() -> None:
    gaps = pl.DataFrame(
        {
            "model": ["near", "far"], "against": ["best", "best"], "n_shared": [40, 40], "difference": [-1.0, -5.0],
            "difference_low": [-2.0, -6.0], "difference_high": [0.5, -4.0],
        }
    )  # fmt: skip
    said = sentences.behind(gaps, "model", "quality", "mean quality")
    assert "near cannot be told apart from it" in said
    assert "1 behind it beyond their intervals, the nearest far: −5.0 points" in plain(said)
    assert sentences.behind(gaps.clear(), "model", "quality", "q").startswith("Too few problems")


def test_bias_is_told_only_beyond_the_interval() -> None:
    frame = rates(("small", 0.7, 0.6, 0.8, 50), ("medium", 1.0, 0.9, 1.1, 50), column="actual_per_estimate")
    said = sentences.biased(frame.rename({"tier": "model_tier"}))
    assert said.startswith("small is cheaper than estimated, by a factor of 0.7 ")
    assert "medium" not in said
    assert sentences.biased(frame.rename({"tier": "model_tier"})[1:]).startswith("No tier's costs differ")
    assert sentences.biased(frame.rename({"tier": "model_tier"}).clear()).startswith("Too few")


def test_data_sentences_say_all_some_or_none() -> None:
    assert sentences.timed(5, 5) == "All 5 executions have a recorded time."
    assert sentences.timed(1, 1) == "The only execution has a recorded time."
    assert sentences.timed(2, 5).startswith("3 of 5 executions have no recorded time")
    assert sentences.priced(5, 5) == "All 5 executions have a known cost."
    assert plain(sentences.flagged(1, 8)).startswith("1 of 8 executions (12.5 %) carry")
    assert sentences.judged(3, 4) == "3 of 4 executions have a known verdict."


def test_what_costs_leave_out_is_said_with_the_order_it_changes() -> None:
    frame = pl.DataFrame({"model": [f"m{i}" for i in range(7)] + ["m6"]})
    said = sentences.without_constants(frame)
    assert said.startswith("8 executions are left out")
    assert said.endswith(": 2 of m6, 1 of m0, 1 of m1, 1 of m2, 1 of m3, 2 of 2 other models.")
    tiers = pl.DataFrame({"tier": ["a", "b"], "x": [1.0, 2.0]})
    swapped = tiers.with_columns(x=-pl.col("x"))
    said = sentences.reordered(tiers, swapped, "tier", "x")
    assert (
        said
        == "What was left out changes the order: with it, lowest first, b, then a; without it, a, then b."
    )


def test_task_types_without_full_marks_are_compared_by_quality() -> None:
    def of(kind: str, success: bool, quality: float) -> pl.DataFrame:
        row = {"task_type": kind, "success": success, "quality_score": quality}
        return pl.DataFrame([row] * 12)

    bad, good = of("bug_fix", False, 3.0), of("refactor", False, 70.0)
    said = sentences.never_full(pl.concat([bad, good, of("docs", True, 100.0)]))
    assert said.startswith("In refactor under")
    assert "bug_fix" not in said
    assert "docs" not in said
    assert sentences.never_full(bad) == ""
