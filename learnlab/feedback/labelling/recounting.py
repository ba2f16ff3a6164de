"""What a queue's file beside the store has to say, counted anew from what people gave."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Connection

from learnlab.errors import FeedbackError
from learnlab.feedback.labelling.queuefile import LeasesLostError, QueueFile
from learnlab.feedback.labelling.queues import Queue
from learnlab.store import spool
from learnlab.store.connection import fetch

_ACTS = """
select
    cast(e.feedback_id as varchar) as feedback_id,
    cast(e.task_id as varchar) as task_id,
    e.author,
    e.feedback_type as act,
    u.undoes is not null as is_undone,
from people.events e
left join (select distinct undoes, author from people.events where feedback_type = 'undo') u
    on u.undoes = e.feedback_id and u.author = e.author
where e.queue = $queue and e.feedback_type in ('label', 'skip')
order by e.timestamp, e.arrived_at, e.feedback_id
"""

_IS_SETTLED = "(session is null or session = ? or not is_present(session))"

Acts = list[tuple[str, str, str, str, bool]]


@contextmanager
def recounted(queue: Queue, session: str) -> Iterator[None]:
    """Make the file say of a queue what its events say, then run the block, for which the store is held for reading.

    The marks of sessions that died while giving are settled. What is in the file and in no event goes, if all that
    was handed in before is in the store. What other sessions are giving at this moment stays as it is.

    Raises:
        StoreError: when the store cannot be read.
        FeedbackError: when the file cannot be written, or it has to be made anew and the store is too busy to take
            in what was handed in last.
    """
    beside = QueueFile(queue.store.path)
    try:
        with beside.using() as file:
            known = _at_rest(file, queue, session)
    except LeasesLostError:  # it was damaged, and is gone
        known = set()
    segments = spool.waiting(queue.store.path)
    with queue.store.reading() as connection:
        is_whole = not spool.undrained(segments)
        items = queue.items().select("place", "task_id", "why").rows()
        acts = fetch(connection, _ACTS, {"queue": queue.name}).rows()
        with beside.using() as file:
            if not is_whole and _opened_at(file, queue) is None:
                raise FeedbackError(
                    f"{queue.store.name} is busy and has not taken in the latest labels yet: try again in a moment"
                )
            _define(file, queue, items)
            _settle(file, queue, session, acts, known - {row[0] for row in acts} if is_whole else set())
        yield


def _at_rest(file: Connection, queue: Queue, session: str) -> set[str]:
    """Return the ids of the acts that nobody else is giving or taking back at this moment."""
    rows = file.execute(
        f"select feedback_id from acts where queue = ? and {_IS_SETTLED}", (queue.name, session)
    )
    return {row[0] for row in rows.fetchall()}


def _opened_at(file: Connection, queue: Queue) -> str | None:
    row = file.execute("select opened_at from queues where queue = ?", (queue.name,)).fetchone()
    return str(row[0]) if row else None


def _define(file: Connection, queue: Queue, items: list[tuple[int, str, str | None]]) -> None:
    """Write down what the queue is; one of the same name in a store that was here before leaves nothing."""
    opened_at = queue.opened_at.isoformat()
    if _opened_at(file, queue) != opened_at:
        for table in ("acts", "leases"):
            file.execute(f"delete from {table} where queue = ?", (queue.name,))
    file.execute(
        "insert or replace into queues (queue, opened_at, labels_per_item) values (?, ?, ?)",
        (queue.name, opened_at, queue.labels_per_item),
    )
    written = file.execute(
        "select place, task_id, why from items where queue = ? order by place", (queue.name,)
    )
    if written.fetchall() != items:
        file.execute("delete from items where queue = ?", (queue.name,))
        file.executemany(
            "insert into items (queue, place, task_id, why) values (?, ?, ?, ?)",
            ((queue.name, *item) for item in items),
        )


def _settle(file: Connection, queue: Queue, session: str, acts: Acts, gone: set[str]) -> None:
    file.executemany(
        f"delete from acts where feedback_id = ? and {_IS_SETTLED}", ((one, session) for one in gone)
    )
    file.executemany(
        "insert or ignore into acts (queue, feedback_id, task_id, author, act, is_undone) "
        "values (?, ?, ?, ?, ?, ?)",
        ((queue.name, *act) for act in acts),
    )
    file.executemany(
        "update acts set is_undone = max(is_undone, ?), mark = null, session = null "
        f"where feedback_id = ? and (mark is not null or is_undone <> ?) and {_IS_SETTLED}",
        ((is_undone, feedback_id, is_undone, session) for feedback_id, _, _, _, is_undone in acts),
    )
    file.execute(
        "delete from leases where queue = ? and not is_present(session) and exists ("
        "select 1 from acts a where a.queue = leases.queue and a.task_id = leases.task_id "
        "and a.author = leases.author and not a.is_undone)",
        (queue.name,),
    )
