"""What is known of a task from others: worked out again in plain loops, and blind to the task's own outcome."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_worlds import tasks, tried, world

from learnlab.errors import RoutingError
from learnlab.routing.history import FEATURES, KIND, NEAR, history, remember
from learnlab.routing.running import sums_before
from learnlab.routing.tries import Tasks, Tries

HOUR = np.timedelta64(3_600_000_000, "us")
NAT = np.datetime64("NaT", "us")


@pytest.fixture(autouse=True)
def _warned():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def tries_of(n: int, seed: int = 0, per_group: int = 2) -> Tries:
    """Tries of random candidates, an hour apart, some of unknown quality or cost, tasks in groups."""
    rng = np.random.default_rng([seed, 5])
    some = tried(world(n, seed), rng.integers(0, 3, n), seed)
    return replace(
        some,
        tasks=replace(some.tasks, group=rng.permutation(n) // per_group),
        quality=np.where(rng.random(n) < 0.15, np.nan, some.quality),
        cost=np.where(rng.random(n) < 0.15, np.nan, some.cost),
        started_at=np.datetime64("2026-05-01", "us") + np.arange(n) * HOUR,
    )


def by_hand(at: int, place: int, past: Tries, moment, half_life: float | None, k: int) -> dict[str, float]:
    """The features of one of the past's own tasks and one candidate, from their definitions."""
    known, vectors, group = past.tasks.known, past.tasks.vectors, past.tasks.group
    others = [
        row
        for row in range(len(past))
        if past.candidate[row] == place
        and group[past.task[row]] != group[at]
        and (moment is None or past.started_at[row] < moment)
    ]
    newest = past.started_at.max() if moment is None else moment
    age = {row: (newest - past.started_at[row]) / np.timedelta64(1, "D") for row in others}
    worth = {row: 1.0 if half_life is None else 0.5 ** (age[row] / half_life) for row in others}

    def sums(weight: dict[int, float], need: str = "quality") -> tuple[float, float]:
        figures = [(weight[row], getattr(past, need)[row]) for row in weight]
        there = [(w, figure) for w, figure in figures if np.isfinite(figure)]
        return sum(w for w, _ in there), sum(w * figure for w, figure in there)

    found: dict[str, float] = {}
    n, total = sums(worth)
    priced, paid = sums(worth, "cost")
    top, top_cost = ((total + 0.5) / (n + 1) if n else np.nan), (paid / priced if priced else np.nan)
    found |= {"all_quality": top, "all_cost": top_cost, "all_n": n}
    for level, columns in {"type": ["task_type"], "repo": ["task_type", "repo"]}.items():
        mine = known.select(columns).row(at)
        alike = {row: w for row, w in worth.items() if known.select(columns).row(past.task[row]) == mine}
        n, total = sums(alike)
        priced, paid = sums(alike, "cost")
        found |= {f"{level}_quality": (total + KIND * top) / (n + KIND), f"{level}_n": n}
        found |= {f"{level}_cost": (paid + KIND * top_cost) / (priced + KIND)}
    judged = [row for row in others if np.isfinite(past.quality[row])]
    cosine = {row: float(vectors[at] @ vectors[past.task[row]]) for row in judged}
    nearest = sorted(judged, key=lambda row: -cosine[row])[:k]
    weight = {row: max(cosine[row], 0.0) * worth[row] for row in nearest}
    n, total = sums(weight)
    priced, paid = sums(weight, "cost")
    found |= {"near_quality": (total + NEAR * top) / (n + NEAR), "near_n": n}
    found |= {"near_cost": (paid + NEAR * top_cost) / (priced + NEAR)}
    found |= {"near_similarity": float(np.mean([cosine[row] for row in nearest])) if nearest else 0.0}
    return found


