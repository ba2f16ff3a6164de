"""The view `feedback`: the one place that decides who sees what, and how what people say meets the executions."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from conftest import START
from pydantic import ValidationError

from learnlab.errors import FeedbackError
from learnlab.feedback.giving import give, known_task
from learnlab.people import PUBLIC, TEAM, FeedbackSubmission, Label, Viewer
from learnlab.store import Store, spool
from learnlab.store.spool import SpoolWriter

TASK = UUID(int=7)


def rates(author, satisfaction="good", hours=0, **given):
    issues = ["too_slow"] if satisfaction in ("fair", "poor") else []
    plain = {
        "task_id": TASK,
        "issues": issues,
        "visibility": "team",
        "timestamp": START + timedelta(hours=hours),
    }
    return FeedbackSubmission(author=author, satisfaction=satisfaction, **(plain | given))


def labels(author, success, hours=0, **given):
    answers = {"success": {True: "yes", False: "no", None: "unknown"}[success]}
    plain = {
        "act": "label",
        "queue": "q",
        "label_schema": "outcome@1",
        "answers": answers,
        "success": success,
    }
    when = START + timedelta(hours=hours)
    return Label(task_id=TASK, author=author, timestamp=when, **(plain | given))


@pytest.fixture
def tried(store, make_record):
    SpoolWriter(store.path).append([make_record(task_id=TASK, success=None, external_id="t-7")])
    return store


def outcome(store, **changes):
    return Store(store.path, **changes).sql("select * from outcomes").to_dicts()[0]


def seen_by(store, viewer):
    return Store(store.path, viewer=viewer).sql("select * from feedback order by given_at, author").to_dicts()


def test_ratings_are_averaged_over_authors_the_latest_of_each(tried):
    give(
        tried.path,
        rates("ada", "poor"),
        rates("ada", "excellent", 1),
        rates("bob", "good"),
        rates("cyd", "fair", visibility="private"),
    )
    assert outcome(tried)["user_rating"] == 4.5
    assert outcome(tried, viewer=Viewer("cyd"))["user_rating"] == 4.0
    assert outcome(tried, viewer=PUBLIC)["user_rating"] is None
    assert outcome(tried)["success"] is None


def test_a_later_private_word_takes_back_what_was_shared(tried):
    give(tried.path, rates("ada", "poor"), rates("ada", "good", 1, visibility="private"))
    assert outcome(tried)["user_rating"] is None
    assert seen_by(tried, TEAM) == []
    assert [row["is_current"] for row in seen_by(tried, Viewer("ada"))] == [False, True]


def test_the_team_sees_no_names_no_ids_and_no_hour(tried):
    give(tried.path, rates("ada", comment="slow on Mondays"), rates("bob", hours=2))
    others = seen_by(tried, TEAM)
    assert [(row["author"], row["feedback_id"], row["is_own"]) for row in others] == [(None, None, False)] * 2
    assert {row["given_at"].hour for row in others} == {0}
    own = [row for row in seen_by(tried, Viewer("bob")) if row["is_own"]]
    assert [(row["author"], row["given_at"].hour) for row in own] == [("bob", 2)]
    assert own[0]["feedback_id"] is not None


@pytest.mark.parametrize(
    ("recorded", "source", "said", "success", "by"),
    [
        (None, "unknown", [True], True, "user"),
        (False, "harness", [True], True, "user"),
        (False, "heuristic", [True, True, False], True, "user"),
        (True, "harness", [True, False], True, "harness"),
        (False, "verifier", [True, True], False, "verifier"),
        (False, "ci", [True], False, "ci"),
        (None, "unknown", [None, None], None, "unknown"),
        (True, "user", [False], False, "user"),
    ],
)
def test_a_verdict_of_people_holds_unless_somebody_is_believed_more(
    store, make_record, recorded, source, said, success, by
):
    SpoolWriter(store.path).append([make_record(task_id=TASK, success=recorded, success_source=source)])
    give(store.path, *(labels(f"p{i}", one) for i, one in enumerate(said)))
    found = outcome(store)
    assert (found["success"], found["success_source"]) == (success, by)
    assert store.sql("select success from executions").item() is recorded


def test_the_verdict_of_a_rating_counts_and_its_satisfaction_says_nothing_of_success(tried):
    give(tried.path, rates("ada", "excellent", success=False, accepted=True))
    found = outcome(tried)
    assert (found["success"], found["success_source"], found["user_accepted"]) == (False, "user", True)
    give(tried.path, rates("ada", "poor", 1))
    found = outcome(tried)
    assert (found["success"], found["user_accepted"], found["user_rating"]) == (None, None, 2.0)


def test_undoing_brings_back_what_was_there_and_only_ones_own_can_be_undone(tried):
    first, second = labels("ada", True), labels("ada", False, 1)
    give(tried.path, first, second)
    assert outcome(tried)["success"] is False
    undo = {"act": "undo", "answers": {}}
    give(tried.path, labels("bob", None, 2, undoes=second.feedback_id, **undo))
    assert outcome(tried)["success"] is False
    give(tried.path, labels("ada", None, 3, undoes=second.feedback_id, **undo))
    assert outcome(tried)["success"] is True


def test_an_adjudication_ends_a_disagreement(tried):
    give(tried.path, labels("ada", True), labels("bob", False))
    assert outcome(tried)["success"] is None
    give(tried.path, labels("cyd", False, 1, act="adjudication"))
    assert outcome(tried)["success"] is False


def test_the_same_piece_counts_once_and_hostile_text_stays_text(tried):
    one = rates("ada", comment="'; drop table people.events; --</script>")
    give(tried.path, one)
    give(tried.path, one)
    assert [row["comment"] for row in seen_by(tried, TEAM)] == [one.comment]


def test_secrets_are_masked_but_a_person_stays_the_same_person(tried):
    give(tried.path, rates("ada@example.org", comment="mail bob@example.org"))
    (own,) = seen_by(tried, Viewer("ada@example.org"))
    assert own["author"] == "ada@example.org"
    assert "bob@example.org" not in own["comment"]


def test_a_task_is_known_by_its_own_id_and_by_its_sources(tried):
    assert known_task(tried, "t-7") == known_task(tried, str(TASK)) == str(TASK)
    with pytest.raises(FeedbackError, match="no execution"):
        known_task(tried, str(uuid4()))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"satisfaction": "poor"}, "needs at least one issue"),
        ({"satisfaction": "good", "issues": ["other"]}, "needs a comment"),
        ({"satisfaction": "good", "comment": "x" * 2001}, "at most 2000"),
        ({"satisfaction": "awful"}, "excellent"),
        ({"satisfaction": "good", "author": " \t"}, "author"),
        ({"satisfaction": "good", "issues": ["ugly"]}, "wrong_model"),
        ({"satisfaction": "good", "issues": [["too_slow"], {}]}, "wrong_model"),
        ({"satisfaction": "good", "nonsense": 1}, "nonsense"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_words(given, says):
    with pytest.raises(ValidationError, match=says):
        FeedbackSubmission(**({"task_id": "t", "author": "ada"} | given))


def test_spellings_are_taken_as_meant():
    one = FeedbackSubmission(
        task_id="t", author=" ada ", satisfaction=" Fair", issues="Too-Slow", comment="  "
    )
    assert (one.author, one.satisfaction, one.issues, one.comment) == ("ada", "fair", ["too_slow"], None)
    assert one.visibility == "private"
    twice = FeedbackSubmission(
        task_id="t", author="ada", satisfaction="fair", issues=["too-slow", "too_slow"]
    )
    assert twice.issues == ["too_slow"]


def test_a_field_that_is_damaged_harms_no_other_and_shows_nothing(tried):
    give(tried.path, rates("ada", comment="canary"), rates("bob", "fair"))
    (segment,) = [path for path in spool.waiting(tried.path) if b"canary" in path.read_bytes()]
    said = segment.read_bytes().replace(b'[\\"too_slow\\"]', b"[too_slow").replace(b'"team"', b'"taem"', 1)
    segment.write_bytes(said)
    (seen,) = seen_by(tried, TEAM)
    assert (seen["satisfaction"], seen["issues"]) == ("fair", None)
    assert "canary" not in str(tried.sql("select * from rejected").to_dicts())


def test_feedback_that_cannot_be_read_is_kept_and_shown_to_nobody(tried):
    give(tried.path, rates("ada", visibility="private", comment="canary of ada"))
    (segment,) = [path for path in spool.waiting(tried.path) if b"canary" in path.read_bytes()]
    whole = segment.read_bytes()
    damaged = whole.replace(str(TASK).encode(), b"no id at all") + whole[: whole.index(b"canary") + 9]
    segment.write_bytes(damaged)
    rejected = tried.sql("select * from rejected")
    assert rejected.height == 2
    assert "canary" not in str(rejected.to_dicts())
    assert "ada" not in str(rejected["content"].to_list())
    (kept,) = spool.quarantined(tried.path)
    assert kept.read_bytes().count(b"canary") == 2
    assert kept.stat().st_mode & 0o777 == 0o600
