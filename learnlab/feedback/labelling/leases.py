"""Who holds which item of a queue, and whose turn is which: leases that end when time is up or their holder is dead.

An act is written down twice: first that it is being given, then that it is. Whoever is killed between the two leaves
a mark, and whoever finds it looks for the act where it would be (`recounting`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from learnlab.feedback.labelling.queuefile import LeasesLostError, QueueFile
from learnlab.people import Act

AHEAD = 20
"""Items after the present one that a session is told of, so that their details can be read ahead."""

_HELD = """
with held as materialized (
    select task_id, author from leases
    where queue = :queue and session <> :session and until > :now and is_present(session)
)
"""

_OTHERS = """(
    select count(*) from (
        select a.author from acts a
        where a.queue = i.queue and a.task_id = i.task_id and a.act = 'label' and not a.is_undone
            and a.author <> :author
        union
        select h.author from held h where h.task_id = i.task_id and h.author <> :author
    )
)"""
"""How many others have labelled an item or hold it."""

_FREE = f"""
{_HELD}
select i.place, i.task_id, i.why
from items i
join queues q on q.queue = i.queue
where i.queue = :queue and i.n_labels < q.labels_per_item and (:task_id is null or i.task_id = :task_id)
    and not exists (
        select 1 from acts a
        where a.queue = i.queue and a.task_id = i.task_id and a.author = :author and not a.is_undone
    )
    and not exists (select 1 from held h where h.task_id = i.task_id and h.author = :author)
    and {_OTHERS} < q.labels_per_item
order by i.place
limit :n
"""

_IS_FULL = f"""
{_HELD}
select {_OTHERS} >= q.labels_per_item
from queues q join items i on i.queue = q.queue and i.task_id = :task_id
where q.queue = :queue
"""

_PROGRESS = """
select
    (
        select count(distinct task_id) from acts
        where queue = :queue and author = :author and act = 'label' and not is_undone
    ),
    coalesce(sum(min(i.n_labels, q.labels_per_item)), 0),
    count(i.place) * q.labels_per_item,
    count(i.place),
    coalesce(sum(i.n_labels >= q.labels_per_item), 0)
from queues q
left join items i on i.queue = q.queue
where q.queue = :queue
"""

_UNDOABLE = """
select task_id, feedback_id from acts
where queue = :queue and author = :author and not is_undone
    and (session is null or session = :session or not is_present(session))
order by nr desc limit 1
"""

_DOUBTFUL = """
select feedback_id from acts
where queue = :queue and author = :author and task_id = :task_id and not is_undone
    and mark is not null and feedback_id <> :feedback_id and (session = :session or not is_present(session))
