"""Label schemas: what is asked is data, and an answer that is none is refused in words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from learnlab.errors import FeedbackError
from learnlab.feedback.labelling.schemas import EXPERT, OUTCOME, Kind, LabelSchema, Question

SCORES = {"technical_accuracy": 1, "professional_quality": 0.5, "completeness": 0, "clarity": 0.25}


def choice(*values, **changes):
    texts = [{"value": value, "text": value.title()} for value in values]
    return {"name": "fault", "text": "What went wrong?", "kind": "choice", "values": texts} | changes


def test_the_outcome_is_asked_as_yes_no_or_unknown_by_number_keys():
    (question,) = OUTCOME.questions
    assert question.keys == {"1": "yes", "2": "no", "3": "unknown"}
    said = [OUTCOME.success(OUTCOME.check({"success": word})) for word in question.keys.values()]
    assert said == [True, False, None]


def test_an_expert_gives_four_scores_and_no_verdict():
    assert list(EXPERT.check(SCORES)) == list(SCORES)
    assert EXPERT.success(EXPERT.check(SCORES)) is None
    assert [question.kind for question in EXPERT.questions] == [Kind.SCORE] * 4
    assert list(EXPERT.questions[0].keys.values()) == [eighth / 8 for eighth in range(9)]


@pytest.mark.parametrize(
    ("schema", "answers", "says"),
    [
        (OUTCOME, {}, "not answered yet: success"),
        (OUTCOME, {"success": None}, "not answered yet: success"),
        (OUTCOME, {"success": "maybe"}, "'maybe' is none of yes, no, unknown"),
        (OUTCOME, {"success": True}, "True is none of yes"),
        (OUTCOME, {"success": "yes", "mood": "good"}, "'mood' is no question of outcome"),
        (OUTCOME, {"success": "yes", "</script>" * 99: "x"}, "is no question of outcome"),
        (OUTCOME, "yes", "by the names of the questions"),
        (EXPERT, SCORES | {"clarity": 1.01}, "clarity: 1.01 is no score from 0 to 1"),
        (EXPERT, SCORES | {"clarity": float("nan")}, "nan is no score"),
        (EXPERT, SCORES | {"clarity": 10**400}, "is no score"),
        (EXPERT, SCORES | {"clarity": True}, "True is no score"),
        (EXPERT, {"clarity": 1}, "technical_accuracy, professional_quality, completeness"),
    ],
)
def test_an_answer_that_is_none_is_refused_in_words(schema, answers, says):
    with pytest.raises(FeedbackError, match=says):
        schema.check(answers)


def test_a_question_may_be_left_out_where_it_is_not_required_but_not_every_one():
    parts = {
        "name": "s",
        "title": "T",
        "questions": (Question(**choice("late", "wrong", is_required=False)),),
    }
    schema = LabelSchema(**(parts | {"questions": (*parts["questions"], *EXPERT.questions[:1])}))
    assert schema.check({"technical_accuracy": 1, "fault": None}) == {"technical_accuracy": 1.0}
    with pytest.raises(FeedbackError, match="nothing is answered"):
        LabelSchema(**parts).check({})


def test_a_key_changes_with_what_is_asked_and_survives_json():
    again = LabelSchema.from_json(EXPERT.to_json())
    assert again == EXPERT
    assert again.key == EXPERT.key
    other = LabelSchema(**(OUTCOME.model_dump() | {"title": "Another title"}))
    assert other.key != OUTCOME.key
    assert OUTCOME.key.partition("@")[0] == "outcome"
    assert len(OUTCOME.key.partition("@")[2]) == 12
    turned = [
        LabelSchema(name="s", title="T", questions=[choice(*pair)]) for pair in (("a", "b"), ("b", "a"))
    ]
    assert turned[0].key != turned[1].key


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (choice("late"), "at least two values"),
        (choice("late", "late"), "not all different"),
        (choice(*"abcdefghij"), "at most 9"),
        (choice("a", "b", kind="score"), "its values are 0, 1"),
        (choice("a", "b", kind="yes_no_unknown"), "its values are yes, no, unknown"),
        (choice("a", "b", name="<b>"), "pattern"),
        (choice("a", "b", kind="essay"), "choice"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(question, says):
    with pytest.raises(ValidationError, match=says):
        Question(**question)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"verdict": "nothing"}, "no yes/no/unknown question"),
        ({"verdict": "fault"}, "no yes/no/unknown question"),
        ({"questions": [choice("a", "b")] * 2}, "two questions of one name"),
        ({"questions": []}, "at least 1"),
    ],
)
def test_a_schema_that_cannot_be_asked_is_refused(changes, says):
    with pytest.raises(ValidationError, match=says):
        LabelSchema(**({"name": "s", "title": "T", "questions": [choice("a", "b")]} | changes))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"name": "s", "title": "T", "questions": "many"}'])
def test_json_that_holds_no_schema_is_refused_in_words(text):
    with pytest.raises(FeedbackError, match="no label schema"):
        LabelSchema.from_json(text)
