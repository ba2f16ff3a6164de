from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import threading
import time
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from encoders import WordEncoder
from hypothesis import given
from hypothesis import strategies as st
from routing_stores import crossed, fill, logged
from routing_worlds import TIERS, all_tried, tried, world

from learnlab.capture.telemetry import TelemetryCapture
from learnlab.errors import RoutingError, StoreBusyError, StoreError
from learnlab.events import Candidate
from learnlab.routing.counterfactual.judged import judged
from learnlab.routing.deciding import inuse
from learnlab.routing.deciding.choosing import as_candidates, draw
from learnlab.routing.deciding.decision import ToRoute
from learnlab.routing.deciding.online import RoutingService, route
from learnlab.routing.keeping import kept, registry
from learnlab.routing.preference import AboveFloor, PriceOfQuality, WithinBudget
from learnlab.routing.promoting.promotion import rollback_router
from learnlab.routing.reading import Reads, read_tries
from learnlab.routing.router import Expected
from learnlab.search.index.backlog import encode_waiting
from learnlab.store import Store
from learnlab.store.connection import transaction
from learnlab.store.spool import SpoolWriter

TASK = {"task_description": "Describe it", "task_type": "docs", "repo": "shop"}
TRIES = all_tried(crossed(60))


def promote(store: Store, kind: str = "lookup_by_repo", tries=TRIES, worth_usd: float = 2.0) -> str:
    """Put a router into use that has learned from these tries."""
    fit = registry.fit_of(kept.new(kind).fit(tries), tries, Reads())
    row = {"decision": registry.PROMOTED, "in_use": fit.router_version, "challenger": fit.router_version}
    with store.writing() as connection, transaction(connection):
        registry.keep(connection, fit)
        registry.note(connection, row | {"worth_usd": worth_usd, "reason": "a test"})
    return fit.router_version


def decisions(store: Store):
    return store.sql("select * from routing_decisions order by timestamp").to_dicts()


def test_the_router_in_use_chooses_and_says_why(store):
    version = promote(store)
    done = route(TASK, store, explore=0)
    assert (done.chosen.tier, done.propensity, done.router_version) == ("small", 1.0, version)
    assert done.expected_quality == pytest.approx(0.9, abs=0.1)
    assert done.expected_cost_usd == pytest.approx(0.01)
    assert done.confidence > 0.9
    assert "the best where a success is worth 2 US dollars; lookup_by_repo expects 9" in done.reason
    assert [one.propensity for one in done.candidates] == [1, 0, 0]
    assert "small: the best" in done.summary()


def test_without_a_router_it_is_the_best_single_candidate(store):
    fill(store, all_tried(world(200)))
    done = route(TASK, store, explore=0)
    assert (done.chosen.tier, done.router_version) == ("medium", "best_single")
    assert done.reason.endswith("no router is in use")


def test_with_nothing_tried_the_first_one_named_is_chosen(store, tmp_path):
    for db in (store, Store(tmp_path / "none.duckdb")):
        done = route(TASK, db, candidates=["large", "small"])
        assert (done.chosen.tier, done.propensity, done.confidence) == ("large", 1.0, None)
        assert "the first one named: nothing is known of any candidate" in done.reason
        with pytest.raises(RoutingError, match="holds no tries to choose by: name the candidates"):
            route(TASK, db)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("weights = weights[:50]::blob", "was damaged or altered"),
        ("weights_hash = 'x'", "was damaged or altered"),
        ("name = 'os'", "another router: its name differ"),
        ("router_version = 'another'", "is not in the store"),
    ],
)
def test_a_router_that_cannot_be_used_leaves_the_choice_to_the_baseline(store, spoil, message):
    fill(store, logged(crossed(20)))
    promote(store)
    with store.writing() as connection:
        connection.execute(f"update routers set {spoil}")
    done = route(TASK, store)
    assert done.router_version == "best_single"
    assert message in done.reason


def test_decisions_are_logged_with_every_probability(store):
    version = promote(store)
    with RoutingService(store, explore=0.3, seed=1) as service:
        made = [service.route(TASK | {"task_id": f"t{at}"}) for at in range(40)]
    rows = decisions(store)
    assert [row["decision_id"] for row in rows] == [str(one.decision_id) for one in made]
    assert {row["router_version"] for row in rows} == {version}
    for row, one in zip(rows, made, strict=True):
        assert Candidate.model_validate_json(row["chosen"]) == one.chosen
        shares = [share["propensity"] for share in json.loads(row["candidates"])]
        np.testing.assert_allclose(shares, [0.8, 0.1, 0.1])
        assert one.reason in row["context"]
        assert one.is_exploring == (one.chosen.tier != "small")
    assert {one.chosen.tier for one in made} == {"small", "medium", "large"}
    explored = [one for one in made if one.is_exploring]
    assert all("tried to learn from it, where small looks best" in one.reason for one in explored)


