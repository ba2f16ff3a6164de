"""The spool: events are appended beside the store and drained into it in batches.

An event is acknowledged once it stands in the spool, so nobody waits for the store's lock to hand one in.
Durable mode acknowledges after fsync (survives a power cut), the other after write (survives a kill).

Each process appends to a segment of its own, and begins another when it has 10,000 lines or 8 MB: a segment
is a batch of the drain. Whoever drains seals a segment by renaming it, so that its owner begins a new one; a
lock on the segment (flock) keeps the two apart.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from learnlab.errors import StoreError
from learnlab.events import Event
from learnlab.settings import settings
from learnlab.store.connection import sync
from learnlab.store.lines import lines_of
from learnlab.store.lock import beside

_OPEN, _SEALED, _QUARANTINED = ".jsonl", ".sealed", ".quarantined"
MOST_LINES = 10_000
"""Lines of a segment: a batch of the drain is at most as large."""

MOST_BYTES = 8_000_000
"""Bytes after which a segment ends: what a drain holds in memory at once."""

_SEAL_PATIENCE = 0.5
"""Seconds that a drain waits for whoever writes to a segment, which takes microseconds."""

_MOST_UNSYNCED = 16
"""Segments, and folders with a new one, that are kept open because nobody has synced them yet."""


def folder(store: Path) -> Path:
    """Return the folder of a store's spool; it may not exist."""
    return beside(store, "spool")


def waiting(store: Path) -> list[Path]:
    """Return the segments that hold something to drain, the oldest first."""
    segments = _named(store, (_OPEN, _SEALED))
    return [path for path in segments if _size(path)]


def quarantined(store: Path) -> list[Path]:
    """Return what could not be read: whole segments, or lines of them; kept, and never drained again."""
    return _named(store, (_QUARANTINED,))


def undrained(segments: Sequence[Path]) -> bool:
    """Return whether any of some segments, sealed meanwhile or not, has not been drained yet."""
    return any(_size(segment) or _size(segment.with_suffix(_SEALED)) for segment in segments)