@pytest.mark.parametrize("half_life", [None, 0.5])
@pytest.mark.parametrize("timing", ["never", "one moment", "a moment each"])
def test_features_are_what_their_definitions_say(half_life, timing):
    past = tries_of(70)
    moments = {"never": None, "one moment": past.started_at[40], "a moment each": past.started_at}
    found = history(past.tasks, past, k=7, half_life_days=half_life, as_of=moments[timing])
    for at in (0, 3, 25, 44, 69):
        moment = past.started_at[at] if timing == "a moment each" else moments[timing]
        for place in range(3):
            truth = by_hand(at, place, past, moment, half_life, 7)
            here = {name: found[name][at, place] for name in FEATURES}
            assert here == {name: pytest.approx(truth[name], abs=1e-6, nan_ok=True) for name in FEATURES}


def test_shuffling_the_outcomes_of_tasks_changes_none_of_their_features():
    past = tries_of(200, per_group=20)
    before = history(past.tasks, past).values
    rng = np.random.default_rng(1)
    for group in range(10):
        own = np.flatnonzero(past.tasks.group[past.task] == group)
        shuffled = rng.permutation(own)
        quality, cost = past.quality.copy(), past.cost.copy()
        quality[own], cost[own] = past.quality[shuffled], past.cost[shuffled]
        after = history(past.tasks, replace(past, quality=quality, cost=cost)).values
        mine = past.tasks.group == group
        assert after[:, mine] == pytest.approx(before[:, mine], abs=1e-6, nan_ok=True), "but for float32"
        assert not np.allclose(after[:, ~mine], before[:, ~mine], equal_nan=True), (
            "and those of others change"
        )


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 79), st.integers(0, 5), st.sampled_from([None, 0.3]))
def test_no_outcome_at_or_after_the_moment_enters(at, seed, half_life):
    past = tries_of(80, seed, per_group=1)
    moment = past.started_at[at]
    later = past.started_at >= moment
    turned = replace(
        past, quality=np.where(later, 1 - past.quality, past.quality), cost=np.where(later, 9.0, past.cost)
    )
    moments = np.repeat(moment, 80)
    for as_of in (moment, moments):
        before, after = (
            history(past.tasks, some, half_life_days=half_life, as_of=as_of).values for some in (past, turned)
        )
        assert after == pytest.approx(before, abs=1e-9, nan_ok=True), "but for the rounding of sums"


def test_one_moment_and_the_same_moment_each_tell_the_same():
    past = tries_of(90)
    for half_life in (None, 0.4):
        once = history(past.tasks, past, half_life_days=half_life, as_of=past.started_at[50])
        each = history(past.tasks, past, half_life_days=half_life, as_of=np.repeat(past.started_at[50], 90))
        assert each.values == pytest.approx(once.values, abs=1e-6, nan_ok=True)


def test_outcomes_of_an_unknown_time_count_only_where_times_do_not_matter():
    past = tries_of(60)
    timeless = replace(past, started_at=np.where(np.arange(60) < 30, NAT, past.started_at))
    late = past.started_at[-1] + HOUR
    assert history(past.tasks, timeless)["all_n"].sum() == history(past.tasks, past)["all_n"].sum()
    only_timed = past.take(np.arange(60) >= 30)
    for as_of in (late, np.repeat(late, 60)):
        found = history(past.tasks, timeless, as_of=as_of)
        assert found.values == pytest.approx(history(past.tasks, only_timed).values, abs=1e-6, nan_ok=True)
    faded = history(past.tasks, timeless, half_life_days=1.0)
    assert faded.values == pytest.approx(
        history(past.tasks, only_timed, half_life_days=1.0).values, nan_ok=True
    )


def test_pieces_of_tasks_are_told_what_all_are(monkeypatch):
    past = tries_of(120)
    whole = history(past.tasks, past, k=5)
    monkeypatch.setattr("learnlab.routing.neighbours._PIECE", 700)
    assert history(past.tasks, past, k=5).values == pytest.approx(whole.values, abs=1e-6)


def test_a_task_of_no_group_is_told_of_everything():
    past = tries_of(50)
    alone = past.tasks.take(np.array([4]))
    found = history(Tasks(alone.known, alone.vectors, np.array([-1])), past)
    assert found["all_n"].sum() == np.isfinite(past.quality).sum()
    assert history(alone, past)["all_n"].sum() < found["all_n"].sum()


