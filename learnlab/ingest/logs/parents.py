"""Which task of another log was under way at a moment: a subagent's log names its parent's, not the request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    key = None
    for began, own in _beginnings(read, path, (found.st_size, found.st_mtime_ns)):
        key = own if began <= at else key
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
