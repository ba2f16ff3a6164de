"""What SONA is told of tasks: looked up and seen nearby as plain loops have it, and blind to a task's own outcome."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_worlds import tasks, tried, world

from learnlab.routing.baselines.lookup import lookup_by_repo
from learnlab.routing.sona.lessons import counts, lesson_of
from learnlab.routing.sona.neighbours import NEAREST, PRIOR, SHARPNESS, WIDTHS, Bank
from learnlab.routing.sona.past import FOLDS, Past, folds, log_odds
from learnlab.routing.sona.surface import Surface
from learnlab.routing.tries import Tries

pytestmark = pytest.mark.filterwarnings("error")


def tries_of(n: int, seed: int = 0, per_group: int = 2) -> Tries:
    """Tries of random candidates on tasks in groups, some of them of unknown quality or cost, some without a text."""
    rng = np.random.default_rng([seed, 5])
    some = tried(world(n, seed), rng.integers(0, 3, n), seed)
    vectors = np.where(rng.random((n, 1)) < 0.1, 0, some.tasks.vectors).astype(np.float32)
    return replace(
        some,
        tasks=replace(some.tasks, group=rng.permutation(n) // per_group, vectors=vectors),
        quality=np.where(rng.random(n) < 0.1, np.nan, some.quality),
        cost=np.where(rng.random(n) < 0.1, np.nan, some.cost),
    )


def near_by_hand(tries: Tries, at: int, place: int, looked_up: float) -> list[float]:
    """A task's looks at the neighbourhood, from their definitions."""
    vectors, group, n = tries.tasks.vectors, tries.tasks.group, len(tries.tasks)
    has_quality = {int(task) for task in tries.task[np.isfinite(tries.quality)]}
    others = [
        one for one in range(n) if group[one] != group[at] and vectors[one].any() and one in has_quality
    ]
    if not vectors[at].any():
        return [looked_up] * WIDTHS
    cosine = {one: float(vectors[at] @ vectors[one]) for one in others}
    top = sorted(cosine.values(), reverse=True)
    looks = [{one: np.exp(sharp * (cosine[one] - top[0])) for one in others} for sharp in SHARPNESS]
    looks += [{one: 1.0 for one in others if cosine[one] >= top[min(m, len(top)) - 1]} for m in NEAREST]
    found = []
    for weight in looks:
        seen, total = 0.0, 0.0
        for task, candidate, quality in zip(tries.task, tries.candidate, tries.quality, strict=True):
            if candidate == place and np.isfinite(quality) and task in weight:
                seen, total = seen + weight[task], total + weight[task] * quality
        found.append((total + PRIOR * looked_up) / (seen + PRIOR))
    return found


def test_the_neighbourhood_is_what_plain_loops_make_of_it():
    tries = tries_of(130)
    looked_up = np.random.default_rng(1).random((130, 3))
    found = Bank.of(tries).near(tries.tasks.vectors, tries.tasks.group, looked_up)
    for at in (0, 1, 50, 129, int(np.flatnonzero(~tries.tasks.vectors.any(axis=1))[0])):
        for place in range(3):
            expected = near_by_hand(tries, at, place, looked_up[at, place])
            assert found[at, place] == pytest.approx(expected, abs=1e-4)


@settings(max_examples=6)
@given(st.integers(0, 10_000), st.integers(0, 19))
def test_what_is_told_of_a_task_depends_on_no_outcome_of_its_own_group(seed, group):
    tries = tries_of(40, seed % 50)
    surface = Surface.of(tries.tasks, 4)
    own = (tries.tasks.group == group)[tries.task]
    rng = np.random.default_rng(seed)
    odd = rng.choice([0.0, 1.0, 0.3, np.nan], len(tries))
    altered = replace(
        tries,
        quality=np.where(own, odd, tries.quality),
        cost=np.where(own, rng.choice([1e-3, 9.0, np.nan], len(tries)), tries.cost),
        candidate=np.where(own, rng.integers(0, 3, len(tries)), tries.candidate),
    )
    told, again = (Past.of(one).tell_its_own(surface).inputs for one in (tries, altered))
    mine = tries.tasks.group == group
    # what the folds' strengths are is a sum over others, so only rounding may differ
    assert again[mine] == pytest.approx(told[mine], abs=1e-5)


