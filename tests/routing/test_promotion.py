from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import routing_stores
from routing_stores import crossed, fill, later, logged
from routing_worlds import all_tried, tried

from learnlab.errors import RoutingError
from learnlab.routing.baselines import Lookup, baselines, best_single
from learnlab.routing.keeping import registry
from learnlab.routing.preference import PriceOfQuality
from learnlab.routing.promoting import promotion, reference
from learnlab.routing.promoting.judge import ALL_TRIED, FROM_PROPENSITIES, Compared, judge
from learnlab.routing.promoting.promotion import rollback_router, train_router, trial
from learnlab.routing.reading import read_tries
from learnlab.store import Store

N = 100


@pytest.fixture(autouse=True)
def few_baselines(monkeypatch):
    """Compare with the quickest baselines alone."""
    monkeypatch.setattr(reference, "baselines", lambda: (best_single(), Lookup()))


@pytest.fixture(scope="module")
def template(empty, tmp_path_factory):
    """A store in which every tier was tried on every task, and looking up by type and repo is best by far."""
    path = shutil.copy(empty, tmp_path_factory.mktemp("filled") / "store.duckdb")
    return fill(Store(path), all_tried(crossed(N))).path


@pytest.fixture
def filled(template, tmp_path):
    """That store, to be changed."""
    return Store(shutil.copy(template, tmp_path / "filled.duckdb"))


def turn(store) -> None:
    """Let much more come in, in which the other tier is the right one."""
    fill(store, later(all_tried(crossed(6 * N, 1, is_turned=True), 1), N), first=10_000)


def test_a_better_router_comes_into_use(filled, monkeypatch):
    monkeypatch.setattr(reference, "baselines", baselines)
    done = train_router(filled, "lookup_by_repo")
    assert done.is_promoted
    assert done.gain.low > 0
    assert done.judged_by == ALL_TRIED
    (row,) = registry.promotions(filled).to_dicts()
    assert (row["decision"], row["in_use"], row["challenger"]) == ("promoted", done.in_use, done.challenger)
    assert row["champion"] in {router.name for router in baselines()}
    assert (row["n_tasks"], row["worth_usd"]) == (N / 5, 1.0)
    assert row["gain_usd_low"] == done.gain.low < row["gain_usd"] < row["gain_usd_high"]
    assert "better" in row["reason"]
    assert done.in_use in done.summary()


def test_what_is_promoted_is_what_was_judged_on_later_tries(filled):
    train_router(filled, "lookup_by_repo")
    found = registry.loaded(filled)
    tries = read_tries(filled)
    assert found.n_tries == 3 * N * 0.8
    assert (tries.started_at > np.datetime64(found.learned_until)).sum() == 3 * N * 0.2


def test_the_same_data_make_the_same_router(filled):
    train_router(filled, "lookup_by_repo")
    again = train_router(filled, "lookup_by_repo")
    assert (again.decision, again.reason) == (
        "not promoted",
        "the same data make the router that is in use already",
    )
    assert len(registry.promotions(filled)) == 2


def test_a_trial_decides_the_same_and_writes_nothing(filled):
    tried_out = trial(filled, "lookup_by_repo")
    assert (len(registry.promotions(filled)), len(registry.routers(filled))) == (0, 0)
    assert train_router(filled, "lookup_by_repo") == tried_out.promotion
    assert tried_out.promotion.is_promoted
    assert tried_out.champion.name == tried_out.promotion.champion
    assert tried_out.split.judged.started_at.min() > tried_out.split.learned.started_at.max()
    assert trial(filled, "lookup_by_repo").champion is None


def test_a_worse_router_does_not_come_into_use(filled):
    version = train_router(filled, "lookup_by_repo").in_use
    done = train_router(filled, "best_single")
    assert (done.decision, done.champion, done.in_use) == ("not promoted", version, version)
    assert done.gain.high < 0
    assert "worse" in done.reason
    assert registry.loaded(filled).router_version == version
    assert len(registry.routers(filled)) == 1