def test_what_is_remembered_can_be_asked_again_and_again():
    past = tries_of(80)
    ready = remember(past, k=9, half_life_days=2.0)
    at_once = history(past.tasks, past, k=9, half_life_days=2.0)
    for at in (0, 7, 79):
        assert ready.of(past.tasks.take(np.array([at]))).values[:, 0] == pytest.approx(
            at_once.values[:, at], abs=1e-6
        )


def test_new_kinds_know_what_is_known_of_all():
    past = tries_of(80)
    new = tasks(6, seed=9)
    stranger = Tasks(new.known.with_columns(task_type=None, repo=None), new.vectors[:, :0], np.full(6, -1))
    found = history(stranger, past)
    for level in ("type", "repo", "near"):
        assert found[f"{level}_quality"] == pytest.approx(found["all_quality"])
        assert found[f"{level}_cost"] == pytest.approx(found["all_cost"])
        assert not found[f"{level}_n"].any()
    assert not found["near_similarity"].any()


def test_a_candidate_never_tried_is_unknown_and_so_is_everything_without_a_past():
    past = tries_of(60)
    two = past.take(past.candidate < 2)
    found = history(past.tasks, two)
    assert np.isnan(found["near_quality"][:, 2]).all()
    assert np.isfinite(found["near_quality"][:, :2]).all()
    none = history(past.tasks, past.take(np.zeros(60, dtype=bool)), half_life_days=3.0)
    assert np.isnan(none["all_quality"]).all()
    assert np.isnan(none["near_cost"]).all()
    assert not none["near_n"].any()
    assert history(past.tasks.take(np.array([], dtype=np.int64)), past).values.shape == (len(FEATURES), 0, 3)


def test_all_successes_and_all_failures_stay_inside_0_and_1():
    past = tries_of(40)
    for outcome in (0.0, 1.0):
        found = history(past.tasks, replace(past, quality=np.full(40, outcome)))
        for level in ("all", "type", "repo", "near"):
            assert np.all((found[f"{level}_quality"] > 0) & (found[f"{level}_quality"] < 1))


def test_neighbours_with_equal_cosines_are_as_many_as_were_asked():
    past = tries_of(60, per_group=1)
    same = np.tile(past.tasks.vectors[:1], (60, 1))
    known = replace(past, tasks=replace(past.tasks, vectors=same), quality=np.ones(60))
    assert history(known.tasks, known, k=4)["near_n"] == pytest.approx(np.full((60, 3), 4.0), abs=1e-5)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"half_life_days": 0.0}, {"half_life_days": float("nan")}])
def test_figures_that_make_no_sense_are_refused(wrong):
    past = tries_of(10)
    with pytest.raises(RoutingError, match="above 0"):
        history(past.tasks, past, **wrong)


def test_one_moment_is_needed_for_each_task():
    past = tries_of(10)
    with pytest.raises(RoutingError, match="10 tasks come with 3 moments"):
        history(past.tasks, past, as_of=past.started_at[:3])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 400)), max_size=12),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=6),
    st.sampled_from([None, 1.0, 7.0, 300.0]),
)
def test_running_sums_are_those_of_a_plain_loop(entries, questions, half_life):
    key, at = np.array(entries, dtype=np.int64).reshape(-1, 2).T
    asked, moment = np.array(questions, dtype=np.int64).reshape(-1, 2).T
    value = np.arange(1.0, len(key) + 1)[:, None]
    found = sums_before(key, value, at.astype(float), asked, moment.astype(float), half_life)
    for row, (which, when) in enumerate(questions):
        told = [
            worth * (1.0 if half_life is None else 0.5 ** ((when - then) / half_life))
            for (mine, then), worth in zip(entries, value[:, 0], strict=True)
            if mine == which and then < when
        ]
        assert found[row, 0] == pytest.approx(sum(told), abs=1e-9)
