"""A labelling session: one person, one item after another, nothing lost whatever fails on the way."""

from __future__ import annotations

import os
import random
import shutil
import time
from dataclasses import replace

import polars as pl
import pytest
from encoders import WordEncoder

from learnlab.errors import FeedbackError, StoreError
from learnlab.feedback.labelling import leases, suggesting
from learnlab.feedback.labelling import session as sessions
from learnlab.feedback.labelling.details import Details, ReadAhead
from learnlab.feedback.labelling.queuefile import QueueFile
from learnlab.feedback.labelling.queues import open_queue
from learnlab.feedback.labelling.schemas import EXPERT
from learnlab.feedback.labelling.session import LabelingSession
from learnlab.people import TEAM, Act, Viewer
from learnlab.search.encoders.weights import PACKAGED_KEY
from learnlab.search.index.backlog import encode_waiting
from learnlab.store import Store
from learnlab.store.frames import conform
from learnlab.store.lock import held

YES, NO = {"success": "yes"}, {"success": "no"}
HOSTILE = "</script><img src=x onerror=alert(1)> '; drop table people.events; -- {0.name} %s \u202e"


def ids(n):
    return [f"00000000-0000-4000-8000-{i:012d}" for i in range(n)]


@pytest.fixture(scope="module")
def made(empty, make_frame, tmp_path_factory):
    """A searchable store of 22 executions, the last two unlike the others, and queues of 12, 4, 2 and 2 items of it."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("session") / "store.duckdb"))
    with store.writing():
        store.add(conform(make_frame(20, solution_summary="split it"))[0])
        store.add(conform(make_frame(1, 20, task_description="Fix a typo"))[0])
    encode_waiting(store, WordEncoder(PACKAGED_KEY))
    with store.writing():
        store.add(conform(make_frame(1, 21, task_description="Speak with nobody"))[0])
        q = open_queue("q", store, tasks=ids(12))
        two = open_queue("two", store, tasks=ids(4), labels_per_item=2)
        odd = open_queue("odd", store, tasks=ids(22)[20:])
        expert = open_queue("expert", store, tasks=ids(2), schema=EXPERT)
    return {queue.name: queue for queue in (q, two, odd, expert)}


@pytest.fixture
def store(made, tmp_path):
    return Store(shutil.copy(made["q"].store.path, tmp_path / "store.duckdb"))


@pytest.fixture
def start(made, store):
    """Return what begins a session on one of the queues."""
    return lambda author="ada", queue="q", **given: LabelingSession(
        replace(made[queue], store=store), author=author, **given
    )


@pytest.fixture
def ada(start):
    with start() as session:
        yield session


def until_ready(session):
    """Wait for the details of the item in hand."""
    deadline = time.monotonic() + 30
    while not session.item.is_ready and time.monotonic() < deadline:
        time.sleep(0.01)


def die(session):
    """Have a session end as a kill ends it: nothing is given back."""
    session._presence.leave()


def acts(store, author="ada"):
    own = Store(store.path, viewer=Viewer(author)).sql(
        "select feedback_type, cast(task_id as varchar), is_undone from feedback where is_own order by given_at"
    )
    return [(act, int(task[-4:]), is_undone) for act, task, is_undone in own.rows()]


def test_a_label_brings_the_next_item_with_its_details_and_is_counted(ada, store):
    item = ada.item
    assert (item.place, item.task_id, item.is_ready) == (1, ids(1)[0], True)
    assert item.description == "Split module 0"
    assert item.facts["solution_summary"] == "split it"
    assert not {"success", "success_source", "user_rating", "quality_score"} & set(item.facts)
    given = ada.label(YES)
    assert (given.act, given.item.task_id, given.answers) == (Act.LABEL, item.task_id, YES)
    assert (ada.item.place, ada.item.is_ready) == (2, True)
    ada.skip()
    p = ada.progress
    assert (p.n_own, p.n_labels, p.n_wanted, p.n_items, p.n_done) == (1, 1, 12, 12, 1)
    assert ada.words == "item 3 of 12"
    assert acts(store) == [("label", 0, False), ("skip", 1, False)]
    assert Store(store.path).sql(
        "select answers, visibility, author from feedback order by queue, answers"
    ).rows() == [
        ('{"success":"yes"}', "team", None),
        (None, "team", None),
    ]


def test_an_answer_that_is_none_leaves_everything_as_it_was(ada, store):
    for answers, says in (
        ({}, "not answered yet"),
        ({"success": "so so"}, "none of yes"),
        (7, "by the names"),
    ):
        with pytest.raises(FeedbackError, match=says):
            ada.label(answers)
    for note, says in ((" ", "nothing in that note"), ("x" * 2001, "2,000")):
        with pytest.raises(FeedbackError, match=says):
            ada.note(note)
    with pytest.raises(FeedbackError, match="nothing to undo"):
        ada.undo()
    assert (ada.item.place, ada.can_undo) == (1, False)
    assert acts(store) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"author": " "}, "' ' is no name to give feedback in"),
        ({"visibility": "everybody"}, "private, team, public"),
        ({"queue": "none"}, "no queue 'none'"),
    ],
)
def test_a_session_that_cannot_be_is_refused_in_words(store, given, says):
    with pytest.raises(FeedbackError, match=says):
        LabelingSession(**({"queue": "q", "db": store, "author": "ada"} | given))


def test_a_child_that_was_forked_is_told_to_begin_anew_and_takes_nothing_from_its_parent(ada, store):
    child = os.fork()
    if not child:
        code = 1
        try:
            ada.label({"success": "yes"})
        except FeedbackError as error:
            code = 0 if "not forked" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert ada.label({"success": "yes"}).item.place == 1
    assert acts(store) == [("label", 0, False)]


def test_hostile_notes_and_names_are_texts_like_any_other(start, store):
    with start(HOSTILE[:-2], visibility="private") as session:
        session.note(HOSTILE)
        assert session.item.note == HOSTILE
        session.label(YES)
        said = session.said()
    assert said["comment"].to_list() == [HOSTILE, None]
    assert Store(store.path).sql("select count(*) from feedback").item() == 0
    with start(HOSTILE[:-2]) as again:
        again.undo()
        until_ready(again)
        assert again.item.note == HOSTILE


def test_an_expert_gives_scores_and_says_nothing_of_success(start, store):
    with start("ada", "expert") as session:
        scores = {question.name: 0.5 for question in EXPERT.questions}
        assert session.label(scores).answers == scores
    ((success, key, answers),) = store.sql("select success, label_schema, answers from feedback").rows()
    assert (success, key, answers.count("0.5")) == (None, EXPERT.key, 4)


def test_one_goes_on_at_the_same_item_after_a_restart_and_undoes_what_was_before(start, store):
    first = start()
    first.label(YES)
    first.skip()
    first.label(NO)
    in_hand = first.item.task_id
    die(first)
    with start("bob") as bob:
        assert bob.item.task_id == ids(2)[1]  # what ada skipped comes first for anybody else
    again = start()
    assert again.item.task_id == in_hand
    assert (again.undo().item.place, again.item.place) == (3, 3)
    assert (again.undo().item.place, again.item.place) == (2, 2)
    again.label(YES)
    assert again.item.place == 3
    rest = again.said()
    assert rest["saw_suggestion"].to_list()[-1] is None  # an earlier session may have shown one
    assert acts(store)[:3] == [("label", 0, False), ("skip", 1, True), ("label", 2, True)]
    again.close()
    with pytest.raises(FeedbackError, match="closed"):
        again.label(YES)


@pytest.mark.parametrize("is_written", [True, False])
def test_a_death_while_giving_counts_what_is_written_and_nothing_else(start, store, monkeypatch, is_written):
    real = sessions.give

    def give(path, *events):
        if is_written:
            real(path, *events)
        raise KeyboardInterrupt

    ada = start()
    bob = start("bob")
    for _ in range(11):
        bob.label(NO)
    assert bob.item is None
    monkeypatch.setattr(sessions, "give", give)
    with pytest.raises(KeyboardInterrupt):
        ada.label(YES)
    monkeypatch.undo()
    assert bob.look_again() is None
    die(ada)
    assert (bob.look_again() is None) == is_written
    assert bob.progress.n_labels == 11 + is_written
    assert acts(store) == [("label", 0, False)] * is_written
    bob.close()


@pytest.mark.parametrize("is_written", [True, False])
def test_a_death_while_undoing_is_looked_up_as_well(start, store, monkeypatch, is_written):
    real = sessions.give
    ada = start()
    ada.label(YES)

    def give(path, *events):
        if is_written:
            real(path, *events)
        raise KeyboardInterrupt

    monkeypatch.setattr(sessions, "give", give)
    with pytest.raises(KeyboardInterrupt):
        ada.undo()
    monkeypatch.undo()
    die(ada)
    with start("cyd") as cyd:
        assert cyd.progress.n_labels == (0 if is_written else 1)
        assert cyd.item.place == (1 if is_written else 2)


def test_what_could_not_be_written_can_be_given_again_and_counts_once(ada, store, monkeypatch):
    real, n_tries = sessions.give, []

    def give(path, *events):
        n_tries.append(events[0].feedback_id)
        real(path, *events)
        if len(n_tries) == 1:
            raise StoreError("the spool may not be on the disk")

    monkeypatch.setattr(sessions, "give", give)
    with pytest.raises(StoreError):
        ada.label(YES)
    assert ada.item.place == 1
    assert ada.label(YES).words == ""
    assert n_tries[0] == n_tries[1]
    assert ada.item.place == 2
    assert acts(store) == [("label", 0, False)]


def test_what_failed_and_arrived_all_the_same_is_undone_with_what_was_given_in_its_place(
    ada, store, monkeypatch
):
    real = sessions.give

    def give(path, *events):
        real(path, *events)
        raise StoreError("nobody knows")

    monkeypatch.setattr(sessions, "give", give)
    with pytest.raises(StoreError):
        ada.label(YES)
    monkeypatch.undo()
    ada.label(NO)
    ada.undo()
    assert [is_undone for act, _, is_undone in acts(store) if act == "label"] == [True, True]
    assert ada.progress.n_labels == 0


def test_the_file_beside_the_store_is_made_anew_when_it_is_lost(start, store):
    ada, bob = (start(name, "two") for name in ("ada", "bob"))
    ada.label(YES)
    bob.skip()
    path = QueueFile(store.path).path
    path.unlink()
    ada.label(NO)
    assert ada.progress.n_labels == ada.progress.n_own == 2
    bob.label(YES)
    assert (bob.progress.n_labels, bob.progress.n_done) == (3, 1)
    assert ada.undo().item.place == 2
    assert bob.undo().item.place == 2
    assert bob.undo().item.place == 1
    assert ada.progress.n_own == 1
    path.write_bytes(b"again" * 999)
    cyd = start("cyd", "two")
    assert (cyd.progress.n_labels, cyd.item.place) == (1, 1)
    for session in (ada, bob, cyd):
        session.close()


def test_a_queue_of_a_store_that_was_there_before_leaves_nothing(start, store, made):
    with start() as session:
        session.label(YES)
    store.path.unlink()
    shutil.rmtree(store.path.with_name("store.duckdb.spool"))
    shutil.copy(made["q"].store.path, store.path)
    with store.writing() as connection:
        connection.execute("update people.queues set opened_at = opened_at + interval 1 day")
    with start() as session:
        assert (session.item.place, session.progress.n_own) == (1, 0)


def test_nobody_who_labels_waits_for_whoever_holds_the_store(start, store, monkeypatch):
    monkeypatch.setenv("LEARNLAB_LOCK_TIMEOUT", "60")
    monkeypatch.setattr(leases, "AHEAD", 10)
    ada = start()
    with held(store.path, exclusive=True, timeout=1):
        began = time.monotonic()
        ready = []
        while ada.item:
            ready.append(ada.item.is_ready)
            ada.label(YES)
        assert time.monotonic() - began < 30
        assert ready[:11] == [True] * 11
        assert ready[11] is False
        assert ada.words == "all 12 items have the labels that were asked for"
        ada.undo()
        assert "as soon as the store is free" in ada.item.words
        assert "busy" in ada.suggestion().words
    until_ready(ada)
    assert ada.item.description == "Split module 4"
    assert len(acts(store)) == 13
    ada.close()


def test_a_label_that_comes_late_is_stored_and_said_to_be_late(start, store):
    ada = start("ada", lease_seconds=0)
    bob = start("bob")
    assert ada.item.place == bob.item.place == 1
    assert ada.renew() is False
    assert "gone to others" in ada.label(YES).words
    assert bob.renew() is True
    bob.label(NO)
    assert acts(store) == [("label", 0, False)]
    assert acts(store, "bob") == [("label", 0, False)]
    assert bob.progress.n_labels == 1
    ada.close()
    bob.close()


def test_an_execution_that_is_gone_is_said_to_be_gone(start, store):
    with store.writing() as connection:
        connection.execute("delete from executions where task_id = $id", {"id": ids(3)[2]})
    with start() as session:
        assert session.progress.n_items == 11
        session.label(YES)
        session.label(YES)
        assert session.item.place == 4
    details = ReadAhead(store.path, "q", "ada")
    details.want([ids(3)[2]], 10)
    assert details.of(ids(3)[2]) == Details(None, {})


def test_a_suggestion_is_what_the_log_says_and_whoever_saw_it_is_remembered(ada):
    similar = sorted(ada.similar().rows, key=lambda one: one["task_id"])
    assert [(one["task_id"], "success" in one) for one in similar] == [
        (ids(15)[7], False),
        (ids(15)[14], False),
    ]
    suggestion = ada.suggestion()
    assert (suggestion.success, suggestion.source) == (False, "log")
    assert "it failed" in suggestion.words
    assert [one["success"] for one in ada.similar().rows] == [True, True]
    ada.label(YES)
    assert "success" not in ada.similar().rows[0]
    ada.label(YES)
    assert ada.suggestion(ada.last.item).success is True
    ada.undo()
    ada.label(NO)
    labels = ada.said().filter(pl.col("act") == "label")
    assert labels["saw_suggestion"].to_list() == [True, False, True]


def row(success):
    return {"task_id": "t", "success": success}


@pytest.mark.parametrize(
    ("successes", "failures", "unknown", "suggests", "says"),
    [
        (14, 1, 3, True, "mostly succeeded: 14 of 15"),
        (1, 14, 0, False, "mostly failed: 1 of 15"),
        (8, 7, 0, None, "no suggestion: of similar executions succeeded 8 of 15"),
        (9, 0, 9, None, "too few to tell, 9 of 9"),
        (0, 0, 4, None, "of nothing similar is it known"),
    ],
)
def test_similar_executions_suggest_what_most_of_enough_came_to(successes, failures, unknown, suggests, says):
    rows = [row(True)] * successes + [row(False)] * failures + [row(None)] * unknown
    found = suggesting.from_similar(rows)
    assert found.success is suggests
    assert says in found.words
    assert (found.share is None) == (not successes + failures)


def test_where_the_log_says_nothing_similar_executions_suggest(start, store):
    with store.writing() as connection:
        connection.execute("update executions set success = null where task_id <> $id", {"id": ids(8)[7]})
    with start() as session:
        assert (
            session.suggestion().words
            == "no suggestion: too few to tell, 1 of 1 similar executions succeeded"
        )
    with start("ada", "odd") as session:
        assert session.suggestion().words.startswith(
            "no suggestion: nothing similar enough: the most similar has"
        )
        session.skip()
        assert session.similar().words == "this task is not searchable yet: `learnlab encode` makes it so"


@pytest.mark.soak
def test_any_order_of_acts_and_restarts_is_what_a_list_says(made, tmp_path, soak):
    for seed in range(25 if soak else 1):
        rng = random.Random(seed)
        store = Store(shutil.copy(made["q"].store.path, tmp_path / f"{seed}.duckdb"))
        queue = replace(made["q"], store=store)
        session, done, in_hand = LabelingSession(queue, author="ada"), [], 1
        for _ in range(60 if soak else 30):
            act = rng.choices(["label", "skip", "undo", "die", "close"], [9, 3, 5, 0.5, 0.3])[0]
            if act in ("label", "skip") and in_hand:
                session.label(YES) if act == "label" else session.skip()
                done.append((act, in_hand))
            elif act == "undo" and done:
                session.undo()
                in_hand = done.pop()[1]
            elif act in ("die", "close"):
                die(session) if act == "die" else session.close()
                session = LabelingSession(queue, author="ada")
            if act not in ("undo", "die"):
                left = [place for place in range(1, 13) if place not in [place for _, place in done]]
                in_hand = min(left, default=None)
            assert (session.item.place if session.item else None) == in_hand
            assert session.progress.n_own == sum(act == "label" for act, _ in done)
            assert session.can_undo == bool(done)
        kept = [(act, task + 1) for act, task, is_undone in acts(store) if act != "undo" and not is_undone]
        assert kept == done
        assert Store(store.path, viewer=TEAM).sql("select count(*) from feedback").item() == len(done)
        session.close()
