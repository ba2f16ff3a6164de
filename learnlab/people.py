"""What people say of an execution, who says it, and who looks at it."""

from __future__ import annotations

import getpass
from abc import abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from learnlab.errors import FeedbackError
from learnlab.models import Amount, Id, Record, UtcTime, now
from learnlab.settings import settings

MAX_COMMENT = 2000
"""Characters of a comment or a note."""

MAX_CORRECTION = 100_000
"""Characters of a correction."""

MAX_AUTHOR = 200
"""Characters of a person's name."""

NO_AUTHOR = f"is no name to give feedback in: 1 to {MAX_AUTHOR} characters, no control characters"
"""What is said of a name that is none."""


class Satisfaction(StrEnum):
    """How satisfied somebody is; `rating` is what it is worth."""

    EXCELLENT = "excellent"
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"

    @property
    def rating(self) -> int:
        """The satisfaction as a number, 2 (poor) to 5 (excellent).

        >>> Satisfaction.FAIR.rating
        3
        """
        return {"excellent": 5, "good": 4, "fair": 3, "poor": 2}[self.value]


class Issue(StrEnum):
    """What was wrong."""

    WRONG_MODEL = "wrong_model"
    TOO_SLOW = "too_slow"
    POOR_QUALITY = "poor_quality"
    OTHER = "other"


class Visibility(StrEnum):
    """Who may see what somebody gave: its author, the store's users without its author's name, or everybody in counts."""

    PRIVATE = "private"
    TEAM = "team"
    PUBLIC = "public"


class Via(StrEnum):
    """Through what something was given."""

    PYTHON = "python"
    COMMAND_LINE = "command_line"
    FORM = "form"
    WIDGET = "widget"
    MCP = "mcp"
    IMPORT = "import"
    SIMULATOR = "simulator"


class Act(StrEnum):
    """What somebody did with an item of a queue."""

    LABEL = "label"
    ADJUDICATION = "adjudication"
    SKIP = "skip"
    NOTE = "note"
    UNDO = "undo"


RATING = "rating"
"""The feedback_type of a submission; that of a label is its act."""


@dataclass(frozen=True)
class Viewer:
    """Who looks: a person by name, the store's users (no name), or the public.

    A person sees what they gave themselves, whole; of others what is shared with the team, without names or ids.
    The team sees the latter; the public sees no feedback but the table of public figures.

    >>> Viewer("ada"), TEAM == Viewer(), PUBLIC.is_public
    (Viewer(name='ada', is_public=False), True, True)
    """

    name: str | None = None
    is_public: bool = False

    def words(self) -> str:
        """Return who that is, in words.

        >>> Viewer("ada").words(), TEAM.words()
        ('ada', "this store's users")
        """
        return "everybody" if self.is_public else self.name or "this store's users"


TEAM = Viewer()
"""The store's users, nobody in particular: what views, reports and training see unless told otherwise."""

PUBLIC = Viewer(is_public=True)
"""Everybody."""


def own_name() -> str:
    """Return who gives feedback here: LEARNLAB_USER, else the system's name of the user.

    Raises:
        FeedbackError: when neither is known, or what is known is no name.
    """
    if settings().user.strip():
        return as_author(settings().user)
    try:
        return as_author(getpass.getuser())
    except (OSError, KeyError) as error:
        raise FeedbackError("nobody knows who you are: set LEARNLAB_USER to your name") from error


def me() -> Viewer:
    """Return the person who gives feedback here as the one who looks.

    Raises:
        FeedbackError: when nobody knows who that is.
    """
    return Viewer(own_name())


def as_author(name: object) -> str:
    """Return a name to give feedback in, without blanks around it.

    Raises:
        FeedbackError: when it is none.

    >>> as_author(" ada ")
    'ada'
    """
    try:
        return _AUTHOR.validate_python(name)
    except ValidationError as error:
        raise FeedbackError(f"{str(name)[:60]!r} {NO_AUTHOR}") from error


def _spelt(value: Any) -> Any:
    return value.strip().lower().replace("-", "_").replace(" ", "_") if isinstance(value, str) else value


def _said(value: Any) -> Any:
    """A text of nothing but blanks says nothing."""
    return None if isinstance(value, str) and not value.strip() else value


