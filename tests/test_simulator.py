"""The simulated fleet as frames: valid, the same every time, with decisions and feedback as stated."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from math import sqrt
from pathlib import Path

import polars as pl
import pytest
from fleets import SEEDS, with_phase, z_limit
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from learnlab.events import RoutingDecision
from learnlab.ingest.simulation import simulated_world as w
from learnlab.ingest.simulation.simulator import Fleet, simulate
from learnlab.intervals import wilson
from learnlab.store import Store
from learnlab.store.frames import conform
from learnlab.store.limits import SCHEMA


@pytest.fixture(scope="module")
def fleets() -> list[Fleet]:
    return [simulate(20_000, seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def fleet(fleets: list[Fleet]) -> Fleet:
    return fleets[0]


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
