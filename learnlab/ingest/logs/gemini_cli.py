"""Gemini CLI chats: a JSON document in older versions, a line a message in newer ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from learnlab.errors import SourceError
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.account import Account
from learnlab.ingest.logs.formats import HEAD, Head, LogFormat
from learnlab.ingest.logs.gemini_tasks import KNOWN, Chat, OpenTask, asked_in, at_of, kind_of
from learnlab.ingest.logs.lines import Line, lines_of, loaded, opened_at
from learnlab.ingest.logs.parents import task_under_way
from learnlab.ingest.logs.shapes import items, last_part, moment, obj, text
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.sources import printable

_MAX_DOCUMENT = 256 << 20
"""The bytes of a document that are read as one; the tool itself wrote lines long before that."""

_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[0-9A-Za-z-]{8,64}")
_MARKS = (b'"sessionId"', b'"projectHash"')


def _is_chat(found: dict[str, Any]) -> bool:
    if isinstance(found.get("sessionId"), str) and isinstance(found.get("projectHash"), str):
        return True
    history = [obj(entry) for entry in items(found.get("history"))]
    is_told = any(isinstance(entry.get("parts"), list) and entry.get("role") for entry in history)
    return is_told and bool({"start_time", "startTime", "lastUpdated"} & found.keys())


def _fits(head: Head) -> bool:
    if any(_is_chat(found) for found in head.objects):
        return True
    if not head.start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
        return False
    if len(head.start) >= HEAD:
        return not head.objects and all(mark in head.start[:2000] for mark in _MARKS)
    return b'"history"' in head.start and _is_chat(_document(head.start) or {})


def _document(data: bytes) -> dict[str, Any] | None:
    try:
        found = loaded(data.strip().removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _read(path: Path, position: Position) -> Iterator[Piece]:
    yield from _pieces(path, position, with_parent=True)


def _alone(path: Path) -> Iterator[Piece]:
    return _pieces(path, Position(), with_parent=False)


def _pieces(path: Path, position: Position, with_parent: bool) -> Iterator[Piece]:
    reader = _Reader(path, position, with_parent)
    if position.offset == 0 and (found := _whole_document(path)) is not None:
        yield reader.document(found)
        return
    n_lines = 0
    with opened_at(path, position.offset) as stream:
        for line in lines_of(stream, position.offset, reader.chat.number):
            n_lines += 1
            if piece := reader.take(line):
                yield piece
    if not n_lines and position.offset == 0:
        raise SourceError(f"{printable(path)[:300]} holds nothing; it is no Gemini CLI chat")
    yield reader.rest()


def _whole_document(path: Path) -> dict[str, Any] | None:
    """Return the one JSON object that a file is, over several lines; None where its lines are to be read."""
    with opened_at(path) as stream:
        first = next(lines_of(stream), None)
    if first is None or first.fault is None:
        return None
    with opened_at(path) as stream:
        data = stream.read(_MAX_DOCUMENT)
    return _document(data) if len(data) < _MAX_DOCUMENT else None


class _Reader:
    def __init__(self, path: Path, position: Position, with_parent: bool) -> None:
        self.path, self.with_parent = path, with_parent
        self.chat = Chat(**position.state) if position.state else Chat(printable(Path(path.stem)))
        if not position.state:
            self.chat.repo = _repo_beside(path)
        self.position: Position | None = position
        self.open: OpenTask | None = None
        self.account = Account(KNOWN)

    def document(self, found: dict[str, Any]) -> Piece:
        """Return all that a document holds; it is no growing file, so there is nothing to read on from."""
        self._learn(found)
        self.account.count("metadata")
        self.position = None
        for n, entry in enumerate(items(found.get("messages")) or items(found.get("history")), start=1):
            if isinstance(entry, dict):
                self.account.count(kind_of(entry))
                self._message(entry, n, Line(n, 0, entry))
            else:
                self.account.reject(n, "is no message: not a JSON object", str(entry))
        return self.rest()

    def take(self, line: Line) -> Piece | None:
        """Take a line; return what is finished when it is time to hand it on."""
        if self.account.is_sound(line):
            self.account.count(self._understand(line.value, line))
        return self.account.enough(self.position)

    def rest(self) -> Piece:
        """Return what is left at the end of the file, the task still open among it."""
        self._close()
        return self.account.taken(self.position)

    def _understand(self, value: dict[str, Any], line: Line) -> str:
        if "$rewindTo" in value:
            if self.open is not None:
                self.open.rewound()
            return "rewind"
        if "$set" in value:
            self._learn(obj(value["$set"]))
            return "update"
        if "type" in value or "role" in value:
            self._message(value, line.number, line)
            return kind_of(value)
        if "sessionId" not in value and "history" not in value:
            return "none"
        self._learn(value)
        entries = items(value.get("messages")) or items(value.get("history"))
        for n, entry in enumerate(entries, start=1):
            self._message(obj(entry), n, line)
        return "record" if entries else "metadata"

    def _learn(self, said: dict[str, Any]) -> None:
        chat = self.chat
        chat.session = text(said.get("sessionId")) or chat.session
        chat.kind = text(said.get("kind")) or chat.kind
        chat.began = text(said.get("startTime")) or text(said.get("start_time")) or chat.began
        chat.model = text(obj(said.get("meta")).get("model")) or chat.model
        if folders := items(said.get("directories")):
            chat.repo = chat.repo or last_part(text(folders[0]))
        folder = self.path.parent
        is_nested = folder.parent.name == "chats" and _NAME.fullmatch(folder.name)
        if chat.kind == "subagent" and chat.root is None and is_nested:
            chat.root = folder.name
            if self.with_parent:
                chat.parent_task = self._parent_task(chat)

    def _parent_task(self, chat: Chat) -> str | None:
        """Return the key of the task in the parent's chat that was under way when a subagent's chat began."""
        at = moment(chat.began)
        chats = sorted(self.path.parent.parent.glob(f"session-*-{(chat.root or '')[:8]}.json*"))
        keys = [task_under_way(_alone, path, at) for path in chats if path != self.path] if at else []
        return next((key for key in keys if key and key.startswith(f"{chat.root}:")), None)

    def _message(self, message: dict[str, Any], place: int, line: Line) -> None:
        chat, kind = self.chat, kind_of(message)
        own = text(message.get("id"))
        key = f"{chat.session}:{own or f'#{place}'}"
        asked = asked_in(message) if kind == "user" else None
        if asked is not None:
            if self.open is None or self.open.key != key:
                self._begin(key, asked, message, place, line)
        elif kind == "gemini" or self.open is not None:
            if self.open is None:
                self._begin(f"{chat.session}:", "", message, place, line)
            if self.open is not None:
                self.open.add(kind, message, chat, key, place)

    def _begin(self, key: str, asked: str, message: dict[str, Any], place: int, line: Line) -> None:
        self._close()
        self.chat.number = line.number
        if self.position is not None:
            self.position = Position(line.offset, self.chat.state())
        self.open = OpenTask(self.chat, place, key, asked, at_of(message))

    def _close(self) -> None:
        if self.open is not None:
            self.account.piece.tasks.append(self.open.closed(self.chat))
            self.open = None


def _repo_beside(path: Path) -> str | None:
    """Return the project's name as the folder of the chats tells it: its `.project_root` file, or its own name."""
    folder = next((parent.parent for parent in path.parents[:2] if parent.name == "chats"), None)
    if folder is None:
        return None
    root, beside = "", folder / ".project_root"
    with suppress(OSError):
        if beside.is_file():  # a pipe would be waited for
            root = beside.read_bytes()[:4096].decode("utf-8", "replace").strip()
    is_named = folder.parent.name == "tmp" and not _HASH.fullmatch(folder.name)
    return last_part(text(root)) or (printable(Path(folder.name))[:500] if is_named else None)


FORMAT = LogFormat(
    name="gemini_cli",
    title="Gemini CLI chats",
    keeps="~/.gemini/tmp/<project>/chats/session-*.json and .jsonl",
    fits=_fits,
    read=_read,
    grows=True,
)
"""Gemini CLI chats. Only the lines of newer versions have a position; a document is read whole each time."""
