"""Continual learning: streams, scores and transfer against closed forms, and ways to learn on domains that contradict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from routing_worlds import all_tried, tried, world
from sklearn.metrics import log_loss, roc_auc_score

from learnlab.errors import RoutingError
from learnlab.routing.continual import comparing, growth, transfer, tuning
from learnlab.routing.continual.learning import Learned, Training, learn
from learnlab.routing.continual.memory import (
    EWC,
    EWC_PLUS,
    JOINT,
    METHODS,
    NAIVE,
    REPLAY,
    Way,
    memory,
)
from learnlab.routing.continual.scores import auc, log_score
from learnlab.routing.continual.stream import Domain, Rows, domains, inputs, split

QUICK = Training(hidden=8, epochs=16, batch=64, rate=4e-2, shrinkage=1e-4)


def rows(n: int, sign: float, flag: float, seed: int) -> Rows:
    """Tasks whose first feature speaks for success or against it, as the sign says; the second names the domain."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), np.full(n, flag)]).astype(np.float32)
    success = rng.random(n) < 1 / (1 + np.exp(-4 * sign * x[:, 0]))
    return Rows(x, success.astype(float)[:, None], np.arange(n) + int(1000 * flag))


CONTRADICTING = [("one", rows(300, 1.0, 0.0, 1)), ("other", rows(300, -1.0, 1.0, 2))]


@pytest.fixture(scope="module")
def learned() -> dict[str, Learned]:
    ways = [Way(NAIVE), Way(EWC, 30.0), Way(EWC_PLUS, 30.0), Way(REPLAY, n_kept=200), Way(JOINT)]
    return {way.method: learn(split(CONTRADICTING, 0), way, 0, QUICK) for way in ways}


def test_a_network_that_is_only_tuned_forgets_and_the_guards_forget_less(learned):
    lost = {
        method: float(transfer.backward(comparing.matrices(of, log_score)[0]))
        for method, of in learned.items()
    }
    assert lost[NAIVE] < -1.0
    assert all(lost[method] > -0.2 for method in (EWC, EWC_PLUS, REPLAY, JOINT))
    end = {method: float(transfer.average(comparing.matrices(of, auc)[0])) for method, of in learned.items()}
    assert end[NAIVE] < 0.65
    assert all(end[method] > 0.85 for method in (EWC, EWC_PLUS, REPLAY, JOINT))


def test_all_ways_begin_with_the_same_network_and_learn_the_first_domain_alike_without_an_anchor(learned):
    first = learned[NAIVE].chances[0]
    for of in learned.values():
        for mine, its in zip(of.chances[0], first, strict=True):
            np.testing.assert_array_equal(mine, its)
    for method in (EWC, EWC_PLUS, REPLAY, JOINT):
        np.testing.assert_allclose(learned[method].chances[1][0], learned[NAIVE].chances[1][0], rtol=1e-5)


def test_the_same_seed_learns_the_same_and_leaves_torch_as_it_was(learned):
    before, state = torch.get_num_threads(), torch.get_rng_state()
    again = learn(split(CONTRADICTING, 0), Way(EWC_PLUS, 30.0), 0, QUICK)
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)
    for mine, its in zip(again.chances[-1], learned[EWC_PLUS].chances[-1], strict=True):
        np.testing.assert_array_equal(mine, its)
    assert len(again.seconds) == 2
    assert all(seconds > 0 for seconds in again.seconds)


def test_a_firm_anchor_holds_the_network_where_it_was():
    held = learn(split(CONTRADICTING, 0), Way(EWC_PLUS, 1e5), 0, QUICK)
    assert float(transfer.backward(comparing.matrices(held, log_score)[0])) == pytest.approx(0.0, abs=0.05)


