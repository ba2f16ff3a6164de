"""What can be judged and what is refused; and what policies would have achieved and cost, as tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
import pytest
from counterfactual_replays import POLICIES, TIERS, Cells, replay
from routing_worlds import tried, world

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.routing.counterfactual import crossfit
from learnlab.routing.counterfactual.judged import Judged, judged
from learnlab.routing.counterfactual.judging import (
    DOUBLY_ROBUST,
    LOGGED,
    METHODS,
    MODEL_ALONE,
    Judgement,
    judge,
    months,
)
from learnlab.routing.counterfactual.policies import AS_LOGGED, always, following, uniform
from learnlab.routing.policy import Greedy
from learnlab.routing.preference import PriceOfQuality
from learnlab.routing.router import Expected
from learnlab.routing.tries import Tasks, Tries


def uniformly(n: int, seed: int = 0) -> Tries:
    """Tries of a small world, chosen by lot, their propensities known."""
    chosen = np.random.default_rng([seed, 9]).integers(0, 3, n)
    return tried(world(n, seed), chosen, seed, np.full(n, 1 / 3))


def one(frame: pl.DataFrame, policy: str, figure: str, method: str = DOUBLY_ROBUST) -> dict[str, float]:
    (row,) = frame.filter(policy=policy, figure=figure, method=method).to_dicts()
    return row


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    drawn = replay(1200, 1)
    policies = [always(0, TIERS, "small"), always(2, TIERS, "large"), uniform(TIERS)]
    return judge(judged(drawn.tries), policies, Cells())


def test_without_propensities_it_refuses_and_says_what_is_needed() -> None:
    tries = tried(world(20), np.zeros(20, dtype=np.int64))
    with pytest.raises(RoutingError) as refused:
        judged(tries, lacking={"a.jsonl": 15, "b.jsonl": 3, "c": 1, "d": 1})
    said = str(refused.value)
    assert said.startswith("20 of 20 tries lack the propensity of what was chosen (15 from 'a.jsonl', 3 from")
    assert "1 from 1 other sources" in said
    assert "Needed is the probability with which the router chose" in said
    assert "routing_confidence is none" in said


def test_where_some_lack_it_the_others_are_judged_unless_they_are_too_few() -> None:
    tries = uniformly(100)
    some = replace(tries, propensity=np.where(np.arange(100) < 30, np.nan, tries.propensity))
    found = judged(some)
    assert (found.n_all, found.n_left_out, found.share, len(found.tries)) == (100, 30, 0.7, 70)
    few = replace(tries, propensity=np.where(np.arange(100) < 51, np.nan, tries.propensity))
    with pytest.raises(RoutingError, match="51 of 100 tries lack"):
        judged(few)
    assert len(judged(few, least=0.4).tries) == 49


@pytest.mark.parametrize(
    ("propensity", "reason"),
    [
        (0.0, "9 of 9 logged propensities"),
        (1.5, "not above 0 and at most 1"),
        (1e-300, "not above 0 and at most 1"),
        (1.0, "never tried anything but"),
    ],
)
def test_propensities_that_say_nothing_are_refused(propensity: float, reason: str) -> None:
    with pytest.raises(RoutingError, match=reason):
        judged(replace(uniformly(9), propensity=np.full(9, propensity)))


def test_no_tries_are_refused() -> None:
    with pytest.raises(RoutingError, match="no tries"):
        judged(uniformly(9).take(np.zeros(9, dtype=bool)))


@dataclass
class Spy:
    """A model that remembers which groups it learned from, and expects a constant that it may not know."""

    quality: float = 0.5
    name: str = "spy"
    learned: list[set[int]] = field(default_factory=list)
    asked: list[set[int]] = field(default_factory=list)

    def fit(self, tries: Tries) -> Spy:
        self.learned.append(set(tries.tasks.group[tries.task].tolist()))
        return self

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return TIERS

    def expect(self, tasks: Tasks) -> Expected:
        self.asked.append(set(tasks.group.tolist()))
        known, unknown = (np.full((len(tasks), 3), figure) for figure in (self.quality, np.nan))
        return Expected(known, unknown, unknown, unknown)


def test_no_group_says_what_is_expected_of_it() -> None:
    drawn, spy = replay(300, 0), Spy()
    quality, cost = crossfit.expected(drawn.tries, spy)
    assert len(spy.learned) == 5
    assert all(not learned & asked for learned, asked in zip(spy.learned, spy.asked, strict=True))
    assert set().union(*spy.asked) == set(drawn.tries.tasks.group.tolist())
    assert (quality == 0.5).all()
    for place in range(3):  # what the model does not know is the candidate's mean
        assert cost[:, place] == pytest.approx(drawn.tries.cost[drawn.tries.candidate == place].mean())


def test_what_nobody_knows_of_a_candidate_is_the_mean_of_all() -> None:
    tries = uniformly(60)
    only = replace(tries, candidate=np.minimum(tries.candidate, 1))
    quality, _ = crossfit.expected(only, Spy(quality=np.nan))
    assert quality[:, 2] == pytest.approx(only.quality.mean())
    assert np.isfinite(crossfit.expected(replace(only, quality=only.quality * np.nan), Spy(np.nan))[0]).all()


def test_every_policy_has_a_row_a_figure_and_a_method(judgement: Judgement) -> None:
    rows = judgement.estimates
    assert rows.height == 2 * (1 + 3 * len(METHODS))
    assert rows.select("policy", "figure", "method").is_unique().all()
    bounded = rows.filter(pl.col("method") != MODEL_ALONE)
    assert (bounded["low"] < bounded["estimate"]).all()
    assert (bounded["estimate"] < bounded["high"]).all()
    assert rows.filter(method=MODEL_ALONE)["low"].null_count() == 6
    logged = one(rows, AS_LOGGED, "quality", LOGGED)
    known = np.isfinite(judgement.judged.tries.quality)
    assert (logged["n"], logged["difference"]) == (known.sum(), None)
    assert logged["estimate"] == pytest.approx(judgement.judged.tries.quality[known].mean())
    assert one(rows, "small", "cost")["n"] == 1200 > logged["n"]
    small, large = one(rows, "small", "cost"), one(rows, "large", "cost")
    assert small["difference_high"] < 0 < large["difference_low"]
    base = one(rows, AS_LOGGED, "cost", LOGGED)["estimate"]
    assert small["difference"] == pytest.approx(small["estimate"] - base)
    assert judgement.overlap["policy"].to_list() == ["small", "large", "by lot"]
    assert judgement.overlap["is_identified"].all()
    assert (judgement.overlap["n_effective"] < judgement.overlap["n"]).all()


def test_a_month_is_the_rate_times_the_volume(judgement: Judgement) -> None:
    found = months(judgement)
    volume = 1200 * 30 / judgement.judged.days
    assert found["n_tasks"].unique().to_list() == [round(volume)]
    (small,) = found.filter(policy="small").to_dicts()
    quality, cost = (one(judgement.estimates, "small", figure) for figure in ("quality", "cost"))
    assert small["successes"] == pytest.approx(volume * quality["estimate"])
    assert small["cost_usd_low"] == pytest.approx(volume * cost["low"])
    assert small["cost_usd_difference_high"] == pytest.approx(volume * cost["difference_high"])
    assert found["policy"].to_list() == [AS_LOGGED, "small", "large", "by lot"]


def test_without_times_there_is_no_month(judgement: Judgement) -> None:
    tries = judgement.judged.tries
    nowhen = replace(tries, started_at=np.full(len(tries), np.datetime64("NaT"), dtype="datetime64[us]"))
    assert months(replace(judgement, judged=Judged(nowhen, 1200))).is_empty()


def test_unknown_costs_give_no_figure_of_costs() -> None:
    tries = uniformly(80)
    hours = tries.started_at[0] + np.arange(80).astype("timedelta64[h]")
    free = replace(tries, cost=tries.cost * np.nan, started_at=hours)
    found = judge(judged(free), [uniform(free.candidates)], Spy())
    assert found.estimates["figure"].unique().to_list() == ["quality"]
    assert months(found)["cost_usd"].null_count() == 2


def test_what_was_never_tried_gets_no_estimate() -> None:
    tries = uniformly(90)
    two = replace(tries, candidate=np.minimum(tries.candidate, 1))
    found = judge(judged(two), [always(2, two.candidates, "large")], Spy())
    row = one(found.estimates, "large", "quality")
    assert (row["estimate"], row["low"], row["difference"]) == (None, None, None)
    assert row["note"] == "not identified: 100% of its choices were never tried"


def test_few_tries_are_said_to_be_few() -> None:
    found = judge(judged(uniformly(12)), [always(0, TIERS, "small")], Spy())
    assert one(found.estimates, "small", "quality")["note"] == "too few to tell"


@pytest.mark.parametrize("quality", [0.0, 1.0])
def test_all_alike_is_not_taken_for_certain(quality: float) -> None:
    tries = replace(uniformly(60), quality=np.full(60, quality))
    row = one(judge(judged(tries), [uniform(TIERS)], Spy(quality)).estimates, "by lot", "quality")
    assert row["estimate"] == pytest.approx(quality)
    assert 0.02 < row["high"] - row["low"] < 0.2


def test_a_fitted_router_is_followed_in_the_order_of_the_log() -> None:
    class Backwards(Spy):
        @property
        def candidates(self) -> tuple[Candidate, ...]:
            return TIERS[::-1]

        def expect(self, tasks: Tasks) -> Expected:
            figures = np.tile([0.9, 0.5, 0.1], (len(tasks), 1))
            return Expected(figures, figures, 0 * figures, 0 * figures)

    tasks = replay(5, 0).tries.tasks
    policy = following(Backwards(), Greedy(PriceOfQuality(1.0)), TIERS)
    assert policy.name == "spy"
    assert policy.probabilities(tasks).tolist() == [[0.0, 0.0, 1.0]] * 5
    with pytest.raises(RoutingError, match="what the log never names"):
        following(Backwards(), Greedy(PriceOfQuality(1.0)), TIERS[:2])
    with pytest.raises(RoutingError, match="no candidate at place 7"):
        always(7, TIERS, "seventh")


def test_the_tables_hold_the_truth_of_the_fleet_within_their_reach(judgement: Judgement) -> None:
    drawn = replay(1200, 1)
    for name in ("small", "large", "by lot"):
        for figure in ("quality", "cost"):
            row, truth = one(judgement.estimates, name, figure), drawn.truth(POLICIES[name], figure)
            assert abs(row["estimate"] - truth) < row["high"] - row["low"]
