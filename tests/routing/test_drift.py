"""What changed: seldom seen where nothing did, found near its moment where something did, and left out of the past."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from routing_worlds import tried, world

from learnlab.events import Candidate
from learnlab.routing.sona.drift import LEAST, since_changes
from learnlab.routing.tries import KNOWN, Tasks, Tries

START = np.datetime64("2026-05-01", "us")
pytestmark = pytest.mark.filterwarnings("error")


def tries_of(
    quality: np.ndarray,
    cost: np.ndarray | None = None,
    candidate: np.ndarray | None = None,
    types: tuple[str | None, ...] = ("bugfix",),
    kind: np.ndarray | None = None,
) -> Tries:
    """Tries a minute apart, of a task of each type."""
    n, k = len(quality), 1 if candidate is None else int(candidate.max()) + 1
    row = {
        "repo": "shop",
        "file_count": 1,
        "estimated_tokens": 1,
        "complexity_score": None,
        "n_characters": 9,
    }
    at = pl.DataFrame([{"task_type": one} | row for one in types], schema=KNOWN)
    return Tries(
        tasks=Tasks(at, np.zeros((len(types), 0), dtype=np.float32), np.arange(len(types))),
        candidates=tuple(Candidate(model=f"m{i}") for i in range(k)),
        task=np.zeros(n, dtype=np.int64) if kind is None else kind,
        candidate=np.zeros(n, dtype=np.int64) if candidate is None else candidate,
        quality=quality.astype(float),
        cost=np.full(n, np.nan) if cost is None else cost,
        propensity=np.full(n, np.nan),
        started_at=START + np.arange(n).astype("timedelta64[m]"),
    )


def drawn(rates: list[tuple[int, float]], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.random(n) < rate for n, rate in rates]).astype(float)


@pytest.mark.soak
@pytest.mark.parametrize("rate", [0.02, 0.5, 0.9])
def test_of_cells_that_never_change_less_than_one_in_200_seems_to(rate, soak):
    n_cells, n = (4000, 1000) if soak else (200, 1000)
    rng = np.random.default_rng(7)
    candidate = rng.permutation(np.repeat(np.arange(n_cells), n))
    cost = np.exp(rng.normal(-3, 1, n_cells * n))
    tries = tries_of(rng.random(n_cells * n) < rate, cost, candidate)
    found = [change.figure for change in since_changes(tries)[1]]
    assert found.count("quality") <= n_cells / 200
    assert found.count("cost") <= n_cells / 200


@pytest.mark.parametrize(("before", "after"), [(0.8, 0.4), (0.3, 0.7), (0.98, 0.8)])
def test_a_planted_change_of_rate_is_found_near_its_moment(before, after):
    tries = tries_of(drawn([(400, before), (300, after)]))
    kept, (change,) = since_changes(tries)
    assert (change.figure, change.task_type, change.candidate) == ("quality", "bugfix", 0)
    assert abs(change.at - (START + np.timedelta64(400, "m"))) < np.timedelta64(40, "m")
    is_before = tries.started_at < change.at
    assert change.n_after == (~is_before).sum()
    assert change.before == pytest.approx(tries.quality[is_before].mean())
    assert change.after == pytest.approx(tries.quality[~is_before].mean())
    assert np.isnan(kept.quality[is_before]).all()
    assert np.array_equal(kept.quality[~is_before], tries.quality[~is_before])


def test_a_change_on_one_task_type_leaves_the_others_and_the_other_candidates_alone():
    n, rng = 2400, np.random.default_rng(2)
    kind, candidate = rng.integers(0, 2, n), rng.integers(0, 2, n)
    rate = np.where((kind == 1) & (candidate == 0) & (np.arange(n) >= 1200), 0.2, 0.7)
    tries = tries_of(rng.random(n) < rate, None, candidate, ("bugfix", "docs"), kind)
    kept, (change,) = since_changes(tries)
    assert (change.task_type, change.candidate) == ("docs", 0)
    forgotten = np.isnan(kept.quality)
    assert forgotten.any()
    assert (kind[forgotten] == 1).all()
    assert (candidate[forgotten] == 0).all()


def test_a_planted_change_of_price_is_found_whatever_the_types_cost_and_quality_stays():
    n, rng = 900, np.random.default_rng(3)
    kind, candidate = rng.integers(0, 2, n), rng.integers(0, 2, n)
    price = np.where((candidate == 1) & (np.arange(n) >= 500), 0.5, 1.0)
    cost = price * np.where(kind == 1, 8.0, 1.0) * np.exp(rng.normal(0, 0.5, n))
    tries = tries_of(np.ones(n), cost, candidate, ("bugfix", "docs"), kind)
    kept, (change,) = since_changes(tries)
    assert (change.figure, change.task_type, change.candidate) == ("cost", None, 1)
    assert abs(change.at - (START + np.timedelta64(500, "m"))) < np.timedelta64(40, "m")
    assert change.after < 0.75 * change.before
    assert np.array_equal(np.isnan(kept.cost), (candidate == 1) & (tries.started_at < change.at))
    assert np.isfinite(kept.quality).all()


def test_the_change_is_the_one_of_two_that_explains_more():
    quality = drawn([(300, 0.9), (300, 0.1), (300, 0.3)])
    _, (change,) = since_changes(tries_of(quality))
    assert abs(change.at - (START + np.timedelta64(300, "m"))) < np.timedelta64(20, "m")


def test_fractions_count_as_parts_of_a_success():
    rng = np.random.default_rng(4)
    quality = np.concatenate([rng.uniform(0.5, 1.0, 300), rng.uniform(0.0, 0.5, 300)])
    _, (change,) = since_changes(tries_of(quality))
    assert abs(change.at - (START + np.timedelta64(300, "m"))) < np.timedelta64(30, "m")
    assert change.before == pytest.approx(0.75, abs=0.05)
    assert since_changes(tries_of(rng.uniform(0, 1, 900)))[1] == ()


def test_what_is_unknown_takes_no_part():
    clear = tries_of(drawn([(400, 0.9), (400, 0.2)]))
    n = len(clear)
    is_odd = np.arange(n) % 2 == 1
    gappy = replace(clear, quality=np.where(is_odd, np.nan, clear.quality))
    kept, (change,) = since_changes(gappy)
    assert change.n_after == pytest.approx(200, abs=10)
    assert np.isnan(kept.quality[is_odd]).all()
    untimed = replace(clear, started_at=np.full(n, np.datetime64("NaT", "us")))
    assert since_changes(untimed)[1] == ()
    half = np.where(is_odd, np.datetime64("NaT", "us"), clear.started_at)
    kept, (change,) = since_changes(replace(clear, started_at=half))
    assert np.isfinite(kept.quality[is_odd]).all(), "a try without a time belongs to no change"
    assert np.isnan(kept.quality[~is_odd & (clear.started_at < change.at)]).all()


def test_null_types_free_tries_and_nothing_at_all():
    tries = tries_of(drawn([(200, 0.9), (200, 0.1)]), np.zeros(400), types=(None,))
    _, (change,) = since_changes(tries)
    assert change.task_type is None
    assert change.figure == "quality"
    assert since_changes(tries.take(np.zeros(400, dtype=bool)))[1] == ()
    assert since_changes(tries_of(np.full(400, np.nan), np.full(400, np.nan)))[1] == ()


def test_too_few_before_or_after_tell_no_change():
    for n_before, n_after in ((LEAST - 1, 300), (300, LEAST - 1)):
        quality = np.repeat([1.0, 0.0], [n_before, n_after])
        changes = since_changes(tries_of(quality))[1]
        moments = [change.at - START for change in changes]
        assert all(change.n_after >= LEAST for change in changes)
        assert all(moment >= np.timedelta64(LEAST, "m") for moment in moments)
    assert since_changes(tries_of(np.repeat([1.0, 0.0], LEAST - 1)))[1] == ()


def test_tries_of_one_moment_are_not_divided():
    tries = tries_of(np.repeat([1.0, 0.0], 100))
    same = replace(tries, started_at=np.full(200, START))
    assert since_changes(same)[1] == ()


def test_the_order_of_the_rows_changes_nothing():
    tries = tries_of(drawn([(300, 0.9), (300, 0.3)]), np.exp(np.random.default_rng(5).normal(0, 1, 600)))
    mixed = np.random.default_rng(6).permutation(600)
    kept, changes = since_changes(tries)
    again, same = since_changes(tries.take(mixed))
    assert same == changes
    assert np.array_equal(again.quality, kept.quality[mixed], equal_nan=True)


def test_a_world_without_change_is_left_as_it_is():
    tries = tried(world(600, 4), np.random.default_rng(0).integers(0, 3, 600))
    kept, changes = since_changes(tries)
    assert changes == ()
    assert np.array_equal(kept.quality, tries.quality)
    assert np.array_equal(kept.cost, tries.cost)
