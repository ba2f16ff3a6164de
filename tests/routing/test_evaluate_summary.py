from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from routing_worlds import all_tried, world

from learnlab.errors import RoutingError
from learnlab.intervals import TOO_FEW, Interval
from learnlab.routing.evaluate.choices import achieved
from learnlab.routing.evaluate.curves import POINTS, bought_curves, kept_curves
from learnlab.routing.evaluate.held import Held
from learnlab.routing.evaluate.outcomes import Outcomes, outcomes
from learnlab.routing.evaluate.resampling import estimates, gaps, means, together, verdict
from learnlab.routing.evaluate.summary import aiq_summary, by_type, recovered_summary, summary
from learnlab.routing.preference import AboveFloor, PriceOfQuality, WithinBudget
from learnlab.routing.router import Expected
from learnlab.routing.splits import by_group

WORTH = PriceOfQuality(1.0)


def expecting(quality, cost):
    return Expected(quality, np.zeros_like(quality), cost, np.zeros_like(cost))


def held(n=300, seed=0, rows=None):
    """A world's tasks, judged by one who knows the truth, by one who sees noise, and by two who always choose one."""
    truth = world(n, seed)
    noise = np.random.default_rng(seed).uniform(size=truth.quality.shape)
    judged = Held(
        outcomes(all_tried(truth, seed)),
        {
            "large": np.full(n, 2),
            "truth": expecting(truth.quality, truth.cost),
            "noise": expecting(noise, truth.cost),
            "even": np.full((n, 3), 1 / 3),
        },
    )
    return judged if rows is None else judged.take(rows)


def row(table, router):
    return table.row(by_predicate=pl.col("router") == router, named=True)


def test_the_table_holds_the_figures_of_the_choices_and_who_is_better():
    one = held()
    table = summary([one], WORTH, "large")
    large, truth = row(table, "large"), row(table, "truth")
    assert table["router"].to_list() == list(one.routers)
    assert (large["n"], large["n_judged"], large["verdict"]) == (300, 300, "the reference")
    assert large["mean_quality"] == pytest.approx(one.outcomes.quality[:, 2].mean())
    assert large["mean_cost_usd"] == pytest.approx(one.outcomes.cost[:, 2].mean())
    assert large["mean_value"] == pytest.approx(large["mean_quality"] - large["mean_cost_usd"])
    worth = one.outcomes.quality - one.outcomes.cost
    assert large["mean_regret"] == pytest.approx((worth.max(axis=1) - worth[:, 2]).mean())
    assert large["share_best"] == pytest.approx((worth[:, 2] == worth.max(axis=1)).mean())
    assert large["value_gain"] == large["value_gain_low"] == 0
    assert truth["verdict"] == "better"
    assert truth["value_gain"] == pytest.approx(truth["mean_value"] - large["mean_value"])
    assert 0 < truth["value_gain_low"] < truth["value_gain"] < truth["value_gain_high"]
    assert row(summary([one], WORTH, "truth"), "even")["verdict"] == "worse"
    for name in ("mean_quality", "mean_cost_usd", "mean_regret", "share_best"):
        assert truth[f"{name}_low"] < truth[name] < truth[f"{name}_high"]


def test_a_gain_is_surer_than_the_two_figures_it_lies_between():
    one = held()
    almost = np.full(300, 2)
    almost[:15] = 1
    table = summary([Held(one.outcomes, {"large": np.full(300, 2), "almost": almost})], WORTH, "large")
    found = row(table, "almost")
    wide = found["mean_value_high"] - found["mean_value_low"]
    assert found["value_gain_high"] - found["value_gain_low"] < wide / 2


def test_a_limit_that_is_not_kept_stands_instead_of_the_verdict():
    one = held()
    table = summary([one], WithinBudget(0.2), "noise")
    assert row(table, "large")["verdict"] == "over the budget"
    assert row(table, "truth")["mean_cost_usd"] < 0.2
    assert row(table, "truth")["verdict"] == "better"
    table = summary([one], AboveFloor(0.75), "large")
    assert row(table, "even")["verdict"] == "below the floor"
    assert row(table, "truth")["verdict"] in ("better", "worse", "too close to tell")


