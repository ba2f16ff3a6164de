"""Who holds which item of a queue, and who has labelled it: a small file beside the store, so that nobody waits for it.

It is a cache. What people gave stands in the spool and in the store; `recounting` makes this file anew from there.
An act is written here twice: first that it is being given, then that it is. Whoever is killed between the two leaves
a mark, and whoever finds it looks for the act where it would be.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from learnlab.errors import FeedbackError
from learnlab.feedback.presence import is_present
from learnlab.people import Act
from learnlab.store.lock import beside

AHEAD = 10
"""Items after the present one that a session is told of, so that their details can be read ahead."""

_PATIENCE = 10.0
"""Seconds to wait for others at the file, which each of them holds for milliseconds."""

_VERSION = 1
_TABLES = """
create table queues (queue text primary key, opened_at text not null, labels_per_item integer not null);
create table items (
    queue text not null, place integer not null, task_id text not null, why text,
    primary key (queue, place), unique (queue, task_id)
) without rowid;
create table acts (
    nr integer primary key, feedback_id text not null unique, queue text not null, task_id text not null,
    author text not null, act text not null, is_undone integer not null default 0, mark text, session text
);
create index acts_of_items on acts (queue, task_id, author);
create table leases (
    queue text not null, session text primary key, task_id text not null, author text not null, until real not null
);
"""

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
where i.queue = :queue and (:task_id is null or i.task_id = :task_id)
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
with labels as (
    select task_id, count(distinct author) as n, max(author = :author) as is_own
    from acts where queue = :queue and act = 'label' and not is_undone
    group by task_id
)
select
    count(*),
    coalesce(sum(l.is_own), 0),
    coalesce(sum(min(l.n, q.labels_per_item)), 0),
    coalesce(sum(l.n >= q.labels_per_item), 0),
    q.labels_per_item
from queues q
join items i on i.queue = q.queue
left join labels l on l.task_id = i.task_id
where q.queue = :queue
"""


class LeasesLostError(FeedbackError):
    """The file beside the store is gone, damaged or knows nothing of the queue: it is to be made anew."""


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
    """What a session holds, None when there is nothing for it; the tasks that come after; how far the queue is."""

    claim: Claim | None
    upcoming: tuple[str, ...]
    progress: Progress
    is_in_doubt: bool
    """Whether somebody died while giving: whether that item is labelled is to be looked up."""


