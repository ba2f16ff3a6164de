"""One's own feedback: listed, exported, deleted for good, with what had used it."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from conftest import START
from filled import with_records

from learnlab.errors import FeedbackError, StoreError
from learnlab.feedback.files.exporting import export_labels
from learnlab.feedback.files.importing import import_labels
from learnlab.feedback.giving import give
from learnlab.feedback.own import delete_feedback, export_own, history, privacy, what_used
from learnlab.people import TEAM, FeedbackSubmission, Label, Viewer
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter

TASK, OTHER = UUID(int=7), UUID(int=8)
ADA, BOB = Viewer("ada"), Viewer("bob")


def rates(author="ada", satisfaction="good", hours=0, task=TASK, **given):
    plain = {"issues": ["too_slow"] if satisfaction in ("fair", "poor") else [], "visibility": "team"}
    when = START + timedelta(hours=hours)
    return FeedbackSubmission(
        task_id=task, author=author, satisfaction=satisfaction, timestamp=when, **(plain | given)
    )


def labels(author="ada", hours=0, **given):
    plain = {"act": "label", "queue": "q", "label_schema": "outcome@1", "answers": {"success": "yes"}}
    when = START + timedelta(hours=hours)
    return Label(task_id=TASK, author=author, timestamp=when, **(plain | given))


@pytest.fixture(scope="module")
def filled(tmp_path_factory, empty, make_record):
    return with_records(
        empty, tmp_path_factory, *(make_record(task_id=task, success=None) for task in (TASK, OTHER))
    )


@pytest.fixture
def tried(filled, tmp_path):
    return Store(shutil.copy(filled, tmp_path / "store.duckdb"))


def rating_of(store, viewer=TEAM, task=TASK):
    seen = Store(store.path, viewer=viewer)
    return seen.sql("select user_rating from outcomes where task_id = $task", {"task": str(task)}).item()


def test_history_is_all_of_ones_own_and_nothing_of_others(tried):
    first, second = rates(satisfaction="poor"), rates(hours=1, visibility="private")
    undone = labels(hours=2)
    undo = labels(hours=3, act="undo", answers={}, undoes=undone.feedback_id)
    give(tried.path, first, second, undone, undo, rates("bob", comment="bob's words"))
    rows = history(tried.path, viewer=ADA)
    assert rows["feedback_id"].to_list() == [str(one.feedback_id) for one in (undo, undone, second, first)]
    assert rows["is_current"].to_list() == [False, False, True, False]
    assert rows["is_undone"].to_list() == [False, True, False, False]
    assert "bob" not in str(rows.to_dicts())
    assert len(history(tried.path, viewer=BOB)) == 1
    assert len(history(tried.path, viewer=Viewer("nobody"))) == 0


def test_what_is_deleted_counts_nowhere_and_leaves_no_bytes(tried):
    canary, name = f"canary-{uuid4().hex}", f"ada {uuid4().hex}"
    give(tried.path, rates("bob", "excellent"))
    give(
        tried.path,
        rates(name, comment=canary, correction=canary * 50),
        rates(name, task=OTHER, visibility="public"),
    )
    assert rating_of(tried) == 4.5
    assert canary.encode() in tried.path.read_bytes()
    done = delete_feedback(None, tried.path, author=name)
    assert len(done.feedback_ids) == 2
    assert (rating_of(tried), rating_of(tried, task=OTHER)) == (5.0, None)
    assert len(history(tried.path, viewer=Viewer(name))) == 0
    beside = [path for path in tried.path.parent.rglob("*") if path.is_file()]
    assert tried.path in beside
    for path in beside:
        assert not any(text.encode() in path.read_bytes() for text in (canary, name)), path.name


def test_what_was_not_drained_yet_is_deleted_as_well(tried):
    tried.view("feedback")
    give(tried.path, rates())
    assert len(delete_feedback(None, tried.path, author="ada").feedback_ids) == 1
    assert rating_of(tried) is None


def test_no_spool_and_no_file_brings_it_back(tried, tmp_path):
    rating, label = rates(), labels(hours=1)
    give(tried.path, rating, label)
    export_labels(tmp_path / "labels.jsonl", tried.path, viewer=ADA)
    export_labels(tmp_path / "others.jsonl", tried.path, viewer=BOB)
    delete_feedback([rating.feedback_id, str(label.feedback_id).upper()], tried.path, author="ada")
    give(tried.path, rating, label)
    for name in ("labels", "others"):
        assert import_labels(tmp_path / f"{name}.jsonl", tried.path, author="ada").n_added == 0
    assert len(history(tried.path, viewer=ADA)) == 0
    assert tried.view("feedback").is_empty()


def test_only_ones_own_can_be_deleted(tried):
    theirs = rates("bob")
    give(tried.path, theirs, rates())
    for wrong in (theirs.feedback_id, uuid4(), "no id"):
        with pytest.raises(FeedbackError, match="no id of a piece|nothing that ada gave"):
            delete_feedback([wrong], tried.path, author="ada")
    assert (len(history(tried.path, viewer=ADA)), len(history(tried.path, viewer=BOB))) == (1, 1)


def test_with_a_piece_goes_what_it_had_replaced_or_it_would_be_shared_again(tried):
    shared, private = rates(satisfaction="poor", comment="too frank"), rates(hours=1, visibility="private")
    give(tried.path, shared, private, rates(task=OTHER))
    assert rating_of(tried) is None
    done = delete_feedback([private.feedback_id], tried.path, author="ada")
    assert set(done.feedback_ids) == {shared.feedback_id, private.feedback_id}
    assert (rating_of(tried), rating_of(tried, task=OTHER)) == (None, 4.0)


def test_an_undo_goes_with_what_it_undid(tried):
    first, second = labels(), labels(hours=1, answers={"success": "no"}, success=False)
    undo = labels(hours=2, act="undo", answers={}, undoes=second.feedback_id)
    give(tried.path, first, second, undo)
    done = delete_feedback([undo.feedback_id], tried.path, author="ada")
    assert set(done.feedback_ids) == {second.feedback_id, undo.feedback_id}
    (left,) = history(tried.path, viewer=ADA).to_dicts()
    assert (left["feedback_id"], left["is_current"]) == (str(first.feedback_id), True)


def test_deleting_says_what_had_used_it(tried, tmp_path):
    label = labels(success=True)
    give(tried.path, label, labels("bob", success=False), rates("cyd", visibility="private", success=True))
    export_labels(tmp_path / "for-training.csv", tried.path, viewer=BOB)
    with tried.writing() as connection:
        for version, fitted, until in (("early-1", START - timedelta(days=90), None), ("late-2", None, None)):
            connection.execute(
                "insert into routers values ($version, 'lookup', coalesce($fitted, now()::timestamp + interval 1 day), "
                "$until, 'h', 1, '[]', '{}', 'x'::blob, 'h')",
                {"version": version, "fitted": fitted and fitted.replace(tzinfo=None), "until": until},
            )
    found = what_used([label.feedback_id], tried.path, author="ada")
    assert found.exports == ("for-training.csv",)
    assert found.routers == ("late-2",)
    assert "train again" in found.summary()
    assert len(history(tried.path, viewer=ADA)) == 1, "what_used changes nothing"
    assert delete_feedback([label.feedback_id], tried.path, author="ada") == found
    private = what_used(None, tried.path, author="cyd")
    assert (private.exports, private.routers) == ((), ())


def test_a_queue_gives_out_again_what_was_labelled_by_who_deletes(tried):
    from learnlab.feedback.labelling.queues import open_queue
    from learnlab.feedback.labelling.session import LabelingSession

    queue = open_queue("again", tried.path, tasks=[str(TASK)])
    first = LabelingSession("again", tried.path, author="ada")
    first.label({"success": "yes"})
    assert LabelingSession("again", tried.path, author="bob").item is None
    delete_feedback(None, tried.path, author="ada")
    assert LabelingSession("again", tried.path, author="bob").item.task_id == str(TASK)
    assert queue.name == "again"


def test_feedback_of_archived_executions_stays(store, make_record):
    late = make_record(task_id=OTHER, timestamp=START + timedelta(days=30))
    SpoolWriter(store.path).append([make_record(task_id=TASK), late])
    give(store.path, rates(comment="of old"))
    assert store.retain(7).n_rows == 1
    assert history(store.path, viewer=ADA)["comment"].to_list() == ["of old"]
    met = "select t.user_rating from executions_archive e join task_feedback t on t.task_id = e.task_id"
    assert store.sql(met).item() == 4.0
    assert store.forget(repo="shop").n_archived == 1
    assert len(history(store.path, viewer=ADA)) == 0


def test_ones_own_file_has_all_of_it_and_nobody_elses_eyes(tried, tmp_path):
    give(tried.path, rates(comment="mine \u202e </script>", issues=["other"]), rates("bob"), labels(hours=1))
    path = tmp_path / "own.jsonl"
    assert export_own(path, tried.path, viewer=ADA) == 2
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["feedback_type"] for row in rows] == ["label", "rating"]
    assert rows[1]["comment"] == "mine \u202e </script>"
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(FeedbackError, match="jsonl"):
        export_own(tmp_path / "own.csv", tried.path, viewer=ADA)


def test_privacy_says_who_you_are_and_counts_what_you_gave(tried):
    give(tried.path, rates(), rates(task=OTHER, visibility="private"), rates("bob"))
    said = privacy(tried.path, viewer=ADA)
    assert said.startswith("You are ada.")
    assert [f"{n} of yours in" in said for n in (1, 0)] == [True, True]
    assert "its owner alone may read it" in said
    tried.path.chmod(0o644)
    assert "others may read it (mode 644)" in privacy(tried.path, viewer=ADA)
    assert "not there yet" in privacy("nowhere", viewer=ADA)


def test_deleting_where_nothing_is(tried):
    assert delete_feedback(None, tried.path, author="nobody").feedback_ids == ()
    with pytest.raises(StoreError, match="no store 'nowhere'"):
        delete_feedback(None, "nowhere", author="ada")
    with tried.reading(), pytest.raises(StoreError, match="this very thread"):
        Store(tried.path).delete_feedback("ada")
