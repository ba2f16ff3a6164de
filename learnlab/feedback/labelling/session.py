"""Labelling one item after another, as plain state: a widget, a script and a test see the same session."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import polars as pl
from pydantic import ValidationError

from learnlab.errors import FeedbackError, LearnlabError
from learnlab.feedback.asking.submitting import in_words
from learnlab.feedback.giving import give
from learnlab.feedback.labelling.details import ReadAhead
from learnlab.feedback.labelling.items import Given, Item, item_of
from learnlab.feedback.labelling.leases import Claim, Leases, Progress, Standing
from learnlab.feedback.labelling.presence import Presence, sweep
from learnlab.feedback.labelling.queuefile import LeasesLostError
from learnlab.feedback.labelling.queues import Queue, joined
from learnlab.feedback.labelling.recounting import recounted
from learnlab.feedback.labelling.suggesting import Beside, Similar, Suggestion
from learnlab.people import Act, Label, Via, Viewer, Visibility
from learnlab.store import Store

_log = logging.getLogger("learnlab.feedback")
_PATIENCE = 0.05
"""Seconds to wait for the details of an item that were not read ahead."""

_SAID = """
select
    given_at,
    cast(task_id as varchar) as task_id,
    feedback_type as act,
    answers,
    comment,
    seconds,
    saw_suggestion,
    is_undone,
    cast(feedback_id as varchar) as feedback_id,