def test_what_is_drawn_is_drawn_with_the_probability_that_is_logged(store):
    promote(store, "best_single", tried(crossed(30), np.arange(30) % 3))
    with RoutingService(store, explore="thompson", seed=2) as service:
        made = [service.route(TASK) for _ in range(300)]
    for place, tier in enumerate(TIERS):
        share = np.mean([one.chosen.tier == tier.tier for one in made])
        said = [one.candidates[place].propensity for one in made]
        assert min(said) >= 0.01
        assert abs(share - np.mean(said)) < 4 * np.sqrt(np.mean(said) / 300)


def test_an_outcome_told_later_meets_its_propensity(store):
    promote(store)
    with RoutingService(store, explore=0.5, seed=3) as service:
        made = [service.route(TASK | {"task_id": f"t{at}", "task_group": f"g{at}"}) for at in range(30)]

    async def outcomes():
        async with TelemetryCapture(learning_db=store) as telemetry:
            for at in range(30):
                await telemetry.capture_execution_outcome({"task_id": f"t{at}", "success": at % 2 == 0})

    asyncio.run(outcomes())
    tries = read_tries(store)
    assert len(tries) == 30
    assert sorted(tries.propensity) == sorted(one.propensity for one in made)
    assert judged(tries).share == 1
    rows = store.sql("select external_id, model_tier, routing_confidence, cost_estimate from executions")
    told = {row["external_id"]: row for row in rows.to_dicts()}
    for at, one in enumerate(made):
        row = told[f"t{at}"]
        assert row["model_tier"] == one.chosen.tier
        assert row["routing_confidence"] == pytest.approx(one.confidence)
        assert row["cost_estimate"] == pytest.approx(one.expected_cost_usd)


def test_an_execution_made_of_the_decision_is_its_attempt(store):
    promote(store)
    done = route(TASK | {"task_id": "t1"}, store, explore=0.5)
    record = done.executed(success=True, actual_cost=0.02, duration_seconds=3.0)
    SpoolWriter(store.path).append([record])
    (row,) = store.sql("select * from executions").to_dicts()
    assert (row["propensity"], row["success"], row["external_id"]) == (done.propensity, True, "t1")
    assert UUID(str(row["record_key"])) == done.decision_id
    assert store.sql("select count(*) from open_attempts").item() == 0


@pytest.mark.parametrize(
    ("preference", "tier", "words"),
    [
        (WithinBudget(0.02), "small", "the best that is expected to cost at most 0.02 US"),
        (
            WithinBudget(0.0),
            "small",
            "none is expected to cost at most 0 US dollars, and it is the cheapest",
        ),
        (WithinBudget(9.0), "large", "the best that is expected to cost at most 9"),
        (AboveFloor(0.6), "medium", "the cheapest of which a success of 60% is expected"),
        (AboveFloor(1.0), "large", "of none a success of 100% is expected, and it comes nearest"),
        (PriceOfQuality(0.0), "small", "the best where a success is worth 0 US dollars"),
    ],
)
def test_what_is_wanted_decides_and_contradictions_are_said(preference, tier, words):
    quality, cost = np.array([[0.5, 0.7, 0.9]]), np.array([[0.01, 0.1, 0.5]])
    expected = Expected(quality, quality / 50, cost, cost / 50)
    done = draw(expected, TIERS, preference, 0, np.random.default_rng(0), who="it")
    assert TIERS[done.place].tier == tier
    assert words in done.reason


def test_candidates_may_be_fewer_or_new(store):
    promote(store)
    one = route(TASK, store, candidates=["medium"])
    assert (one.chosen.tier, one.propensity, one.confidence) == ("medium", 1.0, 1.0)
    assert one.reason.startswith("the only candidate; lookup_by_repo expects")
    new = route(TASK, store, candidates=[{"model": "new-1"}, "large"], explore=0)
    assert new.chosen.tier == "large"
    new = route(TASK, store, candidates=[{"model": "new-1"}, "large"], explore=0.5)
    assert [round(c.propensity, 3) for c in new.candidates] == [0.25, 0.75]
    odd = route(TASK | {"task_type": "never", "repo": "seen"}, store, explore=0)
    assert 0 < odd.expected_quality < 1
    assert "lookup_by_repo expects" in odd.reason


