"""What a subscriber has not taken yet: so many lines in memory, the rest in temporary files."""

from __future__ import annotations

import os
import tempfile
from collections import deque

_LARGEST = 16 * 2**20
"""Bytes after which the next line goes to another file, so that what was read back frees the disk."""


class Backlog:
    """Lines in the order they came: the first `room` of them in memory, those after them in temporary files.

    The files have no name, so they go with the process. A line is written into the system's cache, never
    waiting for the disk. Lines hold no line break.

    >>> backlog = Backlog(room=2)
    >>> [backlog.put(line) for line in (b"1", b"2", b"3")], len(backlog), backlog.n_spilled
    ([True, True, True], 3, 1)
    >>> [backlog.take(), backlog.take(), backlog.take(), backlog.take()]
    [b'1', b'2', b'3', None]
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._first: deque[bytes] = deque()
        self._files: deque[_File] = deque()
        self._last: deque[bytes] = deque()
        self._n = 0
        self.n_spilled = 0
        """How many lines ever went to a file."""

    def __len__(self) -> int:
        return self._n

    def put(self, line: bytes) -> bool:
        """Keep a line, always; return False when it stays in memory beyond the room, no file taking it."""
        self._n += 1
        if not self._files and not self._last and len(self._first) < self._room:
            self._first.append(line)
            return True
        if not self._last and self._spill(line):
            self.n_spilled += 1
            return True
        self._last.append(line)
        return False

    def take(self) -> bytes | None:
        """Return the line that came first and let go of it; None when nothing is left.

        Raises:
            OSError: when a file cannot be read back; then the lines in it are given up.
        """
        if not self._files:
            lines = self._first or self._last
            self._n -= bool(lines)
            return lines.popleft() if lines else None
        if self._first:
            self._n -= 1
            return self._first.popleft()
        file = self._files[0]
        try:
            line = file.read()
        except OSError:
            self._n -= file.n_lines
            self._files.popleft().close()
            raise
        self._n -= 1
        if not file.n_lines:
            self._files.popleft().close()
        return line

    def _spill(self, line: bytes) -> bool:
        try:
            if not self._files or self._files[-1].size > _LARGEST:
                self._files.append(_File())
            self._files[-1].write(line + b"\n")
        except OSError:
            if self._files and not self._files[-1].n_lines:
                self._files.pop().close()
            return False
        return True


class _File:
    """One temporary file: written at its end, read from its beginning."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by whoever read it to its end)
        self.size = 0
        self.n_lines = 0

    def write(self, line: bytes) -> None:
        at, view = self.size, memoryview(line)
        self.size = _LARGEST + 1
        while view:
            n = os.pwrite(self._file.fileno(), view, at)
            at, view = at + n, view[n:]
        self.size = at
        self.n_lines += 1

    def read(self) -> bytes:
        """Return the next line.

        Raises:
            OSError: when the file ends before the line does.
        """
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise OSError("a temporary file ended early")
        self.n_lines -= 1
        return line[:-1]

    def close(self) -> None:
        self._file.close()
