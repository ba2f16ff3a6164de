"""Submitting a rating: the execution found, the rules applied, and what breaks one refused in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from learnlab.errors import FeedbackError
from learnlab.feedback.giving import give, known_task
from learnlab.people import (
    MAX_COMMENT,
    MAX_CORRECTION,
    NO_AUTHOR,
    Act,
    ContextualRating,
    FeedbackSubmission,
    Issue,
    Label,
    Satisfaction,
    Via,
    Visibility,
)
from learnlab.store import Store

_CHOICES = {"satisfaction": Satisfaction, "visibility": Visibility, "issues": Issue}
_TOO_LONG = {"comment": MAX_COMMENT, "correction": MAX_CORRECTION}


def submit(
    task: str,
    satisfaction: str,
    *,
    db: str | Path = "",
    author: str | None = None,
    issues: str | Sequence[str] = (),
    comment: str | None = None,
    visibility: str = Visibility.PRIVATE,
    model_appropriate: bool | None = None,
    speed_acceptable: bool | None = None,
    expectations_met: bool | None = None,
    correction: str | None = None,
    success: bool | None = None,
    accepted: bool | None = None,
    via: Via = Via.PYTHON,
) -> FeedbackSubmission:
    """Rate one execution and return what was given; it is safe once this returns, and the latest of yours counts.

    `task` is a task_id, or the id that its source gave the execution; `satisfaction` is excellent, good, fair or
    poor. Fair and poor need at least one of the `issues` wrong_model, too_slow, poor_quality and other; other needs
    a `comment`. The three contextual answers, `success` and `accepted` are yes, no or, as None, unknown. `visibility`
    is private (you alone), team (this store's users, without your name) or public (as well in counts of 5 or more).

    Raises:
        FeedbackError: when no execution has the id, or a rule is broken; nothing is kept then.
        StoreError: when there is no such store, or the rating cannot be written down.

    >>> submit("task-abc-123", "fair", issues=["too_slow"], db="sample")  # doctest: +SKIP
    """
    store = Store(db)
    given = rating(
        known_task(store, task),
        satisfaction,
        author=author,
        issues=issues,
        comment=comment,
        visibility=visibility,
        model_appropriate=model_appropriate,
        speed_acceptable=speed_acceptable,
        expectations_met=expectations_met,
        correction=correction,
        success=success,
        accepted=accepted,
        via=via,
    )
    give(store.path, given)
    return given


def rating(
    task_id: str, satisfaction: object, *, author: str | None = None, **given: Any
) -> FeedbackSubmission:
    """Return a rating, checked and not yet given; `given` is what `submit` takes.

    Raises:
        FeedbackError: when a rule is broken, in plain words.
    """
    contextual = {name: given.pop(name, None) for name in ContextualRating.model_fields}
    issues = given.pop("issues", ())
    whole = {
        "task_id": task_id,
        "satisfaction": satisfaction,
        "issues": list(issues) if isinstance(issues, Iterable) and not isinstance(issues, str) else issues,
        "contextual": contextual,
        **given,
    }
    if author is not None:
        whole["author"] = author
    try:
        return FeedbackSubmission.model_validate(whole)
    except ValidationError as error:
        raise FeedbackError(in_words(error)) from error


def take_back(store: Store, given: FeedbackSubmission) -> Label:
    """Take back a rating of one's own; what its author said of the execution before counts again.

    Raises:
        StoreError: when that cannot be written down; the rating still counts then.
    """
    undo = Label(
        task_id=given.task_id,
        act=Act.UNDO,
        author=given.author,
        visibility=Visibility.PRIVATE,
        undoes=given.feedback_id,
        via=given.via,
    )
    give(store.path, undo)
    return undo


def in_words(error: ValidationError) -> str:
    """Return what is wrong with a piece of feedback, and what it may be instead, in one line.

    >>> try:
    ...     FeedbackSubmission(task_id="t", author="ada", satisfaction="fair")
    ... except ValidationError as error:
    ...     in_words(error)
    'not kept: fair needs at least one issue: wrong_model, too_slow, poor_quality, other'
    """
    return "not kept: " + "; ".join(dict.fromkeys(map(_part_in_words, error.errors())))


def _part_in_words(part: object) -> str:
    assert isinstance(part, dict)
    where = [str(one) for one in part["loc"] if isinstance(one, str)]
    name = where[-1] if where else ""
    if part["type"] == "value_error":
        return str(part["ctx"]["error"])
    if name == "author":
        return f"{str(part['input'])[:60]!r} {NO_AUTHOR}"
    if part["type"] == "enum" and name in _CHOICES:
        shown = repr(str(part["input"])[:60])
        return f"{name} is {shown}; it may be {', '.join(_CHOICES[name])}"
    if part["type"] == "string_too_long" and name in _TOO_LONG:
        return f"the {name} has {len(part['input']):,} characters; it may have {_TOO_LONG[name]:,}"
    return f"{name}: {str(part['msg'])[0].lower()}{str(part['msg'])[1:]}"
