"""Logs that grow: what is new since the last time, told by size, time and a hash of what was read before."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from learnlab.errors import SourceError
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.formats import LogFormat
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.sources import printable
from learnlab.secrets import mask_text
from learnlab.store import ReadPosition

_CHUNK = 1 << 20
_NOT_YET = -1
"""The size that a position carries until its file was read to the end: no file has it.

The hash is then of the bytes before the position, later of all that the file held when it was read: so a file
that was rewritten anywhere is noticed.
"""


class Prefix:
    """The SHA-256 of a file's first bytes, up to a place that only moves on."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._hash = sha256(usedforsecurity=False)
        self._at = 0

    def upto(self, offset: int) -> str:
        """Return the hash of the first `offset` bytes (of fewer, when the file is shorter)."""
        while self._at < offset and (data := self._file.read(min(_CHUNK, offset - self._at))):
            self._hash.update(data)
            self._at += len(data)
        return self._hash.hexdigest()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def place_of(path: Path) -> str:
    """Return the text under which a file's position is kept: its whole path, links resolved, secrets masked."""
    return mask_text(printable(Path(os.path.realpath(path))), "source")[0]


def is_unchanged(path: Path, known: ReadPosition | None, version: int) -> bool:
    """Return whether a file was read to its end by the same version of its reader and not touched since."""
    if known is None or known.version != version:
        return False
    try:
        now = path.stat()
    except OSError:
        return False
    return (now.st_size, now.st_mtime_ns) == (known.size, known.changed_at_ns)


@dataclass
class Growth:
    """Reads one file on from where it was left, or from its start when it is new or was rewritten.

    `how` is empty for a new file, else `grown`, `rewritten`, or `read again` (another version of the reader,
    or a log that is not appended to).
    """

    path: Path
    form: LogFormat
    known: ReadPosition | None
    how: str = ""

    def pieces(self) -> Iterator[tuple[Piece, ReadPosition | None]]:
        """Yield what is new, each piece with the position that holds once it is stored.

        A log of several files has no position: it is read whole, and what is known already counts once.

        Raises:
            SourceError: when the file cannot be read, or is no such log.
        """
        keeps_position = self.form.unit(self.path) == self.path and not self.form.looks_beside
        try:
            before = self.path.stat()
            begin = self._begin(before.st_size)
            prefix = Prefix(self.path)
        except OSError as error:
            raise SourceError(f"{printable(self.path)} cannot be opened: {error.strerror}") from None
        last, held = begin, None
        try:
            for piece in self.form.read(self.path, begin):
                if held is not None:
                    last = held.position or last
                    yield held, self._position(prefix, last, _NOT_YET, 0) if keeps_position else None
                held = piece
            held = held or Piece()
            last = held.position or last
            size, changed_at_ns = before.st_size, before.st_mtime_ns
            yield held, self._position(prefix, last, size, changed_at_ns) if keeps_position else None
        finally:
            prefix.close()

    def _begin(self, size: int) -> Position:
        known = self.known
        if known is None:
            return Position()
        if (self.form.name, self.form.version) != (known.format, known.version) or not self.form.grows:
            self.how = "read again"
            return Position()
        n_known = known.byte_offset if known.size == _NOT_YET else known.size
        before = Prefix(self.path)
        try:
            is_same = size >= n_known and before.upto(n_known) == known.prefix_hash
        finally:
            before.close()
        self.how = "grown" if is_same else "rewritten"
        return Position(known.byte_offset, known.state) if is_same else Position()

    def _position(self, prefix: Prefix, at: Position, size: int, changed_at_ns: int) -> ReadPosition | None:
        """Return how far the file was read; what its reader must know is not kept where there is a secret in it.

        The file is then read from its start when it has grown.
        """
        if mask_text(json.dumps(at.state))[1]:
            if size == _NOT_YET:
                return None
            at = Position()
        return ReadPosition(
            path=place_of(self.path),
            format=self.form.name,
            version=self.form.version,
            size=size,
            changed_at_ns=changed_at_ns,
            byte_offset=at.offset,
            prefix_hash=prefix.upto(at.offset if size == _NOT_YET else size),
            state=at.state,
        )
