"""The truth of the simulated fleet against figures worked out by hand, and its tables against each other."""

from __future__ import annotations

from datetime import UTC, datetime
from math import exp

import numpy as np
import polars as pl
import pytest
from fleets import SEEDS
from polars.testing import assert_frame_equal

from learnlab.ingest.simulation import simulated_world as w
from learnlab.ingest.simulation.simulator import simulate, truth


class TestTruth:
    def test_it_is_the_same_without_executions(self) -> None:
        for seed in SEEDS:
            alone, with_fleet = truth(seed), simulate(100, seed).truth
            assert alone.drift_at == with_fleet.drift_at == datetime(2026, 6, 12, tzinfo=UTC)
            assert_frame_equal(alone.contexts, with_fleet.contexts)
            assert_frame_equal(alone.solutions, with_fleet.solutions)
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

    def test_its_tables_agree_with_each_other(self) -> None:
        known = truth(0)
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

    def test_each_kind_of_solution_really_is_better_than_the_next(self) -> None:
        wide = truth(0).solutions.pivot(
            on="kind", index=["topic", "task_type", "phase"], values="success_rate"
        )
        assert wide.height == 7 * 6 * 2
        assert (wide["sound"] > wide["plain"] + 0.05).all()
        assert (wide["plain"] > wide["brittle"] + 0.1).all()
