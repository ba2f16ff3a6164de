"""opencode's database, opened for reading only: its rows as sessions and messages with parts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from learnlab.ingest.logs.lines import loaded
from learnlab.ingest.logs.shapes import items, obj, text

MAGIC = b"SQLite format 3\0"
"""How a SQLite file begins."""

Row = dict[str, Any]
Found = tuple[Row | str, list[Row | str]]
"""A message and its parts; a text in the place of one is why it cannot be read."""


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading only, also where not even its side files may be written.

    Raises:
        sqlite3.Error: when it is no sound database.
    """
    name = quote(str(path.resolve()))
    with closing(_opened(name)) as connection:
        yield connection


def _opened(name: str) -> sqlite3.Connection:
    try:
        return _connected(name, "mode=ro")
    except sqlite3.OperationalError as error:
        if "unable to open" not in str(error):
            raise
        return _connected(name, "mode=ro&immutable=1")


def _connected(name: str, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{name}?{mode}", uri=True, timeout=10)
    try:
        connection.execute("pragma query_only = on")
        connection.execute("pragma trusted_schema = off")
        connection.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    connection.row_factory = _row
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def _row(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def tables_of(connection: sqlite3.Connection) -> set[str]:
    """Return the names of the plain tables in a database: a view or a virtual table could do anything."""
    found = connection.execute("select name, sql from sqlite_master where type = 'table'")
    return {row["name"] for row in found if not str(row["sql"]).lower().startswith("create virtual")}


def sessions_in(connection: sqlite3.Connection, tables: set[str]) -> Iterator[tuple[Row, bool]]:
    """Yield the sessions in the shape of the JSON storage, and whether each is of the second generation."""
    for table, is_second in (("session", False), ("session_v2", True)):
        if table in tables:
            ids = [
                row["id"] for row in connection.execute(f"select id from {table} order by time_created, id")
            ]
            for own in ids:
                for row in connection.execute(f"select * from {table} where id = ?", (own,)):
                    yield _session(row), is_second


def _session(row: Row) -> Row:
    return {
        "id": text(row.get("id")),
        "parentID": row.get("parent_id"),
        "directory": row.get("directory"),
        "version": row.get("version"),
        "time": {"created": row.get("time_created")},
    }


def messages_in(connection: sqlite3.Connection, session: str | None, is_second: bool) -> Iterator[Found]:
    """Yield a session's messages with their parts in the shape of the JSON storage."""
    if is_second:
        found = connection.execute(
            "select id, type, data from session_message where session_id = ? order by seq", (session,)
        )
        for row in found:
            yield _second_message(row)
        return
    rows = connection.execute(
        "select id, data from message where session_id = ? order by time_created, id", (session,)
    )
    for row in rows:
        parts = connection.execute("select id, data from part where message_id = ? order by id", (row["id"],))
        yield _data(row), [_data(part) for part in parts]


def _data(row: Row) -> Row | str:
    data = row["data"]
    try:
        value = loaded(data if isinstance(data, bytes) else str(data).encode("utf-8", "replace"))
    except ValueError as error:
        return str(error)
    return value | {"id": text(row["id"])} if isinstance(value, dict) else "is no JSON object"


def _second_message(row: Row) -> Found:
    data = _data(row)
    if isinstance(data, str):
        return data, []
    kind = text(row["type"]) or "none"
    parts: list[Row | str] = []
    if kind == "user":
        parts.append({"type": "text", "text": data.get("text")})
    elif kind == "compaction":
        parts.append({"type": "compaction", "id": data["id"], "time": data.get("time")})
    elif kind == "assistant":
        model = obj(data.get("model"))
        data |= {"modelID": model.get("id"), "providerID": model.get("providerID")}
        parts += [_second_part(obj(item)) for item in items(data.get("content"))]
    return data | {"role": kind}, parts


def _second_part(item: Row) -> Row:
    if item.get("type") != "tool":
        return item
    time, state = obj(item.get("time")), obj(item.get("state"))
    times = {"start": time.get("ran") or time.get("created"), "end": time.get("completed")}
    error = obj(state.get("error")).get("message") or state.get("error")
    return item | {"tool": item.get("name"), "time": None, "state": state | {"time": times, "error": error}}