def test_rolling_back_is_one_call_and_a_decision(filled):
    first = train_router(filled, "lookup_by_repo").in_use
    turn(filled)
    second = train_router(filled, "lookup_by_repo")
    assert second.is_promoted
    assert second.champion == first
    assert rollback_router(filled).in_use == first
    assert registry.loaded(filled).router_version == first
    last = rollback_router(filled)
    assert (last.decision, last.champion, last.in_use) == ("rolled back", first, None)
    assert registry.loaded(filled) is None
    with pytest.raises(RoutingError, match="no router is in use"):
        rollback_router(filled)
    assert registry.promotions(filled)["decision"].to_list() == ["rolled back"] * 2 + ["promoted"] * 2


def test_another_is_judged_by_what_is_later_than_the_one_in_use_learned(filled, monkeypatch):
    train_router(filled, "lookup_by_repo")
    until = np.datetime64(registry.loaded(filled).learned_until)
    fill(filled, later(all_tried(crossed(10, 1), 1), N), first=10_000)
    seen = []
    monkeypatch.setattr(promotion, "judge", lambda held, *given: seen.append(held) or judge(held, *given))
    train_router(filled, "lookup")
    assert (seen[0].started_at > until).all()
    with filled.writing() as connection:
        connection.execute("update routers set learned_until = (select max(timestamp) from executions)")
    with pytest.raises(RoutingError, match="holds nothing later than"):
        train_router(filled, "lookup")


def test_without_propensities_it_says_what_would_be_needed(store):
    fill(store, logged(crossed(N), is_told=False))
    done = train_router(store, "lookup_by_repo")
    assert (done.decision, done.gain, done.judged_by, done.in_use) == ("not promoted", None, None, None)
    assert "could not be judged" in done.reason
    assert "lack the propensity" in done.reason
    assert registry.promotions(store)["reason"].to_list() == [done.reason]


def test_with_propensities_it_is_judged_by_them(store):
    fill(store, logged(crossed(1500)))
    done = train_router(store, "lookup_by_repo")
    assert (done.decision, done.judged_by) == ("promoted", FROM_PROPENSITIES)
    truth = 0.95 - 0.5
    assert done.gain.low < truth + 0.1
    assert done.gain.high > truth - 0.1


@pytest.mark.parametrize("quality", [0.0, 1.0, np.nan])
def test_where_all_are_alike_nothing_is_promoted(store, quality):
    tries = all_tried(crossed(60))
    fill(store, replace(tries, quality=np.full(len(tries), quality), cost=np.full(len(tries), np.nan)))
    done = train_router(store, "lookup_by_repo")
    assert done.decision == "not promoted"
    assert done.gain is None or done.gain.estimate == 0


def test_few_later_tasks_are_too_few_to_tell(store):
    fill(store, all_tried(crossed(40)))
    done = train_router(store, "lookup_by_repo")
    assert done.gain.n == 8
    assert "too few to tell" in done.reason
    assert not done.is_promoted


def test_nothing_to_learn_from_is_an_error(store):
    with pytest.raises(RoutingError, match="holds no tries of model_tier"):
        train_router(store, "lookup")
    tries = all_tried(crossed(5))
    fill(store, replace(tries, started_at=np.full(15, np.datetime64("2026-05-01", "us"))))
    with pytest.raises(RoutingError, match="no earlier and later part"):
        train_router(store, "lookup")


def test_a_router_that_cannot_be_kept_is_an_error(filled):
    with pytest.raises(RoutingError, match="lookup cannot be kept"):
        train_router(filled, Lookup())
    with pytest.raises(RoutingError, match="no kind of router is called 'os'"):
        train_router(filled, "os")
    with pytest.raises(RoutingError, match="a success is worth is -1"):
        train_router(filled, "lookup", worth_usd=-1)


def test_when_another_comes_into_use_meanwhile_it_is_judged_against_that(filled, monkeypatch):
    others = iter(["lookup_by_repo"])

    def interrupted(*given):
        found = judge(*given)
        for other in others:
            train_router(filled, other)
        return found

    monkeypatch.setattr(promotion, "judge", interrupted)
    done = train_router(filled, "lookup")
    versions = [row["challenger"] for row in registry.promotions(filled).to_dicts()]
    assert (done.champion, done.in_use) == (versions[1], versions[1])
    assert versions[0] == done.challenger


def test_when_something_is_forgotten_meanwhile_it_is_fitted_again(filled, monkeypatch):
    repos = iter(["web"])

    def interrupted(*given):
        found = judge(*given)
        for repo in repos:
            filled.forget(repo=repo)
        return found

    monkeypatch.setattr(promotion, "judge", interrupted)
    done = train_router(filled, "lookup")
    assert len(registry.promotions(filled)) == 1
    assert done.gain is None or done.gain.n < N / 5


