"""Who is there: each labelling session locks a small file of its own, and the system unlocks it at its death."""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from learnlab.errors import FeedbackError
from learnlab.store.lock import beside

_ENDING = ".session"
_OLD = 3600.0
"""Seconds after which the file of a session that is gone is swept away."""

_open_here: set[int] = set()
"""The descriptors that sessions of this process hold."""


def _after_fork() -> None:
    """Let go, in a child, of its parent's files; closing a copy unlocks nothing for the parent."""
    for descriptor in _open_here:
        os.close(descriptor)
    _open_here.clear()


os.register_at_fork(after_in_child=_after_fork)


def _folder(store: Path) -> Path:
    return beside(store, "sessions")


class Presence:
    """A session that is there until it leaves, is dropped, or its process dies; `name` is like no other's.

    Raises:
        FeedbackError: when its file cannot be made.
    """

    def __init__(self, store: Path) -> None:
        self.name = uuid4().hex
        self._pid = os.getpid()
        folder = _folder(store)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = folder / f"{self.name}{_ENDING}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise FeedbackError(f"nobody can label here: {folder}: {error.strerror}") from error
        _open_here.add(descriptor)
        self.leave = weakref.finalize(self, _leave, descriptor, self._path, self._pid)
        """Go; the second time does nothing."""

    @property
    def is_here(self) -> bool:
        """Whether the session is this very process's: a child that was forked has to begin one of its own."""
        return self.leave.alive and self._pid == os.getpid()


def _leave(descriptor: int, path: Path, pid: int) -> None:
    if pid == os.getpid():
        _open_here.discard(descriptor)
        os.close(descriptor)
        path.unlink(missing_ok=True)


def is_present(store: Path, name: str) -> bool:
    """Return whether the session of a name is there: its process lives, and it has not left.

    >>> is_present(Path("shop.duckdb"), "0" * 32)
    False
    """
    try:
        descriptor = os.open(_folder(store) / f"{name}{_ENDING}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def sweep(store: Path) -> None:
    """Remove the files of sessions that died an hour ago or earlier."""
    before = time.time() - _OLD
    with suppress(OSError):
        for path in _folder(store).glob(f"*{_ENDING}"):
            if path.stat().st_mtime < before and not is_present(store, path.stem):
                path.unlink(missing_ok=True)
