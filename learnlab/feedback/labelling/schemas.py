"""What a labeller is asked: questions with their possible answers and texts, as data."""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints, ValidationError, model_validator

from learnlab.errors import FeedbackError
from learnlab.models import Record

Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Answers = dict[str, str | float]
"""Answers by the names of the questions: a word of the question's values, or a score from 0 to 1."""

_SCORE_KEYS = 9
"""Number keys of a score, 1 to 9: from 0 to 1 in steps of an eighth."""


class Kind(StrEnum):
    """What kind of answer a question takes."""

    CHOICE = "choice"
    YES_NO_UNKNOWN = "yes_no_unknown"
    SCORE = "score"


class Value(Record):
    """One possible answer and the text that a labeller reads; of a score, what its 0 and its 1 mean."""

    model_config = ConfigDict(frozen=True)

    value: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]{0,59}$")]
    text: Text


_YES_NO_UNKNOWN = (
    Value(value="yes", text="Yes"),
    Value(value="no", text="No"),
    Value(value="unknown", text="Cannot tell"),
)


class Question(Record):
    """One question: its name, its text, the kind of its answer, the values it may have; nothing is pre-set.

    Raises:
        pydantic.ValidationError: for values that do not fit the kind, or more than nine, which have no number key.

    >>> Question(name="clarity", text="Is it clear?", kind="score",
    ...     values=[{"value": "0", "text": "Nobody understands it"}, {"value": "1", "text": "Everybody does"}]).keys["5"]
    0.5
    """

    model_config = ConfigDict(frozen=True)

    name: Word
    text: Text
    kind: Kind
    values: tuple[Value, ...] = Field(default=(), max_length=9)
    is_required: bool = True

    @model_validator(mode="before")
    @classmethod
    def _with_values(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("kind") == Kind.YES_NO_UNKNOWN and not given.get("values"):
            return given | {"values": _YES_NO_UNKNOWN}
        return given

    @model_validator(mode="after")
    def _values_fit(self) -> Question:
        words = [value.value for value in self.values]
        if len(set(words)) < len(words):
            raise ValueError(f"the values of {self.name} are not all different: {', '.join(words)}")
        fixed = {Kind.YES_NO_UNKNOWN: ["yes", "no", "unknown"], Kind.SCORE: ["0", "1"]}.get(self.kind)
        if fixed and words != fixed:
            raise ValueError(
                f"{self.name} is a {self.kind.value}: its values are {', '.join(fixed)}, with a text each"
            )
        if len(words) < 2:
            raise ValueError(f"{self.name} needs at least two values to choose from")
        return self

    @property
    def keys(self) -> dict[str, str | float]:
        """The number keys and the answers that they give; those of a score go from 0 to 1 in steps of an eighth."""
        if self.kind == Kind.SCORE:
            return {str(key): (key - 1) / (_SCORE_KEYS - 1) for key in range(1, _SCORE_KEYS + 1)}
        return {str(key): value.value for key, value in enumerate(self.values, 1)}

    def checked(self, answer: Any) -> str | float:
        """Return an answer as it is stored.

        Raises:
            FeedbackError: when it is none of this question's; it says which there are.
        """
        if self.kind == Kind.SCORE:
            if not isinstance(answer, bool) and isinstance(answer, int | float) and 0 <= answer <= 1:
                return float(answer)
            raise FeedbackError(f"{self.name}: {_shown(answer)} is no score from 0 to 1")
        words = [value.value for value in self.values]
        if not isinstance(answer, str) or answer not in words:
            raise FeedbackError(f"{self.name}: {_shown(answer)} is none of {', '.join(words)}")
        return answer


class LabelSchema(Record):
    """What is asked of each item: one question or several; `verdict` names the one that says whether it succeeded.

    Raises:
        pydantic.ValidationError: for two questions of one name, or a verdict that is no yes/no/unknown question.

    >>> OUTCOME.check({"success": "yes"}), OUTCOME.success({"success": "unknown"})
    ({'success': 'yes'}, None)
    """

    model_config = ConfigDict(frozen=True)

    name: Word
    title: Text
    questions: tuple[Question, ...] = Field(min_length=1, max_length=20)
    verdict: Word | None = None

    @model_validator(mode="after")
    def _is_sound(self) -> LabelSchema:
        kinds = {question.name: question.kind for question in self.questions}
        if len(kinds) < len(self.questions):
            raise ValueError(f"{self.name} has two questions of one name")
        if self.verdict is not None and kinds.get(self.verdict) != Kind.YES_NO_UNKNOWN:
            raise ValueError(f"the verdict of {self.name} is no yes/no/unknown question: {self.verdict!r}")
        return self

    @cached_property
    def key(self) -> str:
        """The name and 12 hex digits of the SHA-256 of what is asked: another question, text or value is another key."""
        return f"{self.name}@{sha256(self.to_json().encode()).hexdigest()[:12]}"

    def to_json(self) -> str:
        """Return the schema as canonical JSON: `from_json` reads it."""
        fields = self.model_dump(mode="json")
        return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> LabelSchema:
        """Return the schema that JSON holds.

        Raises:
            FeedbackError: when it holds none.

        >>> LabelSchema.from_json(EXPERT.to_json()) == EXPERT
        True
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise FeedbackError(f"that is no label schema: {where or 'it'}: {first['msg']}") from error

    def check(self, answers: Any) -> Answers:
        """Return answers as they are stored, in the order of the questions; one left out or None is not answered.

        Raises:
            FeedbackError: when a name is unknown, a value is none of the question's, or one that is needed is missing.
        """
        if not isinstance(answers, dict):
            raise FeedbackError(f"answers go by the names of the questions: {self._names}")
        if unknown := [
            name for name in answers if name not in {question.name for question in self.questions}
        ]:
            raise FeedbackError(
                f"{_shown(unknown[0])} is no question of {self.name}: it asks for {self._names}"
            )
        given = {q: answers[q.name] for q in self.questions if answers.get(q.name) is not None}
        if missing := [q.name for q in self.questions if q.is_required and q not in given]:
            raise FeedbackError(f"not answered yet: {', '.join(missing)}")
        if not given:
            raise FeedbackError(f"nothing is answered: {self.name} asks for {self._names}")
        return {question.name: question.checked(answer) for question, answer in given.items()}

    def success(self, answers: Answers) -> bool | None:
        """Return what checked answers say of success; None where they say nothing, or the schema does not ask."""
        return {"yes": True, "no": False}.get(str(answers.get(self.verdict))) if self.verdict else None

    @property
    def _names(self) -> str:
        return ", ".join(question.name for question in self.questions)


def _shown(value: Any) -> str:
    return repr(value)[:60]


OUTCOME = LabelSchema(
    name="outcome",
    title="Did it succeed?",
    questions=(
        Question(name="success", text="Did the agent do what the task asked for?", kind=Kind.YES_NO_UNKNOWN),
    ),
    verdict="success",
)
"""Whether the execution succeeded: yes, no or unknown. What a queue asks unless told otherwise."""


def _score(name: str, text: str, nothing: str, everything: str) -> Question:
    values = (Value(value="0", text=nothing), Value(value="1", text=everything))
    return Question(name=name, text=text, kind=Kind.SCORE, values=values)


EXPERT = LabelSchema(
    name="expert",
    title="How good is it?",
    questions=(
        _score("technical_accuracy", "Is it technically right?", "wrong throughout", "right in every detail"),
        _score(
            "professional_quality",
            "Is it work of professional quality?",
            "not usable",
            "as an expert would hand it in",
        ),
        _score("completeness", "Is everything there that was asked for?", "nothing of it", "all of it"),
        _score(
            "clarity",
            "Is it clear to those who will read it?",
            "nobody can follow it",
            "clear at first reading",
        ),
    ),
)
"""Four scores from 0 to 1 that an expert gives, nothing pre-set."""