def test_a_store_that_changes_each_time_is_an_error(filled, monkeypatch):
    def interrupted(*given):
        with filled.writing() as connection:
            registry.note(connection, {"decision": "promoted", "in_use": "gone-1", "reason": "a test"})
            connection.execute(
                "insert into ledger (ingest_id, kind, n_rows_read, n_accepted, n_replaced, "
                "n_duplicates, n_rejected, n_removed, committed_at) "
                "select uuid(), 'forget', 0, 0, 0, 0, 0, 0, now()::timestamp"
            )
        return Compared(None)

    monkeypatch.setattr(promotion, "judge", interrupted)
    with pytest.raises(RoutingError, match="each time: train again"):
        train_router(filled, "lookup")


def test_a_damaged_router_in_use_is_none_and_said(filled):
    train_router(filled, "lookup_by_repo")
    with filled.writing() as connection:
        connection.execute("update routers set weights = weights[:100]::blob")
    done = train_router(filled, "lookup")
    assert done.champion == "best_single"
    assert "it was damaged or altered" in done.reason
    assert done.in_use in (None, done.challenger)


def test_forgetting_takes_along_what_learned_from_it(filled):
    version = train_router(filled, "lookup_by_repo").in_use
    assert filled.forget(repo="nothing of it").routers == ()
    gone = filled.forget(repo="web")
    assert gone.routers == (version,)
    assert f"gone with it: {version}" in gone.summary()
    assert registry.routers(filled).is_empty()
    assert registry.promotions(filled)["in_use"].to_list() == [version]
    with pytest.raises(RoutingError, match="was forgotten with what it learned from"):
        registry.loaded(filled)


def test_two_processes_training_at_once_lose_nothing(filled, soak):
    kinds = ["lookup_by_repo", "lookup", "best_single"][: 3 if soak else 2]
    program = [sys.executable, str(Path(routing_stores.__file__)), str(filled.path)]
    running = [
        subprocess.Popen([*program, kind], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for kind in kinds
    ]
    for one in running:
        said, error = one.communicate(timeout=120)
        assert one.returncode == 0, error
        assert said.strip() in ("promoted", "not promoted")
    rows = registry.promotions(filled).reverse()
    assert len(rows) == len(kinds)
    current = None
    for row in rows.to_dicts():
        assert row["champion"] == current or current is None
        current = row["challenger"] if row["decision"] == "promoted" else current
        assert row["in_use"] == current
    found = registry.loaded(filled)
    assert found.name == "lookup_by_repo"
    assert found.router_version == current


def test_the_gain_of_full_information_is_the_mean_of_the_differences():
    held = all_tried(crossed(50, 3), 3)
    tries = tried(crossed(300), np.arange(300) % 3)
    one, other = (router.fit(tries) for router in baselines()[:2])
    found = judge(held, one, other, PriceOfQuality(2.0), Lookup())
    quality, cost = held.matrix()
    value = 2 * quality - cost
    places = [
        int(np.nanargmax(2 * r.expect(held.tasks).quality[0] - r.expect(held.tasks).cost[0]))
        for r in (one, other)
    ]
    assert found.gain.estimate == pytest.approx((value[:, places[0]] - value[:, places[1]]).mean())
    assert found.gain.n == 50
    assert judge(held.take([]), one, other, PriceOfQuality(2.0), Lookup()).verdict == "not judged"


def test_by_propensities_tasks_of_no_known_type_are_judged_as_one_kind():
    tries = tried(crossed(300), np.random.default_rng(0).integers(0, 2, 300))
    one, other = best_single().fit(tries), Lookup().fit(tries)
    half = replace(tries, propensity=np.full(len(tries), 0.5))
    kind = pl.Series("task_type", [None, "docs"] * 150, dtype=pl.String)
    found = [
        judge(replace(half, tasks=replace(half.tasks, known=half.tasks.known.with_columns(named))), one, other,
              PriceOfQuality(2.0), Lookup())
        for named in (kind, kind.fill_null("unknown"))
    ]  # fmt: skip
    assert found[0].judged_by == FROM_PROPENSITIES
    assert found[0].gain == pytest.approx(found[1].gain)