def test_shuffling_all_outcomes_changes_no_column_of_the_surface():
    tries = tries_of(60)
    mixed = np.random.default_rng(0).permutation(60)
    shuffled = replace(tries, quality=tries.quality[mixed], cost=tries.cost[mixed])
    columns = [
        Surface.of(one.tasks, 4).of_tasks(tasks(9, 7)) for one in (tries, shuffled, tries.take(np.arange(5)))
    ]
    assert np.array_equal(columns[0], columns[1])
    assert np.array_equal(columns[0], columns[2])


def test_a_new_task_is_told_what_the_lookup_expects_and_the_first_inputs_are_that():
    tries, asked = tries_of(200), tasks(40, 3)
    surface = Surface.of(tries.tasks, 0)
    told = Past.of(tries).tell(asked, surface)
    expected = lookup_by_repo().fit(tries).expect(asked)
    assert told.quality.mean == pytest.approx(expected.quality)
    assert told.cost.error == pytest.approx(expected.cost_error)
    assert told.inputs.shape == (40, 6 + 3 * WIDTHS + surface.n_columns)
    assert told.inputs[:, :3] == pytest.approx(log_odds(expected.quality), abs=1e-5)
    assert told.inputs[:, 3:6] == pytest.approx(np.log(expected.cost), abs=1e-5)


def test_an_own_task_is_told_what_the_other_folds_expect():
    tries = tries_of(120)
    told = Past.of(tries).tell_its_own(Surface.of(tries.tasks, 0))
    fold = folds(tries.tasks.group, FOLDS, seed=0)
    here = fold == 2
    others = lookup_by_repo().fit(tries.take(~here[tries.task])).expect(tries.tasks.take(here))
    assert told.quality.mean[here] == pytest.approx(others.quality)
    assert told.cost.mean[here] == pytest.approx(others.cost)


def test_folds_keep_groups_together_and_use_all_parts():
    group = np.random.default_rng(0).integers(0, 40, 300)
    fold = folds(group, 5, seed=1)
    assert set(fold) == set(range(5))
    assert all(len(set(fold[group == one])) == 1 for one in np.unique(group))
    assert np.array_equal(fold, folds(group, 5, seed=1))
    assert not np.array_equal(fold, folds(group, 5, seed=2))
    assert len(folds(group[:0], 5, seed=1)) == 0


def test_a_bank_holds_the_newest_of_what_has_a_text_and_an_outcome(monkeypatch):
    tries = tries_of(60)
    everything = Bank.of(tries)
    monkeypatch.setattr("learnlab.routing.sona.neighbours.MOST", 7)
    few = Bank.of(tries.take(np.arange(60)[::-1]))
    assert len(everything.vectors) > 40
    assert np.array_equal(few.vectors, everything.vectors[:7]), "the first tasks were tried last here"


def test_a_lesson_holds_means_counts_and_only_what_something_was_told_of():
    one = tries_of(30)
    tries = replace(
        one,
        task=np.append(one.task, [0, 0]),
        candidate=np.append(one.candidate, [1, 1]),
        quality=np.append(one.quality, [1.0, 0.0]),
        cost=np.append(one.cost, [0.2, 0.0]),
        propensity=np.full(32, np.nan),
        started_at=np.append(one.started_at, one.started_at[:2]),
    ).take(np.r_[1:32])
    told = Past.of(tries).tell_its_own(Surface.of(tries.tasks, 0))
    lesson = lesson_of(tries, told)
    assert (lesson.n_quality[0, 1], lesson.quality[0, 1]) == (2, 0.5)
    assert lesson.n_cost[0, 1] == 1, "a cost of nothing has no logarithm"
    assert lesson.log_cost[0, 1] == pytest.approx(np.log(0.1))
    assert counts(tries, tries.cost)[0, 1] == 2
    alone = lesson_of(tries, replace(told, quality=told.quality._replace(mean=told.quality.mean * np.nan)))
    assert (alone.n_quality == 0).all()
    assert alone.n_cost.sum() > 0
    for mean in (np.nan, 0.0):
        unpriced = lesson_of(tries, replace(told, cost=told.cost._replace(mean=told.cost.mean * mean)))
        assert (unpriced.n_cost == 0).all()
        assert unpriced.n_quality.sum() > 0
