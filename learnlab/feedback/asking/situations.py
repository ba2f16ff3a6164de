"""What the prompting rules look at: the execution, what its author rated lately, and whether somebody is there."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from learnlab.feedback.asking.prompting import AN_HOUR, Situation, has_failed
from learnlab.feedback.giving import known_task
from learnlab.models import ExecutionRecord
from learnlab.people import Viewer
from learnlab.store import Store, views
from learnlab.store.connection import fetch

_EXECUTION = """
select t.text as task_description, e.repo, e.task_type, e.model_tier, e.success, e.error_type, e.duration_seconds,
    e.propensity, e.swarm_topology, e.user_accepted,
from executions e
left join texts t on t.text_hash = e.description_hash
where e.task_id = cast($task_id as uuid)
order by e.timestamp desc limit 1
"""

_IS_ROUTED = """
select count(*) > 0 as is_routed
from routing_decisions
where task_id = cast($task_id as uuid) or decision_id = cast($record_key as uuid)
"""

_OWN_RATINGS = """
select cast(r.task_id as varchar) as task_id, any_value(e.task_type) as task_type, max(r.given_at) as rated_at,
    max_by(r.satisfaction, r.given_at) as satisfaction,
from feedback r
left join executions e on e.task_id = r.task_id
where r.is_own and r.feedback_type = 'rating' and not r.is_undone and r.given_at <= $at
    and (r.given_at > $since or r.task_id = cast($task_id as uuid))
group by r.task_id
"""

_FACTS = (
    "task_type",
    "model_tier",
    "success",
    "duration_seconds",
    "swarm_topology",
    "user_accepted",
)
"""What a situation takes from an execution as it is."""

_NO = {"", "0", "false", "no"}


def absence() -> str | None:
    """Return why nobody can be asked here, None where somebody can: at a terminal, or in a notebook that is worked in.

    >>> absence()  # in a test, a pipe or CI  # doctest: +SKIP
    'there is no terminal and no notebook'
    """
    if os.environ.get("CI", "").strip().lower() not in _NO:
        return "the variable CI is set"
    if in_notebook() or at_terminal():
        return None
    return "there is no terminal and no notebook"


def at_terminal() -> bool:
    """Return whether somebody reads and types here."""
    streams = (sys.stdin, sys.stdout)
    return all(stream is not None and not stream.closed and stream.isatty() for stream in streams)


def in_notebook() -> bool:
    """Return whether this is the kernel of a notebook that somebody works in, not one that a program runs.

    A program that runs notebooks (papermill, nbconvert, a report) says that nobody is there to type.
    """
    if "ipykernel" not in sys.modules or "LEARNLAB_PUBLISH" in os.environ:
        return False
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return kernel is not None and bool(getattr(kernel, "_allow_stdin", True))


@dataclass(frozen=True)
class Subject:
    """An execution that somebody may be asked about: its id, what was to be done where, and the situation.

    `rated` is the satisfaction that this person gave it, `rated_at` when (UTC); None for no rating.
    """

    task_id: str
    description: str
    repo: str
    situation: Situation
    rated: str | None = None
    rated_at: datetime | None = None

    def facts(self) -> str:
        """Return what is known of the execution in one line.

        >>> Subject("t", "Explain", "shop", Situation(task_type="docs", duration_seconds=12, success=True)).facts()
        'docs in shop, 12 s, succeeded'
        """
        about = self.situation
        tier = "" if about.model_tier == "unknown" else f"{about.model_tier} model"
        taken = "" if about.duration_seconds is None else about.seconds
        ended = "failed" if about.is_failed else "succeeded" if about.success else "outcome unknown"
        return ", ".join(part for part in (f"{about.task_type} in {self.repo}", tier, taken, ended) if part)


def subject_of(store: Store, task: str | ExecutionRecord, author: str, at: datetime) -> Subject:
    """Return an execution as an author would be asked about it at a moment (UTC).

    A record need not be in the store yet.

    Raises:
        FeedbackError: when no execution in the store has the id.
        StoreError: when the store cannot be read; for a record there need not be one.
    """
    if isinstance(task, ExecutionRecord) and not store.exists():
        return _subject(str(task.task_id), task.model_dump(mode="json"), False, [], at)
    with store.reading() as connection:
        if isinstance(task, ExecutionRecord):
            facts = task.model_dump(mode="json")
            task_id, record_key = str(task.task_id), str(task.record_key or task.task_id)
        else:
            task_id = record_key = known_task(store, task)
            facts = fetch(connection, _EXECUTION, {"task_id": task_id}).to_dicts()[0]
        ids = {"task_id": task_id, "record_key": record_key}
        is_decided = bool(fetch(connection, _IS_ROUTED, ids).item())
        own = {"at": _stored(at), "since": _stored(at) - AN_HOUR, "task_id": task_id}
        with views.told(connection, Viewer(author)):
            ratings = fetch(connection, _OWN_RATINGS, own).to_dicts()
    return _subject(task_id, facts, is_decided, ratings, at)


def _stored(moment: datetime) -> datetime:
    """Return a time as the store has it: UTC, without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _subject(
    task_id: str, facts: dict[str, Any], is_decided: bool, ratings: list[dict[str, Any]], at: datetime
) -> Subject:
    rated = next((row for row in ratings if row["task_id"] == task_id), {})
    others = [row for row in ratings if row["task_id"] != task_id]
    of_type = [_stored(at) - row["rated_at"] for row in others if row["task_type"] == facts["task_type"]]
    situation = Situation(
        **{name: facts[name] for name in _FACTS},
        is_rated=bool(rated),
        is_failed=has_failed(facts["success"], facts["error_type"]),
        is_routed=is_decided or facts["propensity"] is not None,
        n_rated=len(others),
        since_type=min(of_type, default=None),
    )
    said, when = rated.get("satisfaction"), rated.get("rated_at")
    return Subject(task_id, facts["task_description"] or "", facts["repo"], situation, said, when)
