"""Labelling one item after another, as plain state: a widget, a script and a test see the same session."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import polars as pl
from pydantic import TypeAdapter, ValidationError

from learnlab.errors import FeedbackError, LearnlabError
from learnlab.feedback import suggesting
from learnlab.feedback.details import Details, ReadAhead
from learnlab.feedback.giving import give
from learnlab.feedback.leases import Claim, Leases, LeasesLostError, Progress, Standing
from learnlab.feedback.presence import Presence, sweep
from learnlab.feedback.queues import Queue, joined
from learnlab.feedback.recounting import recount
from learnlab.feedback.schemas import Answers
from learnlab.feedback.suggesting import Similar, Suggestion
from learnlab.people import Act, Author, Label, Via, Viewer, Visibility, own_name
from learnlab.store import Store

_FIRST = 5.0
"""Seconds that a new session waits for the details of its first item."""

_SAID = """
select given_at, task_id, feedback_type as act, answers, comment, seconds, saw_suggestion, is_undone, feedback_id
from feedback
where is_own and queue = $queue
order by given_at, feedback_id
"""

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """What there is to label: its place in the queue (from 1 on), the task, why it is asked about, and its details.

    `facts` are what a labeller needs to know of the execution (task type, repo, start, duration, cost, error, what
    solved it) and no verdict of anybody. While `is_ready` is false the details are not there yet; `words` says why.
    """

    place: int
    task_id: str
    why: str | None
    description: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    is_ready: bool = False
    words: str = ""


@dataclass(frozen=True)
class Given:
    """An act that was acknowledged: what it was, on which item, and what there is to say about it in words."""

    act: Act
    feedback_id: UUID
    item: Item
    answers: Answers = field(default_factory=dict)
    words: str = ""


class LabelingSession:
    """One person at one queue: the item in hand, and what can be done with it.

    `queue` is a queue or the name of one that is open. What is given is seen by `visibility` (the team unless told
    otherwise, and then without the author's name). An item is held for `lease_seconds` after the last activity, as
    long as the process lives; whoever comes back after a restart goes on where they were.

    Raises:
        FeedbackError: when there is no such queue, nobody knows who the author is, or the queue cannot be used; from
            every method as well, in words.
        StoreError: when the store cannot be read in the beginning.

    >>> session = LabelingSession("audit", "sample", author="ada")  # doctest: +SKIP
    >>> session.label({"success": "yes"}).item.place, session.progress.n_own  # doctest: +SKIP
    (1, 1)
    """

    def __init__(
        self,
        queue: Queue | str,
        db: str | Path | Store = "",
        *,
        author: str | None = None,
        visibility: Visibility | str = Visibility.TEAM,
        lease_seconds: float = 900.0,
        via: Via = Via.PYTHON,
    ) -> None:
        self.queue = queue if isinstance(queue, Queue) else joined(queue, db)
        self.author = _valid(Author, own_name() if author is None else author, "no name for an author")
        self.visibility: Visibility = _valid(Visibility, visibility, "nobody to show it to")
        self.lease_seconds, self.via = lease_seconds, via
        self.last: Given | None = None
        self._store = self.queue.store
        self._leases = Leases(self._store.path, self.queue.name, self.author, lease_seconds)
        self._ahead = ReadAhead(self._store.path)
        self._similar: dict[str, Similar] = {}
        self._begin()

    def _begin(self) -> None:
        self._presence = Presence(self._store.path)
        self._seen: set[str] = set()
        self._reopened: set[str] = set()
        self._claim: Claim | None = None
        self._upcoming: tuple[str, ...] = ()
        self._unsure: Label | None = None
        sweep(self._store.path)
        recount(self.queue, self._leases, self._presence.name)
        self._stand(self._leases.stand(self._me), _FIRST)

    @property
    def _me(self) -> str:
        return self._presence.name

    @property
    def item(self) -> Item | None:
        """The item in hand, None when there is none for this author now."""
        if self._claim is None:
            return None
        if self._ahead.of(self._claim.task_id) is None:
            self._ahead.want([self._claim.task_id, *self._upcoming])
        return self._item(self._claim)

    @property
    def progress(self) -> Progress:
        """How far the author and the queue are."""
        return self._progress

    @property
    def words(self) -> str:
        """What there is to say of where one stands."""
        p = self._progress
        if self._claim is not None:
            return f"item {self._claim.place} of {p.n_items}"
        if p.n_done >= p.n_items:
            return f"all {p.n_items} items have the labels that were asked for"
        return f"nothing for you now: {p.n_done} of {p.n_items} items are done, the others wait for somebody else"

    def label(self, answers: dict[str, Any]) -> Given:
        """Give the answers to the questions of the queue's schema; acknowledged and safe once this returns.

        The next item is in hand then. When it fails nothing is lost: the same can be given again.

        Raises:
            FeedbackError: when an answer is none, there is no item, or the queue's file cannot be written.
            StoreError: when the answers cannot be written down.
        """
        checked = self.queue.schema.check(answers)
        return self._give(Act.LABEL, answers=checked, success=self.queue.schema.success(checked))

    def skip(self) -> Given:
        """Leave the item to others; it is not offered to this author again.

        Raises:
            FeedbackError: as `label` does.
            StoreError: as `label` does.
        """
        return self._give(Act.SKIP)

    def note(self, text: str) -> Given:
        """Write something down about the item in hand, which stays in hand.

        Raises:
            FeedbackError: when there is no item, or the text is blank or longer than 2,000 characters.
            StoreError: when it cannot be written down.
        """
        self._here()
        if not str(text).strip():
            raise FeedbackError("there is nothing in that note")
        event = self._event(Act.NOTE, self._in_hand(), comment=text)
        give(self._store.path, event)
        return Given(Act.NOTE, event.feedback_id, self._item(self._in_hand()))

    def undo(self) -> Given:
        """Take back the author's latest label or skip in this queue; its item is in hand again. So on, back to the first.

        Raises:
            FeedbackError: when there is nothing to undo, or the queue's file cannot be written.
            StoreError: when it cannot be written down.
        """
        self._here()
        found = self._knowing(lambda: self._leases.undoing(self._me))
        if found is None:
            raise FeedbackError(
                f"nothing to undo: {self.author} has neither labelled nor skipped anything here"
            )
        task_id, ids = found
        claim = Claim(0, task_id, None)
        events = [self._event(Act.UNDO, claim, undoes=UUID(one)) for one in ids]
        give(self._store.path, *events)
        self._reopened.add(task_id)
        self._unsure = None
        self._settle(lambda: self._leases.undone(self._me, task_id, ids))
        is_back = self._claim is not None and self._claim.task_id == task_id
        words = "" if is_back else "taken back; others have labelled that item meanwhile"
        item = self._item((self._claim if is_back else None) or claim)
        self.last = Given(Act.UNDO, events[0].feedback_id, item, words=words)
        return self.last

    def suggestion(self, item: Item | None = None) -> Suggestion:
        """Return what is suggested for the item in hand, or for another: what the log says, else what is similar.

        Whoever asks has seen it: a label that follows on the same item says so.
        """
        self._here()
        task_id = item.task_id if item else self._in_hand().task_id
        self._seen.add(task_id)
        details = self._ahead.of(task_id)
        if details is None:
            return Suggestion(None, "", "no suggestion: the store is busy")
        return suggesting.from_log(details) or suggesting.from_similar(self._similar_to(task_id).rows)

    def similar(self, item: Item | None = None) -> Similar:
        """Return past executions similar to an item, by default the one in hand.

        What came of them is told only beside a suggestion, which it would give away.
        """
        self._here()
        task_id = item.task_id if item else self._in_hand().task_id
        found = self._similar_to(task_id)
        return found if task_id in self._seen else suggesting.without_outcomes(found)

    def said(self) -> pl.DataFrame:
        """Return all that the author gave in this queue, in order, one row an act: what was undone as well.

        Raises:
            StoreError: when the store cannot be read.
        """
        store = Store(self._store.path, viewer=Viewer(self.author))
        return store.sql(_SAID, {"queue": self.queue.name})

    def look_again(self) -> Item | None:
        """Return the item in hand; where there was none, what has become free meanwhile.

        Raises:
            FeedbackError: when the queue's file cannot be used.
        """
        self._here()
        if self._claim is None:
            self._settle(lambda: self._leases.stand(self._me))
        return self.item

    def renew(self) -> bool:
        """Hold on to the item for another `lease_seconds`; False when others have filled it meanwhile.

        Raises:
            FeedbackError: when the queue's file cannot be used.
        """
        self._here()
        claim = self._claim
        return claim is not None and self._knowing(lambda: self._leases.renew(self._me, claim.task_id))

    def close(self) -> None:
        """Give the item in hand to others and leave; the session cannot be used any more."""
        if self._presence.is_here:
            with suppress(FeedbackError):
                self._leases.let_go(self._me)
            self._presence.leave()
        self._claim = None

    def __enter__(self) -> LabelingSession:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _here(self) -> None:
        """Begin anew in a child that was forked: the item in hand is the parent's."""
        if not self._presence.is_here:
            if not self._presence.leave.alive:
                raise FeedbackError("this session is closed: open another")
            self._begin()

    def _in_hand(self) -> Claim:
        if self._claim is None:
            raise FeedbackError(self.words)
        return self._claim

    def _item(self, claim: Claim) -> Item:
        details: Details | None = self._ahead.of(claim.task_id)
        if details is None:
            words = "the store is busy: the details come as soon as it can be read"
            return Item(claim.place, claim.task_id, claim.why, words=words)
        words = "" if details.description is not None else "this execution is not in the store any more"
        facts = dict(details.facts)
        return Item(claim.place, claim.task_id, claim.why, details.description, facts, True, words)

    def _event(self, act: Act, claim: Claim, **given: Any) -> Label:
        fields = {
            "act": act,
            "task_id": claim.task_id,
            "author": self.author,
            "visibility": self.visibility,
            "via": self.via,
            "queue": self.queue.name,
            "label_schema": self.queue.schema.key,
        }
        event: Label = _valid(Label, fields | given, "that cannot be given")
        return event

    def _give(self, act: Act, **given: Any) -> Given:
        self._here()
        claim = self._in_hand()
        event = self._again(act, claim, given) or self._event(
            act,
            claim,
            seconds=time.monotonic() - self._since,
            saw_suggestion=self._saw(claim.task_id) if act == Act.LABEL else None,
            **given,
        )
        feedback_id = str(event.feedback_id)
        is_late = self._knowing(lambda: self._leases.giving(self._me, claim.task_id, feedback_id, act))
        self._unsure = event
        give(self._store.path, event)
        self._unsure = None
        item = self._item(claim)
        self._settle(lambda: self._leases.given(self._me, claim.task_id, feedback_id, act))
        words = "stored; the item had gone to others meanwhile" if is_late and act == Act.LABEL else ""
        self.last = Given(act, event.feedback_id, item, given.get("answers", {}), words)
        return self.last

    def _again(self, act: Act, claim: Claim, given: dict[str, Any]) -> Label | None:
        """Return what failed to be given before, if it is the same that is given now: it counts once."""
        last = self._unsure
        is_same = last and last.act == act and str(last.task_id) == claim.task_id
        return last if last and is_same and last.answers == given.get("answers", {}) else None

    def _saw(self, task_id: str) -> bool | None:
        """Whether a suggestion was seen; unknown of an item that was labelled before this session began."""
        return True if task_id in self._seen else None if task_id in self._reopened else False

    def _similar_to(self, task_id: str) -> Similar:
        if task_id not in self._similar:
            self._similar[task_id] = suggesting.similar_executions(self._store, task_id)
        return self._similar[task_id]

    def _knowing(self, work: Callable[[], T]) -> T:
        """Return what some work on the queue's file gives, having made the file anew where it was lost."""
        try:
            return work()
        except LeasesLostError:
            recount(self.queue, self._leases, self._me)
            return work()

    def _settle(self, work: Callable[[], Standing]) -> None:
        """Take up what comes next; what was given is safe by now, so that nothing of this is an error of the giving."""
        try:
            standing = self._knowing(work)
            if standing.claim is None and standing.is_in_doubt:
                recount(self.queue, self._leases, self._me)
                standing = self._leases.stand(self._me)
        except LearnlabError:
            self._claim, self._upcoming = None, ()
            return
        self._stand(standing)

    def _stand(self, standing: Standing, seconds: float = 0.0) -> None:
        self._claim, self._upcoming = standing.claim, standing.upcoming
        self._progress = standing.progress
        self._since = time.monotonic()
        if self._claim:
            self._ahead.want([self._claim.task_id, *self._upcoming], seconds)


def _valid(kind: Any, value: Any, words: str) -> Any:
    """Return a value as a kind of ours has it.

    Raises:
        FeedbackError: when it is none, with what is wrong in words.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FeedbackError(f"{words}: {where + ': ' if where else ''}{first['msg']}") from error
