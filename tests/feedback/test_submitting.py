"""Submitting a rating: kept as said, found by either id, and refused in words that say what to do."""

from __future__ import annotations

import shutil
from uuid import UUID

import pytest
from filled import with_records

from learnlab.errors import FeedbackError, StoreError
from learnlab.feedback.asking.submitting import submit, take_back
from learnlab.people import Viewer, me
from learnlab.settings import settings
from learnlab.store import Store

TASK = UUID(int=7)


@pytest.fixture(scope="module")
def filled(tmp_path_factory, empty, make_record):
    return with_records(empty, tmp_path_factory, make_record(task_id=TASK, external_id="t-7"))


@pytest.fixture
def tried(filled, tmp_path):
    return Store(shutil.copy(filled, tmp_path))


def test_a_rating_is_kept_as_it_was_given(tried):
    given = submit(
        "t-7",
        "Poor",
        db=tried.path,
        author="ada",
        issues=["too-slow", "other"],
        comment="it dreams; <b>slowly</b>",
        visibility="team",
        speed_acceptable=False,
        correction="cache the index",
        accepted=True,
        via="command_line",
    )
    (row,) = Store(tried.path, viewer=Viewer("ada")).sql("select * from feedback").to_dicts()
    assert row["feedback_id"] == str(given.feedback_id)
    assert row["task_id"] == str(given.task_id) == str(TASK)
    told = {
        "satisfaction": "poor",
        "rating": 2,
        "issues": ["too_slow", "other"],
        "comment": "it dreams; <b>slowly</b>",
        "visibility": "team",
        "model_appropriate": None,
        "speed_acceptable": False,
        "expectations_met": None,
        "correction": "cache the index",
        "success": None,
        "accepted": True,
        "author": "ada",
        "via": "command_line",
    }
    assert {name: row[name] for name in told} == told


def test_it_is_private_and_ones_own_unless_told_otherwise(tried, monkeypatch):
    monkeypatch.setenv("LEARNLAB_USER", "cyd")
    settings.cache_clear()
    given = submit(str(TASK), "good", db=tried.path, issues="wrong_model")
    assert (given.author, given.visibility, given.issues) == ("cyd", "private", ["wrong_model"])
    assert len(tried.sql("select * from feedback")) == 0


@pytest.mark.parametrize("name", ["x" * 201, "a\nb", "\x1b[31mred", "a\udcff"])
def test_a_name_that_is_none_is_refused_wherever_it_comes_from(tried, monkeypatch, name):
    monkeypatch.setenv("LEARNLAB_USER", name)
    settings.cache_clear()
    with pytest.raises(FeedbackError, match="is no name to give feedback in"):
        submit(str(TASK), "good", db=tried.path)
    with pytest.raises(FeedbackError, match="is no name to give feedback in"):
        me()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"satisfaction": "fair"}, "not kept: fair needs at least one issue: wrong_model, too_slow"),
        ({"satisfaction": "good", "issues": "other"}, "not kept: the issue `other` needs a comment"),
        ({"satisfaction": "grand"}, "satisfaction is 'grand'; it may be excellent, good, fair, poor"),
        (
            {"satisfaction": "fair", "issues": ["ugly"]},
            "issues is 'ugly'; it may be wrong_model, too_slow, poor_quality, other",
        ),
        (
            {"satisfaction": "good", "comment": "x" * 2001},
            "the comment has 2,001 characters; it may have 2,000",
        ),
        (
            {"satisfaction": "good", "visibility": "all"},
            "visibility is 'all'; it may be private, team, public",
        ),
        (
            {"satisfaction": "good", "author": "a\nb"},
            r"not kept: 'a\\nb' is no name to give feedback in: 1 to 200",
        ),
        ({"satisfaction": "good", "task": "\udcff\x00"}, "no execution in .* has the id"),
        (
            {"satisfaction": "good", "task": "9f8c2b1e-5a44-4c1d-9d0e-6f7a8b9c0d1e"},
            "no execution in .* has the id",
        ),
    ],
)
def test_what_breaks_a_rule_is_refused_in_plain_words_and_nothing_is_kept(tried, given, says):
    with pytest.raises(FeedbackError, match=says) as refused:
        submit(**({"task": "t-7", "author": "ada", "db": tried.path} | given))
    assert "pydantic" not in str(refused.value)
    assert len(Store(tried.path, viewer=Viewer("ada")).sql("select * from feedback")) == 0


def test_without_a_store_there_is_nothing_to_rate(tmp_path):
    with pytest.raises(StoreError):
        submit("t-7", "good", db=tmp_path / "none.duckdb", author="ada")


def test_taking_back_brings_back_what_was_said_before(tried):
    submit("t-7", "good", db=tried.path, author="ada", visibility="team")
    second = submit("t-7", "excellent", db=tried.path, author="ada", visibility="team")
    assert tried.sql("select user_rating from outcomes").item() == 5.0
    undo = take_back(tried, second)
    assert (undo.undoes, undo.author, undo.queue) == (second.feedback_id, "ada", None)
    assert tried.sql("select user_rating from outcomes").item() == 4.0
