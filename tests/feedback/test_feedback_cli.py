"""The commands of `learnlab feedback`: they parse, call one function and print what a terminal may show."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner

from learnlab.cli import main
from learnlab.feedback.giving import give
from learnlab.people import FeedbackSubmission, Label
from learnlab.settings import settings
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter

TASK = UUID(int=7)
HOSTILE = "</script>\x1b[2J \u202e drop table\r\nlast ada@example.org"


@pytest.fixture
def db(store, make_record, monkeypatch):
    SpoolWriter(store.path).append([make_record(task_id=TASK, success=None, external_id="t-7")])
    monkeypatch.setenv("LEARNLAB_USER", "ada")
    settings.cache_clear()
    return store.path


@pytest.fixture
def call(db):
    def run(*words, ok=True, answer=None):
        result = CliRunner().invoke(main, ["feedback", *map(str, words), "--db", str(db)], input=answer)
        assert (result.exit_code == 0) is ok, result.output + repr(result.exception)
        return result.output

    return run


def own(db, author="ada"):
    from learnlab.feedback.own import history
    from learnlab.people import Viewer

    return history(db, viewer=Viewer(author)).to_dicts()


def test_a_rating_is_given_by_options(call, db):
    said = call(
        *("submit", "--task", "t-7", "--satisfaction", "fair", "--issue", "too_slow", "--issue", "Other"),
        *("--comment", "late", "--visibility", "team", "--not-accepted", "--failed", "--model-appropriate"),
        *("--speed-not-acceptable", "--correction", "do it at once"),
    )
    assert f"ada rated {TASK} fair; team" in said
    (row,) = own(db)
    assert (row["rating"], row["issues"], row["comment"]) == (3, ["too_slow", "other"], "late")
    assert (row["accepted"], row["success"], row["model_appropriate"]) == (False, False, True)
    assert (row["speed_acceptable"], row["expectations_met"]) == (False, None)
    assert (row["via"], row["visibility"], row["correction"]) == ("command_line", "team", "do it at once")


def test_it_is_private_unless_said_otherwise_and_in_whose_name_can_be_said(call, db):
    call("submit", "--task", TASK, "--satisfaction", "good", "--as", " bob ")
    (row,) = own(db, "bob")
    assert (row["visibility"], row["success"], row["accepted"]) == ("private", None, None)
    assert own(db) == []
    for name in (" ", "a\nb", "a\udcff", "x" * 201):
        assert "no name to give feedback in" in call("history", "--as", name, ok=False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--task", "t-7", "--satisfaction", "fair"], "needs at least one issue"),
        (["--task", "t-7", "--satisfaction", "awful"], "excellent"),
        (["--task", "nowhere", "--satisfaction", "good"], "no execution"),
        (["--task", "t-7"], "no terminal to ask at"),
        (["--task", "t-7", "--failed"], "--satisfaction is missing"),
        (["--task", "t-7", "--satisfaction", "good", "--visibility", "everybody"], "private, team"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_words(call, db, words, says):
    assert says in call("submit", *words, ok=False)
    assert own(db) == []


def test_at_a_terminal_it_asks(call, db, monkeypatch):
    asked = []
    monkeypatch.setattr("learnlab.feedback.asking.situations.at_terminal", lambda: True)
    monkeypatch.setattr(
        "learnlab.feedback.asking.terminal.ask_in_terminal",
        lambda store, task, author: asked.append((task, author)),
    )
    call("submit", "--task", "t-7", "--as", "bob")
    assert asked == [("t-7", "bob")]


def test_history_shows_hostile_text_as_one_harmless_line(call, db):
    give(
        db,
        FeedbackSubmission(task_id=TASK, author="ada", satisfaction="good", comment=HOSTILE),
        Label(
            task_id=TASK,
            author="ada",
            act="label",
            queue=HOSTILE,
            label_schema="o@1",
            answers={HOSTILE: HOSTILE},
            comment=HOSTILE,
        ),
        FeedbackSubmission(task_id=TASK, author="bob", satisfaction="good", comment="bob's words"),
    )
    said = call("history")
    assert len(said.splitlines()) == 3
    assert said.replace("\n", "").isprintable()
    assert "</script>?[2J ?" in said
    assert "ada@example.org" not in said
    assert "bob" not in said
    assert "1 not shown" in call("history", "--limit", 1)


def test_deleting_says_what_and_asks(call, db):
    give(db, *(FeedbackSubmission(task_id=TASK, author=name, satisfaction="good") for name in ("ada", "bob")))
    piece = own(db)[0]["feedback_id"]
    assert "say what to delete" in call("delete", ok=False)
    assert "say what to delete" in call("delete", piece, "--all", ok=False)
    assert "nothing that ada gave" in call("delete", uuid4(), ok=False)
    said = call("delete", piece, ok=False, answer="n\n")
    assert "1 piece of feedback" in said
    assert "for good?" in said
    assert len(own(db)) == 1
    assert "1 deleted" in call("delete", "--all", answer="y\n")
    assert (own(db), len(own(db, "bob"))) == ([], 1)
    assert "0 pieces of feedback" in call("delete", "--all", "--yes")


def test_labels_go_to_a_file_and_come_back(call, db, tmp_path, empty):
    given = {"act": "label", "queue": "q", "label_schema": "o@1", "answers": {"success": "yes"}}
    give(db, Label(task_id=TASK, author="ada", **given), Label(task_id=TASK, author="bob", **given))
    path = tmp_path / "labels.jsonl"
    assert "2 labels of 2 annotators written" in call("export", path, "--queue", "q")
    assert "2 labels read: 0 added, 2 known already" in call("import", path)
    fresh = Store(tmp_path / "fresh.duckdb").ensure()
    result = CliRunner().invoke(main, ["feedback", "import", str(path), "--db", str(fresh.path)])
    assert "2 added" in result.output
    assert "1 piece of feedback written" in call("export", tmp_path / "own.jsonl", "--own")
    assert "leave out --queue" in call("export", tmp_path / "own.jsonl", "--own", "--queue", "q", ok=False)


def test_privacy_says_who_sees_what(call, db):
    give(db, FeedbackSubmission(task_id=TASK, author="ada", satisfaction="good", visibility="team"))
    said = call("privacy")
    assert "You are ada, as LEARNLAB_USER says." in said
    assert "private: seen by you alone. 0 of yours" in said
    assert "without your name, the id or the hour. 1 of yours" in said
    assert "You are bob." in call("privacy", "--as", "bob")
