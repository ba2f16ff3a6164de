"""`submit_feedback`: an agent rates an execution, in the name of whom its server serves."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from learnlab.feedback.asking.questions import QUESTIONS
from learnlab.feedback.asking.submitting import submit
from learnlab.models import Record
from learnlab.people import MAX_COMMENT, MAX_CORRECTION, Issue, Satisfaction, Via, Visibility
from learnlab.tools.tool import Desk, RefusedError, TaskId, Tool

PER_MINUTE = 60
"""Submissions that one server takes in any minute: what runs in circles is told so."""

_ASKED = {question.name: question.text for question in QUESTIONS}


def _word(words: Any) -> Any:
    return WithJsonSchema({"type": "string", "enum": [word.value for word in words]})


def _yes_no(name: str) -> Any:
    says = f"{_ASKED[name]} Leave it out where it is unknown."
    return WithJsonSchema({"type": ["boolean", "null"], "default": None, "description": says})


class Rating(Record):
    """What `submit_feedback` takes; who gives it is no argument."""

    task_id: TaskId
    satisfaction: Annotated[
        Satisfaction, _word(Satisfaction), Field(description="How satisfying the result is.")
    ]
    issues: Annotated[
        tuple[Annotated[Issue, _word(Issue)], ...],
        Field(max_length=len(Issue), description="What was wrong; at least one for fair and poor."),
    ] = ()
    comment: Annotated[
        str | None,
        Field(max_length=MAX_COMMENT, description="In your own words; needed when an issue is `other`."),
    ] = None
    visibility: Annotated[
        Visibility,
        _word(Visibility),
        Field(
            description="private (its author alone), team (the store's users, without a name) or public (in counts)."
        ),
    ] = Visibility.PRIVATE
    model_appropriate: Annotated[bool | None, _yes_no("model_appropriate")] = None
    speed_acceptable: Annotated[bool | None, _yes_no("speed_acceptable")] = None
    expectations_met: Annotated[bool | None, _yes_no("expectations_met")] = None
    correction: Annotated[
        str | None,
        Field(max_length=MAX_CORRECTION, description="What the result should have been."),
    ] = None
    success: Annotated[bool | None, _yes_no("success")] = None
    accepted: Annotated[bool | None, _yes_no("accepted")] = None


class Submitted(Record):
    """What `submit_feedback` answers."""

    feedback_id: Annotated[str, Field(description="The id of this piece of feedback, to delete it by.")]
    status: Literal["submitted"] = "submitted"
    task_id: Annotated[str, Field(description="The execution that it is about.")]
    seen_by: Annotated[str, Field(description="Who will see it, in words.")]


def seen_by(visibility: Visibility, author: str) -> str:
    """Return who sees a piece of feedback, in words.

    >>> seen_by(Visibility.PRIVATE, "ada")
    'ada alone'
    """
    team = f"{author}, and this store's users without a name, an id or an hour"
    return {
        Visibility.PRIVATE: f"{author} alone",
        Visibility.TEAM: team,
        Visibility.PUBLIC: f"{team}; everybody in counts that at least 5 people gave",
    }[visibility]


def rating(desk: Desk) -> Tool:
    """Return the tool that hands in a rating in the name of whom a desk serves."""
    pace = _Pace()

    def work(given: Rating) -> Submitted:
        pace.step()
        kept = submit(
            given.task_id,
            db=desk.store.path,
            author=desk.author,
            via=Via.MCP,
            **given.model_dump(exclude={"task_id"}),
        )
        return Submitted(
            feedback_id=str(kept.feedback_id),
            task_id=str(kept.task_id),
            seen_by=seen_by(kept.visibility, desk.author),
        )

    says = (
        "Hand in feedback on a finished task: how satisfying its result is, what was wrong, whether it succeeded. "
        f"It is given in the name of {desk.author}, is private unless you say otherwise, and the latest on a task "
        "counts. feedback_help says what the words mean."
    )
    return Tool("submit_feedback", says, Rating, Submitted, work, desk, changes=True)


class _Pace:
    """How many were handed in within the last minute; threads may share it."""

    def __init__(self) -> None:
        self._lock, self._at = threading.Lock(), deque[float](maxlen=PER_MINUTE)

    def step(self) -> None:
        """Take note of one more.

        Raises:
            RefusedError: when there were too many in the last minute.
        """
        with self._lock:
            now = time.monotonic()
            if len(self._at) == PER_MINUTE and now - self._at[0] < 60:
                raise RefusedError(
                    f"{PER_MINUTE} pieces of feedback came within a minute: nothing was kept; wait a minute, "
                    "and rate each task once"
                )
            self._at.append(now)