def test_by_type_is_the_table_of_each_type_and_says_where_there_are_too_few():
    one = held(120)
    kinds = one.outcomes.task_type.copy()
    kinds[: TOO_FEW - 1] = "rare"
    one = replace(one, outcomes=replace(one.outcomes, task_type=kinds))
    table = by_type([one], lambda part: summary(part, WORTH, "large"))
    assert sorted(set(table["task_type"])) == ["bugfix", "docs", "feature", "rare"]
    docs = summary([one.take(kinds == "docs")], WORTH, "large")
    assert table.filter(task_type="docs").drop("task_type").equals(docs)
    rare = row(table.filter(task_type="rare"), "truth")
    assert (rare["n"], rare["verdict"], rare["value_gain_low"]) == (TOO_FEW - 1, "too few to tell", None)
    assert rare["mean_quality"] is not None


def test_several_splits_are_averaged_and_share_their_groups():
    parts = [by_group(all_tried(world(300)), seed).judged_rows for seed in range(3)]
    splits = [held(rows=rows) for rows in parts]
    table = summary(splits, WORTH, "large")
    found = row(table, "truth")
    apart = [row(summary([one], WORTH, "large"), "truth") for one in splits]
    assert found["value_gain"] == pytest.approx(np.mean([one["value_gain"] for one in apart]))
    assert found["n"] == len(np.unique(np.concatenate(parts))) < found["n_judged"] == 180
    width = [one["value_gain_high"] - one["value_gain_low"] for one in apart]
    assert found["value_gain_high"] - found["value_gain_low"] < np.mean(width)


def pair(n=200, seed=0):
    one = held(n, seed)
    two = one.outcomes.quality[:, [0, 2]], one.outcomes.cost[:, [0, 2]]
    truth = world(n, seed)
    routers = {
        "constant": np.zeros(n, dtype=int),
        "truth": expecting(truth.quality[:, [0, 2]], truth.cost[:, [0, 2]]),
        "chance": np.column_stack([1 - (p := np.random.default_rng([seed, 9]).random(n)), p]),
    }
    return Held(Outcomes(*two, one.outcomes.group, one.outcomes.task_type), routers)


def test_what_is_recovered_of_a_gap_is_compared_in_pairs():
    table = recovered_summary([pair()], "constant")
    constant, truth = row(table, "constant"), row(table, "truth")
    assert (constant["apgr"], constant["cpt_50"], constant["cpt_80"]) == pytest.approx((0.5, 0.5, 0.8))
    assert constant["apgr_low"] == pytest.approx(0.5)
    assert truth["verdict"] == "better"
    assert 0 < truth["apgr_gain_low"] < truth["apgr_gain"] == pytest.approx(truth["apgr"] - 0.5)
    assert truth["cpt_80_gain_high"] < 0
    assert row(table, "chance")["verdict"] == "too close to tell"
    with pytest.raises(RoutingError, match="between 2 candidates: these tasks have 3"):
        recovered_summary([held()], "large")


def test_without_a_gap_the_table_says_that_it_cannot_be_told():
    one = pair()
    flat = replace(one.outcomes, quality=np.ones((200, 2)))
    table = recovered_summary([Held(flat, one.routers)], "constant")
    assert row(table, "truth")["verdict"] == "cannot be told"
    assert row(table, "truth")["apgr"] is None


def test_aiq_is_compared_over_one_range_of_costs():
    one = held()
    table = aiq_summary([one], "noise")
    assert table["low_usd"].n_unique() == table["high_usd"].n_unique() == 1
    assert table["low_usd"][0] == pytest.approx(one.outcomes.cost[:, 0].mean())
    assert row(table, "truth")["verdict"] == "better"
    assert row(table, "large")["verdict"] == "worse"
    narrow = aiq_summary([Held(one.outcomes, {"large": one.routers["large"]})], "large", costs=(0.1, 0.2))
    assert (narrow["low_usd"][0], narrow["high_usd"][0]) == (0.1, 0.2)


def test_splits_that_do_not_hold_the_same_routers_are_an_error():
    one = held(30)
    fewer = Held(one.outcomes, {"large": one.routers["large"]})
    for splits, reference in (([one, fewer], "large"), ([one], "sona"), ([], "large")):
        with pytest.raises(RoutingError, match="every split needs the same routers"):
            summary(splits, WORTH, reference)
    with pytest.raises(RoutingError, match="judges no task"):
        summary([one.take(np.zeros(30, dtype=bool))], WORTH, "large")


def test_figures_of_ones_own_are_paired_when_told_together():
    one = held().outcomes
    first, second = (means(achieved(np.full(300, place), one.quality)) for place in (2, 0))
    apart = estimates([(one.group, together(first, second))])
    gap = estimates([(one.group, gaps(first, second))])[0]
    assert gap.estimate == pytest.approx(apart[0].estimate - apart[1].estimate)
    assert verdict(gap) == "better"


