"""The careful path through CSV whose quotes are broken: one line at a time, no line ever lost."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from learnlab.ingest.rejected import MAX_RECORD, Fault
from learnlab.ingest.tables.raw import ROWS_A_BATCH, RawRows, from_rows

_BYTES_A_BATCH = 32 << 20
UNCLOSED = "has a quote that is never closed"
"""Why a record with an open quote at its end is none."""


def csv_fields(record: bytes | str, delimiter: str, n_fields: int | None = None) -> list[str] | str:
    """Return the fields of one CSV record, or the reason why it has none.

    >>> csv_fields('1,"a, b"', ","), csv_fields("1,2", ",", 3), csv_fields(b"\\xe9", ",")
    (['1', 'a, b'], 'has 2 fields, the header has 3', 'is not UTF-8 (byte 1 is 0xe9)')
    """
    if len(record) > MAX_RECORD:
        return f"is longer than {MAX_RECORD >> 20} MB"
    if isinstance(record, bytes):
        try:
            record = record.decode("utf-8")
        except UnicodeDecodeError as error:
            return f"is not UTF-8 (byte {error.start + 1} is {error.object[error.start]:#04x})"
    if "\0" in record:
        return "holds a NUL byte"
    csv.field_size_limit(MAX_RECORD)
    try:
        fields = next(csv.reader([record], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return UNCLOSED if "end of data" in str(error) else f"is no CSV: {error}"
    if n_fields is not None and len(fields) != n_fields:
        return f"has {len(fields)} field{'' if len(fields) == 1 else 's'}, the header has {n_fields}"
    return fields


class _Lines:
    """The lines of a stream, with lines that can be put back; of an overlong line only the beginning."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        whole, newline, last = start.rpartition(b"\n")
        self.waiting = deque(line + b"\n" for line in whole.split(b"\n")) if newline else deque()
        if last:
            self.waiting.append(last + self._read(stream))
        self.stream = stream

    def next(self) -> bytes:
        return self.waiting.popleft() if self.waiting else self._read(self.stream)

    def put_back(self, lines: list[bytes]) -> None:
        self.waiting.extendleft(reversed(lines))

    @staticmethod
    def _read(stream: BinaryIO) -> bytes:
        line = more = stream.readline(2 * MAX_RECORD)
        while more and not more.endswith(b"\n"):
            more = stream.readline(2 * MAX_RECORD)
        return line


def read_broken(
    start: bytes, stream: BinaryIO, names: Sequence[str], delimiter: str, line: int
) -> Iterator[RawRows]:
    """Yield the rows of what is left of a CSV stream, beginning with the bytes `start` at line `line`.

    A record may span lines while its quotes are open. Where that comes to nothing (the quote is never
    closed, or closed in the middle of a field), its first line alone is the fault and reading goes on with
    the second.
    """
    lines = _Lines(start, stream)
    rows: list[Sequence[str]] = []
    positions: list[int] = []
    faults: list[Fault] = []
    n_bytes = 0
    while first := lines.next():
        taken = [first]
        if first.strip(b"\r\n"):
            fields = _record(taken, lines, delimiter, len(names))
            if isinstance(fields, str):
                lines.put_back(taken[1:])
                del taken[1:]
                faults.append((line, fields, first.rstrip(b"\r\n").decode("utf-8", "replace")))
            else:
                rows.append(fields)
                positions.append(line)
        line += len(taken)
        n_bytes += sum(map(len, taken))
        if n_bytes > _BYTES_A_BATCH or len(rows) + len(faults) >= ROWS_A_BATCH:
            yield from_rows(names, rows, positions, faults)
            rows, positions, faults, n_bytes = [], [], [], 0
    yield from_rows(names, rows, positions, faults)


def _record(taken: list[bytes], lines: _Lines, delimiter: str, n_fields: int) -> list[str] | str:
    """Read one record, adding to `taken` the lines that it goes on over."""
    fields = csv_fields(taken[0].rstrip(b"\r\n"), delimiter, n_fields)
    if fields != UNCLOSED:
        return fields

    def spanned() -> Iterator[str]:
        yield taken[0].decode("utf-8")
        size = len(taken[0])
        while (size <= MAX_RECORD) and (line := lines.next()):
            taken.append(line)
            size += len(line)
            yield line.decode("utf-8")

    try:
        next(csv.reader(spanned(), delimiter=delimiter, strict=True))
    except (csv.Error, UnicodeDecodeError):
        return UNCLOSED
    return csv_fields(b"".join(taken).rstrip(b"\r\n"), delimiter, n_fields)
