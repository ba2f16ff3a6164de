from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_worlds import all_tried, tasks, tried, world

from learnlab.errors import RoutingError
from learnlab.routing import splits
from learnlab.routing.splits import by_group, by_time, folds, joined_groups, without_near_duplicates


def in_groups(group, minute=None):
    """One try a task, of these groups and at these minutes."""
    group = np.asarray(group)
    found = tried(world(len(group)), np.zeros(len(group), dtype=int))
    found = replace(found, tasks=replace(found.tasks, group=group))
    if minute is None:
        return found
    return replace(found, started_at=np.datetime64("2026-05-01", "us") + np.asarray(minute, "timedelta64[m]"))


def groups(tries):
    return set(tries.tasks.group[tries.task].tolist())


GROUPS = st.lists(st.integers(0, 8), min_size=2, max_size=40).filter(lambda g: len(set(g)) >= 2)


@settings(max_examples=25)
@given(GROUPS, st.integers(0, 99))
def test_no_group_stands_on_both_sides_of_a_random_split(group, seed):
    tries = in_groups(group)
    split = by_group(tries, seed)
    assert not groups(split.learned) & groups(split.judged)
    assert len(split.learned) + len(split.judged) == len(tries)
    assert min(len(split.learned), len(split.judged)) > 0
    assert np.array_equal(tries.tasks.vectors[split.judged_rows], split.judged.tasks.vectors)


@settings(max_examples=25)
@given(st.data())
def test_what_is_judged_later_is_later_than_everything_learned_from(data):
    group = data.draw(GROUPS)
    minute = np.sort(data.draw(st.lists(st.integers(0, 12), min_size=len(group), max_size=len(group))))
    tries = in_groups(group, minute)
    try:
        split = by_time(tries, data.draw(st.floats(0.1, 0.9)))
    except RoutingError as error:
        assert len(set(minute)) == 1 or "tried earlier too" in str(error)
        return
    assert split.learned.started_at.max() < split.judged.started_at.min()
    assert not groups(split.learned) & groups(split.judged)
    assert len(split.learned) + len(split.judged) + split.n_left_out == len(tries)


def test_of_a_problem_tried_before_and_after_the_earlier_tries_are_learned_from():
    tries = in_groups([0, 1, 2, 3, 0, 1, 4, 5, 0, 6], range(10))
    split = by_time(tries, 0.5)
    assert split.learned.tasks.group.tolist() == [0, 1, 2, 3, 0]
    assert split.judged.tasks.group.tolist() == [4, 5, 6]
    assert split.judged_rows.tolist() == [6, 7, 9]
    assert split.n_left_out == 2


def test_tries_without_a_time_stand_on_neither_side():
    tries = in_groups(range(10), range(10))
    times = tries.started_at.copy()
    times[[0, 9]] = np.datetime64("NaT")
    split = by_time(replace(tries, started_at=times), 0.5)
    assert (len(split.learned), len(split.judged), split.n_left_out) == (4, 4, 2)


@pytest.mark.parametrize(
    ("tries", "why"),
    [
        (in_groups(range(4), [3, 3, 3, 3]), "no two differ"),
        (
            replace(in_groups(range(4)), started_at=np.full(4, np.datetime64("NaT", "us"))),
            "0 of 4 tries have",
        ),
        (in_groups([0, 0, 0, 0]), "tried earlier too"),
    ],
)
def test_times_that_make_no_split_say_why(tries, why):
    with pytest.raises(RoutingError, match=why):
        by_time(tries)


@settings(max_examples=25)
@given(GROUPS, st.integers(2, 5), st.integers(0, 9))
def test_folds_judge_every_task_once(group, k, seed):
    tries = in_groups(group)
    if len(set(group)) < k:
        with pytest.raises(RoutingError, match=f"cannot be split into {k} folds"):
            list(folds(tries, k, seed))
        return
    found = list(folds(tries, k, seed))
    assert sorted(np.concatenate([one.judged_rows for one in found])) == list(range(len(group)))
    for one in found:
        assert not groups(one.learned) & groups(one.judged)
        assert len(one.learned) + len(one.judged) == len(tries)
        assert len(one.judged) > 0


def test_folds_and_random_splits_are_of_the_size_asked_for_and_follow_their_seed():
    tries = all_tried(world(500))
    assert [len(one.judged.tasks) for one in folds(tries, 5)] == [100] * 5
    assert len(by_group(tries, 3).judged.tasks) == 100
    assert len(by_group(tries, 3).judged) == 300
    rows = [by_group(tries, seed).judged_rows.tolist() for seed in (3, 3, 4)]
    assert rows[0] == rows[1] != rows[2]
    assert [one.judged_rows.tolist() for one in folds(tries, 5, 1)] != [
        one.judged_rows.tolist() for one in folds(tries, 5, 2)
    ]


def test_one_group_cannot_be_split():
    with pytest.raises(RoutingError, match="1 groups of tasks cannot be split"):
        by_group(in_groups([5, 5, 5]))


def turned(angles):
    """Tasks whose vectors point in these directions of a plane (degrees)."""
    found = tasks(len(angles))
    vectors = np.zeros_like(found.vectors)
    vectors[:, 0], vectors[:, 1] = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    return replace(found, vectors=vectors)


def test_near_duplicates_are_one_group_and_closeness_passes_on():
    found = turned([0, 100, 10, 20, 200])  # cos 18.2° = 0.95
    assert joined_groups(found).tolist() == [0, 1, 0, 0, 2]
    assert joined_groups(found, cosine=0.99).tolist() == [0, 1, 2, 3, 4]


def test_groups_that_were_one_stay_one_and_unite_by_any_of_theirs():
    found = replace(turned([0, 90, 91, 180]), group=np.array([7, 7, 3, 1]))
    assert joined_groups(found).tolist() == [0, 0, 0, 1]


def test_tasks_without_vectors_keep_their_groups():
    found = turned([0, 0, 0])
    blank = replace(found, vectors=found.vectors * np.array([[1], [0], [0]], np.float32))
    assert joined_groups(blank).tolist() == [0, 1, 2]
    none = replace(found, vectors=np.zeros((3, 0), np.float32), group=np.array([4, 2, 4]))
    assert joined_groups(none).tolist() == [0, 1, 0]
    assert joined_groups(found.take(np.zeros(3, dtype=bool))).tolist() == []


@settings(max_examples=20)
@given(st.integers(2, 30), st.integers(0, 1000), st.sampled_from([1, 3, 64]), st.floats(0.2, 0.9))
def test_blocks_find_what_all_pairs_find(n, seed, piece, cosine):
    found = tasks(n, seed)
    close = found.vectors @ found.vectors.T > cosine
    for _ in range(n):
        close = close @ close
    before, splits._PIECE = splits._PIECE, piece
    try:
        group = joined_groups(found, cosine)
    finally:
        splits._PIECE = before
    assert np.array_equal(group[:, None] == group[None, :], close)


def test_near_duplicates_never_stand_on_two_sides():
    angles = np.repeat(np.arange(40) * 9.0, 2) * 20 % 360 + np.tile([0.0, 0.1], 40)
    tries = tried(replace(world(80), tasks=turned(angles)), np.zeros(80, dtype=int))
    split = by_group(without_near_duplicates(tries), seed=1)
    assert len(split.judged.tasks) % 2 == 0
    assert (split.learned.tasks.vectors @ split.judged.tasks.vectors.T).max() < splits.NEAR_DUPLICATE
