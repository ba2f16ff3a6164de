"""SONA as a whole: chooses what it needs, beats a lookup where a text says more, comes back, and goes on learning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from routing_worlds import TYPES, World, all_tried, tasks, tried, world

from learnlab.errors import RoutingError
from learnlab.routing.baselines.lookup import lookup_by_repo
from learnlab.routing.keeping.weights import data_hash, packed, unpacked
from learnlab.routing.preference import PriceOfQuality, best
from learnlab.routing.router import Fitted
from learnlab.routing.sona import FittedSona, Sona, new, restore, tuning
from learnlab.routing.sona import sona as module
from learnlab.routing.sona.tuning import METHODS
from learnlab.routing.tries import KNOWN, Tries

pytestmark = pytest.mark.filterwarnings("error")
N = 400


def plain(n: int, seed: int = 0) -> World:
    """A world in which the task type says all there is to say."""
    at = world(n, seed)
    kind = np.array([TYPES.index(name) for name in at.tasks.known["task_type"]])
    quality = np.array([[0.4, 0.6, 0.8], [0.8, 0.85, 0.8], [0.2, 0.5, 0.8]])[kind]
    return replace(at, quality=quality, cost=np.tile([0.01, 0.1, 0.5], (n, 1)))


@pytest.fixture(scope="module")
def learned() -> Tries:
    return all_tried(world(N, 1))


@pytest.fixture(scope="module")
def router(learned: Tries) -> FittedSona:
    return Sona(seed=1).fit(learned)


@pytest.fixture
def one_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "METHODS", (replace(METHODS[-1], epochs=6),))


def apart(fitted: Fitted, judged: World) -> float:
    return float(np.square(fitted.expect(judged.tasks).quality - judged.quality).mean())


def value(fitted: Fitted, judged: World) -> float:
    chosen = best(fitted.expect(judged.tasks), PriceOfQuality(2.0))
    at = np.arange(len(chosen))
    return float((2 * judged.quality - judged.cost)[at, chosen].mean())


# What it chooses and what that is worth


def test_where_a_text_says_more_it_beats_the_lookup_on_fresh_tasks(router, learned):
    judged, lookup = world(1500, 2), lookup_by_repo().fit(learned)
    assert router.method.epochs > 0
    assert apart(router, judged) < 0.8 * apart(lookup, judged)
    assert value(router, judged) > value(lookup, judged) + 0.01
    cost = router.expect(judged.tasks).cost
    assert np.abs(np.log(cost / judged.cost)).mean() < np.log(1.15)
    assert cost.mean(axis=0) == pytest.approx(judged.cost.mean(axis=0), rel=0.05)


def test_where_the_kind_says_all_it_is_no_further_from_the_truth_than_the_lookup(soak, monkeypatch):
    if not soak:
        monkeypatch.setattr(tuning, "METHODS", (METHODS[0], METHODS[-1]))
    tries, judged = all_tried(plain(N, 3)), plain(500, 4)
    fitted, lookup = Sona().fit(tries), lookup_by_repo().fit(tries)
    assert apart(fitted, judged) < apart(lookup, judged) + 0.002
    if not fitted.method.epochs:
        said, looked_up = (one.expect(judged.tasks).quality for one in (fitted, lookup))
        assert np.abs(said - looked_up).max() < 0.05


def test_what_was_tried_is_told_chosen_first_and_simplest_within_one_error(router):
    with_texts = [method.with_directions(tuning.DIRECTIONS) for method in METHODS if method.epochs]
    order = [*METHODS, *with_texts]
    assert {one.method for one in router.tried} == set(order)
    assert len(router.tried) == len(order)
    chosen, *others = router.tried
    assert chosen.method == router.method
    assert [one.loss for one in others] == sorted(one.loss for one in others)
    assert all(one.losses.shape == (N,) for one in router.tried)
    least = min(router.tried, key=lambda one: one.loss)
    for one in router.tried:
        over = one.losses - least.losses
        is_near = one.loss - least.loss <= over.std() * np.sqrt(N) / (3 * N)
        assert not (is_near and order.index(one.method) < order.index(chosen.method))


def test_the_same_tries_make_the_same_router(one_method):
    few = tried(world(120, 3), np.random.default_rng(0).integers(0, 3, 120))
    first, second, other = Sona(2).fit(few), Sona(2).fit(few), Sona(3).fit(few)
    assert all(np.array_equal(array, second.arrays()[name]) for name, array in first.arrays().items())
    assert first.describe() == second.describe()
    assert not np.array_equal(first.members[0]["out.weight"], other.members[0]["out.weight"])


def test_what_it_says_of_quality_comes_true_as_often(router):
    judged = world(3000, 6)
    said = router.expect(judged.tasks).quality
    for low in (0.2, 0.4, 0.6, 0.8):
        is_here = (said >= low) & (said < low + 0.2)
        assert is_here.sum() > 100
        assert judged.quality[is_here].mean() == pytest.approx(said[is_here].mean(), abs=0.1)


@pytest.mark.soak
def test_where_the_kind_says_all_its_errors_are_as_large_as_it_says(soak, monkeypatch):
    """(expected − true) / error has a spread near 1. Where a text says much that 400 tasks do not teach, it is 2 to 3."""
    if not soak:
        monkeypatch.setattr(tuning, "METHODS", (METHODS[0],))
    far = []
    for seed in range(20 if soak else 8):
        truth = plain(300, seed)
        candidate = np.random.default_rng(seed).integers(0, 3, 300)
        expected = Sona().fit(tried(truth, candidate, seed)).expect(plain(200, 1000 + seed).tasks)
        far.append((expected.quality - plain(200, 1000 + seed).quality) / expected.quality_error)
    assert 0.7 < np.std(far) < 1.4


def test_of_a_new_type_it_expects_the_means_as_surely_as_types_differ(router, learned):
    asked = tasks(5, 9)
    asked = replace(asked, known=asked.known.with_columns(task_type=pl.lit("new")).cast(dict(KNOWN)))
    found, mean = router.expect(asked), np.nanmean(learned.matrix()[0], axis=0)
    assert np.allclose(found.quality, mean, atol=0.01)
    familiar = router.expect(tasks(200, 9))
    assert (found.quality_error > familiar.quality_error.mean(axis=0)).all()
    assert set(router.why_unfamiliar(asked)) == {"its task type was never learned from"}
    assert set(router.why_unfamiliar(tasks(5, 9))) == {""}


# Keeping it


def test_what_was_kept_expects_the_same_once_it_has_its_history(router, learned):
    learned_from = data_hash(learned)
    weights = packed(router, learned_from)
    again = unpacked(weights, "sona", learned_from)
    assert again.describe() == router.describe()
    with pytest.raises(RoutingError, match="loaded without a history"):
        again.expect(tasks(3))
    found, expected = again.with_history(learned).expect(tasks(50, 9)), router.expect(tasks(50, 9))
    for name in ("quality", "quality_error", "cost", "cost_error"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    with pytest.raises(RoutingError, match="other candidates"):
        again.with_history(replace(learned, candidates=learned.candidates[::-1]))


CUTS = (
    "surface.centre",
    "surface.basis",
    "calibration.slope",
    "familiar.most",
    "smear",
    "member.0.skip.weight",
    "member.1.hidden.bias",
    "elastic.2.fisher.out.weight",
)


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("change", ["missing", "shorter", "doubles"])
def test_arrays_of_another_shape_are_refused(router, name, change):
    arrays = router.arrays()
    if change == "missing":
        del arrays[name]
    else:
        arrays[name] = arrays[name][1:] if change == "shorter" else arrays[name].astype(np.float64)
    with pytest.raises(RoutingError, match="array"):
        restore("sona", router.candidates, router.describe(), arrays)


def test_descriptions_of_another_router_are_refused(router):
    arrays, said = router.arrays(), router.describe()
    fewer_types = said["surface"] | {"task_types": said["surface"]["task_types"][1:]}
    for changed, match in (
        ({"n_hidden": 7}, "hidden"),
        ({"n_members": 0}, "1 to 3 networks"),
        ({"n_members": 10**9}, "1 to 3 networks"),
        ({"surface": fewer_types}, "skip.weight"),
    ):
        with pytest.raises(RoutingError, match=match):
            restore("sona", router.candidates, said | changed, arrays)
    with pytest.raises(RoutingError, match="calibration|skip"):
        restore("sona", router.candidates[:2], said, arrays)
    with pytest.raises(RoutingError, match="no SONA"):
        restore("lookup", router.candidates, said, arrays)
    assert new("sona") == Sona()


# Going on learning


def later(tries: Tries, days: int = 30) -> Tries:
    return replace(tries, started_at=tries.started_at + np.timedelta64(days, "D"))


def joined(first: Tries, second: Tries) -> Tries:
    """All tries of both, those of the second after those of the first."""
    both = replace(
        first.tasks,
        known=pl.concat([first.tasks.known, second.tasks.known]),
        vectors=np.concatenate([first.tasks.vectors, second.tasks.vectors]),
        group=np.concatenate([first.tasks.group, second.tasks.group + len(first.tasks)]),
    )
    columns = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in ("candidate", "quality", "cost", "propensity", "started_at")
    }
    task = np.concatenate([first.task, second.task + len(first.tasks)])
    return replace(first, tasks=both, task=task, **columns)


def turned(n: int, seed: int) -> World:
    """A world of another repo and type in which the text says the opposite."""
    at = world(n, seed)
    odd = at.tasks.known.with_columns(task_type=pl.lit("chore"), repo=pl.lit("ops")).cast(dict(KNOWN))
    opposite = 1 / (1 + np.exp(4 * at.tasks.vectors[:, :1] * np.array([1.0, 0.7, 0.4])))
    return replace(at, tasks=replace(at.tasks, known=odd), quality=opposite)


def test_it_goes_on_learning_and_keeps_the_old_better_than_without_ewc(learned, monkeypatch, one_method):
    learned = learned.of_tasks(np.arange(N) < 250)
    began = Sona().fit(learned)
    everything = joined(learned, later(all_tried(turned(150, 8))))
    after = Sona().learn(began, everything)
    assert after.until == everything.started_at.max() > began.until
    assert after.method == began.method
    assert after.past.quality.expect(turned(5, 9).tasks.known).mean == pytest.approx(0.5, abs=0.1)
    assert any(began.why_unfamiliar(turned(5, 9).tasks))
    assert not any(after.why_unfamiliar(turned(5, 9).tasks))
    monkeypatch.setattr(module, "STRENGTH", 0.0)
    free = Sona().learn(began, everything)
    old = world(800, 5)
    assert apart(after, old) < apart(free, old)
    moved = [
        np.abs(one.members[0]["skip.weight"] - began.members[0]["skip.weight"]).sum() for one in (after, free)
    ]
    assert 0 < moved[0] < moved[1]


def test_without_anything_new_only_the_history_is_renewed(router, learned):
    fewer = learned.take(np.arange(len(learned)) < 600)
    again = Sona().learn(router, fewer)
    assert again.members is router.members
    assert again.until == router.until
    assert len(again.past.tries) == 600
    with pytest.raises(RoutingError, match="other candidates"):
        Sona().learn(router, replace(fewer, candidates=fewer.candidates[:2]))


def test_what_was_learned_on_goes_into_a_file_and_comes_back(router, learned):
    everything = joined(learned, later(all_tried(turned(60, 8))))
    after = Sona().learn(router, everything)
    again = unpacked(packed(after, "0" * 64), "sona", "0" * 64).with_history(everything)
    asked = turned(20, 9).tasks
    assert np.array_equal(again.expect(asked).quality, after.expect(asked).quality)
    assert Sona().learn(again, everything).members is again.members
