"""Whole JSON documents of logs, read as far as they go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from learnlab.ingest.logs.lines import loaded
from learnlab.ingest.logs.tasks import Piece, Task
from learnlab.ingest.rejected import Fault
from learnlab.ingest.sources import unpacked

MAX_DOCUMENT = 1 << 30
"""The bytes that one document may take: it is held in memory as a whole."""

_BOM = b"\xef\xbb\xbf"
_SHOWN = 2000
_STEPS_A_PIECE = 5000


class Document(NamedTuple):
    """What a JSON document says; where it breaks off, what stands before, with the reason and how it begins.

    A value with a fault lacks what was being written: the last entry that it has may be a part.
    """

    value: Any
    fault: str | None = None
    content: str = ""


def parsed(data: bytes) -> Document:
    """Return the document that bytes hold, or as much of it as can be told; None and a fault for nothing.

    >>> parsed(b'{"a": [1, 2]}')
    Document(value={'a': [1, 2]}, fault=None, content='')
    >>> parsed(b'{"a": [1, {"b": ')
    Document(value={'a': [1, {}]}, fault='is no JSON: Expecting value (column 16)', content='{"a": [1, {"b":')
    """
    bare = data.removeprefix(_BOM).strip(b" \t\r\n\0")
    try:
        return Document(loaded(bare))
    except ValueError as error:
        fault, content = str(error), bare[:_SHOWN].decode("utf-8", "replace")
    try:
        return Document(from_json(bare, allow_partial=True), fault, content)
    except ValueError:
        return Document(None, fault, content)


def read_document(path: Path) -> Document:
    """Return the one JSON document that a file is, unpacked where it is gzipped.

    Raises:
        SourceError: when the file cannot be opened or is empty.
    """
    with unpacked(path) as stream:
        data = stream.read(MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        reason = f"is larger than {MAX_DOCUMENT >> 30} GB in one JSON value"
        return Document(None, reason, data[:_SHOWN].decode("utf-8", "replace"))
    return parsed(data)


@lru_cache(maxsize=2)
def opening(start: bytes) -> Any:
    """Return what the beginning of a document says, None where it is no JSON; what is cut is left out.

    >>> opening(b'{"version": 2, "eval": {"task": "sums", "mod')
    {'version': 2, 'eval': {'task': 'sums'}}
    """
    bare = start.removeprefix(_BOM).lstrip()
    if not bare.startswith((b"{", b"[")):
        return None
    try:
        return from_json(bare, allow_partial=True)
    except ValueError:
        return None


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of a JSON value in hex, the same for any order of an object's names.

    Raises:
        RecursionError: when the value is nested too deeply.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    said = json.dumps(value, sort_keys=True).encode("utf-8", "surrogatepass")
    return sha256(said, usedforsecurity=False).hexdigest()


Entry = tuple[str, Task | Fault | None]
"""One entry of a document: the name of its kind, and the task or the fault that it came to, if any."""


def pieces(entries: Iterable[Entry]) -> Iterator[Piece]:
    """Yield the entries of a document as pieces of about 5,000 steps, each entry counted under its kind.

    >>> [piece.kinds for piece in pieces([("sample", None), ("sample", None)])]
    [Counter({'sample': 2})]
    """
    piece, n_steps = Piece(), 0
    for kind, found in entries:
        piece.kinds[kind] += 1
        if isinstance(found, Task):
            piece.tasks.append(found)
            n_steps += 1 + len(found.steps)
        elif found is not None:
            piece.faults.append(found)
        if n_steps >= _STEPS_A_PIECE:
            yield piece
            piece, n_steps = Piece(), 0
    if piece.kinds:
        yield piece
