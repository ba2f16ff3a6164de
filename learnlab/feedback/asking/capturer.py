"""Asking for feedback at the right moment: consider an execution, ask if a rule says so, hand in the answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from learnlab.events import Message, MessageType
from learnlab.feedback.asking import situations, submitting, terminal
from learnlab.feedback.asking.prompting import AN_HOUR, Asking, Situation, decide
from learnlab.feedback.asking.questions import Question, worth_asking
from learnlab.feedback.asking.situations import Subject, subject_of
from learnlab.models import ExecutionRecord, now
from learnlab.people import FeedbackSubmission, own_name
from learnlab.settings import settings
from learnlab.store import Store

_log = logging.getLogger("learnlab.feedback")


class FeedbackCapturer:
    """Asks one person for feedback on a store's executions, rarely: by the rules in `prompting.RULES`.

    A question that nobody answers counts like a rating as long as this capturer lives: somebody who does not answer
    is not asked more often than somebody who does. `message_bus`, if there is one, hears of each rating given through
    here, by its feedback_id and task_id alone.

    Raises:
        FeedbackError: when no author is given and nobody knows who that is.

    >>> FeedbackCapturer("my-agents", author="ada").consider("task-abc-123").reason  # doctest: +SKIP
    'not asked: 5 ratings in the last hour'
    """

    def __init__(self, db: str | Path = "", *, author: str | None = None, message_bus: Any = None) -> None:
        self._store = Store(db)
        self.author = author or own_name()
        self._bus = message_bus
        self._loop = _running_loop()
        self._telling: set[Future[None]] = set()
        self._unanswered: dict[str, tuple[str, datetime]] = {}

    def consider(self, task: str | ExecutionRecord, *, at: datetime | None = None) -> Asking:
        """Return whether to ask about an execution now (or `at`, UTC), by which rule, and why in words.

        `task` is a task_id, the id that its source gave it, or a record, which need not be in the store yet. Where
        nobody can be asked at all, nothing is read.

        Raises:
            FeedbackError: when no execution in the store has the id.
            StoreError: when the store cannot be read.
        """
        return self._considered(task, at)[0]

    def questions(self, task: str | ExecutionRecord) -> list[Question]:
        """Return what is worth asking about an execution beside how satisfied somebody is.

        Raises:
            FeedbackError: when no execution in the store has the id.
            StoreError: when the store cannot be read.
        """
        return worth_asking(self._subject(task, None).situation)

    def capture(
        self, task: str | ExecutionRecord, *, at: datetime | None = None
    ) -> FeedbackSubmission | None:
        """Ask about an execution if a rule says so, and return the rating; None when there is none.

        At a terminal it asks question by question. In a notebook it shows the quick form, whose answer comes later.

        Raises:
            FeedbackError: when no execution in the store has the id.
            StoreError: when the store cannot be read, or the rating cannot be written down.
        """
        asking, subject = self._considered(task, at)
        _log.info("%s", asking.reason)
        if subject is None or not asking.asked:
            return None
        self._unanswered[subject.task_id] = subject.situation.task_type, _aware(at or now())
        if situations.in_notebook():
            self._show(subject)
            return None
        given = terminal.ask_about(self._store, subject, self.author)
        if given is not None:
            self._heard(given)
        return given

    def submit(self, task: str, satisfaction: str, **given: Any) -> FeedbackSubmission:
        """Hand in a rating that nobody asked for; what `given` may be is said at `submitting.submit`.

        Raises:
            FeedbackError: when no execution has the id, or a rule is broken; nothing is kept then.
            StoreError: when there is no such store, or the rating cannot be written down.
        """
        rating = submitting.submit(task, satisfaction, db=self._store.path, author=self.author, **given)
        self._heard(rating)
        return rating

    def _considered(self, task: str | ExecutionRecord, at: datetime | None) -> tuple[Asking, Subject | None]:
        """Return whether to ask, and about what; nothing is looked up where nobody can be asked."""
        here = Situation(is_on=settings().feedback_prompts, absence=situations.absence())
        if here.absence or not here.is_on:
            return decide(here), None
        subject = self._subject(task, at)
        return decide(subject.situation), subject

    def _subject(self, task: str | ExecutionRecord, at: datetime | None) -> Subject:
        """Return an execution as this person would be asked about it, the questions asked in vain among the facts."""
        moment = _aware(at or now())
        subject = subject_of(self._store, task, self.author, moment)
        situation = subject.situation
        in_vain = {
            task_id: (task_type, moment - asked_at)
            for task_id, (task_type, asked_at) in self._unanswered.items()
            if moment - asked_at < AN_HOUR and task_id != subject.task_id
        }
        of_type = [since for task_type, since in in_vain.values() if task_type == situation.task_type]
        if situation.since_type is not None:
            of_type.append(situation.since_type)
        asked = replace(
            situation,
            was_asked=subject.task_id in self._unanswered,
            n_unanswered=len(in_vain),
            since_type=min(of_type, default=None),
        )
        return replace(subject, situation=asked)

    def _show(self, subject: Subject) -> None:
        from IPython.display import display

        from learnlab.feedback.asking.form import RateForm

        display(RateForm(self._store, subject, self.author, heard=self._heard))  # type: ignore[no-untyped-call]

    def _heard(self, rating: FeedbackSubmission) -> None:
        """Take note of a rating that is kept, and tell the bus; a bus that fails is logged and spoils nothing."""
        self._unanswered.pop(str(rating.task_id), None)
        if self._bus is None:
            return
        payload: dict[str, JsonValue] = {
            "feedback_id": str(rating.feedback_id),
            "task_id": str(rating.task_id),
        }
        message = Message(type=MessageType.FEEDBACK_SUBMITTED, payload=payload)
        loop = _running_loop() or self._loop
        if loop is None or loop.is_closed():
            _logged(lambda: asyncio.run(self._publish(message)))
        else:
            future = asyncio.run_coroutine_threadsafe(self._publish(message), loop)
            self._telling.add(future)
            future.add_done_callback(self._told)

    async def _publish(self, message: Message) -> None:
        published = self._bus.publish(message)
        if inspect.isawaitable(published):
            await published

    def _told(self, future: Future[None]) -> None:
        self._telling.discard(future)
        _logged(future.result)


def _logged(tell: Callable[[], None]) -> None:
    try:
        tell()
    except Exception:
        _log.warning("the bus was not told of a rating, which is kept", exc_info=True)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