def test_a_stream_has_its_domains_in_the_order_of_time_and_nothing_of_their_column():
    tries = all_tried(world(300))
    found = domains(tries)
    assert sorted(name for name, _ in found) == ["bugfix", "docs", "feature"]
    kinds = tries.tasks.known["task_type"].to_numpy()
    medians = [np.median(np.flatnonzero(kinds == name)) for name, _ in found]
    assert medians == sorted(medians)
    assert sum(len(of) for _, of in found) == 300
    wide = inputs(tries.tasks).shape[1]
    assert inputs(tries.tasks, "task_type").shape[1] == wide - 3 == found[0][1].inputs.shape[1]


def test_near_duplicates_of_two_domains_have_one_group():
    tries = all_tried(world(300))
    vectors = tries.tasks.vectors.copy()
    kinds = tries.tasks.known["task_type"].to_list()
    docs, bugfix = kinds.index("docs"), kinds.index("bugfix")
    vectors[docs] = vectors[bugfix]
    found = dict(domains(replace(tries, tasks=replace(tries.tasks, vectors=vectors))))
    shared = set(found["docs"].group) & set(found["bugfix"].group)
    assert len(shared) == 1


def test_too_few_verdicts_make_no_domain_and_one_domain_makes_no_stream():
    few = tried(world(120), np.zeros(120, dtype=int))
    with pytest.raises(
        RoutingError, match="two domains with 100 trusted verdicts each, and by task_type there are 0"
    ):
        domains(few)


def test_what_is_not_known_of_a_task_counts_as_nothing_and_is_flagged():
    tasks = world(4).tasks
    unknown = type(tasks)(tasks.known.with_columns(complexity_score=None), tasks.vectors[:, :0], tasks.group)
    seen = inputs(unknown)
    assert np.isfinite(seen).all()
    assert (seen[:, 3:5] == [0.0, 1.0]).all()