def _list(value: Any) -> Any:
    """A list of words, each once however it is spelt; what is no list or no word is left for the field to refuse."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        return given
    spelt = [_spelt(one) for one in given]
    return list(dict.fromkeys(spelt)) if all(isinstance(one, str) for one in spelt) else spelt


Author = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=MAX_AUTHOR, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
]
_AUTHOR: TypeAdapter[str] = TypeAdapter(Author)
Comment = Annotated[Annotated[str, Field(max_length=MAX_COMMENT)] | None, BeforeValidator(_said)]
Correction = Annotated[Annotated[str, Field(max_length=MAX_CORRECTION)] | None, BeforeValidator(_said)]


class Given(Record):
    """What every piece of feedback has: its id, the task, when (UTC), who gave it, who may see it, through what."""

    feedback_id: UUID = Field(default_factory=uuid4)
    task_id: Id
    timestamp: UtcTime = Field(default_factory=now)
    author: Author = Field(default_factory=own_name)
    visibility: Annotated[Visibility, BeforeValidator(_spelt)] = Visibility.PRIVATE
    comment: Comment = None
    via: Via = Via.PYTHON

    @abstractmethod
    def row(self) -> dict[str, Any]:
        """Return it by the names of the columns under which every piece of feedback is kept."""


class ContextualRating(Record):
    """Three yes/no answers; None is unknown and never counts as no."""

    model_appropriate: bool | None = None
    speed_acceptable: bool | None = None
    expectations_met: bool | None = None


class FeedbackSubmission(Given):
    """What somebody thinks of one execution.

    `success` is an explicit verdict, `accepted` whether the result was taken: both are questions of their own, and
    satisfaction answers neither. `correction` is what it should have been.

    Raises:
        pydantic.ValidationError: for fair or poor without an issue, the issue `other` without a comment, a text
            that is too long, or a word that is not in the vocabulary.
        FeedbackError: when no author is given and nobody knows who that is.

    >>> FeedbackSubmission(task_id="task-abc-123", satisfaction="fair", issues=["too_slow"], author="ada").rating
    3
    """

    satisfaction: Annotated[Satisfaction, BeforeValidator(_spelt)]
    issues: Annotated[list[Issue], BeforeValidator(_list)] = Field(default_factory=list)
    contextual: ContextualRating = Field(default_factory=ContextualRating)
    correction: Correction = None
    success: bool | None = None
    accepted: bool | None = None

    @property
    def rating(self) -> int:
        """The satisfaction as a number, 2-5."""
        return self.satisfaction.rating

    @model_validator(mode="after")
    def _says_what_was_wrong(self) -> FeedbackSubmission:
        words = ", ".join(Issue)
        if self.satisfaction in (Satisfaction.FAIR, Satisfaction.POOR) and not self.issues:
            raise ValueError(f"{self.satisfaction.value} needs at least one issue: {words}")
        if Issue.OTHER in self.issues and self.comment is None:
            raise ValueError("the issue `other` needs a comment that says what it was")
        return self

    def row(self) -> dict[str, Any]:
        """Return it by the names of the columns under which every piece of feedback is kept."""
        own = self.model_dump(mode="json", exclude={"contextual"})
        return own | self.contextual.model_dump() | {"feedback_type": RATING, "rating": self.rating}


class Label(Given):
    """One act on an item of a labelling queue: a label, a skip, a note, an undo, or the word that ends a disagreement.

    `answers` are those to the questions of the queue's schema, by their names; `success` is what they say of the
    outcome, where the schema asks for it. `undoes` is the feedback_id of what an undo takes back. `seconds` is how
    long the item was looked at, `saw_suggestion` whether a suggestion was on the screen before the answer. Only the
    undo of a rating stands outside every queue.

    Raises:
        pydantic.ValidationError: for an undo that does not say of what, a label without answers, or an act on no queue.
    """

    act: Act
    visibility: Annotated[Visibility, BeforeValidator(_spelt)] = Visibility.TEAM
    queue: str | None = Field(default=None, min_length=1, max_length=200)
    label_schema: str | None = Field(default=None, min_length=1, max_length=200)
    answers: dict[str, JsonValue] = Field(default_factory=dict)
    success: bool | None = None
    seconds: Amount | None = None
    saw_suggestion: bool | None = None
    undoes: UUID | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Label:
        if (self.act == Act.UNDO) is not (self.undoes is not None):
            raise ValueError("an undo, and nothing else, says what it undoes")
        if self.act != Act.UNDO and not (self.queue and self.label_schema):
            raise ValueError(f"a {self.act.value} names its queue and label_schema")
        if (self.act in (Act.LABEL, Act.ADJUDICATION)) is not bool(self.answers):
            raise ValueError(f"a label has answers, and a {self.act.value} has none")
        return self

    def row(self) -> dict[str, Any]:
        """Return it by the names of the columns under which every piece of feedback is kept."""
        own = self.model_dump(mode="json", exclude={"act"})
        return own | {"feedback_type": self.act.value, "answers": self.answers or None}


COLUMNS = (
    "feedback_id",
    "task_id",
    "timestamp",
    "feedback_type",
    "author",
    "visibility",
    "satisfaction",
    "rating",
    "issues",
    "comment",
    "model_appropriate",
    "speed_acceptable",
    "expectations_met",
    "correction",
    "success",
    "accepted",
    "queue",
    "label_schema",
    "answers",
    "seconds",
    "saw_suggestion",
    "undoes",
    "via",
)
"""The columns under which every piece of feedback is kept."""
