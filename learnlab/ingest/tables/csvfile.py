"""CSV and TSV as rows of text: fast where the file is well formed, line by line where it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from learnlab.errors import SourceError
from learnlab.ingest.rejected import MAX_RECORD, Fault
from learnlab.ingest.tables.csvlines import csv_fields, read_broken
from learnlab.ingest.tables.raw import RawRows, from_rows

CHUNK = 32 << 20
"""Bytes read at once."""

HEADER = 1 << 20
"""Bytes within which the header must end."""

_FEW = 2048
"""Rows of a faulty piece that are parsed one by one rather than halved further."""
_QUOTE, _NEWLINE, _RETURN = b'"'[0], b"\n"[0], b"\r"[0]
_DELIMITERS = (",", "\t", ";", "|")

Bytes = NDArray[np.uint8]
Indices = NDArray[np.int64]


def sniff_delimiter(header: str) -> str:
    r"""Return the delimiter of a file from its first line: the one that stands there most often.

    >>> sniff_delimiter("task_id;model;cost, in USD"), sniff_delimiter("a\tb"), sniff_delimiter("alone")
    (';', '\t', ',')
    """
    return max(_DELIMITERS, key=lambda delimiter: (header.count(delimiter), delimiter == ","))


def read_csv(stream: BinaryIO, name: str = "the file") -> Iterator[RawRows]:
    r"""Yield the rows of a CSV or TSV stream in pieces; the first comes even when there are no rows.

    The header names the columns, its punctuation tells the delimiter, quoting is RFC 4180's. Empty lines are
    no rows. A row with too few or too many fields, a quote that is never closed, a NUL byte or bytes that
    are not UTF-8 make that one row a fault.

    Raises:
        SourceError: for an empty file, or a header that cannot be one.

    >>> import io
    >>> next(read_csv(io.BytesIO(b'a,b\n1,"x\ny"\n2\n'))).faults
    [(4, 'has 1 field, the header has 2', '2')]
    """
    header, rest, lines_before = _header(stream, name)
    dialect = _dialect(header, name)
    line = lines_before + 1
    is_first = True
    while True:
        piece = stream.read(CHUNK)
        rest += piece
        if not rest:
            break
        layout = _layout(rest, dialect, is_last=not piece)
        if layout is None:
            is_cut = rest.count(_QUOTE) % 2 == 1 or _NEWLINE not in rest
            if piece and is_cut and len(rest) <= MAX_RECORD + CHUNK:
                continue
            yield from read_broken(rest, stream, dialect.names, dialect.delimiter, line)
            return
        yield _parse(rest, layout, dialect, line)
        is_first = False
        line += layout.n_lines
        rest = rest[layout.end :]
        if not piece:
            break
    if is_first:
        yield from_rows(dialect.names, [], [], [])


@dataclass(frozen=True)
class _Dialect:
    names: list[str]
    delimiter: str


@dataclass(frozen=True)
class _Layout:
    """Where the records of a piece of well-formed CSV stand: first byte, end, line from the piece's first."""

    starts: Indices
    ends: Indices
    lines: Indices
    end: int
    n_lines: int

    def part(self, first: int, last: int) -> _Layout:
        here = slice(first, last)
        return _Layout(self.starts[here], self.ends[here], self.lines[here], self.end, self.n_lines)


def _header(stream: BinaryIO, name: str) -> tuple[str, bytes, int]:
    """Return the header line, the bytes after it, and how many lines were read for it."""
    start = stream.read(HEADER).removeprefix(b"\xef\xbb\xbf")
    if not start.strip():
        raise SourceError(f"{name} is empty")
    lines_before = 0
    while True:
        line, newline, start = start.partition(b"\n")
        lines_before += 1
        if line.strip() or not newline:
            break
    while line.count(_QUOTE) % 2 and newline:
        more, newline, start = start.partition(b"\n")
        line, lines_before = line + b"\n" + more, lines_before + 1
    if not newline and len(line) >= HEADER - 3:
        raise SourceError(f"{name}, line {lines_before}: no end of the header within the first megabyte")
    if not newline and b"\r" in line.rstrip(b"\r\n") and _QUOTE not in line:
        raise SourceError(
            f"{name}: the lines end in carriage returns alone; convert them, for example: tr '\\r' '\\n'"
        )
    try:
        return line.decode("utf-8"), start, lines_before
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{name}, line {lines_before}: the header is not UTF-8 (byte {error.start + 1}); convert the file"
        ) from None


def _dialect(header: str, name: str) -> _Dialect:
    if "\0" in header:
        raise SourceError(f"{name}, line 1: NUL bytes in the header; this is no text in UTF-8")
    delimiter = sniff_delimiter(header)
    fields = csv_fields(header, delimiter)
    if isinstance(fields, str):
        raise SourceError(f"{name}, line 1: the header {fields}")
    names = [field.strip() or f"column_{at}" for at, field in enumerate(fields, 1)]
    if twice := {field for field, times in Counter(names).items() if times > 1}:
        raise SourceError(
            f"{name}, line 1: several columns are called {sorted(twice)[0][:100]!r}; rename them"
        )
    return _Dialect(names, delimiter)