class Leases:
    """The leases and acts of one session on one queue; nothing is open between its calls.

    Raises:
        LeasesLostError: from each call, when the file knows nothing of the queue.
        FeedbackError: from each call, when the file cannot be used.
    """

    def __init__(self, store: Path, queue: str, author: str, seconds: float) -> None:
        self.store, self.path = store, beside(store, "queues.sqlite")
        self.queue, self.author = queue, author
        self._seconds = seconds

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """Hold the file alone while the block runs: all that it does, or nothing."""
        inode = 0
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            inode = self.path.stat().st_ino
            with closing(sqlite3.connect(self.path, _PATIENCE, isolation_level=None)) as connection:
                connection.create_function("is_present", 1, self._is_present)
                connection.execute("begin immediate")
                if connection.execute("pragma user_version").fetchone() != (_VERSION,):
                    _make(connection)
                yield connection
                connection.execute("commit")
        except (sqlite3.Error, OSError) as error:
            if (
                type(error) is sqlite3.DatabaseError
            ):  # not its subclasses: a file that is no database, or torn
                self._remove(inode)
                raise LeasesLostError(f"{self.path} is damaged: {error}") from error
            raise FeedbackError(
                f"the labelling queues beside the store cannot be used: {self.path}: {error}"
            ) from error

    @contextmanager
    def _knowing(self) -> Iterator[sqlite3.Connection]:
        """Hold the file, which has to know the queue, while the block runs."""
        with self.using() as connection:
            if connection.execute("select 1 from queues where queue = ?", (self.queue,)).fetchone() is None:
                raise LeasesLostError(f"{self.path} knows nothing of the queue {self.queue!r}")
            yield connection

    def _is_present(self, session: str) -> bool:
        return is_present(self.store, session)

    def _remove(self, inode: int) -> None:
        """Remove a damaged file, unless somebody has put another in its place."""
        try:
            if self.path.stat().st_ino == inode:
                self.path.unlink()
        except OSError as error:
            raise FeedbackError(f"{self.path} is damaged and cannot be removed: {error.strerror}") from error

    def stand(self, session: str, *, task_id: str | None = None) -> Standing:
        """Return what a session holds, having claimed something for it where it holds nothing.

        That is `task_id` if given and free to it, else the item of a session of the same author that has died, else
        the first in order that its author has neither labelled nor skipped and that lacks labels nobody is giving.
        """
        with self._knowing() as connection:
            return self._standing(connection, session, task_id)

    def renew(self, session: str, task_id: str) -> bool:
        """Hold on to an item for another while, and return whether that is possible: others may have filled it."""
        with self._knowing() as connection:
            if not self._is_held(connection, session, task_id) and not self._free(
                connection, session, 1, task_id
            ):
                return False
            self._hold(connection, session, task_id)
            return True

    def let_go(self, session: str) -> None:
        """Give the item that a session holds to others."""
        with self._knowing() as connection:
            connection.execute("delete from leases where session = ?", (session,))

    def giving(self, session: str, task_id: str, feedback_id: str, act: Act) -> bool:
        """Note that an act is about to be given, and return whether others have filled the item meanwhile."""
        with self._knowing() as connection:
            self._note(connection, session, task_id, feedback_id, act)
            given = self._named() | {"session": session, "now": time.time(), "task_id": task_id}
            row = connection.execute(_IS_FULL, given).fetchone()
            return bool(row and row[0])

    def given(self, session: str, task_id: str, feedback_id: str, act: Act) -> Standing:
        """Note that an act was given, and return what the session holds next."""
        with self._knowing() as connection:
            self._note(connection, session, task_id, feedback_id, act)
            connection.execute(
                "update acts set mark = null, session = null where feedback_id = ?", (feedback_id,)
            )
            connection.execute("delete from leases where session = ?", (session,))
            return self._standing(connection, session)

    def _note(
        self, connection: sqlite3.Connection, session: str, task_id: str, feedback_id: str, act: Act
    ) -> None:
        connection.execute(
            "insert or ignore into acts (feedback_id, queue, task_id, author, act, mark, session) "
            "values (?, ?, ?, ?, ?, 'giving', ?)",
            (feedback_id, self.queue, task_id, self.author, act.value, session),
        )

    def undoing(self, session: str) -> tuple[str, list[str]] | None:
        """Note that the author's latest label or skip is about to be taken back; return its task and what to undo.

        That is the act itself, and what was given on the same item without anybody knowing whether it arrived.
        """
        with self._knowing() as connection:
            latest = connection.execute(
                "select task_id, feedback_id from acts where queue = ? and author = ? and not is_undone "
                "and (session is null or session = ? or not is_present(session)) order by nr desc limit 1",
                (self.queue, self.author, session),
            ).fetchone()
            if latest is None:
                return None
            task_id, feedback_id = latest
            doubtful = connection.execute(
                "select feedback_id from acts where queue = ? and author = ? and task_id = ? and not is_undone "
                "and mark is not null and feedback_id <> ? and (session = ? or not is_present(session))",
                (self.queue, self.author, task_id, feedback_id, session),
            )
            ids = [feedback_id, *(row[0] for row in doubtful.fetchall())]
            connection.executemany(
                "update acts set mark = 'undoing', session = ? where feedback_id = ?",
                [(session, one) for one in ids],
            )
            return task_id, ids

    def undone(self, session: str, task_id: str, feedback_ids: Sequence[str]) -> Standing:
        """Note that acts were taken back, and return what the session holds: their item again, if it is free."""
        with self._knowing() as connection:
            connection.executemany(
                "update acts set is_undone = 1, mark = null, session = null where feedback_id = ?",
                [(one,) for one in feedback_ids],
            )
            connection.execute("delete from leases where session = ?", (session,))
            return self._standing(connection, session, task_id)

    def _standing(self, connection: sqlite3.Connection, session: str, task_id: str | None = None) -> Standing:
        claim = self._held(connection, session) or self._claimed(connection, session, task_id)
        n_items, n_own, n_labels, n_done, wanted = connection.execute(_PROGRESS, self._named()).fetchone()
        upcoming = [
            row[1]
            for row in self._free(connection, session, AHEAD + 1)
            if not claim or row[1] != claim.task_id
        ]
        doubt = connection.execute(
            "select 1 from acts where queue = ? and mark is not null and not is_present(session) limit 1",
            (self.queue,),
        ).fetchone()
        progress = Progress(n_own, n_labels, n_items * (wanted or 0), n_items, n_done)
        return Standing(claim, tuple(upcoming[:AHEAD]), progress, doubt is not None)

    def _held(self, connection: sqlite3.Connection, session: str) -> Claim | None:
        row = connection.execute(
            "select i.place, i.task_id, i.why from leases l join items i on i.queue = l.queue and i.task_id = l.task_id "
            "where l.session = ?",
            (session,),
        ).fetchone()
        return Claim(*row) if row else None

    def _claimed(self, connection: sqlite3.Connection, session: str, task_id: str | None) -> Claim | None:
        """Return what a session that holds nothing claims, None when there is nothing for it."""
        left = connection.execute(
            "select task_id from leases where queue = ? and author = ? and session <> ? and not is_present(session) "
            "order by until desc",
            (self.queue, self.author, session),
        ).fetchall()
        wishes = [task_id] if task_id else []
        for wish in [*wishes, *(row[0] for row in left), None]:
            if rows := self._free(connection, session, 1, wish):
                self._hold(connection, session, rows[0][1])
                return Claim(*rows[0])
        return None

    def _hold(self, connection: sqlite3.Connection, session: str, task_id: str) -> None:
        """Take an item; leases on it that nobody keeps any more go."""
        connection.execute(
            "delete from leases where queue = ? and task_id = ? and (until <= ? or not is_present(session))",
            (self.queue, task_id, time.time()),
        )
        connection.execute(
            "insert or replace into leases (queue, session, task_id, author, until) values (?, ?, ?, ?, ?)",
            (self.queue, session, task_id, self.author, time.time() + self._seconds),
        )

    def _free(
        self, connection: sqlite3.Connection, session: str, n: int, task_id: str | None = None
    ) -> list[tuple[int, str, str | None]]:
        given = self._named() | {"session": session, "now": time.time(), "n": n, "task_id": task_id}
        return connection.execute(_FREE, given).fetchall()

    def _is_held(self, connection: sqlite3.Connection, session: str, task_id: str) -> bool:
        held = self._held(connection, session)
        return held is not None and held.task_id == task_id

    def _named(self) -> dict[str, object]:
        return {"queue": self.queue, "author": self.author}


def _make(connection: sqlite3.Connection) -> None:
    """Make the tables, in the place of those of another version."""
    tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    for (name,) in tables:
        connection.execute(f'drop table "{name}"')
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)
    connection.execute(f"pragma user_version = {_VERSION}")
