"""Which task of another log was under way at a moment: a subagent's log names its parent's, not the request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from learnlab.errors import SourceError
from learnlab.ingest.logs.tasks import Piece

Read = Callable[[Path], Iterator[Piece]]
"""Reads a log from its beginning."""


def task_under_way(read: Read, path: Path, at: datetime) -> str | None:
    """Return the key of the last task of a log that began at or before a time (naive UTC), None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return under_way(_beginnings(read, path, (found.st_size, found.st_mtime_ns)), at)


def under_way(beginnings: Iterable[tuple[datetime, str]], at: datetime | None) -> str | None:
    """Return the key of the task that began last at or before a time, given when each began; None where none did.

    >>> under_way([(datetime(2026, 3, 2), "a"), (datetime(2026, 3, 4), "b")], datetime(2026, 3, 3))
    'a'
    """
    key, latest = None, None
    for began, own in beginnings:
        if at is not None and began <= at and (latest is None or began >= latest):
            key, latest = own, began
    return key


@lru_cache(maxsize=64)
def _beginnings(read: Read, path: Path, size: int) -> tuple[tuple[datetime, str], ...]:
    """Return when each task of a log began, with its key; `size` makes a grown file another one."""
    try:
        return tuple(
            (task.timestamp, task.key) for piece in read(path) for task in piece.tasks if task.timestamp
        )
    except SourceError:
        return ()
