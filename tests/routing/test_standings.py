"""Routers in one table, judged by a log: against the estimators, against the truth, and where the log cannot tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from routing_worlds import tried, world

from learnlab.errors import RoutingError
from learnlab.routing.baselines import Lookup
from learnlab.routing.counterfactual.standings import cost_quality, scored, standings
from learnlab.routing.preference import PriceOfQuality, best
from learnlab.routing.promoting.judge import FROM_PROPENSITIES, judge
from learnlab.routing.router import Expected

N = 3000
WORTH = PriceOfQuality(1.0)


@pytest.fixture(scope="module")
def logged():
    """A world, and its log: features went to the large tier more often, by known chances."""
    truth = world(N)
    is_hard = (truth.tasks.known["task_type"] == "feature").to_numpy()[:, None]
    chances = np.where(is_hard, [[0.2, 0.3, 0.5]], [[0.5, 0.3, 0.2]])
    drawn = (np.random.default_rng(5).random(N)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    return truth, tried(truth, drawn, propensity=chances[np.arange(N), drawn])


def always(place: int) -> np.ndarray:
    return np.full(N, place)


def test_every_figure_holds_the_truth_and_the_best_is_better(logged):
    truth, held = logged
    right = best(Expected(truth.quality, truth.quality, truth.cost, truth.cost), WORTH)
    choices = {"small": always(0), "large": always(2), "right": right}
    table = standings(scored(held, Lookup()), choices, WORTH, "large")
    assert table["router"].to_list() == ["as logged", "small", "large", "right"]
    at = np.arange(N)
    for row in table.filter(pl.col("router") != "as logged").to_dicts():
        place = choices[row["router"]]
        true = {
            "mean_quality": truth.quality[at, place].mean(),
            "mean_cost_usd": truth.cost[at, place].mean(),
        }
        true["mean_value"] = true["mean_quality"] - true["mean_cost_usd"]
        for name, figure in true.items():
            assert row[f"{name}_low"] - 0.01 < figure < row[f"{name}_high"] + 0.01
            assert row[name] == pytest.approx(figure, abs=0.05)
    verdicts = dict(table.select("router", "verdict").iter_rows())
    assert verdicts == {
        "as logged": "better", "small": "better", "large": "the reference", "right": "better",
    }  # fmt: skip
    as_logged = table.row(0, named=True)
    assert as_logged["mean_quality"] == pytest.approx(held.quality.mean())
    assert (as_logged["n"], as_logged["n_judged"], as_logged["n_effective"]) == (N, N, N)
    assert table["n_effective"][1] < N


class Fixed:
    """A router that expects the same of every task."""

    def __init__(self, name, candidates, place):
        self.name, self.candidates, self.place = name, candidates, place

    def expect(self, tasks):
        quality = np.tile(np.eye(3)[self.place], (len(tasks), 1))
        return Expected(quality, 0 * quality, 0 * quality, 0 * quality)


def test_it_says_what_a_decision_on_promotion_is_made_on(logged):
    _, held = logged
    first, second = (Fixed(str(place), held.candidates, place) for place in (1, 2))
    decided = judge(held, first, second, WORTH, Lookup())
    assert decided.judged_by == FROM_PROPENSITIES
    table = standings(scored(held, Lookup()), {"1": always(1), "2": always(2)}, WORTH, "2")
    row = table.row(1, named=True)
    found = [row[f"value_gain{end}"] for end in ("", "_low", "_high")]
    assert found == pytest.approx(list(decided.gain[:3]), rel=1e-9)
    assert (row["n"], row["verdict"]) == (decided.gain.n, decided.verdict)


def test_a_curve_passes_through_the_figures_of_the_table(logged):
    truth, held = logged
    expected = Expected(truth.quality, truth.quality, truth.cost, truth.cost)
    found = scored(held, Lookup())
    curve = cost_quality(found, expected)
    cheapest = standings(found, {"small": always(0)}, WORTH, "small").row(1, named=True)
    assert curve.row(0)[:3] == pytest.approx((0.0, cheapest["mean_cost_usd"], cheapest["mean_quality"]))
    assert curve.filter("is_on_hull")["mean_quality"].is_sorted()
    assert curve["mean_quality"][-1] > curve["mean_quality"][0] + 0.1


def test_what_was_never_tried_is_not_judged(logged):
    _, held = logged
    only_small = held.take((held.candidate == 0) | (held.tasks.known["task_type"] != "docs").to_numpy())
    found = scored(only_small, Lookup())
    by = standings(found.of_type("docs"), {"small": always(0), "large": always(2)}, WORTH, "small")
    assert by["verdict"].to_list() == ["too close to tell", "the reference", "not judged"]
    assert "never tried" in by["note"][2]
    assert by["mean_quality"][2] is None
    assert (
        by["n_judged"][0] == (held.tasks.known["task_type"].to_numpy()[held.candidate == 0] == "docs").sum()
    )


def test_unknown_costs_leave_the_quality(logged):
    _, held = logged
    found = scored(replace(held, cost=np.full(N, np.nan)), Lookup())
    assert not found.is_priced
    row = standings(found, {"small": always(0)}, WORTH, "small").row(1, named=True)
    assert row["mean_cost_usd"] is None
    assert row["mean_value"] == pytest.approx(row["mean_quality"])
    with pytest.raises(RoutingError, match="no cost is known"):
        cost_quality(found, Expected(*[np.ones((N, 3))] * 4))


def test_unknown_verdicts_and_single_costs_are_left_out(logged):
    _, held = logged
    quality, cost = held.quality.copy(), held.cost.copy()
    quality[:100], cost[50:200] = np.nan, np.nan
    found = scored(replace(held, quality=quality, cost=cost), Lookup())
    assert (len(found.tries), found.n_all) == (N - 200, N)
    with pytest.raises(RoutingError, match="has a known quality"):
        scored(replace(held, quality=np.full(N, np.nan)), Lookup())
    with pytest.raises(RoutingError, match="is none of the routers"):
        standings(found, {"small": always(0)}, WORTH, "large")