"""


@dataclass(frozen=True)
class Claim:
    """An item that a session holds: its place in the queue (from 1 on), its task, and why it is asked about."""

    place: int
    task_id: str
    why: str | None


@dataclass(frozen=True)
class Progress:
    """How far a queue is: one's own labels, everybody's, how many are wanted; items, and those that have all theirs."""

    n_own: int
    n_labels: int
    n_wanted: int
    n_items: int
    n_done: int


@dataclass(frozen=True)
class Standing:
    """What a session holds, None when there is nothing for it; the tasks that come after; how far the queue is.

    `is_in_doubt` says whether somebody died while giving: whether that item is labelled is to be looked up.
    """

    claim: Claim | None
    upcoming: tuple[str, ...]
    progress: Progress
    can_undo: bool
    is_in_doubt: bool


class Leases:
    """What one author holds and has done in one queue, from session to session; nothing is open between its calls.

    Raises:
        LeasesLostError: from each call, when the file knows nothing of the queue.
        FeedbackError: from each call, when the file cannot be used.
    """

    def __init__(self, store: Path, queue: str, author: str, seconds: float) -> None:
        self.file = QueueFile(store)
        self._names = {"queue": queue, "author": author}
        self._seconds = seconds

    @contextmanager
    def _knowing(self) -> Iterator[Connection]:
        """Hold the file, which has to know the queue, while the block runs."""
        with self.file.using() as file:
            if not file.execute("select 1 from queues where queue = :queue", self._names).fetchone():
                raise LeasesLostError(f"{self.file.path} knows nothing of the queue {self._names['queue']!r}")
            yield file

    def stand(self, session: str) -> Standing:
        """Return what a session holds, having claimed something for it where it holds nothing.

        That is the item of a session of the same author that has died, else the first in order that its author has
        neither labelled nor skipped and that lacks labels nobody is giving.
        """
        with self._knowing() as file:
            return self._standing(file, session)

    def renew(self, session: str, task_id: str) -> bool:
        """Hold on to an item for another while, and return whether that is possible: others may have filled it."""
        with self._knowing() as file:
            held = self._held(file, session)
            if (held is None or held.task_id != task_id) and not self._free(file, session, 1, task_id):
                return False
            self._hold(file, session, task_id)
            return True

    def let_go(self, session: str) -> None:
        """Give the item that a session holds to others."""
        with self._knowing() as file:
            file.execute("delete from leases where session = ?", (session,))

    def giving(self, session: str, task_id: str, feedback_id: str, act: Act) -> bool:
        """Note that an act is about to be given, and return whether others have filled the item meanwhile."""
        with self._knowing() as file:
            self._note(file, session, task_id, feedback_id, act)
            row = file.execute(_IS_FULL, self._now(session) | {"task_id": task_id}).fetchone()
            return bool(row and row[0])

    def given(self, session: str, task_id: str, feedback_id: str, act: Act) -> Standing:
        """Note that an act was given, and return what the session holds next."""
        with self._knowing() as file:
            self._note(file, session, task_id, feedback_id, act)
            file.execute("update acts set mark = null, session = null where feedback_id = ?", (feedback_id,))
            file.execute("delete from leases where session = ?", (session,))
            return self._standing(file, session)

    def undoing(self, session: str) -> tuple[str, list[str]] | None:
        """Note that the author's latest label or skip is about to be taken back; return its task and what to undo.

        That is the act itself, and what was given on the same item without anybody knowing whether it arrived.
        """
        with self._knowing() as file:
            latest = file.execute(_UNDOABLE, self._now(session)).fetchone()
            if latest is None:
                return None
            task_id, feedback_id = latest
            which = self._now(session) | {"task_id": task_id, "feedback_id": feedback_id}
            ids = [feedback_id, *(row[0] for row in file.execute(_DOUBTFUL, which).fetchall())]
            marked = "update acts set mark = 'undoing', session = ? where feedback_id = ?"
            file.executemany(marked, [(session, one) for one in ids])
            return task_id, ids

    def undone(self, session: str, task_id: str, feedback_ids: Sequence[str]) -> Standing:
        """Note that acts were taken back, and return what the session holds: their item again, if it is free."""
        with self._knowing() as file:
            settled = "update acts set is_undone = 1, mark = null, session = null where feedback_id = ?"
            file.executemany(settled, [(one,) for one in feedback_ids])
            file.execute("delete from leases where session = ?", (session,))
            return self._standing(file, session, task_id)

    def _standing(self, file: Connection, session: str, wish: str | None = None) -> Standing:
        claim = self._held(file, session) or self._claimed(file, session, wish)
        free = [row[1] for row in self._free(file, session, AHEAD + 1)]
        upcoming = [task_id for task_id in free if claim is None or task_id != claim.task_id]
        progress = Progress(*file.execute(_PROGRESS, self._names).fetchone())
        can_undo = file.execute(_UNDOABLE, self._now(session)).fetchone() is not None
        marks = (
            "select 1 from acts where queue = :queue and mark is not null and not is_present(session) limit 1"
        )
        is_in_doubt = file.execute(marks, self._names).fetchone() is not None
        return Standing(claim, tuple(upcoming[:AHEAD]), progress, can_undo, is_in_doubt)

    def _held(self, file: Connection, session: str) -> Claim | None:
        row = file.execute(
            "select i.place, i.task_id, i.why from leases l "
            "join items i on i.queue = l.queue and i.task_id = l.task_id where l.session = ?",
            (session,),
        ).fetchone()
        return Claim(*row) if row else None

    def _claimed(self, file: Connection, session: str, wish: str | None) -> Claim | None:
        """Return what a session that holds nothing claims, None when there is nothing for it."""
        left = file.execute(
            "select task_id from leases where queue = :queue and author = :author and session <> :session "
            "and not is_present(session) order by until desc",
            self._now(session),
        ).fetchall()
        for task_id in [*([wish] if wish else []), *(row[0] for row in left), None]:
            if rows := self._free(file, session, 1, task_id):
                self._hold(file, session, rows[0][1])
                return Claim(*rows[0])
        return None

    def _hold(self, file: Connection, session: str, task_id: str) -> None:
        """Take an item; leases on it that nobody keeps any more go."""
        moment = time.time()
        which = {**self._names, "task_id": task_id, "session": session, "until": moment + self._seconds}
        file.execute(
            "delete from leases where queue = :queue and task_id = :task_id "
            "and (until <= :now or not is_present(session))",
            which | {"now": moment},
        )
        file.execute(
            "insert or replace into leases (queue, session, task_id, author, until) "
            "values (:queue, :session, :task_id, :author, :until)",
            which,
        )

    def _free(
        self, file: Connection, session: str, n: int, task_id: str | None = None
    ) -> list[tuple[int, str, str | None]]:
        return file.execute(_FREE, self._now(session) | {"n": n, "task_id": task_id}).fetchall()

    def _note(self, file: Connection, session: str, task_id: str, feedback_id: str, act: Act) -> None:
        file.execute(
            "insert or ignore into acts (feedback_id, queue, task_id, author, act, mark, session) "
            "values (:feedback_id, :queue, :task_id, :author, :act, 'giving', :session)",
            {
                **self._names,
                "feedback_id": feedback_id,
                "task_id": task_id,
                "act": act.value,
                "session": session,
            },
        )

    def _now(self, session: str) -> dict[str, object]:
        return {**self._names, "session": session, "now": time.time()}


def forget_acts(store: Path, feedback_ids: Iterable[str]) -> None:
    """Remove labels and skips whose events were deleted from what is kept of the queues of a store.

    Raises:
        FeedbackError: when the file beside the store cannot be written.
    """
    beside = QueueFile(store)
    if beside.path.exists():
        with beside.using() as file:
            file.executemany("delete from acts where feedback_id = ?", ((str(one),) for one in feedback_ids))
