"""Handing in feedback: written to the spool, and so safe, before the call returns; nobody waits for the store."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from learnlab.errors import FeedbackError
from learnlab.lenient import storable
from learnlab.models import as_uuid
from learnlab.people import FeedbackSubmission, Label
from learnlab.store import Store
from learnlab.store.connection import fetch
from learnlab.store.spool import SpoolWriter

_TASKS = """
select cast(task_id as varchar) as task_id
from executions
where task_id = try_cast($uuid as uuid) or external_id = $text
order by timestamp desc, task_id limit 4
"""


def give(store: Path, *given: FeedbackSubmission | Label) -> None:
    """Hand in feedback on executions of a store; it is acknowledged, all of it, once this returns.

    Raises:
        StoreError: when it cannot be written down; then none of it is.
    """
    _writer(store).append(given)


@lru_cache(maxsize=16)
def _writer(store: Path) -> SpoolWriter:
    return SpoolWriter(store)


def known_task(store: Store, task: str) -> str:
    """Return the task_id of the execution that an id names: its task_id, or the id that its source gave it.

    Raises:
        FeedbackError: when no execution in the store has it, or several have.
    """
    text = storable(str(task).strip())
    with store.reading() as connection:
        rows = fetch(connection, _TASKS, {"uuid": str(as_uuid(text)), "text": text})["task_id"].to_list()
    shown = repr(text[:100])
    if not rows:
        raise FeedbackError(
            f"no execution in {store.name} has the id {shown}: the view outcomes has the task_id of each"
        )
    if len(rows) > 1:
        raise FeedbackError(
            f"{shown} names several executions: give the task_id of one, such as {', '.join(rows[:3])}"
        )
    return str(rows[0])