from feedback
where is_own and queue = $queue
order by given_at, feedback_id
"""

T = TypeVar("T")


class LabelingSession:
    """One person at one queue: the item in hand, and what can be done with it.

    `queue` is a queue or the name of one that is open. What is given is seen by `visibility`: the team unless told
    otherwise, and then without the author's name. An item is held for `lease_seconds` after the last activity, as
    long as the process lives; whoever comes back after a restart goes on where they were.

    Raises:
        FeedbackError: when there is no such queue, nobody knows who the author is, or the queue cannot be used.
        StoreError: when the store cannot be read in the beginning.

    >>> session = LabelingSession("audit", "sample", author="ada")  # doctest: +SKIP
    >>> session.label({"success": "yes"}).item.place, session.progress.n_own  # doctest: +SKIP
    (1, 1)
    """

    _standing: Standing

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
        given = {"visibility": visibility, "via": via} | ({} if author is None else {"author": author})
        someone = _label(self.queue, Act.SKIP, str(UUID(int=0)), **given)
        self.author, self.visibility, self.via = someone.author, someone.visibility, someone.via
        self.last: Given | None = None
        self._store = self.queue.store
        self._leases = Leases(self._store.path, self.queue.name, self.author, lease_seconds)
        self._begin()

    def _begin(self) -> None:
        self._presence = Presence(self._store.path)
        self._ahead = ReadAhead(self._store.path, self.queue.name, self.author)
        self._notes: dict[str, str] = {}
        self._beside = Beside(self._store, self._ahead)
        self._unsure: Label | None = None
        self._trouble = ""
        sweep(self._store.path)
        with recounted(self.queue, self._me):
            standing = self._leases.stand(self._me)
            self._ahead.read([*([standing.claim.task_id] if standing.claim else []), *standing.upcoming])
        self._take(standing)

    @property
    def item(self) -> Item | None:
        """The item in hand, None when there is none for this author now."""
        claim = self._standing.claim
        if claim is None:
            return None
        if self._ahead.of(claim.task_id) is None:
            self._ahead.want([claim.task_id, *self._standing.upcoming])
        return self._item(claim)

    @property
    def progress(self) -> Progress:
        """How far the author and the queue are."""
        return self._standing.progress

    @property
    def can_undo(self) -> bool:
        """Whether the author has a label or a skip in this queue to take back."""
        return self._standing.can_undo

    @property
    def words(self) -> str:
        """What there is to say of where one stands."""
        claim, p = self._standing.claim, self._standing.progress
        if claim is not None:
            return f"item {claim.place} of {p.n_items}"
        if self._trouble:
            return f"what comes next cannot be said now: {self._trouble}"
        if not p.n_items:
            return f"the queue {self.queue.name!r} has no items in this store"
        if p.n_done >= p.n_items:
            return f"all {p.n_items} items have the labels that were asked for"
        return f"nothing for you now: {p.n_done} of {p.n_items} items are done, the others wait for somebody else"

    def label(self, answers: dict[str, Any]) -> Given:
        """Give the answers to the questions of the queue's schema; acknowledged and safe once this returns.

        The next item is in hand then. When it fails nothing is lost: the same can be given again, and counts once.

        Raises:
            FeedbackError: when an answer is none, there is no item, or the queue cannot be used.
            StoreError: when the answers cannot be written down.
        """
        checked = self.queue.schema.check(answers)
        return self._give(Act.LABEL, answers=checked, success=self.queue.schema.success(checked))

    def skip(self) -> Given:
        """Leave the item to others; it is not offered to this author again.

        Raises:
            FeedbackError: when there is no item, or the queue cannot be used.
            StoreError: when it cannot be written down.
        """
        return self._give(Act.SKIP)

    def note(self, text: str) -> Given:
        """Write something down about the item in hand, which stays in hand.

        Raises:
            FeedbackError: when there is no item, or the text is blank or longer than 2,000 characters.
            StoreError: when it cannot be written down.
        """
        self._be_here()
        claim = self._in_hand()
        if not str(text).strip():
            raise FeedbackError("there is nothing in that note")
        event = self._event(Act.NOTE, claim.task_id, comment=text)
        give(self._store.path, event)
        self._notes[claim.task_id] = text
        return Given(Act.NOTE, event.feedback_id, self._item(claim))

    def undo(self) -> Given:
        """Take back the author's latest label or skip in this queue, whose item is in hand again; so on to the first.

        Raises:
            FeedbackError: when there is nothing to undo, or the queue cannot be used.
            StoreError: when it cannot be written down.
        """
        self._be_here()
        found = self._knowing(lambda: self._leases.undoing(self._me))
        if found is None:
            raise FeedbackError(
                f"nothing to undo: {self.author} has no label and no skip in {self.queue.name!r}"
            )
        task_id, ids = found
        events = [self._event(Act.UNDO, task_id, undoes=UUID(one)) for one in ids]
        give(self._store.path, *events)
        self._beside.reopen(task_id)
        self._unsure = None
        self._settle(lambda: self._leases.undone(self._me, task_id, ids))
        claim = self._standing.claim
        if claim is not None and claim.task_id == task_id:
            item, words = self._item(claim), ""
        else:
            item, words = self._item(Claim(0, task_id, None)), "taken back; the item is with others now"
        self.last = Given(Act.UNDO, events[0].feedback_id, item, words=words)
        return self.last

    def suggestion(self, item: Item | None = None) -> Suggestion:
        """Return what is suggested for an item, by default the one in hand: what the log says, else what is similar.

        Whoever asks has seen it: a label that follows on the same item says so. May take seconds.

        Raises:
            FeedbackError: when there is no item.
        """
        self._be_here()
        return self._beside.suggestion(item.task_id if item else self._in_hand().task_id)

    def similar(self, item: Item | None = None) -> Similar:
        """Return past executions similar to an item, by default the one in hand. May take seconds.

        What came of them is told only beside a suggestion, which it would give away.

        Raises:
            FeedbackError: when there is no item.
        """
        self._be_here()
        return self._beside.similar(item.task_id if item else self._in_hand().task_id)

    def said(self) -> pl.DataFrame:
        """Return all that the author gave in this queue, in order, one row an act: what was undone as well.

        Raises:
            StoreError: when the store cannot be read.
        """
        return Store(self._store.path, viewer=Viewer(self.author)).sql(_SAID, {"queue": self.queue.name})

    def look_again(self) -> Item | None:
        """Return the item in hand; where there was none, what has become free meanwhile.

        Raises:
            FeedbackError: when the queue cannot be used.
            StoreError: when the store is needed for that and cannot be read.
        """
        self._be_here()
        if self._standing.claim is None:
            self._go_on(lambda: self._leases.stand(self._me))
        return self.item

    def renew(self) -> bool:
        """Hold on to the item for another `lease_seconds`; False when others have filled it meanwhile.

        Raises:
            FeedbackError: when the queue cannot be used.
        """
        self._be_here()
        claim = self._standing.claim
        return claim is not None and self._knowing(lambda: self._leases.renew(self._me, claim.task_id))

    def close(self) -> None:
        """Give the item in hand to others and leave; the session cannot be used any more."""
        if self._presence.is_here:
            with suppress(FeedbackError):
                self._leases.let_go(self._me)
            self._presence.leave()
        self._standing = replace(self._standing, claim=None, upcoming=())
        self._trouble = "this session is closed"

    def __enter__(self) -> LabelingSession:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def _me(self) -> str:
        return self._presence.name

    def _be_here(self) -> None:
        """Raise in a child that was forked: the item in hand is its parent's, and polars answers nothing there."""
        if not self._presence.leave.alive:
            raise FeedbackError("this session is closed: open another")
        if not self._presence.is_here:
            raise FeedbackError(
                "this session is its parent process's: open another in a process that was started anew, not forked"
            )

    def _in_hand(self) -> Claim:
        if self._standing.claim is None:
            raise FeedbackError(self.words)
        return self._standing.claim

    def _item(self, claim: Claim) -> Item:
        return item_of(claim, self._ahead.of(claim.task_id), self._notes.get(claim.task_id))

    def _event(self, act: Act, task_id: str, **given: Any) -> Label:
        who = {"author": self.author, "visibility": self.visibility, "via": self.via}
        return _label(self.queue, act, task_id, **who, **given)

    def _give(self, act: Act, **given: Any) -> Given:
        self._be_here()
        claim = self._in_hand()
        event = self._again(act, claim, given) or self._event(
            act,
            claim.task_id,
            seconds=time.monotonic() - self._since,
            saw_suggestion=self._beside.saw(claim.task_id) if act == Act.LABEL else None,
            **given,
        )
        feedback_id = str(event.feedback_id)
        is_late = self._knowing(lambda: self._leases.giving(self._me, claim.task_id, feedback_id, act))
        self._unsure = event
        give(self._store.path, event)
        self._unsure = None
        words = "stored; the item had gone to others meanwhile" if is_late and act == Act.LABEL else ""
        self.last = Given(act, event.feedback_id, self._item(claim), given.get("answers", {}), words)
        self._settle(lambda: self._leases.given(self._me, claim.task_id, feedback_id, act))
        return self.last

    def _again(self, act: Act, claim: Claim, given: dict[str, Any]) -> Label | None:
        """Return what failed to be given before, if the same is given now: it is to count once."""
        last = self._unsure
        if last is None or last.act != act or str(last.task_id) != claim.task_id:
            return None
        return last if last.answers == given.get("answers", {}) else None

    def _knowing(self, work: Callable[[], T]) -> T:
        """Return what some work on the queue's file gives, having made the file anew where it was lost."""
        try:
            return work()
        except LeasesLostError:
            with recounted(self.queue, self._me):
                return work()

    def _settle(self, work: Callable[[], Standing]) -> None:
        """Take up what comes next; what was given is safe by now, so that no trouble here is one of the giving."""
        try:
            self._go_on(work)
        except LearnlabError as error:
            _log.warning("what comes next in the queue %r cannot be said: %s", self.queue.name, error)
            self._standing = replace(self._standing, claim=None, upcoming=())
            self._trouble = str(error)

    def _go_on(self, work: Callable[[], Standing]) -> None:
        """Take up what comes next; where nothing is left but what somebody died over, look up what came of that."""
        standing = self._knowing(work)
        if standing.claim is None and standing.is_in_doubt:
            with recounted(self.queue, self._me):
                standing = self._leases.stand(self._me)
        self._take(standing)

    def _take(self, standing: Standing) -> None:
        self._standing, self._trouble, self._since = standing, "", time.monotonic()
        if standing.claim:
            self._ahead.want([standing.claim.task_id, *standing.upcoming], _PATIENCE)


def _label(queue: Queue, act: Act, task_id: str, **given: Any) -> Label:
    """Return an act in a queue.

    Raises:
        FeedbackError: when something of it is not allowed, in words.
    """
    fields = {"act": act, "task_id": task_id, "queue": queue.name, "label_schema": queue.schema.key}
    try:
        return Label.model_validate(fields | given)
    except ValidationError as error:
        raise FeedbackError(in_words(error)) from error
