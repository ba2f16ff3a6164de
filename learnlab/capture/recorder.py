"""The recorder: hands events to one store for this process, safe once acknowledged, drained in the background."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from learnlab.errors import StoreError
from learnlab.events import Event
from learnlab.settings import store_path
from learnlab.store import LearningDatabase, Store
from learnlab.store.spool import SpoolWriter

_log = logging.getLogger("learnlab.capture")


class Recorder:
    """Writes events to one store's spool; shared by everything in this process that captures into that store."""

    def __init__(self, store: Path) -> None:
        self.store = Store(store)
        self._writer = SpoolWriter(store)

    def record(self, *events: Event) -> bool:
        """Write events down, all of them or none; return whether they are safe now.

        What could not be written is logged, kept in memory and tried again: never raises for the disk.
        """
        try:
            self._writer.append(list(events))
        except StoreError as error:
            _log.warning("not captured: %s", error)
            return False
        return True

    async def arecord(self, *events: Event) -> bool:
        """Do what `record` does without making the event loop wait for the disk."""
        return await asyncio.to_thread(self.record, *events)

    def note(self, *events: Event) -> None:
        """Write events down without waiting for the disk: for starts, which nobody waits for."""
        self.record(*events)


def recorder_for(learning_db: LearningDatabase | Store | str | Path) -> Recorder:
    """Return this process's recorder of a store, given as a database, a store, a name or a path."""
    if isinstance(learning_db, LearningDatabase):
        return Recorder(learning_db.store.path)
    if isinstance(learning_db, Store):
        return Recorder(learning_db.path)
    return Recorder(store_path(learning_db))
