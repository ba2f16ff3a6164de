"""The simulated fleet against its own truth: what is drawn must be what the truth says, within chance.

Bounds are wide enough that all checks together fail by chance less than once in some thousand seeds; the seeds
are fixed, so they do not fail by chance at all, and a wrong truth of the size that matters is far outside.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from math import exp, sqrt
from pathlib import Path
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from learnlab.ingest import simulated_world as w
from learnlab.ingest.simulated_runs import draw_briefs
from learnlab.ingest.simulator import Fleet, simulate, truth
from learnlab.intervals import wilson
from learnlab.models import RoutingDecision
from learnlab.store import Store
from learnlab.store.frames import SCHEMA, conform

SEEDS = (0, 1, 2, 3)
CONTEXT = ["repo", "task_type", "model_tier", "pool_type", "phase"]


def z_limit(n_comparisons: int) -> float:
    """How many standard errors all of n comparisons stay within, with probability 99.99 %."""
    return NormalDist().inv_cdf(1 - 1e-4 / (2 * n_comparisons))


def with_phase(fleet: Fleet, frame: pl.DataFrame) -> pl.DataFrame:
    drift = pl.lit(fleet.truth.drift_at.replace(tzinfo=None), dtype=pl.Datetime("us"))
    after = pl.col("timestamp") >= drift
    return frame.with_columns(phase=pl.when(after).then(pl.lit("after")).otherwise(pl.lit("before")))


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


class TestFleet:
    def test_the_same_arguments_give_the_same_fleet(self) -> None:
        first, second = simulate(1500, 7), simulate(1500, 7)
        assert_frame_equal(first.executions, second.executions)
        assert_frame_equal(first.decisions, second.decisions)
        assert_frame_equal(first.feedback, second.feedback)

    @pytest.mark.parametrize(
        "other",
        [{"seed": 8}, {"n": 1501}, {"days": 91}, {"end": datetime(2026, 6, 1, tzinfo=UTC)}],
        ids=["seed", "n", "days", "end"],
    )
    def test_other_arguments_share_no_key_with_it(self, other: dict[str, object]) -> None:
        one = simulate(1500, 7).executions
        two = simulate(**({"n": 1500, "seed": 7} | other)).executions  # type: ignore[arg-type]
        for key in ("task_id", "record_key", "content_hash"):
            assert set(one[key]).isdisjoint(two[key])

    def test_every_row_is_a_valid_execution(self, fleet: Fleet) -> None:
        good, faults = conform(fleet.executions)
        assert faults.to_dicts() == []
        assert good.height == 20_000
        kept = good.select(fleet.executions.columns)
        assert_frame_equal(kept, fleet.executions.cast({name: SCHEMA[name] for name in kept.columns}))

    @given(
        n=st.integers(1, 300),
        seed=st.integers(0, 2**40),
        days=st.floats(0.01, 400),
        hour=st.integers(0, 23),
    )
    @settings(max_examples=25, deadline=None)
    def test_any_size_has_as_many_rows_and_stays_in_its_days(
        self, n: int, seed: int, days: float, hour: int
    ) -> None:
        end = datetime(2026, 3, 1, hour, 17, tzinfo=UTC)
        fleet = simulate(n, seed, end=end, days=days)
        executions = fleet.executions
        assert executions.height == n
        assert conform(executions)[1].height == 0
        assert executions["timestamp"].is_sorted()
        assert executions["source_position"].to_list() == list(range(1, n + 1))
        assert executions["timestamp"].min() >= (end - timedelta(days=days)).replace(tzinfo=None)
        assert executions["timestamp"].max() <= end.replace(tzinfo=None)
        for key in ("task_id", "record_key", "content_hash"):
            assert executions[key].n_unique() == n
        assert fleet.decisions["task_id"].to_list() == (
            executions.filter(pl.col("attempt") == 1)["task_id"].to_list()
        )

    def test_the_content_hash_follows_the_content(self, fleet: Fleet) -> None:
        first = fleet.executions.drop("record_key", "content_hash").head(1)
        line = first.write_ndjson().rstrip("\n").encode()
        assert fleet.executions["content_hash"][0].replace("-", "") == sha256(line).hexdigest()[:32]

    def test_the_same_fleet_stored_twice_counts_once(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "fleet.duckdb").ensure()
        first = store.add(conform(simulate(300, 7).executions)[0])
        again = store.add(conform(simulate(300, 7).executions)[0])
        assert (first.n_accepted, first.n_duplicates) == (300, 0)
        assert (again.n_accepted, again.n_duplicates) == (0, 300)
        assert store.sql("select count(*) as n from executions")["n"].item() == 300

    def test_an_end_without_zone_is_utc_and_any_other_zone_is_converted(self) -> None:
        naive = simulate(50, end=datetime(2026, 6, 1)).executions
        utc = simulate(50, end=datetime(2026, 6, 1, tzinfo=UTC)).executions
        elsewhere = datetime(2026, 6, 1, 2, tzinfo=timezone(timedelta(hours=2)))
        assert_frame_equal(naive, utc)
        assert_frame_equal(simulate(50, end=elsewhere).executions, utc)

    @pytest.mark.parametrize("wrong", [{"n": 0}, {"days": 0}, {"seed": -1}], ids=["n", "days", "seed"])
    def test_what_cannot_be_simulated_is_refused(self, wrong: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="cannot simulate"):
            simulate(**wrong)

    def test_a_retry_follows_a_known_failure_one_tier_up(self, fleet: Fleet) -> None:
        tiers = {tier: at for at, tier in enumerate(w.TIERS)}
        rows = fleet.executions.with_columns(rank=pl.col("model_tier").replace_strict(tiers))
        retries = rows.filter(pl.col("attempt") > 1)
        before = rows.select("task_group", "rank", "success", "timestamp", attempt=pl.col("attempt") + 1)
        pairs = retries.join(before, on=["task_group", "attempt"], suffix="_before")
        assert pairs.height == retries.height > 1000
        assert (pairs["rank"] == pairs["rank_before"] + 1).all()
        assert (pairs["success_before"] == False).all()  # noqa: E712
        assert (pairs["timestamp"] > pairs["timestamp_before"]).all()
        assert pairs["propensity"].null_count() == pairs.height
        firsts = rows.filter(pl.col("attempt") == 1)
        assert (firsts["task_group"] == firsts["task_id"]).all()
        assert firsts["propensity"].null_count() == 0

    def test_only_known_failures_carry_an_error(self, fleet: Fleet) -> None:
        rows = fleet.executions
        failed = rows.filter(pl.col("success") == False)  # noqa: E712
        assert failed["error_type"].null_count() == failed["error_message"].null_count() == 0
        assert rows["error_type"].count() == failed.height
        assert set(failed["error_type"]) == {"timeout", "quality_gate", "crash", "validation", "unknown"}
        assert (rows["success"].is_null() == (rows["success_source"] == "unknown")).all()
        assert (rows["actual_cost"].is_null() == (rows["cost_source"] == "unknown")).all()
        slow = failed.filter(pl.col("error_type") == "timeout")["duration_seconds"].median()
        quick = failed.filter(pl.col("error_type") != "timeout")["duration_seconds"].median()
        assert slow > 2 * quick


class TestTruth:
    def test_it_is_the_same_without_executions(self, fleets: list[Fleet]) -> None:
        for seed, fleet in zip(SEEDS, fleets, strict=True):
            alone = truth(seed)
            assert alone.drift_at == fleet.truth.drift_at == datetime(2026, 6, 12, tzinfo=UTC)
            assert_frame_equal(alone.contexts, fleet.truth.contexts)
            assert_frame_equal(alone.solutions, fleet.truth.solutions)
        assert not truth(0).contexts.equals(truth(1).contexts)

    def test_a_context_is_the_mean_over_its_models_and_solutions(self) -> None:
        world = w.world(5)
        expected = 0.0
        for m, model_share in enumerate((0.7, 0.3)):
            for s, solution_share in enumerate((0.35, 0.45, 0.20)):
                expected += model_share * solution_share * world.success[2, 4, 1, 3, 0, m, s]
        row = truth(5).contexts.filter(
            repo="kite-mobile",
            task_type="feature",
            model_tier="medium",
            pool_type="kubernetes",
            phase="before",
        )
        assert row["success_rate"].item() == pytest.approx(expected)
        # size 1.1, feature 210 s, medium 1.0, kubernetes 1.1; the mean of a log-normal is e^(σ²/2) medians
        assert row["median_duration_seconds"].item() == pytest.approx(254.1)
        assert row["mean_duration_seconds"].item() == pytest.approx(254.1 * exp(0.18))
        # 38,000 × 1.1 tokens in, 4 in 10 of them cached at a tenth; 8,000 × 1.1 out
        paid = 41_800 * 0.64
        cost = 0.7 * (paid * 2.5 + 8_800 * 11) + 0.3 * (paid * 3.0 + 8_800 * 14)
        assert row["mean_cost_usd"].item() == pytest.approx(cost / 1e6)

    def test_the_success_of_one_cell_adds_up_in_log_odds(self) -> None:
        log_odds = np.log(w.world(5).success / (1 - w.world(5).success))
        # swift-2 over swift-1 0.35; a sound over a brittle solution 2.2; mahavishnu over runpod 0.15
        assert log_odds[1, 1, 0, 0, 0, 1, 0] - log_odds[1, 1, 0, 0, 0, 0, 0] == pytest.approx(0.35)
        assert log_odds[1, 1, 0, 0, 0, 0, 0] - log_odds[1, 1, 0, 0, 0, 0, 2] == pytest.approx(2.2)
        assert log_odds[1, 1, 0, 0, 0, 0, 0] - log_odds[1, 1, 0, 2, 0, 0, 0] == pytest.approx(0.15)
        change = log_odds[:, :, :, :, 1] - log_odds[:, :, :, :, 0]
        assert change[:, 0, 1].round(9).tolist() == np.full((8, 4, 2, 3), -1.5).tolist()
        assert np.count_nonzero(change.round(9)) == 8 * 4 * 2 * 3

    def test_its_tables_agree_with_each_other(self, fleet: Fleet) -> None:
        known = fleet.truth
        weighted = (pl.col("success_rate") * pl.col("share")).sum() / pl.col("share").sum()
        overall = (
            known.contexts.group_by("phase").agg(rate=weighted, share=pl.col("share").sum()).sort("phase")
        )
        assert overall["share"].to_list() == pytest.approx([1, 1])
        for table in (known.tiers, known.models, known.pools):
            again = table.group_by("phase").agg(rate=weighted, share=pl.col("share").sum()).sort("phase")
            assert again["rate"].to_list() == pytest.approx(overall["rate"].to_list())
            assert again["share"].to_list() == pytest.approx([1, 1])
        by_tier = known.contexts.group_by("model_tier", "phase").agg(rate=weighted)
        both = known.tiers.join(by_tier, on=["model_tier", "phase"])
        assert both["rate"].to_list() == pytest.approx(both["success_rate"].to_list())
        by_model = known.models.group_by("model_tier", "phase").agg(rate=weighted)
        both = known.tiers.join(by_model, on=["model_tier", "phase"])
        assert both["rate"].to_list() == pytest.approx(both["success_rate"].to_list())
        tried = known.solutions.group_by("topic", "task_type", "phase").agg(pl.col("share").sum())
        assert tried["share"].to_list() == pytest.approx([1] * tried.height)
        propensities = known.contexts.group_by("repo", "task_type", "pool_type", "phase").agg(
            pl.col("propensity").sum()
        )
        assert propensities["propensity"].to_list() == pytest.approx([1] * propensities.height)
        assert known.contexts["propensity"].min() >= 0.1

    def test_each_kind_of_solution_really_is_better_than_the_next(self, fleet: Fleet) -> None:
        wide = fleet.truth.solutions.pivot(
            on="kind", index=["topic", "task_type", "phase"], values="success_rate"
        )
        assert wide.height == 7 * 6 * 2
        assert (wide["sound"] > wide["plain"] + 0.05).all()
        assert (wide["plain"] > wide["brittle"] + 0.1).all()


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


class TestDecisions:
    def test_they_are_valid_and_their_propensities_sum_to_one(self, fleet: Fleet) -> None:
        for row in fleet.decisions.head(400).iter_rows(named=True):
            texts = {name: json.loads(row[name]) for name in ("candidates", "chosen", "context")}
            decision = RoutingDecision(**(row | texts))
            assert sum(candidate.propensity or 0 for candidate in decision.candidates) == pytest.approx(1)
            assert [str(candidate.tier) for candidate in decision.candidates] == list(w.TIERS)
            assert decision.chosen in decision.candidates

    def test_what_was_chosen_is_what_ran(self, fleet: Fleet) -> None:
        chosen = pl.col("chosen").str.json_decode(
            pl.Struct({"model": pl.String, "tier": pl.String, "pool": pl.String, "propensity": pl.Float64})
        )
        rows = fleet.decisions.select("task_id", "timestamp", chosen.struct.unnest())
        first = fleet.executions.filter(pl.col("attempt") == 1).select(
            "task_id", "timestamp", "model", tier="model_tier", pool="pool_type", propensity="propensity"
        )
        assert_frame_equal(rows, first)

    def test_tiers_are_chosen_as_often_as_the_propensities_say(self, fleets: list[Fleet]) -> None:
        for fleet in fleets:
            first = fleet.executions.filter(pl.col("attempt") == 1).select("repo", "task_type", "model_tier")
            policy = fleet.truth.contexts.filter(phase="before", pool_type="runpod").select(
                "repo", "task_type", "propensity", tier="model_tier"
            )
            both = first.join(policy, on=["repo", "task_type"])
            p = pl.col("propensity")
            off = both.group_by("repo", "task_type", "tier").agg(
                z=((pl.col("model_tier") == pl.col("tier")).sum() - p.sum()) / (p * (1 - p)).sum().sqrt()
            )
            assert off.height == 8 * 7 * 3
            assert off["z"].abs().max() < z_limit(off.height * len(SEEDS))

    def test_ips_finds_what_the_naive_rate_misses(self, fleets: list[Fleet]) -> None:
        missed = 0
        for fleet in fleets:
            rows = with_phase(fleet, fleet.executions).filter(
                pl.col("propensity").is_not_null(), phase="before"
            )
            rows = rows.drop_nulls("success")
            tiers = fleet.truth.tiers.filter(phase="before")
            for tier, value in tiers.select("model_tier", "success_rate_if_uniform").iter_rows():
                chosen = (rows["model_tier"] == tier).to_numpy()
                success = rows["success"].to_numpy()
                weighted = chosen * success / rows["propensity"].to_numpy()
                error = weighted.std() / sqrt(len(weighted))
                assert abs(weighted.mean() - value) < z_limit(12) * error, tier
                naive = wilson(int(success[chosen].sum()), int(chosen.sum()), 0.9999)
                missed += not naive.low <= value <= naive.high
            uniform = rows["success"].to_numpy() / 3 / rows["propensity"].to_numpy()
            error = uniform.std() / sqrt(len(uniform))
            assert abs(uniform.mean() - tiers["success_rate_if_uniform"].mean()) < z_limit(4) * error
        assert missed >= len(SEEDS)


class TestFeedback:
    def test_who_answers_depends_on_the_outcome_as_stated(self, fleets: list[Fleet]) -> None:
        for success, expected in ((True, 0.08), (False, 0.30)):
            table = fleets[0].truth.feedback.filter(pl.col("success") == success)
            assert table["answer_rate"].item() == expected
            asked = [f.executions.filter(pl.col("success") == success) for f in fleets]
            n_answers = sum(
                rows.join(f.feedback, on="task_id", how="semi").height
                for rows, f in zip(asked, fleets, strict=True)
            )
            rate = wilson(n_answers, sum(rows.height for rows in asked), 0.9999)
            assert rate.low <= expected <= rate.high

    def test_so_feedback_alone_paints_too_dark_a_picture(self, fleet: Fleet) -> None:
        rows = fleet.executions.drop_nulls("success")
        answered = rows.join(fleet.feedback, on="task_id", how="semi")
        assert answered["success"].mean() < rows["success"].mean() - 0.2

    def test_satisfaction_is_drawn_as_stated(self, fleets: list[Fleet]) -> None:
        both = pl.concat([f.executions.join(f.feedback, on="task_id").drop_nulls("success") for f in fleets])
        for success in (True, False):
            rows = both.filter(pl.col("success") == success)
            stated = fleets[0].truth.feedback.filter(pl.col("success") == success)
            for level in w.LEVELS:
                n = (rows["satisfaction"] == level).sum()
                rate = wilson(n, rows.height, 1 - 1e-4 / 10)
                assert rate.low <= stated[f"{level}_rate"].item() <= rate.high, (success, level)
            accepted = wilson(int(rows["user_accepted"].sum()), rows.height, 0.9999)
            assert accepted.low <= stated["accepted_rate"].item() <= accepted.high

    def test_answers_fit_their_executions(self, fleet: Fleet) -> None:
        both = fleet.feedback.join(fleet.executions, on="task_id", suffix="_run")
        assert both.height == fleet.feedback.height > 2000
        assert (both["timestamp"] > both["timestamp_run"]).all()
        worth = both["satisfaction"].replace_strict({"excellent": 5, "good": 4, "fair": 3, "poor": 2})
        assert worth.to_list() == both["user_rating"].to_list()
        is_low = both["satisfaction"].is_in(["fair", "poor"])
        assert (both["issues"].list.len() == is_low.cast(pl.UInt32)).all()
        assert fleet.executions["user_rating"].count() == fleet.feedback.height
        assert fleet.feedback["feedback_id"].n_unique() == fleet.feedback.height


class TestTexts:
    def test_a_text_is_used_about_twice(self, fleet: Fleet) -> None:
        n_texts = fleet.executions["task_description"].n_unique()
        assert 1.8 < fleet.executions.height / n_texts < 2.2
        per_brief = fleet.executions.group_by(
            pl.col("metadata").str.json_path_match("$.brief")
        ).agg(pl.col("task_description").n_unique())  # fmt: skip
        assert per_brief["task_description"].unique().to_list() == [1]
        nightly = fleet.executions.filter(pl.col("metadata").str.json_path_match("$.is_nightly") == "true")
        hours = nightly.filter(pl.col("attempt") == 1)["timestamp"].dt.hour().unique().sort()
        assert hours.to_list() == [1, 2]

    def test_there_are_tens_of_thousands_of_them(self) -> None:
        briefs = draw_briefs(np.random.default_rng(0), w.world(0), 40_000)
        assert briefs["text"].n_unique() > 38_000
        assert briefs["topic"].n_unique() == 42

    def test_near_texts_speak_of_the_same_topic(self, fleet: Fleet) -> None:
        topic = pl.col("metadata").str.json_path_match("$.topic").alias("topic")
        rows = fleet.executions.select("task_description", topic).unique(maintain_order=True).head(1200)
        counts = [Counter(re.findall(r"[a-z]+", text.lower())) for text in rows["task_description"]]
        place = {word: at for at, word in enumerate(sorted(set().union(*counts)))}
        matrix = np.zeros((len(counts), len(place)))
        for row, words in enumerate(counts):
            matrix[row, [place[word] for word in words]] = list(words.values())
        matrix *= np.log(len(counts) / (matrix > 0).sum(axis=0))
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        cosine = matrix @ matrix.T
        np.fill_diagonal(cosine, -1)
        topics = rows["topic"].to_numpy()
        nearest = topics[np.argsort(-cosine, axis=1)[:, :10]]
        found = (nearest == topics[:, None]).mean()
        chance = sum((np.sum(topics == one) / len(topics)) ** 2 for one in set(topics))
        assert chance < 0.05
        assert found > 0.6
