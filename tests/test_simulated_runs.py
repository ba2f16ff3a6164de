"""What is drawn against the truth: rates, costs and durations within chance, the drift where it is stated.

Bounds are wide enough that all checks together fail by chance less than once in some thousand seeds; the seeds
are fixed, so they do not fail by chance at all, and a wrong truth of the size that matters is far outside.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest
from fleets import SEEDS, with_phase, z_limit

from learnlab.ingest.simulation import simulated_world as w
from learnlab.ingest.simulation.simulator import Fleet, simulate
from learnlab.intervals import wilson

CONTEXT = ["repo", "task_type", "model_tier", "pool_type", "phase"]


@pytest.fixture(scope="module")
def fleets() -> list[Fleet]:
    return [simulate(20_000, seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def fleet(fleets: list[Fleet]) -> Fleet:
    return fleets[0]


@pytest.fixture(scope="module")
def known(fleets: list[Fleet]) -> pl.DataFrame:
    """Executions with a known verdict of all seeds, each beside the truth of its context."""
    parts = []
    for seed, fleet in zip(SEEDS, fleets, strict=True):
        rows = with_phase(fleet, fleet.executions).filter(pl.col("success").is_not_null())
        truths = fleet.truth.contexts.drop("propensity", "share")
        parts.append(rows.join(truths, on=CONTEXT, how="left").with_columns(seed=pl.lit(seed)))
    return pl.concat(parts)


def standard_errors_off(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Per group: how many standard errors the successes are off the sum of the true probabilities."""
    p = pl.col("success_rate")
    variance = (p * (1 - p)).sum()
    off = (pl.col("success").cast(pl.Float64) - p).sum() / variance.sqrt()
    return rows.group_by(by).agg(z=off, variance=variance).filter(pl.col("variance") >= 20)


class TestOutcomes:
    @pytest.mark.parametrize(
        "by",
        [
            ["model_tier"],
            ["repo"],
            ["task_type"],
            ["pool_type"],
            ["attempt"],
            ["model_tier", "task_type"],
            CONTEXT,
        ],
        ids="+".join,
    )
    def test_successes_are_what_the_contexts_say(self, known: pl.DataFrame, by: list[str]) -> None:
        off = standard_errors_off(known, list(dict.fromkeys(["seed", "phase", *by])))
        assert off.height >= 6
        assert off["z"].abs().max() < z_limit(off.height)

    def test_a_truth_that_is_wrong_would_be_noticed(self, known: pl.DataFrame) -> None:
        wrong = known.with_columns(success_rate=pl.col("success_rate") - 0.03)
        off = standard_errors_off(wrong, ["seed"])
        assert off["z"].min() > z_limit(off.height)

    def test_rates_as_logged_are_what_the_tables_say(self, fleets: list[Fleet]) -> None:
        for fleet in fleets:
            rows = with_phase(fleet, fleet.executions).drop_nulls("success")
            for by, table in (("model_tier", "tiers"), ("model", "models"), ("pool_type", "pools")):
                seen = rows.group_by(by, "phase").agg(n=pl.len(), s=pl.col("success").sum())
                for row in seen.join(getattr(fleet.truth, table), on=[by, "phase"]).iter_rows(named=True):
                    rate = wilson(row["s"], row["n"], 1 - 1e-4 / 100)
                    assert rate.low <= row["success_rate"] <= rate.high, row

    def test_shares_are_what_the_tables_say(self, fleets: list[Fleet]) -> None:
        for fleet in fleets:
            rows = with_phase(fleet, fleet.executions)
            for by, table in (("model_tier", "tiers"), ("model", "models"), ("pool_type", "pools")):
                seen = rows.group_by(by, "phase").agg(n=pl.len())
                seen = seen.with_columns(seen=pl.col("n") / pl.col("n").sum().over("phase"))
                both = seen.join(getattr(fleet.truth, table), on=[by, "phase"])
                # one brief in sixteen is repeated some fifteen times: errors are about twice the binomial
                error = (pl.col("share") * (1 - pl.col("share")) / pl.col("n").sum().over("phase")).sqrt()
                off = both.select((pl.col("seen") - pl.col("share")).abs() / error / 2).to_series()
                assert off.max() < z_limit(100)
            failed = rows.filter(pl.col("model_tier") != "large", pl.col("success") == False)  # noqa: E712
            retried = rows.filter(pl.col("attempt") > 1).height
            rate = wilson(retried, failed.height, 1 - 1e-4 / 4)
            assert rate.low <= w.RETRY_RATE <= rate.high

    def test_solutions_succeed_as_often_as_the_table_says(self, fleets: list[Fleet]) -> None:
        for fleet in fleets:
            rows = with_phase(fleet, fleet.executions).drop_nulls("success")
            seen = rows.group_by("task_type", "solution_summary", "phase").agg(
                n=pl.len(), s=pl.col("success").sum()
            )
            both = seen.join(fleet.truth.solutions, on=["task_type", "solution_summary", "phase"])
            assert both.height == seen.height > 240
            for row in both.iter_rows(named=True):
                rate = wilson(row["s"], row["n"], 1 - 1e-4 / 1000)
                assert rate.low <= row["success_rate"] <= rate.high, row

    def test_costs_and_estimates_are_what_the_tables_say(self, fleets: list[Fleet]) -> None:
        limit = z_limit(4 * 3 * 2 * 2)
        for fleet in fleets:
            rows = with_phase(fleet, fleet.executions).drop_nulls("actual_cost")
            error = (pl.col("actual_cost") - pl.col("cost_estimate")).alias("error")
            seen = rows.with_columns(error).group_by("model_tier", "phase").agg(
                pl.col("actual_cost").mean().alias("cost"),
                pl.col("error").mean(),
                cost_se=pl.col("actual_cost").std() / pl.len().sqrt(),
                error_se=pl.col("error").std() / pl.len().sqrt(),
            )  # fmt: skip
            keys = ["model_tier", "phase"]
            both = seen.join(fleet.truth.tiers, on=keys).join(fleet.truth.estimates, on=keys)
            assert both.height == 6
            assert ((both["cost"] - both["mean_cost_usd"]).abs() < limit * both["cost_se"]).all()
            assert ((both["error"] - both["mean_error_usd"]).abs() < limit * both["error_se"]).all()

    def test_each_tier_is_over_or_underestimated_as_stated(self, fleet: Fleet) -> None:
        ratios = {
            (row["model_tier"], row["phase"]): row["estimate_ratio"]
            for row in fleet.truth.estimates.to_dicts()
        }
        assert ratios["small", "before"] == ratios["small", "after"] == pytest.approx(1.3)
        assert ratios["medium", "before"] == pytest.approx(1.0)
        assert ratios["large", "before"] == pytest.approx(0.7)
        assert ratios["large", "after"] == pytest.approx(0.56)
        rows = with_phase(fleet, fleet.executions).drop_nulls("actual_cost")
        seen = rows.group_by("model_tier", "phase").agg(
            ratio=pl.col("cost_estimate").mean() / pl.col("actual_cost").mean()
        )
        for row in seen.iter_rows(named=True):
            assert row["ratio"] == pytest.approx(ratios[row["model_tier"], row["phase"]], rel=0.06)

    def test_durations_are_log_normal_around_the_true_median(self, known: pl.DataFrame) -> None:
        ratio = (pl.col("duration_seconds") / pl.col("median_duration_seconds")).log()
        off = known.group_by("seed", "phase", "pool_type").agg(
            z=ratio.mean() / (w.DURATION_SPREAD / pl.len().sqrt()), spread=ratio.std(), n=pl.len()
        )
        assert off["z"].abs().max() < z_limit(off.height)
        assert (
            (off["spread"] - w.DURATION_SPREAD).abs() < 5 * w.DURATION_SPREAD / (2 * off["n"]).sqrt()
        ).all()
        mean = known["duration_seconds"].mean() / known["mean_duration_seconds"].mean()
        assert mean == pytest.approx(1, abs=0.02)

    def test_verdicts_go_missing_whatever_they_are(self, fleets: list[Fleet]) -> None:
        n = sum(fleet.executions.height for fleet in fleets)
        n_known = sum(fleet.executions["success"].count() for fleet in fleets)
        rate = wilson(n_known, n, 0.9999)
        assert rate.low <= w.VERDICT_RATE <= rate.high


