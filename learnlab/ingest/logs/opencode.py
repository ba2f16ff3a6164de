"""opencode sessions: the JSON storage of older versions and the SQLite database of newer ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from learnlab.errors import SourceError
from learnlab.ingest.batch import Position
from learnlab.ingest.logs import opencode_database as database
from learnlab.ingest.logs import opencode_storage as storage
from learnlab.ingest.logs.account import Account
from learnlab.ingest.logs.formats import HEAD, Head, LogFormat
from learnlab.ingest.logs.opencode_tasks import (
    KNOWN,
    PARTS,
    Message,
    OpenTask,
    asked_in,
    is_copied,
    session_key,
)
from learnlab.ingest.logs.parents import task_under_way, under_way
from learnlab.ingest.logs.shapes import moment, obj, text
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.sources import printable, unpacked


def _fits(head: Head) -> bool:
    if head.start.startswith(database.MAGIC):
        return _is_database(head.path)
    if storage.root_of(head.path) is None:
        return False
    if len(head.start) >= HEAD:
        return b'"messageID"' in head.start[:2000] or b'"sessionID"' in head.start[:2000]
    return _kind(storage.entry_of(head.path).value) is not None


def _kind(found: dict[str, object]) -> str | None:
    """Return what a file of the storage is by its fields: a session, a message or a part."""
    if not isinstance(found.get("id"), str):
        return None
    if found.get("type") in PARTS:
        return "part"
    if found.get("role") in ("user", "assistant") and isinstance(found.get("sessionID"), str):
        return "message"
    is_session = isinstance(found.get("time"), dict) and isinstance(found.get("directory"), str)
    return "session" if is_session and "projectID" in found else None


def _is_database(path: Path) -> bool:
    try:
        with database.reading(path) as connection:
            tables = database.tables_of(connection)
    except sqlite3.Error:
        return False
    return {"session", "message", "part"} <= tables or {"session_v2", "session_message"} <= tables


def _unit(path: Path) -> Path:
    root = storage.root_of(path)
    if root is None or path.is_relative_to(root / "session"):
        return path
    own = storage.session_of(root, path)
    return (storage.session_file(root, own) if own else None) or path


def _read(path: Path, position: Position) -> Iterator[Piece]:
    del position
    with unpacked(path) as stream:
        is_database = stream.peek(16)[:16] == database.MAGIC
    if is_database:
        yield from _read_database(path)
    else:
        yield _read_storage(path, with_parent=True)


def _alone(path: Path) -> Iterator[Piece]:
    yield _read_storage(path, with_parent=False)


class _Entries(Account):
    """An account that numbers what it counts: sessions, messages and parts stand on no lines."""

    def __init__(self) -> None:
        super().__init__(KNOWN)
        self.n = 0

    def numbered(self, kind: str) -> int:
        """Count an entry and return its number."""
        self.n += 1
        self.count(kind)
        return self.n

    def reject_entry(self, reason: str, content: str) -> None:
        """Count an entry that cannot be read."""
        self.n += 1
        self.reject(self.n, reason, content)

    def message(self, info: dict[str, Any], parts: list[dict[str, Any]], session: dict[str, Any]) -> Message:
        """Count a message and its parts and return them; copies of an older session are counted as such."""
        message = Message(info, 0)
        copied = is_copied(session, message)
        message.position = self.numbered("copied" if copied else message.kind)
        for part in parts:
            n = self.numbered("copied" if copied else f"part/{text(part.get('type')) or 'none'}")
            message.parts.append((n, part))
        return message

    def tasks(self, session: dict[str, Any], messages: Iterable[Message], parent_task: str | None) -> None:
        """Make the session's messages, in the order of their times, into tasks."""
        now: OpenTask | None = None
        try:
            for message in messages:
                if is_copied(session, message):
                    continue
                asked = asked_in(message)
                if asked is not None or (now is None and message.info.get("role") == "assistant"):
                    if now is not None:
                        self.piece.tasks.append(now.closed())
                    now = OpenTask(session, message, asked or "", parent_task)
                if asked is None and now is not None:
                    now.add(message)
        finally:
            if now is not None:
                self.piece.tasks.append(now.closed())


