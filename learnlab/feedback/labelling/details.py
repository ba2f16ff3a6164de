"""What a labeller reads of an execution, read ahead of time, so that the next item is there when its turn comes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from learnlab.errors import StoreError
from learnlab.store.connection import fetch, lent, reading

_PATIENCE = 2.0
"""Seconds that one try to read details waits for a store to which somebody writes."""

_MOST = 60
"""Details that are kept: those of items that were in hand before are asked for after an answer, and after an undo."""

_FEW = 10
"""Details that are there when the next are read: so much is labelled while the store cannot be."""

_DETAILS = """
select
    cast(e.task_id as varchar) as task_id,
    t.text as description,
    e.task_type,
    e.repo,
    case when e.time_source = 'recorded' then e.timestamp end as started_at,
    e.duration_seconds,
    e.actual_cost as cost_usd,
    e.error_message,
    e.solution_summary,
    e.success,
    e.success_source,
    n.comment as note,
from executions e
join texts t on t.text_hash = e.description_hash
left join (
    select task_id, arg_max(comment, timestamp) as comment
    from people.events
    where feedback_type = 'note' and queue = $queue and author = $author
    group by task_id
) n on n.task_id = e.task_id
where e.task_id in (select cast(task_id as uuid) from wanted)
qualify row_number() over (partition by e.task_id order by e.timestamp desc) = 1
"""


@dataclass(frozen=True)
class Details:
    """What the store knows of one execution; `facts` go by their columns' names and hold no verdict of anybody.

    `success` and `success_source` are what the log says, for who asks for a suggestion; `note` is what the labeller
    wrote down about it last. An execution that is not in the store any more has no description.
    """

    description: str | None
    facts: dict[str, Any]
    success: bool | None = None
    success_source: str | None = None
    note: str | None = None


_GONE = Details(None, {})


class ReadAhead:
    """The details of what an author labels in a queue; a thread reads several at a time, and nobody waits for that."""

    def __init__(self, store: Path, queue: str, author: str) -> None:
        self._store, self._names = store, {"queue": queue, "author": author}
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._known: dict[str, Details] = {}
        self._thread: threading.Thread | None = None
        self._is_busy = False

    def of(self, task_id: str) -> Details | None:
        """Return the details of a task, None while they are not there."""
        return self._known.get(task_id)

    def want(self, tasks: Iterable[str], seconds: float = 0.0) -> None:
        """Have the details of tasks read once those of the first are missing, or there are few beyond them.

        Those of the first are waited for so many seconds at most, unless the store was busy when it was tried last.
        """
        if self._pid != os.getpid():
            self._begin()
        wanted = list(dict.fromkeys(tasks))
        missing = [task for task in wanted if task not in self._known]
        if not missing or (missing[0] != wanted[0] and len(wanted) - len(missing) > _FEW):
            return
        if self._thread and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self.read, args=(missing,), name="learnlab-details")
        self._thread.start()
        if missing[0] == wanted[0] and not self._is_busy:
            self._thread.join(seconds)

    def read(self, tasks: Sequence[str]) -> None:
        """Read the details of tasks now; where the store is busy they are read when they are wanted next."""
        try:
            with (
                reading(self._store, _PATIENCE) as connection,
                lent(connection, wanted=pl.DataFrame({"task_id": tasks})),
            ):
                rows = fetch(connection, _DETAILS, self._names).to_dicts()
        except StoreError:
            self._is_busy = True
            return
        self._is_busy = False
        found = {row.pop("task_id"): row for row in rows}
        fresh = {task: _details(found.get(task)) for task in tasks}
        self._known = dict([*self._known.items(), *fresh.items()][-_MOST:])


def _details(row: dict[str, Any] | None) -> Details:
    if row is None:
        return _GONE
    known = {name: row.pop(name) for name in ("description", "success", "success_source", "note")}
    return Details(facts=row, **known)
