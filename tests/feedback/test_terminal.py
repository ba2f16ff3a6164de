"""Asking at a terminal: what is typed is what is kept, Enter leaves open, and whoever leaves gives nothing."""

from __future__ import annotations

import shutil
from uuid import UUID

import pytest
from filled import with_records

from learnlab.feedback.asking.submitting import submit
from learnlab.feedback.asking.terminal import NOTHING, ask_in_terminal
from learnlab.people import Viewer
from learnlab.store import Store

TASK = UUID(int=7)


@pytest.fixture(scope="module")
def filled(tmp_path_factory, empty, make_record):
    """A store with a slow execution that a router chose, of an unknown outcome, with a hostile description."""
    record = make_record(
        task_id=TASK,
        external_id="t-7",
        success=None,
        duration_seconds=300.0,
        propensity=0.5,
        task_description="Split \x1b[2J the \u202egnillib module\nnow",
    )
    return with_records(empty, tmp_path_factory, record)


@pytest.fixture
def tried(filled, tmp_path):
    return Store(shutil.copy(filled, tmp_path))


class Person:
    """Somebody who types given lines, then leaves; what they were shown is `seen`."""

    def __init__(self, *lines, leaves=EOFError):
        self.lines, self.leaves, self.seen = list(lines), leaves, []

    def read(self, question):
        self.seen.append(question)
        if not self.lines:
            raise self.leaves
        return self.lines.pop(0)

    def asked(self, store, author="ada"):
        return ask_in_terminal(store, "t-7", author=author, read=self.read, write=self.seen.append)


def kept(store):
    return Store(store.path, viewer=Viewer("ada")).sql("select * from feedback").to_dicts()


def test_every_answer_is_kept_as_it_was_typed(tried):
    person = Person("p", "2, other", "it dreams", "do not dream", "n", "no", "y", "N", "yes", "t")
    given = person.asked(tried)
    (row,) = kept(tried)
    told = {
        "satisfaction": "poor",
        "issues": ["too_slow", "other"],
        "comment": "it dreams",
        "correction": "do not dream",
        "success": False,
        "accepted": False,
        "model_appropriate": True,
        "speed_acceptable": False,
        "expectations_met": True,
        "visibility": "team",
        "via": "command_line",
        "author": "ada",
        "feedback_id": str(given.feedback_id),
    }
    assert {name: row[name] for name in told} == told
    assert person.lines == []
    assert person.seen[-1].endswith("everybody who uses this store sees it, without your name.")


def test_enter_leaves_everything_open_and_private(tried):
    given = Person("good", *[""] * 7).asked(tried)
    (row,) = kept(tried)
    assert (given.satisfaction, row["visibility"]) == ("good", "private")
    names = (
        "comment",
        "correction",
        "success",
        "accepted",
        "model_appropriate",
        "speed_acceptable",
        "expectations_met",
    )
    assert {row[name] for name in names} == {None}


def test_it_says_who_asks_about_what_and_who_will_see_it(tried):
    person = Person("g", "", "", "", "", "")
    person.asked(tried)
    shown = "\n".join(person.seen)
    assert "ada rates an execution in " in shown
    assert (
        "  Split ?[2J the ?gnillib module now\n  refactor in shop, medium model, 300 s, outcome unknown"
        in shown
    )
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "Was it quick enough? (it took 300 s) [y/n] " in shown
    assert "What should it have been" not in shown


def test_whoever_leaves_at_any_question_gives_nothing(tried):
    lines = ["p", "1 4", "words", "other words", "y", "y", "y", "y", "y", "team"]
    for n in range(len(lines)):
        person = Person(*lines[:n], leaves=(KeyboardInterrupt, EOFError)[n % 2])
        assert person.asked(tried) is None
        assert person.seen[-1] == NOTHING
    assert kept(tried) == []


def test_enter_at_the_first_question_gives_nothing(tried):
    person = Person("")
    assert person.asked(tried) is None
    assert kept(tried) == []


def test_what_is_no_answer_is_asked_again(tried):
    person = Person(
        "grand",
        "p",
        "",
        "9",
        "4",
        "",
        "x" * 2001,
        "a word",
        "x" * 100_001,
        "",
        "maybe",
        "y",
        *[""] * 4,
        "pu",
        "everybody",
        "public",
    )
    given = person.asked(tried)
    assert (given.satisfaction, given.issues, given.comment) == ("poor", ["other"], "a word")
    assert (given.correction, given.success, given.visibility) == (None, True, "public")
    shown = "\n".join(person.seen)
    assert "Not one of excellent/good/fair/poor" in shown
    assert "At least one of 1-4" in shown
    assert "2,001 characters; a comment may have 2,000" in shown
    assert "100,001 characters; a correction may have 100,000" in shown


def test_who_rated_it_before_is_told(tried):
    submit("t-7", "fair", issues="too_slow", db=tried.path, author="ada")
    person = Person("")
    person.asked(tried)
    assert any("You rated it fair before" in line for line in person.seen)
    other = Person("")
    other.asked(tried, author="bob")
    assert not any("You rated" in line for line in other.seen)
