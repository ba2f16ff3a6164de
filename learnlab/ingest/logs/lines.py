"""JSON lines of a log that may still be growing: every line an object, or a reason why it is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pydantic_core import from_json

from learnlab.ingest.rejected import MAX_RECORD
from learnlab.ingest.sources import Stream, unpacked

UNFINISHED = "the last line is not finished yet"
"""The reason of a last line without an end that is no JSON so far: it is read again when the file has grown."""


class Line(NamedTuple):
    """One line: its number from 1, the byte it begins at, the JSON object, or why there is none and what it says."""

    number: int
    offset: int
    value: dict[str, Any]
    fault: str | None = None
    content: str = ""


def loaded(data: bytes) -> Any:
    """Return the JSON value that bytes hold.

    Raises:
        ValueError: when they hold none, with the reason; also when it is nested too deeply.

    >>> loaded(b'{"a": [1]}')
    {'a': [1]}
    """
    try:
        return from_json(data, cache_strings="keys")
    except ValueError:
        pass
    try:
        return json.loads(data.decode("utf-8", "surrogateescape"))
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise ValueError("is no JSON: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is no JSON: {str(error).split(';')[0]}") from None


def lines_of(stream: BinaryIO, offset: int = 0, number: int = 1) -> Iterator[Line]:
    r"""Yield the lines of a stream that stands at byte `offset`, at the beginning of line `number`.

    Empty lines are none. A last line without an end counts when it is JSON, else its fault is `UNFINISHED`.

    >>> import io
    >>> for line in lines_of(io.BytesIO(b'{"a": 1}\n\n[2]\n{"a"')): print(line[:4])
    (1, 0, {'a': 1}, None)
    (3, 10, {}, 'is a JSON array, not an object')
    (4, 14, {}, 'the last line is not finished yet')
    """
    while data := stream.readline(MAX_RECORD + 1):
        begin, at = offset, number
        offset, number = offset + len(data), number + 1
        is_whole = data.endswith(b"\n")
        if len(data) > MAX_RECORD and not is_whole:
            while (more := stream.readline(MAX_RECORD)) and not more.endswith(b"\n"):
                offset += len(more)
            offset += len(more)
            yield Line(at, begin, {}, f"is longer than {MAX_RECORD >> 20} MB", _shown(data))
            continue
        bare = data.strip()
        if begin == 0:
            bare = bare.removeprefix(b"\xef\xbb\xbf")
        if not bare:
            continue
        try:
            value = loaded(bare)
        except ValueError as error:
            yield Line(at, begin, {}, str(error) if is_whole else UNFINISHED, _shown(bare))
            continue
        if isinstance(value, dict):
            yield Line(at, begin, value)
        else:
            kind = "array" if isinstance(value, list) else "text" if isinstance(value, str) else "value"
            yield Line(at, begin, {}, f"is a JSON {kind}, not an object", _shown(bare))


def _shown(data: bytes) -> str:
    return data[:MAX_RECORD].decode("utf-8", "replace")


@contextmanager
def opened_at(path: Path, offset: int = 0) -> Iterator[Stream]:
    """Open a log for reading at a byte of what it holds, unpacked where it is gzipped.

    Raises:
        SourceError: when it cannot be opened or is empty.
    """
    with unpacked(path) as stream:
        if stream.seekable():
            stream.seek(offset)
        else:
            while offset > 0 and (skipped := stream.read(min(offset, 1 << 20))):
                offset -= len(skipped)
        yield stream