def _named(store: Path, endings: tuple[str, ...]) -> list[Path]:
    try:
        with os.scandir(folder(store)) as entries:
            found = [entry for entry in entries if entry.name.endswith(endings)]
            return [folder(store) / entry.name for entry in sorted(found, key=_age)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _age(entry: os.DirEntry[str]) -> tuple[int, str]:
    """Return what sorts segments by when they were last written; one that is gone comes first."""
    try:
        return entry.stat().st_mtime_ns, entry.name
    except FileNotFoundError:
        return 0, entry.name


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class SpoolWriter:
    """Appends events to one store's spool; safe to share between threads, and across a fork.

    Raises:
        StoreError: from `append`, `write` and `sync`, when an event cannot be written down for sure.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock, self._sync_lock = threading.Lock(), threading.Lock()
        self._descriptor: int | None = None
        self._path = ""
        self._n_lines = self._n_bytes = 0
        self._written = self._synced = 0
        self._unsynced: list[int] = []
        self._unsure = range(0)

    def append(self, events: Sequence[Event]) -> None:
        """Append events, their secrets masked, and return once they are acknowledged, all of them or none."""
        number = self.write(events)
        if settings().durable:
            self.sync(number)

    def write(self, events: Sequence[Event]) -> int:
        """Append events, all of them or none, and return the number to `sync` to; they survive a kill now."""
        data = lines_of(events)
        if self._pid != os.getpid():
            self.leave_to_the_parent()
        with self._lock:
            try:
                self._append(data, len(events))
            except OSError as error:
                raise StoreError(
                    f"cannot write the spool {folder(self._store)}: {error.strerror}; the record is not stored"
                ) from error
            self._written += 1
            return self._written

    def sync(self, number: int) -> None:
        """Return once everything up to a number is on the disk; one fsync serves all who wait for it.

        What a failed fsync was to cover is never called safe by a later one: the system may have let go of it.
        """
        with self._sync_lock:
            if number in self._unsure:
                raise self._not_synced("an fsync failed")
            if self._synced >= number:
                return
            with self._lock:
                target, due = self._written, self._unsynced
                self._unsynced = []
                if self._descriptor is not None:
                    due.append(os.dup(self._descriptor))
            try:
                for descriptor in due:
                    os.fsync(descriptor)
            except OSError as error:
                self._doubt(target)
                raise self._not_synced(error) from error
            finally:
                for descriptor in due:
                    os.close(descriptor)
            self._synced = max(self._synced, target)

    def _doubt(self, last: int) -> None:
        """Take note that nothing from what was synced last up to a number is known to be on the disk."""
        self._unsure = range(self._unsure.start or self._synced + 1, last + 1)

    def _not_synced(self, why: object) -> StoreError:
        return StoreError(f"the spool {folder(self._store)} may not be on the disk: {why}")

    def close(self) -> None:
        """Let go of the segment; what it holds stays for the next drain."""
        with self._lock:
            self._let_go()
            number = self._written
        if settings().durable:
            with suppress(StoreError):
                self.sync(number)
        with self._lock:
            for descriptor in self._unsynced:
                os.close(descriptor)
            self._unsynced = []

    def _append(self, data: bytes, n_lines: int) -> None:
        descriptor, end = self._own_segment()
        try:
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
            except BaseException:  # an interrupt as well: half a line would spoil the next
                os.ftruncate(descriptor, end)
                raise
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        self._n_lines += n_lines
        self._n_bytes += len(data)

    def _own_segment(self) -> tuple[int, int]:
        """Return the descriptor and size of this process's segment, locked and known not to be sealed."""
        if self._n_lines >= MOST_LINES or self._n_bytes >= MOST_BYTES:
            self._let_go()
        while True:
            if self._descriptor is None:
                self._descriptor, self._path = self._new_segment()
                self._n_lines = self._n_bytes = 0
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                segment = os.fstat(self._descriptor)
                if segment.st_ino == os.stat(self._path).st_ino:
                    return self._descriptor, segment.st_size
            except (FileNotFoundError, NotADirectoryError):
                pass
            self._let_go()

    def _let_go(self) -> None:
        """Leave the segment; what was written to it and not synced yet is synced by whoever waits for that."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if settings().durable and self._synced < self._written:
            self._unsynced.append(descriptor)
            while len(self._unsynced) > _MOST_UNSYNCED:  # nobody has waited for long
                oldest = self._unsynced.pop(0)
                try:
                    os.fsync(oldest)
                except OSError:
                    self._doubt(self._written)
                finally:
                    os.close(oldest)
        else:
            os.close(descriptor)

    def leave_to_the_parent(self) -> None:
        """Begin anew in a child that was forked: the segment, and whoever held a lock then, are the parent's."""
        descriptors = [*self._unsynced, *([] if self._descriptor is None else [self._descriptor])]
        self._begin()
        for descriptor in descriptors:
            os.close(descriptor)

    def _new_segment(self) -> tuple[int, str]:
        where = folder(self._store)
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check_room(where)
        path = where / f"{uuid4().hex}{_OPEN}"
        if settings().durable:
            self._unsynced.append(os.open(where, os.O_RDONLY | os.O_CLOEXEC))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC
        return os.open(path, flags, 0o600), str(path)

    def _check_room(self, where: Path) -> None:
        """Raise when the spool is as large as it may become: nobody drains it, and the disk would fill up."""
        held = sum(_size(path) for path in where.iterdir())
        limit = settings().spool_limit_mb
        if held >= limit * 1_000_000:
            raise StoreError(
                f"the spool {where} holds {held / 1e6:,.0f} MB, and LEARNLAB_SPOOL_LIMIT_MB allows {limit:,}: the "
                "record is not stored. `learnlab status --db STORE` drains it and says what stands in the way"
            )


def seal(path: Path) -> Path | None:
    """Rename a segment while nobody writes to it, so that its owner begins another, and return its new path.

    None when its owner goes on holding it: a process that is stopped in the middle of a line.
    """
    if path.suffix == _SEALED:
        return path
    sealed = path.with_suffix(_SEALED)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if not _locked(descriptor):
            return None
        path.rename(sealed)
        fcntl.flock(
            descriptor, fcntl.LOCK_UN
        )  # a child forked meanwhile has a copy that would go on holding it
    finally:
        os.close(descriptor)
    return sealed


def _locked(descriptor: int) -> bool:
    deadline = time.monotonic() + _SEAL_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.0005)
        else:
            return True


def quarantine(segment: Path) -> Path:
    """Keep a segment that cannot be read, under a name that no drain looks at; return its path."""
    kept = segment.with_suffix(_QUARANTINED)
    segment.rename(kept)
    return kept


def keep(sealed: Path, lines: Sequence[bytes]) -> None:
    """Keep lines of a segment that are not even text, where a segment that cannot be read is kept."""
    partial = sealed.with_suffix(".partial")
    partial.write_bytes(b"\n".join(lines) + b"\n")
    partial.chmod(0o600)
    sync(partial)
    partial.rename(sealed.with_suffix(_QUARANTINED))
