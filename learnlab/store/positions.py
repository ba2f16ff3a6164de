"""How far each log was read, so that one that has grown is read on from there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Any

import duckdb


@dataclass(frozen=True)
class ReadPosition:
    """How far one log was read: the byte to read on from, and what tells that all before it is as it was.

    `path` is the file's, as whoever reads it calls it; `version` is that of its format's reader; `size` in
    bytes and `changed_at_ns` (nanoseconds since 1970) are those of the file when it was read; `prefix_hash` is
    of its first `size` bytes; while it is not read to its end (`size` -1), of those before `byte_offset`. `state`
    is the reader's own, a JSON object.

    >>> ReadPosition("a.jsonl", "codex", 1, 120, 0, 90, "5f3c").state
    {}
    """

    path: str
    format: str
    version: int
    size: int
    changed_at_ns: int
    byte_offset: int
    prefix_hash: str
    state: dict[str, Any] = field(default_factory=dict)


def read_positions(connection: duckdb.DuckDBPyConnection) -> dict[str, ReadPosition]:
    """Return how far every log was read: path → position."""
    rows = connection.execute(
        "select path, format, version, size, changed_at_ns, byte_offset, prefix_hash, state from positions"
    ).fetchall()
    found = [(*plain, json.loads(state)) for *plain, state in rows]
    return {row[0]: ReadPosition(*row) for row in found}


def keep_positions(
    connection: duckdb.DuckDBPyConnection, positions: Iterable[ReadPosition], moment: datetime
) -> None:
    """Write down how far logs were read by a moment (naive UTC), in the place of what was known of them."""
    rows = [(*astuple(position)[:-1], json.dumps(position.state), moment) for position in positions]
    if rows:
        connection.executemany("insert or replace into positions values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