def test_of_one_group_a_figure_has_an_estimate_and_no_bounds():
    found = estimates([(np.array([4, 4]), means(np.array([0.0, 1.0])))])[0]
    assert (found.estimate, found.n) == (0.5, 1)
    assert np.isnan(found.low)
    assert verdict(found) == "too few to tell"
    assert verdict(Interval(0.5, np.nan, np.nan, 50)) == "cannot be told"


def holds(splits, truth, seed):
    found = estimates(splits, resamples=300, seed=seed)[0]
    return found.low <= truth <= found.high


def test_groups_that_share_an_outcome_make_no_interval_too_narrow():
    rng = np.random.default_rng(7)
    group = np.repeat(np.arange(40), 5)
    held_often = [
        holds([(group, means(np.repeat(rng.normal(size=40), 5)))], 0.0, seed) for seed in range(150)
    ]
    assert 0.87 <= np.mean(held_often) <= 0.99


def lookup_against_best(rng, n, success):
    """What a lookup, learned from 80 % of n tasks, gains on the others over the best single one: five splits."""
    kind = rng.integers(0, len(success), n)
    came = (rng.random((n, success.shape[1])) < success[kind]).astype(float)
    for _ in range(5):
        judged, learned = np.split(rng.permutation(n), [n // 5])
        mean = came[learned].mean(axis=0)
        sums = np.zeros(success.shape)
        np.add.at(sums, kind[learned], came[learned])
        count = np.bincount(kind[learned], minlength=len(success))[:, None]
        choice = ((sums + 3 * mean) / (count + 3)).argmax(axis=1)[kind[judged]]
        yield judged, came[judged, choice] - came[judged, mean.argmax()]


@pytest.mark.soak
def test_intervals_over_splits_hold_what_learning_gains(soak):
    rng = np.random.default_rng(0)
    success = np.random.default_rng(99).beta(4, 3, (20, 3))
    worlds, n = (400, 400) if soak else (40, 150)
    truth = np.mean(
        [gain.mean() for _ in range(600 if soak else 150) for _, gain in lookup_against_best(rng, n, success)]
    )
    held_often = [
        holds([(rows, means(gain)) for rows, gain in lookup_against_best(rng, n, success)], truth, seed)
        for seed in range(worlds)
    ]
    assert np.mean(held_often) >= (0.92 if soak else 0.8)


def test_curves_of_kept_quality_go_from_the_weak_candidate_to_the_strong():
    one = pair(100)
    table = kept_curves([one])
    assert table.group_by("router", maintain_order=True).len().rows() == [
        (name, POINTS) for name in one.routers
    ]
    weak, strong = one.outcomes.quality.mean(axis=0)
    for name in one.routers:
        curve = table.filter(router=name)
        assert curve["mean_quality"][[0, -1]].to_list() == pytest.approx([weak, strong])
        assert curve["strong_share"].to_list() == pytest.approx(np.linspace(0, 1, POINTS))
    straight = table.filter(router="constant")["mean_quality"]
    assert straight.to_list() == pytest.approx(np.linspace(weak, strong, POINTS))
    middle = table.filter(router="truth")[POINTS // 2].row(0, named=True)
    assert straight[POINTS // 2] < middle["mean_quality_low"] < middle["mean_quality"]
    assert middle["mean_quality"] < middle["mean_quality_high"]


def test_curves_of_bought_quality_have_the_area_that_aiq_says():
    one = Held(held(100).outcomes, {name: held(100).routers[name] for name in ("truth", "large")})
    table = bought_curves([one])
    areas = aiq_summary([one], "large")
    for name in one.routers:
        curve = table.filter(router=name)
        cost = curve["mean_cost_usd"].to_numpy()
        area = np.trapezoid(curve["mean_quality"].to_numpy(), cost) / (cost[-1] - cost[0])
        assert area == pytest.approx(row(areas, name)["aiq"], abs=0.005)
    top = table.filter(router="large")[-1].row(0, named=True)
    assert top["mean_quality"] == pytest.approx(one.outcomes.quality[:, 2].mean())
    low = bought_curves([one], costs=(0.0, 0.1)).filter(pl.col("mean_cost_usd") == 0)
    assert low["mean_quality"].to_list() == [0, 0]
    for curves in (kept_curves, bought_curves):
        with pytest.raises(RoutingError, match="judges no task"):
            curves([])
    few = kept_curves([pair(TOO_FEW - 1)])
    assert few["n"].unique().to_list() == [TOO_FEW - 1]
    assert few["mean_quality"].null_count() == 0
    assert few["mean_quality_low"].null_count() == few.height
