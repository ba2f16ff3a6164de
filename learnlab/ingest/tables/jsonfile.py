"""JSON lines and JSON arrays of objects as rows of text."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import polars as pl

from learnlab.errors import SourceError
from learnlab.ingest.rejected import MAX_RECORD, Fault
from learnlab.ingest.tables.raw import ROWS_A_BATCH, RawRows

CHUNK = 8 << 20
"""Bytes read at once."""

_BLANK = " \t\r\n"


def text_of(value: object) -> str | None:
    """Return a JSON value as the text that a CSV file would hold; null and empty texts are None.

    >>> [text_of(value) for value in ("a", 0.5, True, None, "", [1, "x"])]
    ['a', '0.5', 'true', None, None, '[1,"x"]']
    """
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "true" if value is True else "false" if value is False else repr(value)


def row_of(value: object, source: str = "\\u") -> dict[str, str] | str:
    """Return a JSON object as a row, or the reason why it is none; `source` is the text that it was parsed from.

    >>> row_of({"a": 1, "b": None}), row_of([1]), row_of({"a": "x" + chr(0)})
    ({'a': '1'}, 'is a JSON array, not an object', 'holds a NUL byte')
    """
    if not isinstance(value, dict):
        kind = (
            "an array"
            if isinstance(value, list)
            else "a text"
            if isinstance(value, str)
            else "a single value"
        )
        return f"is {kind.replace('an ', 'a JSON ')}, not an object"
    row = {
        name: text
        for name, item in value.items()
        if (text := item if type(item) is str else text_of(item)) is not None and text != ""
    }
    if "\\u" not in source and source.isascii():
        return row
    whole = "".join(row) + "".join(row.values())
    if "\0" in whole:
        return "holds a NUL byte"
    try:
        whole.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8, or holds half of a surrogate pair"
    return row


class _Piece:
    """Rows with their own keys, on their way to columns."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []
        self.positions: list[int] = []
        self.faults: list[Fault] = []
        self.size = 0

    def add(self, value: object, position: int, text: str) -> None:
        try:
            row = row_of(value, text) or "is empty"
        except RecursionError:
            row = "is nested too deeply"
        self.size += len(text)
        if isinstance(row, str):
            self.faults.append((position, row, text))
        else:
            self.rows.append(row)
            self.positions.append(position)

    def is_full(self) -> bool:
        return self.size >= 4 * CHUNK or len(self.rows) + len(self.faults) >= ROWS_A_BATCH

    def raw(self) -> RawRows:
        names = dict.fromkeys(name for row in self.rows for name in row)
        columns = [pl.Series(name, [row.get(name) for row in self.rows], dtype=pl.String) for name in names]
        positions = pl.Series("source_position", self.positions, dtype=pl.Int64)
        return RawRows(pl.DataFrame(columns), positions, self.faults)


def read_json_lines(stream: BinaryIO) -> Iterator[RawRows]:
    r"""Yield the objects of a JSON-lines stream in pieces; a line that is none is a fault. Empty lines are no rows.

    >>> import io
    >>> piece = next(read_json_lines(io.BytesIO(b'{"a": 1}\n\n{"a":\n')))
    >>> piece.frame.rows(), piece.faults
    ([('1',)], [(3, 'is no JSON: Expecting value (column 6)', '{"a":')])
    """
    piece, at = _Piece(), 0
    while line := stream.readline(MAX_RECORD + 1):
        at += 1
        if len(line) > MAX_RECORD and not line.endswith(b"\n"):
            while (more := stream.readline(MAX_RECORD)) and not more.endswith(b"\n"):
                pass
            fault = (
                at,
                f"is longer than {MAX_RECORD >> 20} MB",
                line[:MAX_RECORD].decode("utf-8", "replace"),
            )
            piece.faults.append(fault)
            continue
        line = line.removeprefix(b"\xef\xbb\xbf") if at == 1 else line
        if not line.strip():
            continue
        text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
        value = _loaded(text)
        if isinstance(value, _Broken):
            piece.faults.append((at, value.reason, text))
        else:
            piece.add(value, at, text)
        if piece.is_full():
            yield piece.raw()
            piece = _Piece()
    yield piece.raw()


