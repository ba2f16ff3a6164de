"""Keeping a store current: what changes below a path is read in as it changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from threading import Event

from learnlab.errors import SourceError, StoreBusyError
from learnlab.ingest.report import IngestReport
from learnlab.ingest.run import Reading
from learnlab.ingest.sources import find_files, printable
from learnlab.store import Store

_LOOK_AGAIN = 5_000
"""Milliseconds after which it is looked for changes that the system did not tell of."""

_QUIET = 400
"""Milliseconds for which changes are gathered before they are read."""


def watch(
    path: str | Path, store: Store, *, log_format: str = "", stop: Event | None = None
) -> Iterator[IngestReport]:
    """Yield what became of a file or folder each time that something in it changed, until `stop` is set.

    The first report is of everything that is there. How far each log was read stands in the store, so a
    watch that was killed and started again reads on where it was, and what changed meanwhile comes in first.
    Files that appear later are read as well. While the store is busy nothing is lost: it is tried again.
    Where the system does not tell of changes (a network folder), they are found within five seconds.

    Raises:
        SourceError: when there is neither a file nor a folder, or no such format.
        StoreError: when the store cannot be written.
    """
    from watchfiles import watch as wake_ups

    root = Path(path).expanduser()
    if not root.exists():
        raise SourceError(f"{printable(root)} does not exist: there is nothing to watch")
    stop = stop or Event()
    reading = Reading(store, log_format=log_format)
    changes = wake_ups(
        root if root.is_dir() else root.parent,
        watch_filter=None,
        stop_event=stop,
        rust_timeout=_LOOK_AGAIN,
        yield_on_timeout=True,
        debounce=_QUIET,
    )
    read: dict[Path, tuple[int, int]] = {}
    for _ in chain([None], changes):
        found = _marks(root)
        files = [path for path, mark in found.items() if read.get(path) != mark]
        if not files:
            continue
        with suppress(StoreBusyError):
            report = reading.read(files, root)
            read = found
            yield report


def _marks(root: Path) -> dict[Path, tuple[int, int]]:
    """Return size and time of change of every file there is now, in order of their names."""
    marks = {}
    with suppress(SourceError):
        for path in find_files(root):
            with suppress(OSError):
                found = path.stat()
                marks[path] = (found.st_size, found.st_mtime_ns)
    return marks
