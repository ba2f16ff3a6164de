"""The quick form without a browser: what it is given to show, what it keeps, and what it refuses in words."""

from __future__ import annotations

import shutil
from uuid import UUID

import pytest
from filled import with_records

import learnlab as ll
from learnlab.errors import FeedbackError
from learnlab.feedback.asking import form as forms
from learnlab.feedback.asking.form import STANDS
from learnlab.people import Viewer
from learnlab.settings import settings
from learnlab.store import Store

TASK = UUID(int=7)
HOSTILE = "</script><img src=x onerror='window.hit=1'>\u202e" + "long " * 1000


@pytest.fixture(scope="module")
def filled(tmp_path_factory, empty, make_record):
    record = make_record(task_id=TASK, external_id="t-7", task_description=HOSTILE, duration_seconds=300.0)
    return with_records(empty, tmp_path_factory, record)


@pytest.fixture
def tried(filled, tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNLAB_USER", "ada")
    settings.cache_clear()
    return Store(shutil.copy(filled, tmp_path))


@pytest.fixture
def form(tried):
    made = ll.rate("t-7", db=tried.path)
    yield made
    made.close()


def kept(store):
    return Store(store.path, viewer=Viewer("ada")).sql("select * from feedback order by given_at").to_dicts()


def press(form, message):
    """Do what a browser does that sends a message."""
    form._handle_custom_msg(message, [])


def test_it_is_given_words_to_show_and_the_values_behind_them(form, tried):
    about = form.about
    assert len(about["description"]) == 2000
    assert about["description"].startswith("</script><img src=x onerror='window.hit=1'>")
    assert about["facts"] == "refactor in shop, medium model, 300 s, succeeded"
    assert (about["author"], about["store"], about["before"]) == ("ada", tried.name, "")
    assert about["faces"] == ["excellent", "good", "fair", "poor"]
    assert about["low"] == ["fair", "poor"]
    assert [value for value, _ in about["issues"]] == ["wrong_model", "too_slow", "poor_quality", "other"]
    assert dict(about["visibilities"])["private"] == "only you see it"
    assert about["correction_limit"] == "At most 100,000 characters."
    assert ["speed_acceptable", "Was it quick enough?", "it took 300 s"] in about["questions"]


def test_what_is_saved_is_kept_and_said(form, tried):
    answers = {
        "satisfaction": "fair",
        "issues": ["too_slow"],
        "comment": "  ",
        "visibility": "team",
        "speed_acceptable": False,
        "accepted": None,
    }
    press(form, {"kind": "save", "answers": answers})
    (row,) = kept(tried)
    assert (row["satisfaction"], row["issues"], row["comment"], row["visibility"]) == (
        "fair",
        ["too_slow"],
        None,
        "team",
    )
    assert (row["speed_acceptable"], row["accepted"], row["via"]) == (False, None, "form")
    assert form.outcome["kind"] == "saved"
    assert form.outcome["words"] == "fair; everybody who uses this store sees it, without your name"
    assert form.outcome["can_take_back"]


@pytest.mark.parametrize(
    ("typed", "is_kept"), [("def split():\n    ...", True), (" \n", False), (None, False)]
)
def test_what_it_should_have_been_is_kept_as_it_was_written(form, tried, typed, is_kept):
    answers = {"satisfaction": "poor", "issues": ["poor_quality"], "correction": typed}
    press(form, {"kind": "save", "answers": answers})
    (row,) = kept(tried)
    assert row["correction"] == (typed if is_kept else None)


def test_saving_again_replaces_and_taking_back_brings_back(form, tried):
    for satisfaction in ("good", "excellent"):
        press(form, {"kind": "save", "answers": {"satisfaction": satisfaction}})
    ratings = [row for row in kept(tried) if row["feedback_type"] == "rating"]
    assert sorted((row["satisfaction"], row["is_current"]) for row in ratings) == [
        ("excellent", True),
        ("good", False),
    ]
    press(form, {"kind": "take back"})
    assert (form.outcome["kind"], form.outcome["can_take_back"]) == ("taken back", False)
    assert [row["satisfaction"] for row in kept(tried) if row["is_current"]] == ["good"]
    press(form, {"kind": "take back"})
    assert form.outcome["kind"] == "refused"


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({}, "Choose a face first."),
        ({"satisfaction": "poor"}, "poor needs at least one issue"),
        ({"satisfaction": "poor", "issues": ["other"]}, "`other` needs a comment"),
        ({"satisfaction": "grand"}, "it may be excellent, good, fair, poor"),
        ({"satisfaction": 7, "issues": 7}, "not kept"),
        ({"satisfaction": "good", "visibility": {"a": 1}}, "not kept"),
        ({"satisfaction": "good", "comment": "x" * 2001}, "2,001 characters"),
        (
            {"satisfaction": "poor", "issues": ["too_slow"], "correction": "x" * 100_001},
            "the correction has 100,001 characters; it may have 100,000",
        ),
    ],
)
def test_what_breaks_a_rule_is_refused_in_words_and_can_be_mended(form, tried, answers, says):
    press(form, {"kind": "save", "answers": answers})
    assert form.outcome["kind"] == "refused"
    assert says in form.outcome["words"]
    assert kept(tried) == []
    press(form, {"kind": "save", "answers": {"satisfaction": "good"}})
    assert form.outcome["kind"] == "saved"


def test_a_browser_cannot_speak_for_others_or_of_other_tasks(form, tried):
    lies = {"author": "bob", "task_id": str(UUID(int=9)), "via": "mcp", "undoes": str(TASK), "nonsense": 1}
    press(form, {"kind": "save", "answers": {"satisfaction": "good", **lies}})
    (row,) = kept(tried)
    assert (row["author"], row["task_id"], row["via"], row["undoes"]) == ("ada", str(TASK), "form", None)
    for message in ("text", None, {"kind": "save"}, {"kind": "save", "answers": "all"}, {"kind": "delete"}):
        press(form, message)
    assert len(kept(tried)) == 1


def test_what_cannot_be_written_is_said_and_may_be_tried_again(form, tried, monkeypatch):
    def full(*_):
        raise FeedbackError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(forms, "give", full)
        press(form, {"kind": "save", "answers": {"satisfaction": "good"}})
    assert (form.outcome["kind"], form.outcome["words"]) == ("refused", "the disk is full")
    press(form, {"kind": "save", "answers": {"satisfaction": "good"}})
    assert form.outcome["kind"] == "saved"


def test_who_rated_it_before_is_told_so(tried):
    first = ll.rate("t-7", db=tried.path)
    press(first, {"kind": "save", "answers": {"satisfaction": "good"}})
    assert ll.rate(str(TASK), db=tried.path).about["before"].startswith("You rated it good on ")


def test_a_report_shows_one_line_in_its_place(form):
    data, _ = form._repr_mimebundle_()
    assert data["text/plain"] == STANDS
    assert data["text/html"] == f"<p>{STANDS}</p>"
    assert "application/vnd.jupyter.widget-view+json" in data


def test_an_unknown_task_is_an_error(tried):
    with pytest.raises(FeedbackError, match="no execution"):
        ll.rate("t-8", db=tried.path)