@hypothesis_settings(max_examples=25)
@given(st.lists(st.integers(0, 40), min_size=30, max_size=80), st.integers(0, 5))
def test_a_group_stands_on_one_side_of_every_domain(groups, seed):
    n = len(groups)
    every = Rows(np.zeros((n, 1), np.float32), np.zeros((n, 1)), np.array(groups))
    halves = [("a", every.take(np.arange(n // 2))), ("b", every.take(np.arange(n // 2, n)))]
    try:
        stream = split(halves, seed)
    except RoutingError:
        return
    learn_by = np.concatenate([domain.learn.group for domain in stream])
    judge_by = np.concatenate([domain.judge.group for domain in stream])
    assert not set(learn_by) & set(judge_by)
    assert sorted([*learn_by, *judge_by]) == sorted(groups)


def test_a_domain_of_one_group_cannot_be_split():
    one = Rows(np.zeros((9, 1), np.float32), np.zeros((9, 1)), np.zeros(9, dtype=int))
    with pytest.raises(RoutingError, match="too few groups"):
        split([("a", one), ("b", one)], 0)


@hypothesis_settings(max_examples=10)
@given(st.integers(0, 1000))
def test_scores_are_those_of_scikit_learn_with_weights_ties_and_unknowns(seed):
    rng = np.random.default_rng(seed)
    p, y = rng.integers(1, 10, (40, 2)) / 10, (rng.random((40, 2)) < 0.5).astype(float)
    y[:4] = [[0.0, 1.0], [1.0, 0.0]] * 2
    y[30:, 1] = np.nan
    weights = rng.integers(0, 4, (3, 40)).astype(float)
    weights[:, :4] += 1
    for w, area, score in zip(weights, auc(p, y, weights), log_score(p, y, weights), strict=True):
        known = [np.isfinite(y[:, k]) for k in (0, 1)]
        areas = [roc_auc_score(y[k, c], p[k, c], sample_weight=w[k]) for c, k in enumerate(known)]
        assert area == pytest.approx(np.average(areas, weights=[w[k].sum() for k in known]))
        every = np.concatenate([y[k, c] for c, k in enumerate(known)])
        chances = np.concatenate([p[k, c] for c, k in enumerate(known)])
        shares = np.concatenate([w[k] for k in known])
        assert score == pytest.approx(-log_loss(every, chances, sample_weight=shares))


def test_nothing_to_score_has_no_score():
    p, y = np.full((3, 1), 0.5), np.full((3, 1), np.nan)
    assert np.isnan(log_score(p, y, np.ones((1, 3)))).all()
    assert np.isnan(auc(p, y, np.ones((1, 3)))).all()
    assert np.isnan(auc(p, np.ones((3, 1)), np.ones((1, 3)))).all(), "no failure to rank a success above"


def test_transfer_of_a_matrix_by_hand():
    matrix = np.array([[0.1, 0.2, 0.3], [0.8, 0.3, 0.5], [0.9, 0.7, 0.6], [0.5, 0.4, 1.0]])
    found = {name: float(figure(matrix)) for name, figure in transfer.FIGURES.items()}
    assert found == pytest.approx(
        {
            "average": (0.5 + 0.4 + 1.0) / 3,
            "backward transfer": ((0.5 - 0.8) + (0.4 - 0.7)) / 2,
            "forgetting": ((0.9 - 0.5) + (0.7 - 0.4)) / 2,
            "when learned": (0.8 + 0.7 + 1.0) / 3,
            "forward transfer": ((0.3 - 0.2) + (0.6 - 0.3)) / 2,
        }
    )


@pytest.fixture(scope="module")
def runs() -> list[comparing.Run]:
    ways = [Way(NAIVE), Way(EWC_PLUS, 30.0), Way(JOINT)]
    return comparing.runs(CONTRADICTING, ways, [0], QUICK)


def test_a_comparison_is_the_mean_over_runs_with_paired_differences(runs):
    found = comparing.compared(runs, log_score, resamples=60)
    assert found.select("method", "figure").n_unique() == found.height == 3 * len(transfer.FIGURES)
    assert found["n_runs"].unique().to_list() == [2]
    by = {(row["method"], row["figure"]): row for row in found.to_dicts()}
    for method in (NAIVE, EWC_PLUS, JOINT):
        each = [transfer.backward(comparing.matrices(run.learned[method], log_score)[0]) for run in runs]
        row = by[method, "backward transfer"]
        assert row["estimate"] == pytest.approx(np.mean(each))
        assert row["estimate_low"] < row["estimate"] < row["estimate_high"]
    naive, plus = by[NAIVE, "backward transfer"], by[EWC_PLUS, "backward transfer"]
    assert plus["over_naive"] == pytest.approx(plus["estimate"] - naive["estimate"])
    assert plus["over_naive_low"] > 0
    assert naive["over_naive"] is None
    assert by[JOINT, "average"]["over_joint"] is None


def test_ways_that_expect_the_same_differ_by_nothing(runs):
    twins = [comparing.Run({NAIVE: run.learned[NAIVE], JOINT: run.learned[NAIVE]}, True) for run in runs]
    found = comparing.compared(twins, auc, resamples=20).filter(method=JOINT)
    assert (found.select("over_naive", "over_naive_low", "over_naive_high").to_numpy() == 0).all()


def test_intervals_of_a_score_hold_the_truth(soak):
    """Chances that are the truth itself: the log score that they get on average is the negative entropy."""
    held, n_worlds = 0, 400 if soak else 40
    for seed in range(n_worlds):
        rng = np.random.default_rng([seed, 9])
        chance = np.array([0.2, 0.7])[rng.integers(0, 2, 200)][:, None]
        success = (rng.random((200, 1)) < chance).astype(float)
        judge = Rows(np.zeros((200, 1), np.float32), success, np.arange(200))
        stream = [Domain("a", judge, judge)] * 2
        run = comparing.Run({NAIVE: Learned(Way(NAIVE), stream, [[chance] * 2] * 3, [0.0] * 2)}, True)
        row = comparing.compared([run], log_score, resamples=200).filter(figure="average").to_dicts()[0]
        truth = np.mean([p * np.log(p) + (1 - p) * np.log(1 - p) for p in (0.2, 0.7)])
        held += row["estimate_low"] <= truth <= row["estimate_high"]
    assert held / n_worlds >= (0.92 if soak else 0.85)


def test_the_course_of_a_stream_ends_at_its_average(runs):
    course = comparing.course(runs, log_score, resamples=20)
    last = course.filter(n_domains=2).select("method", "estimate").rows()
    average = comparing.compared(runs, log_score, resamples=20).filter(figure="average")
    assert dict(last) == pytest.approx(dict(average.select("method", "estimate").rows()))


def test_the_matrix_of_forgetting_is_that_of_the_runs_in_their_own_order(runs):
    found = comparing.forgotten(runs, log_score)
    own = [run for run in runs if run.is_own_order]
    assert found["n_runs"].unique().to_list() == [len(own)] == [1]
    expected = np.mean([comparing.matrices(run.learned[NAIVE], log_score)[0] for run in own], axis=0)
    assert found.filter(method=NAIVE)["score"].to_list() == pytest.approx(expected.ravel().tolist())
    assert found.filter(method=NAIVE, n_domains=1).select("after", "domain", "is_learned").rows() == [
        ("one", "one", True),
        ("one", "other", False),
    ]


def test_what_is_chosen_by_is_never_judged_by():
    mine, rest = tuning.apart(CONTRADICTING, 3)
    chosen_by, judged_by = (np.concatenate([of.group for _, of in part]) for part in (mine, rest))
    assert not set(chosen_by) & set(judged_by)
    assert len(chosen_by) + len(judged_by) == 600
    assert 0.2 < len(chosen_by) / 600 < 0.3


def test_what_is_chosen_is_the_best_in_the_end(monkeypatch):
    monkeypatch.setattr(tuning, "STRENGTHS", (1e-3, 30.0))
    best, tried_out = tuning.choose(CONTRADICTING, [7], QUICK)
    assert tried_out.height == 2 + 2 * len(tuning.DECAYS)
    for method in (EWC, EWC_PLUS):
        of = tried_out.filter(method=method)
        assert of.filter("is_chosen")["average"].to_list() == [of["average"].max()]
        assert best[method].strength == of.filter("is_chosen")["strength"].item()


def test_a_reservoir_keeps_every_task_with_the_same_probability():
    shares = []
    for seed in range(40):
        held = memory(Way(REPLAY, n_kept=60), seed)
        for begins, n in ((0, 100), (100, 300), (400, 200)):
            group = np.arange(begins, begins + n)
            held.end(None, Rows(np.zeros((n, 1), np.float32), np.zeros((n, 1)), group), (None, None))
        kept = held.kept.group
        assert len(set(kept)) == len(kept) == 60
        shares.append(np.bincount(np.digitize(kept, [100, 400]), minlength=3) / 60)
    assert np.mean(shares, axis=0) == pytest.approx([1 / 6, 1 / 2, 1 / 3], abs=0.04)


def test_a_small_past_is_kept_whole():
    held = memory(Way(REPLAY, n_kept=500), 0)
    held.end(None, CONTRADICTING[0][1].take(np.arange(50)), (None, None))
    assert len(held.kept) == 50
    assert held.again(7).inputs.shape == (7, 2)


def test_unknown_ways_are_refused():
    with pytest.raises(RoutingError, match="no way to learn a stream"):
        Way("magic")
    assert set(METHODS) == {NAIVE, EWC, EWC_PLUS, REPLAY, JOINT}


def test_growth_is_timed_at_each_size():
    found = growth.timed(CONTRADICTING, (100, 2000), Training(hidden=4, epochs=1))
    assert found.select("method", "n_tasks", "n_new").rows() == [
        (JOINT, 100, 100), (EWC_PLUS, 100, 100), (JOINT, 2000, 300), (EWC_PLUS, 2000, 300),
    ]  # fmt: skip
    assert (found["seconds"] > 0).all()
    assert ((found["seconds_low"] <= found["seconds"]) & (found["seconds"] <= found["seconds_high"])).all()
