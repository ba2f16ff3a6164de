"""What a labelling session shows of an item, and what it says of an act that was acknowledged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from learnlab.feedback.labelling.details import Details
from learnlab.feedback.labelling.leases import Claim
from learnlab.feedback.labelling.schemas import Answers
from learnlab.people import Act


@dataclass(frozen=True)
class Item:
    """What there is to label: its place in the queue (from 1 on), the task, why it is asked about, and its details.

    `facts` are what a labeller needs to know of the execution (task type, repo, start, duration, cost, error, what
    solved it) and no verdict of anybody; `note` is what the author wrote down about it last. While `is_ready` is
    false the details are not there yet; `words` says so, or that the execution is gone.
    """

    place: int
    task_id: str
    why: str | None
    description: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    note: str | None = None
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


def item_of(claim: Claim, details: Details | None, note: str | None) -> Item:
    """Return an item with its details, as far as they are there, and a note newer than they are.

    >>> item_of(Claim(1, "task-1", None), None, None).words
    'its details are being read, and come as soon as the store is free'
    """
    if details is None:
        words = "its details are being read, and come as soon as the store is free"
        return Item(claim.place, claim.task_id, claim.why, note=note, words=words)
    words = "" if details.description is not None else "this execution is not in the store any more"
    facts = dict(details.facts)
    return Item(
        claim.place, claim.task_id, claim.why, details.description, facts, note or details.note, True, words
    )
