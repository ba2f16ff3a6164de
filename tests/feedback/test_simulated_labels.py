"""The sample's feedback: what its people gave, by whom it is seen, and labels whose errors are known."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

from learnlab.feedback.labelling.schemas import OUTCOME
from learnlab.ingest.simulation import simulated_labels as s
from learnlab.ingest.simulation import simulated_sessions as sessions
from learnlab.ingest.simulation.sample import SAMPLE, SAMPLE_SEED, ensure_sample, simulate_into
from learnlab.ingest.simulation.simulated_people import ratings
from learnlab.ingest.simulation.simulator import Fleet, simulate
from learnlab.intervals import wilson
from learnlab.people import PUBLIC, Viewer
from learnlab.store import Store
from learnlab.store.frames import conform


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return simulate(2000, seed=3)


def test_what_is_asked_is_the_default_schema():
    assert OUTCOME.to_json() == s.SCHEMA
    assert OUTCOME.key == s.SCHEMA_KEY


def test_each_annotator_is_wrong_absent_and_unsure_as_often_as_stated(fleet):
    told = s.labels(fleet).join(s.items(fleet).select("task_id", truth="success"), on="task_id")
    assert told["task_id"].n_unique() == s.N_ITEMS
    for author, (wrong, taken, untold) in s.ANNOTATORS.items():
        own = told.filter(author=author)
        decided = own.drop_nulls("success")
        n_wrong = decided.filter(pl.col("success") != pl.col("truth")).height
        for k, n, rate in (
            (n_wrong, decided.height, wrong),
            (own.height, s.N_ITEMS, taken),
            (own.height - decided.height, own.height, untold),
        ):
            found = wilson(k, n, 0.9999)
            assert found.low <= rate <= found.high
    by_item = told.group_by("task_id").len()["len"]
    assert (by_item.min(), by_item.max()) == (1, len(s.ANNOTATORS))


def test_the_same_fleet_gives_the_same_labels_and_another_gives_others(fleet):
    assert s.labels(fleet).equals(s.labels(simulate(2000, seed=3)))
    assert not set(s.labels(fleet)["feedback_id"]) & set(s.labels(simulate(2000, seed=4))["feedback_id"])


@pytest.fixture(scope="module")
def twice(empty, tmp_path_factory) -> Store:
    """A small fleet, stored twice."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("twice") / "store.duckdb"))
    assert simulate_into(store, 200, seed=3) != simulate_into(store, 200, seed=3)
    return store


def test_ratings_are_the_fleets_and_stand_in_the_feedback_alone(twice):
    store, small = twice, simulate(200, seed=3)
    given, shared = small.feedback, small.feedback.filter(pl.col("visibility") != "private")
    assert store.sql("select count(user_rating) + count(user_accepted) as n from executions").item() == 0
    rated = store.sql(
        "select visibility, rating, accepted, issues from feedback where feedback_type = 'rating'"
    )
    assert rated.height == shared.height < given.height
    assert rated["issues"].list.len().sum() == shared["issues"].list.len().sum() > 0
    named = Store(store.path, viewer=Viewer("person-3")).sql(
        "select visibility from feedback where is_own and feedback_type = 'rating'"
    )
    assert named.height == given.filter(author="person-3").height
    assert Store(store.path, viewer=PUBLIC).sql("from feedback").height == 0
    seen = store.sql("select * from outcomes")
    truth = small.executions.join(shared, on="task_id", how="semi")
    assert seen["user_rating"].sum() == truth["user_rating"].sum()
    assert seen["user_accepted"].sum() == truth["user_accepted"].sum()


def test_labels_change_no_verdict_that_a_verifier_gave(twice):
    store = twice
    logged = store.sql("select task_id, success, success_source from executions order by task_id")
    assert store.sql("select task_id, success, success_source from outcomes order by task_id").equals(logged)
    labelled = store.sql("select distinct queue, label_schema from feedback where feedback_type = 'label'")
    assert labelled.rows() == [(s.QUEUE, s.SCHEMA_KEY)]
    with store.reading() as connection:
        n = connection.execute("select count(*), count(distinct task_id), max(place) from people.queue_items")
        assert n.fetchall() == [(120, 120, 120)]


def test_a_sample_from_before_gets_its_feedback_once():
    sample, fleet = Store(SAMPLE).ensure(), simulate(60, SAMPLE_SEED)
    executions, _ = conform(fleet.executions)
    sample.add(executions, source="simulator", mapping=f"seed {SAMPLE_SEED}", kind="simulation")
    sample.add(executions.clear(), source=sessions.NAME)
    n = ratings(fleet).filter(pl.col("visibility") != "private").height + s.labels(fleet).height
    for before, after in ((True, n), (False, n)):
        assert (sample.sql("select count(user_rating) as n from executions").item() > 0) is before
        ensure_sample(sample)
        counted = sample.sql("select count(*) as n, count(distinct feedback_key) as n_keys from feedback")
        assert counted.rows() == [(after, after)]
        assert sample.sql("select count(*) as n from ledger").item() == 3
