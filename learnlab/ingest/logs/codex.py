"""Codex rollouts: what OpenAI's coding agent keeps of its sessions, one JSON line an event."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from learnlab.errors import SourceError
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.account import Account
from learnlab.ingest.logs.codex_lines import ENVELOPES, ITEMS, KNOWN, Record, record_of
from learnlab.ingest.logs.codex_session import Session
from learnlab.ingest.logs.codex_tasks import OpenTask, asked_in
from learnlab.ingest.logs.formats import Head, LogFormat
from learnlab.ingest.logs.kinds import words
from learnlab.ingest.logs.lines import Line, lines_of, opened_at
from learnlab.ingest.logs.parents import task_under_way
from learnlab.ingest.logs.tasks import Piece, Task
from learnlab.ingest.sources import printable

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_QUIET = words("""
    session_meta turn_context state world_state replayed event_msg/task_started event_msg/turn_started
    event_msg/user_message response_item/message response_item/ghost_snapshot
""")
"""Kinds of lines that are no work: they open no task of their own before the first request."""


def _fits(head: Head) -> bool:
    for number, line in enumerate(head.objects):
        kind = line.get("type")
        if isinstance(kind, str) and kind in ENVELOPES and isinstance(line.get("payload"), dict):
            return True
        if (
            "type" not in line
            and number == 0
            and {"id", "timestamp"} <= line.keys()
            and ("instructions" in line or "git" in line)
        ):
            rest = head.objects[1:]
            return not rest or any("record_type" in other or other.get("type") in ITEMS for other in rest)
    return False


def _read(path: Path, position: Position) -> Iterator[Piece]:
    yield from _pieces(path, position, with_parent=True)


def _pieces(path: Path, position: Position, with_parent: bool) -> Iterator[Piece]:
    reader = _Reader(path, position, with_parent)
    found = False
    with opened_at(path, position.offset) as stream:
        for line in lines_of(stream, position.offset, reader.session.number):
            found = True
            if piece := reader.take(line):
                yield piece
    if not found and position.offset == 0:
        raise SourceError(f"{printable(path)[:300]} holds no line; it is no Codex rollout")
    yield reader.rest()


def _parent_task(path: Path, session: Session) -> str | None:
    """Return the key of the task in the parent's rollout that was under way when a subagent's session began.

    The parent's file is looked for beside it and in the folders of the other days.
    """
    if not _ID.fullmatch(session.parent or ""):
        return None
    pattern = f"rollout-*{session.parent}.jsonl"
    found = next(path.parent.glob(pattern), None)
    if found is None and len(path.parents) > 3 and all(part.isdecimal() for part in path.parts[-4:-1]):
        found = next(path.parents[3].glob(f"*/*/*/{pattern}"), None)
    if found is None or found == path:
        return None
    return task_under_way(
        _alone, found, datetime.fromtimestamp(session.born or 0.0, UTC).replace(tzinfo=None)
    )


def _alone(path: Path) -> Iterator[Piece]:
    return _pieces(path, Position(), with_parent=False)


class _Reader:
    def __init__(self, path: Path, position: Position, with_parent: bool) -> None:
        self.path, self.with_parent = path, with_parent
        self.session = Session(**position.state) if position.state else Session()
        if self.session.id is None:
            named = _ID.findall(path.name)
            self.session.id = named[-1].lower() if named else printable(Path(path.stem))
        self.position = position
        self.open: OpenTask | None = None
        self.account = Account(KNOWN)

    def take(self, line: Line) -> Piece | None:
        """Take a line; return what is finished when it is time to hand it on."""
        if self.account.is_sound(line):
            self.account.count(self._understand(record_of(line.value), line))
        return self.account.enough(self.position)

    def rest(self) -> Piece:
        """Return what is left at the end of the file, the task still open among it."""
        if self.open is not None:
            self._keep(self.open.closed(self.session, is_last=True))
        return self.account.taken(self.position)

    def _understand(self, record: Record, line: Line) -> str:
        session = self.session
        if session.is_copied(record):
            return "replayed"
        session.learn(record)
        asked = asked_in(record)
        if asked is not None:
            self._ask(*asked, record, line)
        elif record.kind == "response_item/message" and record.payload.get("role") != "assistant":
            pass
        elif self.open is None and record.kind in _QUIET and record.payload.get("role") != "assistant":
            if record.kind.endswith("_started"):
                OpenTask(session, line.number, "", record.at, "nobody").add(record, session, line.number)
        elif record.kind in KNOWN:
            if self.open is None:
                self._begin("", "nobody", record, line)
            if self.open is not None:
                self.open.add(record, session, line.number)
        return record.kind

    def _ask(self, asked: str, by: str, record: Record, line: Line) -> None:
        """Begin a task, unless the line says in the other way what the last request said already."""
        now = self.open
        if now is not None and not now.is_answered and {now.by, by} == {"event", "item"}:
            if by == "event":
                now.task.description = asked
                now.by = "both"
                return
            if asked in now.task.description or now.task.description in asked:
                now.by = "both"
                return
        self._begin(asked, by, record, line)

    def _begin(self, asked: str, by: str, record: Record, line: Line) -> None:
        session = self.session
        if self.open is not None:
            self.open.split_turn(session, record.at)
            self._keep(self.open.closed(session, is_last=False))
        if self.with_parent and session.parent and session.n_tasks == 0:
            session.parent_task = _parent_task(self.path, session)
        session.number = line.number
        self.position = Position(line.offset, session.state())
        if by != "nobody":
            session.n_tasks += 1
        self.open = OpenTask(session, line.number, asked, record.at, by)

    def _keep(self, task: Task) -> None:
        if task.description or task.steps or task.solution_summary:
            self.account.piece.tasks.append(task)


FORMAT = LogFormat(
    name="codex",
    title="Codex rollouts",
    keeps="~/.codex/sessions/YYYY/MM/DD/rollout-*.jsonl",
    fits=_fits,
    read=_read,
    grows=True,
)
"""Codex CLI, its desktop application and its editor extension: versions 0.2 to 0.15x."""
