"""Disagreements and the word that ends one: which items differ, without names, and what holds afterwards."""

from __future__ import annotations

import shutil
from datetime import timedelta
from uuid import UUID

import pytest
from conftest import START

from learnlab.errors import FeedbackError
from learnlab.feedback.agreement.adjudication import adjudicate, disagreements
from learnlab.feedback.agreement.answers import answered
from learnlab.feedback.agreement.coefficients import raw_agreement
from learnlab.feedback.giving import give
from learnlab.feedback.labelling.queues import open_queue
from learnlab.feedback.labelling.schemas import EXPERT, OUTCOME, LabelSchema, Question
from learnlab.people import PUBLIC, Label, Viewer
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter

TASKS = [str(UUID(int=n)) for n in range(1, 6)]


def says(author, n, answers, queue="audit", schema=OUTCOME, hours=0, **given) -> Label:
    checked = schema.check(answers)
    plain = {"act": "label", "queue": queue, "label_schema": schema.key, "answers": checked}
    return Label(
        task_id=TASKS[n],
        author=author,
        timestamp=START + timedelta(hours=hours),
        success=schema.success(checked),
        **(plain | given),
    )


@pytest.fixture(scope="module")
def labelled(empty, make_record, tmp_path_factory):
    """Four items: disputed by two, by three of whom two agree, agreed upon, and one with a word that says nothing."""
    records = [make_record(task_id=task, task_description=f"Task {task[-1]}", success=None) for task in TASKS]
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("audited") / "store.duckdb"))
    SpoolWriter(store.path).append(records)
    open_queue("audit", store, tasks=TASKS, labels_per_item=2)
    yes, no, unsure = {"success": "yes"}, {"success": "no"}, {"success": "unknown"}
    give(
        store.path,
        *(says("ada", 0, yes), says("bob", 0, no)),
        *(says("ada", 1, no), says("bob", 1, no), says("cyd", 1, yes)),
        *(says("ada", 2, yes), says("bob", 2, yes)),
        *(says("ada", 3, yes), says("bob", 3, unsure)),
        *(says("ada", 4, yes), says("cyd", 4, no, visibility="private")),
    )
    store.drain(60.0)
    return store


@pytest.fixture
def audited(labelled, tmp_path):
    return Store(shutil.copy(labelled.path, tmp_path / "store.duckdb"))


def disputed(store, **given):
    return disagreements("audit", store.path, **given).select("task_id", "n_labels", "answers").rows()


def test_the_most_disputed_come_first_and_nobody_is_named(labelled):
    found = disagreements("audit", labelled.path)
    assert found["description"].to_list() == ["Task 1", "Task 2"]
    assert disputed(labelled) == [
        (TASKS[0], 2, "no\u00a0×\u00a01 · yes\u00a0×\u00a01"),
        (TASKS[1], 3, "no\u00a0×\u00a02 · yes\u00a0×\u00a01"),
    ]
    assert found.columns == ["task_id", "question", "n_labels", "agreement", "answers", "description"]


def test_what_somebody_keeps_private_is_disputed_for_them_alone(labelled):
    assert (TASKS[4], 2, "no\u00a0×\u00a01 · yes\u00a0×\u00a01") in disputed(labelled, viewer=Viewer("cyd"))
    assert disputed(labelled, viewer=PUBLIC) == []


def test_a_settled_item_is_disputed_no_more_and_the_word_holds(audited):
    before = raw_agreement(answered("audit", audited.path).to(OUTCOME.questions[0]))
    label = adjudicate(
        TASKS[1], {"success": "yes"}, queue="audit", db=audited.path, author="dan", comment="it does"
    )
    assert (label.act, label.success, label.label_schema) == ("adjudication", True, OUTCOME.key)
    assert [task for task, *_ in disputed(audited)] == [TASKS[0]]
    verdicts = dict(audited.sql("select cast(task_id as varchar), success from outcomes").rows())
    assert (verdicts[TASKS[0]], verdicts[TASKS[1]], verdicts[TASKS[2]]) == (None, True, True)
    found = answered("audit", audited.path)
    assert found.settled["task_id"].to_list() == [TASKS[1]]
    assert raw_agreement(found.to(OUTCOME.questions[0])) == before


def test_what_is_no_answer_or_no_item_is_refused(labelled):
    for task, answers, queue, words in (
        (TASKS[0], {"success": "maybe"}, "audit", "none of yes, no, unknown"),
        (TASKS[0], {}, "audit", "not answered yet"),
        (str(UUID(int=99)), {"success": "no"}, "audit", "no execution"),
        (TASKS[0], {"success": "no"}, "other", "no queue"),
    ):
        with pytest.raises(FeedbackError, match=words):
            adjudicate(task, answers, queue=queue, db=labelled.path, author="dan")


def test_scores_and_choices_are_disputed_question_by_question(audited):
    choice = Question(
        name="tone",
        text="Which?",
        kind="choice",
        values=[{"value": "a", "text": "A"}, {"value": "b", "text": "B"}],
    )
    schema = LabelSchema(name="mixed", title="Mixed", questions=(EXPERT.questions[0], choice))
    open_queue("mixed", audited, schema=schema, tasks=TASKS)
    of = {"queue": "mixed", "schema": schema}
    give(
        audited.path,
        *(says("ada", 0, {"technical_accuracy": 1.0, "tone": "a"}, **of),),
        *(says("bob", 0, {"technical_accuracy": 0.25, "tone": "a"}, **of),),
        *(says("ada", 1, {"technical_accuracy": 0.5, "tone": "a"}, **of),),
        *(says("bob", 1, {"technical_accuracy": 0.5, "tone": "b"}, **of),),
    )
    rows = disagreements("mixed", audited.path).select("task_id", "question", "agreement", "answers").rows()
    assert rows == [
        (TASKS[1], "tone", 0.0, "a\u00a0×\u00a01 · b\u00a0×\u00a01"),
        (TASKS[0], "technical_accuracy", 0.25, "0.25\u00a0×\u00a01 · 1.0\u00a0×\u00a01"),
    ]


def test_answers_to_another_version_of_the_schema_are_left_out(audited):
    give(audited.path, says("eve", 2, {"success": "no"}, label_schema=f"outcome@{'0' * 12}"))
    assert answered("audit", audited.path).labels["annotator"].n_unique() == 3
    assert [task for task, *_ in disputed(audited)] == TASKS[:2]
