"""The quick form: four faces in a notebook cell, and the few questions that are worth asking beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from learnlab.errors import LearnlabError
from learnlab.feedback.asking import submitting
from learnlab.feedback.asking.questions import ISSUE_WORDS, QUESTIONS, VISIBILITY_WORDS, worth_asking
from learnlab.feedback.asking.situations import Subject, subject_of
from learnlab.feedback.giving import give
from learnlab.models import now
from learnlab.people import MAX_COMMENT, MAX_CORRECTION, FeedbackSubmission, Satisfaction, Via, own_name
from learnlab.store import Store

STANDS = "In JupyterLab a form to rate an execution stands here."
"""What a page without widgets says in its place."""

_LONGEST = 2000
"""Characters of a description that are shown."""

_ANSWERS = {"satisfaction", "issues", "comment", "correction", "visibility", *(one.name for one in QUESTIONS)}
"""What the browser may answer."""


class RateForm(anywidget.AnyWidget):
    """A form for one execution and one person: nothing is set before they set it, and nothing kept before they save.

    What the browser shows is `about`; what became of the last thing that was done is `outcome`.
    """

    _esm = Path(__file__).with_name("form.js")
    _css = Path(__file__).with_name("form.css")
    about = traitlets.Dict().tag(sync=True)
    outcome = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        store: Store,
        subject: Subject,
        author: str,
        *,
        heard: Callable[[FeedbackSubmission], None] | None = None,
    ) -> None:
        super().__init__(about=_about(store, subject, author))
        self._store, self._subject, self._author, self._told = store, subject, author, heard
        self.given: FeedbackSubmission | None = None
        self.on_msg(lambda _, message, __: self._do(message))

    def save(self, answers: dict[str, Any]) -> None:
        """Hand in answers, by the names of what `submitting.submit` takes; what is wrong with them becomes words.

        Saving again replaces what was saved before.
        """
        known = {name: value for name, value in answers.items() if name in _ANSWERS}
        satisfaction = known.pop("satisfaction", None)
        if satisfaction is None:
            self._say("refused", "Choose a face first.")
            return
        try:
            given = submitting.rating(
                self._subject.task_id, satisfaction, author=self._author, via=Via.FORM, **known
            )
            give(self._store.path, given)
        except LearnlabError as error:
            self._say("refused", str(error))
            return
        self.given = given
        if self._told is not None:
            self._told(given)
        self._say("saved", f"{given.satisfaction.value}; {VISIBILITY_WORDS[given.visibility]}")

    def take_back(self) -> None:
        """Take back what was saved last; what this person said before it counts again."""
        if self.given is None:
            self._say("refused", "There is nothing to take back.")
            return
        try:
            submitting.take_back(self._store, self.given)
        except LearnlabError as error:
            self._say("refused", str(error))
            return
        self.given = None
        self._say("taken back", "it no longer counts")

    def _do(self, message: Any) -> None:
        """Do what the browser asks for; what it cannot ask for is left alone."""
        asked = message if isinstance(message, dict) else {}
        if asked.get("kind") == "save" and isinstance(asked.get("answers"), dict):
            self.save(asked["answers"])
        elif asked.get("kind") == "take back":
            self.take_back()

    def _say(self, kind: str, words: str) -> None:
        self.outcome = {
            "n": self.outcome.get("n", 0) + 1,
            "kind": kind,
            "words": words,
            "at": now().isoformat(timespec="seconds"),
            "can_take_back": self.given is not None,
        }

    def _repr_mimebundle_(self, **given: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**given)
        if bundle is None:
            return None
        data, metadata = bundle
        return data | {"text/html": f"<p>{STANDS}</p>", "text/plain": STANDS}, metadata


def rate(task_id: str, db: str | Path = "") -> RateForm:
    """Return a form to rate one execution, which a notebook shows where it is a cell's last line.

    `task_id` is the task_id of the execution, or the id that its source gave it. What is saved is safe at once, and
    private unless its author chooses otherwise.

    Raises:
        FeedbackError: when no execution in the store has the id, or nobody knows who rates.
        StoreError: when there is no such store, or it cannot be read.

    >>> rate("task-abc-123", db="my-agents")  # doctest: +SKIP
    """
    store, author = Store(db), own_name()
    return RateForm(store, subject_of(store, task_id, author, now()), author)


def _about(store: Store, subject: Subject, author: str) -> dict[str, Any]:
    """Return what the browser shows, as plain JSON: words to show as text, and the values that they stand for."""
    description = subject.description
    cut = f"{description[: _LONGEST - 1]}…" if len(description) > _LONGEST else description
    before = ""
    if subject.rated is not None and subject.rated_at is not None:
        before = f"You rated it {subject.rated} on {subject.rated_at:%d %B %Y}; what you save now counts in its place."
    return {
        "description": cut,
        "facts": subject.facts(),
        "before": before,
        "author": author,
        "store": store.name,
        "faces": [one.value for one in Satisfaction],
        "low": [one.value for one in Satisfaction if one.rating <= Satisfaction.FAIR.rating],
        "issues": [[issue.value, words] for issue, words in ISSUE_WORDS.items()],
        "visibilities": [[one.value, words] for one, words in VISIBILITY_WORDS.items()],
        "questions": [
            [one.name, one.text, one.why(subject.situation)] for one in worth_asking(subject.situation)
        ],
        "max_comment": MAX_COMMENT,
        "correction_limit": f"At most {MAX_CORRECTION:,} characters.",
    }