def _read_storage(path: Path, with_parent: bool) -> Piece:
    account = _Entries()
    root, found = storage.root_of(path), storage.entry_of(path)
    if found.fault is not None:
        account.reject_entry(found.fault, found.content)
        return account.piece
    session = found.value
    if root is None or _kind(session) != "session":
        account.reject_entry("belongs to no session that is here", text(session.get("id")) or "")
        return account.piece
    account.numbered("session")
    own, messages = session_key(session), []
    for name, entry in storage.messages_of(root, own):
        if entry.fault is not None:
            account.reject_entry(f"message {printable(Path(name.name))} {entry.fault}", entry.content)
            continue
        parts = []
        for part_name, part in storage.parts_of(root, own, text(entry.value.get("id")) or ""):
            if part.fault is None:
                parts.append(part.value)
            else:
                account.reject_entry(f"part {printable(Path(part_name.name))} {part.fault}", part.content)
        messages.append(account.message(entry.value, parts, session))
    _take_loose_parts(account, root, messages)
    messages.sort(key=lambda message: (message.created or datetime.max, text(message.info.get("id")) or ""))
    parent_task = None
    if with_parent and (parent := text(session.get("parentID"))):
        parent_file, at = storage.session_file(root, parent), moment(obj(session.get("time")).get("created"))
        if parent_file is not None and parent_file != path and at is not None:
            parent_task = task_under_way(_alone, parent_file, at)
    account.tasks(session, messages, parent_task)
    return account.piece


def _take_loose_parts(account: _Entries, root: Path, messages: list[Message]) -> None:
    by_id = {text(message.info.get("id")): message for message in messages}
    for _, entry in storage.loose_parts(root):
        message = by_id.get(text(entry.value.get("messageID")))
        if message is not None and entry.value.get("messageID"):
            n = account.numbered(f"part/{text(entry.value.get('type')) or 'none'}")
            message.parts.append((n, entry.value))


def _read_database(path: Path) -> Iterator[Piece]:
    began: dict[str, list[tuple[datetime, str]]] = {}
    account = _Entries()
    try:
        with database.reading(path) as connection:
            for session, is_second in database.sessions_in(connection, database.tables_of(connection)):
                account.numbered("session")
                rows = database.messages_in(connection, text(session.get("id")), is_second)
                account.tasks(session, _taken(account, rows, session), _under_way(began, session))
                starts = [(task.timestamp, task.key) for task in account.piece.tasks if task.timestamp]
                began[session_key(session)] = starts
                yield account.taken(None)
    except sqlite3.Error as error:
        if not account.n:
            raise SourceError(f"{printable(path)[:300]} cannot be read as a database: {error}") from None
        account.reject_entry(f"the database cannot be read on: {error}", "")
        yield account.taken(None)


def _taken(account: _Entries, rows: Iterable[database.Found], session: dict[str, Any]) -> Iterator[Message]:
    for info, parts in rows:
        for part in parts:
            if isinstance(part, str):
                account.reject_entry(f"part {part}", "")
        sound = [part for part in parts if not isinstance(part, str)]
        if isinstance(info, str):
            account.reject_entry(f"message {info}", "")
            for part in sound:
                account.numbered(f"part/{text(part.get('type')) or 'none'}")
        else:
            yield account.message(info, sound, session)


def _under_way(began: dict[str, list[tuple[datetime, str]]], session: dict[str, Any]) -> str | None:
    at = moment(obj(session.get("time")).get("created"))
    return under_way(began.get(text(session.get("parentID")) or "", []), at)


FORMAT = LogFormat(
    name="opencode",
    title="opencode sessions",
    keeps="~/.local/share/opencode/storage/ and ~/.local/share/opencode/opencode.db",
    fits=_fits,
    read=_read,
    unit=_unit,
)
"""opencode: the JSON storage until 1.1, the database since 1.2. A changed message or part is its session's change."""