@given(
    st.lists(st.sampled_from([0.0, 0.3, 1.0, np.nan]), min_size=1, max_size=4),
    st.lists(st.sampled_from([0.0, 0.1, 1e6, np.nan]), min_size=4, max_size=4),
    st.sampled_from([0.0, 0.2, 1.0, "thompson"]),
    st.sampled_from([PriceOfQuality(1.0), WithinBudget(0.05), AboveFloor(0.9)]),
)
def test_whatever_is_expected_something_is_drawn(quality, cost, explore, preference):
    figures = [np.array([one[: len(quality)]]) for one in (quality, quality, cost, cost)]
    candidates = tuple(Candidate(model=f"m{at}") for at in range(len(quality)))
    done = draw(Expected(*figures), candidates, preference, explore, np.random.default_rng(0), who="it")
    assert done.probabilities.sum() == pytest.approx(1)
    assert done.probabilities[done.place] > 0
    assert done.is_exploring or np.isfinite(quality[done.place]) or not np.isfinite(quality).any()
    assert done.confidence is None or 0 <= done.confidence <= 1
    assert done.reason


def test_a_service_sees_what_is_promoted_and_rolled_back(store):
    fill(store, logged(crossed(60)))
    with RoutingService(store, look_seconds=0) as service:
        assert service.route(TASK).router_version == "best_single"
        version = promote(store)
        assert service.route(TASK).router_version == version
        rollback_router(store)
        assert service.route(TASK).router_version == "best_single"
    with RoutingService(store) as service:
        promote(store)
        assert service.route(TASK).router_version == "best_single"
        service.refresh()
        assert service.router_version == version


def test_a_store_that_is_busy_does_not_hold_up_a_service(store, monkeypatch, caplog):
    version = promote(store)
    with RoutingService(store, look_seconds=0) as service:

        def busy(*_):
            raise StoreBusyError("it is in use")

        monkeypatch.setattr(inuse.registry, "in_use", busy)
        os.utime(store.path)
        with caplog.at_level(logging.WARNING, "learnlab.routing"):
            assert service.route(TASK).router_version == version
    assert f"goes on with {version}: it is in use" in caplog.text


def test_a_decision_that_cannot_be_written_is_made(store, caplog, monkeypatch):
    promote(store)
    service = RoutingService(store)

    def full(_):
        raise StoreError("no space left")

    monkeypatch.setattr(service._spool, "write", full)
    with caplog.at_level(logging.WARNING, "learnlab.routing"):
        assert service.route(TASK).chosen.tier
    assert "is not logged: no space left" in caplog.text


def test_threads_share_a_service(store):
    promote(store)
    with RoutingService(store, explore=0.5, seed=1) as service:
        threads = [
            threading.Thread(target=lambda: [service.route(TASK) for _ in range(20)]) for _ in range(4)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert len(decisions(store)) == 80


def with_vectors(store: Store, encoder: WordEncoder) -> str:
    fill(store, logged(crossed(40)))
    encode_waiting(store, encoder)
    tries = read_tries(store)
    fit = registry.fit_of(kept.new("lookup").fit(tries), tries, Reads(encoder_key=encoder.key))
    with store.writing() as connection:
        registry.keep(connection, fit)
        registry.note(connection, {"decision": "promoted", "in_use": fit.router_version, "reason": "a test"})
    return fit.router_version


def test_the_vector_is_given_stored_or_made(store):
    encoder = WordEncoder()
    with_vectors(store, encoder)
    encoder.n_encoded = 0
    with RoutingService(store, encoder=encoder) as service:
        given = WordEncoder().encode(["task 1"])[0]
        service.route(TASK, vector=given)
        assert encoder.n_encoded == 0
        assert "left out" not in service.route(TASK).reason
        assert encoder.n_encoded == 1
        found = service._in_use.vector_of(store, "task 1")
        np.testing.assert_allclose(found, given, atol=1e-3)
        assert service._in_use.vector_of(store, "never seen") is None
        for wrong in (given[:5] / np.linalg.norm(given[:5]), given * 2, np.full(384, np.nan), given[None]):
            with pytest.raises(RoutingError, match="vector"):
                service.route(TASK, vector=wrong)


def test_a_vector_of_another_model_is_left_out_and_said(store):
    version = with_vectors(store, WordEncoder())
    done = route(TASK, store, encoder=WordEncoder("others@1"))
    assert f"the text was left out: {version} has learned from words@1" in done.reason


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (7, "not int"),
        ({"repo": ""}, "repo: String should have at least 1 character"),
        ({"success": True}, "success: Extra inputs are not permitted"),
        ({"complexity_score": 400}, "complexity_score"),
        ({"file_count": -1}, "file_count"),
        ({"task_id": 9}, "task_id"),
    ],
)
def test_what_is_no_task_to_route(task, message):
    with pytest.raises(RoutingError, match=message):
        ToRoute.of(task)


