"""The file beside a store in which its labelling queues are kept at hand, so that nobody who labels waits for the store.

It is a cache: what people gave stands in the spool and in the store, and `recounting` makes the file anew from there.
So nothing in it is synced: it outlives every process that dies, and is made anew when the machine was started anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from zlib import crc32

from learnlab.errors import FeedbackError
from learnlab.feedback.labelling.presence import is_present
from learnlab.store.lock import beside

_PATIENCE = 10.0
"""Seconds to wait for others at the file, which each of them holds for milliseconds."""

_VERSION = 1
_BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Where the system says which of its starts this is (Linux)."""

_COUNTED = """
    update items set n_labels = (
        select count(distinct a.author) from acts a
        where a.queue = items.queue and a.task_id = items.task_id and a.act = 'label' and not a.is_undone
    )
    where queue = {row}.queue and task_id = {row}.task_id"""

_TABLES = (
    "create table queues (queue text primary key, opened_at text not null, labels_per_item integer not null)",
    """create table items (
        queue text not null, place integer not null, task_id text not null, why text,
        n_labels integer not null default 0, primary key (queue, place), unique (queue, task_id)
    ) without rowid""",
    """create table acts (
        nr integer primary key, feedback_id text not null unique, queue text not null, task_id text not null,
        author text not null, act text not null, is_undone integer not null default 0, mark text, session text
    )""",
    "create index acts_of_items on acts (queue, task_id, author)",
    "create index acts_of_people on acts (queue, author) where not is_undone",
    "create index own_labels on acts (queue, author, task_id) where act = 'label' and not is_undone",
    "create index acts_in_doubt on acts (queue, session) where mark is not null",
    """create table leases (
        queue text not null, session text primary key, task_id text not null, author text not null,
        until real not null
    )""",
    f"create trigger new_items after insert on items begin {_COUNTED.format(row='new')}; end",
    f"create trigger new_acts after insert on acts begin {_COUNTED.format(row='new')}; end",
    f"create trigger undone_acts after update of is_undone on acts begin {_COUNTED.format(row='new')}; end",
    f"create trigger gone_acts after delete on acts begin {_COUNTED.format(row='old')}; end",
)
"""Queues and their items, each with how many people have labelled it; labels and skips, and whether they are still
being given or taken back (`mark`, by the session); which session holds which item until when (seconds since 1970)."""


class LeasesLostError(FeedbackError):
    """The file beside the store is gone, damaged or knows nothing of the queue: it is to be made anew."""


class QueueFile:
    """The file with the labelling queues of a store; it is open only while it is used."""

    def __init__(self, store: Path) -> None:
        self.store, self.path = store, beside(store, "queues.sqlite")

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """Hold the file alone while the block runs: all that it does is kept, or nothing.

        Raises:
            LeasesLostError: when the file was damaged; it is gone then.
            FeedbackError: when it cannot be used, or others hold it for too long.
        """
        inode = 0
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            inode = self.path.stat().st_ino
            with closing(sqlite3.connect(self.path, _PATIENCE, isolation_level=None)) as connection:
                stamp = _stamp()
                connection.execute("pragma secure_delete = on")  # what is deleted leaves no bytes
                connection.execute(
                    f"pragma synchronous = {'off' if stamp else 'full'}"
                )  # a kill needs no fsync
                connection.create_function("is_present", 1, self._is_present)
                connection.execute("begin immediate")
                if connection.execute("pragma user_version").fetchone() != (stamp or _VERSION,):
                    _make(connection, stamp or _VERSION)
                yield connection
                connection.execute("commit")
        except (sqlite3.Error, OSError) as error:
            if type(error) is sqlite3.DatabaseError:  # not its subclasses: no database, or a torn one
                self._remove(inode)
                raise LeasesLostError(f"{self.path} is damaged: {error}") from error
            raise FeedbackError(f"the labelling queues in {self.path} cannot be used: {error}") from error

    def _is_present(self, session: str) -> bool:
        return is_present(self.store, session)

    def _remove(self, inode: int) -> None:
        """Remove a damaged file, unless somebody has put another in its place."""
        try:
            if self.path.stat().st_ino == inode:
                self.path.unlink()
        except OSError as error:
            raise FeedbackError(f"{self.path} is damaged and cannot be removed: {error.strerror}") from error


@lru_cache
def _stamp() -> int:
    """Return a number that stands for the tables and this start of the machine; 0 where the system does not tell."""
    try:
        return crc32(f"{_VERSION} {_BOOT.read_text(encoding='ascii')}".encode()) >> 1
    except OSError:
        return 0


def _make(connection: sqlite3.Connection, stamp: int) -> None:
    """Make the tables, in the place of those of another version or from before the machine was started."""
    tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    for (name,) in tables:
        connection.execute(f'drop table "{name}"')
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"pragma user_version = {stamp}")