def _layout(data: bytes, dialect: _Dialect, *, is_last: bool) -> _Layout | None:
    """Return where the whole records of a piece stand, or None when its quotes do not follow the rules."""
    array: Bytes = np.frombuffer(data, dtype=np.uint8)
    newlines: Indices = np.flatnonzero(array == _NEWLINE)
    quotes: Indices = np.flatnonzero(array == _QUOTE) if _QUOTE in data else np.empty(0, dtype=np.int64)
    outside = np.flatnonzero(np.searchsorted(quotes, newlines) % 2 == 0)
    ends = newlines[outside]
    end = len(data) if is_last else (int(ends[-1]) + 1 if len(ends) else 0)
    quotes = quotes[quotes < end]
    if end == 0 or len(quotes) % 2 or not _is_well_quoted(array[:end], quotes, ord(dialect.delimiter)):
        return None
    lines = np.concatenate([[0], outside + 1])
    starts = np.concatenate([[0], ends + 1])
    if is_last and starts[-1] < end:
        ends = np.append(ends, end)
    starts, lines = starts[: len(ends)], lines[: len(ends)]
    length = ends - starts
    is_blank = (length == 0) | ((length == 1) & (array[np.minimum(starts, len(array) - 1)] == _RETURN))
    n_lines = int(np.searchsorted(newlines, end))
    return _Layout(starts[~is_blank], ends[~is_blank], lines[~is_blank], end, n_lines)


def _is_well_quoted(array: Bytes, quotes: Indices, delimiter: int) -> bool:
    """Return whether every quote opens a field, closes one, or is one of a pair within one (RFC 4180)."""
    if not len(quotes):
        return True
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening > 0, array[np.maximum(opening - 1, 0)], _NEWLINE)
    last = len(array) - 1
    after = np.where(closing < last, array[np.minimum(closing + 1, last)], _NEWLINE)
    pairs = opening[1:] == closing[:-1] + 1
    opens = (before == delimiter) | (before == _NEWLINE)
    opens[1:] |= pairs
    closes = (after == delimiter) | (after == _NEWLINE) | (after == _RETURN)
    closes[:-1] |= pairs
    return bool(opens.all() and closes.all())


def _parse(data: bytes, layout: _Layout, dialect: _Dialect, line: int) -> RawRows:
    """Return the records of a piece: at once when all are sound, else by halves down to the broken ones."""
    frames: list[RawRows] = []
    waiting = [layout]
    while waiting:
        part = waiting.pop()
        fast = _fast(data, part, dialect)
        if fast is not None:
            frames.append(RawRows(fast, pl.Series("source_position", part.lines + line, dtype=pl.Int64)))
        elif len(part.starts) <= _FEW:
            frames.append(_one_by_one(data, part, dialect, line))
        else:
            half = len(part.starts) // 2
            waiting += [part.part(half, len(part.starts)), part.part(0, half)]
    faults: list[Fault] = [fault for piece in frames for fault in piece.faults]
    return RawRows(
        pl.concat([piece.frame for piece in frames]), pl.concat([piece.positions for piece in frames]), faults
    )


def _fast(data: bytes, layout: _Layout, dialect: _Dialect) -> pl.DataFrame | None:
    """Return the records as columns, or None when one of them breaks a rule."""
    if not len(layout.starts):
        return from_rows(dialect.names, [], [], []).frame
    first, last = int(layout.starts[0]), int(layout.ends[-1])
    longest = int((layout.ends - layout.starts).max())
    if longest > MAX_RECORD or data.find(0, first, last) >= 0:
        return None
    ids = [str(at) for at in range(len(dialect.names))]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(data)[first:last]),
            read_options=arrow_csv.ReadOptions(column_names=ids, block_size=max(4 << 20, 2 * longest + 64)),
            parse_options=arrow_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(ids, pa.large_string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != len(layout.starts):
        return None
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.rename(dict(zip(ids, dialect.names, strict=True)))


def _one_by_one(data: bytes, layout: _Layout, dialect: _Dialect, line: int) -> RawRows:
    rows: list[Sequence[str]] = []
    positions: list[int] = []
    faults: list[Fault] = []
    for start, end, at in zip(layout.starts, layout.ends, layout.lines, strict=True):
        record = data[start:end].removesuffix(b"\r")
        fields = csv_fields(record, dialect.delimiter, len(dialect.names))
        if isinstance(fields, str):
            faults.append((line + int(at), fields, record[: 4 * MAX_RECORD].decode("utf-8", "replace")))
        else:
            rows.append(fields)
            positions.append(line + int(at))
    return from_rows(dialect.names, rows, positions, faults)
