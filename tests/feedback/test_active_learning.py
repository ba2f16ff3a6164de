"""Whether an order beats random, by the rule of decision 0032: the default follows from what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from active_learning.__main__ import BATCH, MEASURED, N_BATCHES, SEEDS, N
from active_learning.rule import compared, default
from active_learning.trial import JUDGED, by_lookup, scores, spent, world

from learnlab.feedback.ordering import DEFAULT

PAGE = Path(__file__).resolve().parents[2] / "docs" / "decisions" / "0032-what-to-label-next.md"


def test_the_default_is_what_was_measured_and_the_page_has_its_figures() -> None:
    measured = pl.read_csv(MEASURED)
    assert default(measured) == DEFAULT
    page = PAGE.read_text(encoding="utf-8").replace("−", "-")
    for row in measured.filter(pl.col("score") != "brier").drop_nulls("gain").to_dicts():
        figures = [f"{1000 * row[name]:.1f}" for name in ("gain", "gain_low", "gain_high")]
        assert "{} [{}, {}]".format(*figures) in page, row
    assert f"{measured['n_fleets'][0]} fleets" in page


def trials(**gains: float) -> pl.DataFrame:
    """Eight fleets in which each order's log loss and regret are lower than random's by its gain."""
    return pl.DataFrame(
        {"seed": seed, "order": order, "predictor": "lookup", "brier": 0.2}
        | {"log_loss": 0.6 + seed / 100 - gain, "regret_usd": 0.1 + seed / 100 - gain}
        for seed in range(8)
        for order, gain in {"random": 0.0, **gains}.items()
    )


def test_the_rule_takes_the_best_of_those_that_are_surely_better_and_lose_no_money() -> None:
    assert default(compared(trials(age=0.01, mixed=0.02))) == "mixed"
    assert default(compared(trials(age=-0.01))) == "random"
    noise = (pl.col("seed") % 2 * 2 - 1) * 0.5 * (pl.col("order") == "age")
    assert default(compared(trials(age=0.01).with_columns(pl.col("log_loss") + noise))) == "random"
    dear = pl.when(pl.col("order") == "mixed").then(0.9).otherwise("regret_usd")
    assert default(compared(trials(age=0.01, mixed=0.02).with_columns(regret_usd=dear))) == "age"


def test_labels_are_spent_once_and_bring_the_expectation_nearer_to_the_truth() -> None:
    fleet = world(3, 600)
    before = scores(fleet, by_lookup(fleet, fleet.pool.clear()))
    after = scores(fleet, by_lookup(fleet, fleet.pool))
    assert after["log_loss"] < before["log_loss"]
    best = fleet.held.group_by("task_type", "model_tier", "repo").agg(
        expected=(pl.col("success_rate") * pl.col("n")).sum() / pl.col("n").sum()
    )
    assert scores(fleet, best)["log_loss"] < after["log_loss"]
    found = spent(fleet, 3, "mixed", 30, 2, predictors=["lookup"])
    assert found["n_labels"].to_list() == [30, 60]


@pytest.mark.soak
def test_measured_again_it_comes_to_the_same(soak: bool) -> None:
    if not soak:
        pytest.skip("forty seconds of processor time: `make soak`")
    found = [
        spent(one, seed, by, BATCH, N_BATCHES) for seed in SEEDS for one in [world(seed, N)] for by in JUDGED
    ]
    table, kept = compared(pl.concat(found)), pl.read_csv(MEASURED)
    assert default(table) == default(kept)
    assert table["mean"].to_list() == pytest.approx(kept["mean"].to_list(), abs=2e-3)
    assert re.search(rf"\b{len(SEEDS)}\b", PAGE.read_text(encoding="utf-8"))