def test_a_task_is_known_by_its_id_as_elsewhere():
    plain = ToRoute.of({"task_id": "0f8fad5b-d9cb-469f-a165-70867728950e", "task_type": "Refactoring"})
    assert (plain.external_id, plain.task_type) == (None, "refactor")
    assert ToRoute.of("Fix\x00 it").known()["task_description"] == "Fix\ufffd it"
    assert ToRoute.of({"task_id": "t1"}).known()["external_id"] == "t1"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "no candidate"),
        ("small", "candidates are several"),
        (["small", Candidate(tier="small", propensity=0.5)], "named twice"),
        (["unknown"], "can not be chosen"),
        ([{}], "can not be chosen"),
        ([{"tier": "huge"}], "is no candidate"),
        ([7], "is no candidate"),
        (7, "candidates are several, not int"),
        ([""], "a name of 1 to 500 characters"),
        ([{"pool": " \n"}], "a name of 1 to 500 characters"),
        (["x" * 501], "a name of 1 to 500 characters"),
        (["a\0b"], "a name of 1 to 500 characters"),
        (["\ud800"], "a name of 1 to 500 characters"),
    ],
)
def test_what_are_no_candidates(given, message):
    with pytest.raises(RoutingError, match=message):
        as_candidates(given)


@pytest.mark.parametrize("vector", ["abc", ["a"], object(), [[1], [1, 2]]])
def test_what_is_no_vector(store, vector):
    with pytest.raises(RoutingError, match="the vector of a text is numbers"):
        route(TASK, store, candidates=["small"], vector=vector)


def test_what_is_no_preference(store):
    with pytest.raises(RoutingError, match=r"a preference is a PriceOfQuality, .* not str"):
        route(TASK, store, candidates=["small"], preference="cheap")


def test_a_terminal_is_shown_no_control_characters(store):
    told = route(TASK, store, candidates=["\x1b[2Jgpt\r\nx"]).summary()
    assert len(told.splitlines()) == 3
    assert all(line.isprintable() for line in told.splitlines())


@pytest.mark.parametrize("explore", [-0.1, 1.5, "greedy", None, True, float("nan")])
def test_what_is_no_way_to_explore(explore):
    with pytest.raises(RoutingError, match="explore|epsilon"):
        RoutingService("nowhere", explore=explore)


def test_a_forked_child_draws_for_itself(store):
    promote(store)
    service = RoutingService(store, explore=0.5)
    service._pid = -1
    before = service._rng
    service.route(TASK)
    assert service._rng is not before
    assert service._pid == os.getpid()


def test_a_forked_child_goes_on_with_what_was_loaded(store):
    """Without a wait for the threads that it has not: the child ends itself when it takes too long."""
    fill(store, TRIES)
    version = promote(store)
    service = RoutingService(store, look_seconds=0)
    rollback_router(store)
    child = os.fork()
    if not child:
        signal.alarm(30)
        is_same = service.route(TASK).router_version == version
        with contextlib.suppress(RoutingError):
            service.refresh()
            is_same = False
        os._exit(0 if is_same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert service.route(TASK).router_version == "best_single"


def test_a_price_of_quality_is_that_of_the_promotion(store):
    promote(store, worth_usd=0.5, tries=replace(TRIES, cost=TRIES.cost))
    assert "a success is worth 0.5 US dollars" in route(TASK, store, explore=0).reason
    assert "worth 7 US" in route(TASK, store, explore=0, preference=PriceOfQuality(7)).reason


def test_a_decision_takes_a_moment(store, soak):
    promote(store)
    taken = []
    with RoutingService(store) as service:
        for _ in range(2000 if soak else 100):
            began = time.thread_time()
            service.route(TASK)
            taken.append(time.thread_time() - began)
    assert np.median(taken) < 0.003
