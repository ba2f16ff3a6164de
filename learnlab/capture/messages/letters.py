"""Dead letters: messages that a subscriber of the bus could not take, kept with the reason."""

from __future__ import annotations

import logging
from collections import deque
from pathlib import Path

from pydantic_core import from_json

from learnlab.capture.logs import log as _log
from learnlab.capture.recorder import recorder_for
from learnlab.database import LearningDatabase
from learnlab.events import DeadLetter
from learnlab.lenient import storable
from learnlab.models import UNKNOWN
from learnlab.store import Store


class DeadLetters:
    """The dead letters of one bus: the last thousand in memory, each in the store's table when there is one."""

    def __init__(self, learning_db: LearningDatabase | Store | str | Path | None) -> None:
        self._recorder = None if learning_db is None else recorder_for(learning_db)
        self.last: deque[DeadLetter] = deque(maxlen=1000)
        self.n = 0

    async def keep(self, lines: list[bytes], subscriber: str, error: BaseException) -> None:
        """Keep messages that a subscriber could not take; returns once the store has them safe."""
        letters = self._keep(lines, subscriber, error)
        if self._recorder:
            try:
                await self._recorder.arecord(*letters)
            except Exception as failure:
                _in_memory_only(failure)

    def keep_at_once(self, lines: list[bytes], subscriber: str, error: BaseException) -> None:
        """Do what `keep` does in one step, for whoever may not await any more."""
        self._record(self._keep(lines, subscriber, error))

    def keep_unreadable(self, n: int, subscriber: str, error: OSError) -> None:
        """Keep one letter for `n` messages that could not be read back from a temporary file."""
        letter = DeadLetter(
            message_type=UNKNOWN, subscriber=subscriber, error=_shown(error), payload={"n_messages": n}
        )
        _log.error("%s messages for %s could not be read back: %s", n, subscriber, type(error).__name__)
        self.last.append(letter)
        self.n += n
        self._record([letter])

    def _record(self, letters: list[DeadLetter]) -> None:
        if self._recorder:
            try:
                self._recorder.record(*letters)
            except Exception as failure:
                _in_memory_only(failure)

    def _keep(self, lines: list[bytes], subscriber: str, error: BaseException) -> list[DeadLetter]:
        why = _shown(error)
        letters = [_letter(line, subscriber, why) for line in lines]
        self.last.extend(letters)
        self.n += len(letters)
        _log.warning(
            "%s could not take %s messages, kept as dead letters, the first a %s: %s",
            subscriber,
            len(letters),
            letters[0].message_type,
            type(error).__name__,
            exc_info=error if _log.isEnabledFor(logging.DEBUG) else None,
        )
        return letters


def _in_memory_only(error: Exception) -> None:
    _log.warning("dead letters stay in memory only: %s", type(error).__name__)


def _letter(line: bytes, subscriber: str, why: str) -> DeadLetter:
    said = from_json(line)
    return DeadLetter(
        message_type=said["type"], subscriber=subscriber, error=why, payload=said.get("payload", {})
    )


def _shown(error: BaseException) -> str:
    """Return an error as its class and its text, whatever that is."""
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:
        text = "its text cannot be shown"
    return storable(f"{name}: {text}" if text else name)[:1000]