class TestDrift:
    def test_a_tier_gets_worse_on_one_task_type(self, known: pl.DataFrame) -> None:
        rates = known.group_by("model_tier", "task_type", "phase").agg(rate=pl.col("success").mean())
        of = {tuple(row[:3]): row[3] for row in rates.iter_rows()}
        changed = {phase: of["medium", "bugfix", phase] for phase in w.PHASES}
        steady = {phase: of["medium", "test", phase] for phase in w.PHASES}
        assert changed["before"] - changed["after"] > 0.2
        assert abs(steady["before"] - steady["after"]) < 0.05

    def test_a_pool_gets_slower_and_a_tier_dearer(self, known: pl.DataFrame) -> None:
        size = pl.col("repo").replace_strict(
            {repo: row[2] for repo, row in w.REPOS.items()}, return_dtype=pl.Float64
        )
        base = pl.col("task_type").replace_strict(
            {kind: row[5] for kind, row in w.TASK_TYPES.items()}, return_dtype=pl.Float64
        )
        tier = pl.col("model_tier").replace_strict(
            {k: row[1] for k, row in w.TIERS.items()}, return_dtype=pl.Float64
        )
        speed = (pl.col("duration_seconds") / (size * base * tier)).median()
        pools = known.group_by("pool_type", "phase").agg(speed=speed).pivot(on="phase", index="pool_type")
        ratio = dict(pools.select("pool_type", pl.col("after") / pl.col("before")).iter_rows())
        assert ratio.pop("runpod") == pytest.approx(1.8, rel=0.06)
        assert list(ratio.values()) == pytest.approx([1.0] * 3, rel=0.05)

    def test_the_table_says_what_and_when(self, fleet: Fleet) -> None:
        drift = fleet.truth.drift
        assert drift["figure"].to_list() == ["success", "duration_seconds", "actual_cost"]
        assert drift["size"].to_list() == [-1.5, 1.8, 1.25]
        assert drift["happens_at"].unique().to_list() == [datetime(2026, 6, 12)]