class _Broken:
    def __init__(self, reason: str) -> None:
        self.reason = reason


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        return _Broken(f"is no JSON: {error.msg} (column {error.colno})")
    except RecursionError:
        return _Broken("is no JSON: nested too deeply")
    except ValueError as error:
        return _Broken(f"is no JSON: {str(error).split(';')[0]}")


def read_json_array(stream: BinaryIO) -> Iterator[RawRows]:
    """Yield the objects of one JSON array in pieces, never holding more than a few elements beyond a piece.

    Positions are row numbers from 1. What follows the first element that is no JSON cannot be told apart:
    it is one fault, and the reading ends there.

    >>> import io
    >>> piece = next(read_json_array(io.BytesIO(b'[{"a": 1}, 7, {"a": ]')))
    >>> piece.frame.rows(), [fault[:2] for fault in piece.faults]
    ([('1',)], [(2, 'is a single value, not an object'), (3, 'from here on is no JSON: Expecting value')])
    """
    decoder = json.JSONDecoder()
    to_text = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    buffer = to_text.decode(stream.read(CHUNK).removeprefix(b"\xef\xbb\xbf")).lstrip(_BLANK)[1:]
    piece, row, at, is_end = _Piece(), 0, 0, False

    def more() -> None:
        nonlocal buffer, at, is_end
        data = stream.read(max(CHUNK, len(buffer) - at))
        is_end = not data
        buffer, at = buffer[at:] + to_text.decode(data, final=is_end), 0

    def skip() -> str:
        """Go to the next character that is no blank, and return it, or nothing at the end."""
        nonlocal at
        while True:
            while at < len(buffer) and buffer[at] in _BLANK:
                at += 1
            if at < len(buffer) or is_end:
                return buffer[at : at + 1]
            more()

    if skip() == "]":
        at += 1
    else:
        while True:
            skip()
            row += 1
            start = at
            try:
                value, end = decoder.raw_decode(buffer, start)
                if not is_end and not buffer[end:].lstrip(_BLANK):
                    raise json.JSONDecodeError("cut", "", 0)
                at = end
                follows = skip()
                if follows not in (",", "]"):
                    raise json.JSONDecodeError(
                        "Expecting ',' or ']'" if follows else "the array is cut off", "", 0
                    )
                piece.add(value, row, buffer[start:end] if at >= end else "")
            except (ValueError, RecursionError) as error:
                at = min(start, len(buffer))
                if not is_end and len(buffer) - at <= MAX_RECORD:
                    row -= 1
                    more()
                    continue
                reason = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
                piece.faults.append((row, f"from here on is no JSON: {reason}", buffer[at : at + MAX_RECORD]))
                yield piece.raw()
                return
            at += 1
            if follows == "]":
                break
            if piece.is_full():
                yield piece.raw()
                piece = _Piece()
    if skip():
        piece.faults.append((row + 1, "stands after the end of the array", buffer[at : at + MAX_RECORD]))
    yield piece.raw()


def is_json_lines(start: bytes, name: str, *, is_lines: bool = False) -> bool:
    """Return whether a file that starts so is one JSON value a line (or broken), false where it opens an array.

    An array that ends on the first line and has lines after it is itself a line. `is_lines` says that the
    name of the file promises lines: then an array must visibly go on over lines to be taken for one.

    Raises:
        SourceError: when it opens one object that goes on over lines: that is a document, not rows.

    >>> is_json_lines(b'{"a": 1}', "x.json"), is_json_lines(b'[', "x.json"), is_json_lines(b"[1]\\n{}", "x.json")
    (True, False, True)
    """
    line, _, rest = start.lstrip().removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    text = line.strip()
    if text.startswith(b"["):
        if not rest.strip():
            return False
        is_open = text[-1:] in b"[{,:"
        is_whole = isinstance(_loaded(text.decode("utf-8", "replace")), list)
        return is_whole or (is_lines and not is_open)
    if text in (b"{", b"") or (text.startswith(b"{") and name.endswith(".json") and text[-1:] in b"{[,:"):
        raise SourceError(f"{name} holds one JSON object, not an array of objects or one object a line")
    return True
