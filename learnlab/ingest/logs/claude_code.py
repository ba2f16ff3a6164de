"""Claude Code transcripts: one JSON line an event, a task for each human request, one for each subagent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from learnlab.ingest.batch import Position
from learnlab.ingest.logs.account import Account
from learnlab.ingest.logs.claude_lines import KNOWN, Said, line_key, said_in, session_of, subagents_in
from learnlab.ingest.logs.claude_parents import session_beside
from learnlab.ingest.logs.claude_tasks import AGENT, OpenTask
from learnlab.ingest.logs.formats import Head, LogFormat
from learnlab.ingest.logs.kinds import words
from learnlab.ingest.logs.lines import Line, lines_of, opened_at
from learnlab.ingest.logs.shapes import moment, text, whole
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.sources import printable

_EVENTS = words("user assistant system progress attachment")


def _fits(head: Head) -> bool:
    for line in head.objects:
        kind = line.get("type")
        if isinstance(kind, str) and (
            (kind in _EVENTS and {"sessionId", "uuid"} <= line.keys())
            or (kind == "summary" and "leafUuid" in line)
            or (kind == "file-history-snapshot" and "snapshot" in line)
        ):
            return True
    return False


def _read(path: Path, position: Position) -> Iterator[Piece]:
    reader = _Reader(path, position)
    with opened_at(path, position.offset) as stream:
        for line in lines_of(stream, position.offset, reader.first):
            if piece := reader.take(line):
                yield piece
    yield reader.rest()


class _Reader:
    """Reads a transcript on from a request (or from its beginning): nothing before it changes what follows."""

    def __init__(self, path: Path, position: Position) -> None:
        self.path, self.position = path, position
        self.first = max(1, whole(position.state.get("line")) or 1)
        self.name = printable(Path(path.name.removesuffix(".gz"))).removesuffix(".jsonl")
        self.account = Account(KNOWN)
        self.request: OpenTask | None = None
        self.before = OpenTask("", self.first, self.name, None, None)
        self.subagent: OpenTask | None = None
        self.agent_type: str | None = None
        self._begin_sides()

    def _begin_sides(self) -> None:
        self.sides: dict[str, OpenTask] = {}
        self.side_of: dict[str, OpenTask] = {}
        self.agent_types: dict[str, str] = {}

    def take(self, line: Line) -> Piece | None:
        """Take a line and count it; return what is finished when it is time to hand it on."""
        record, kind = line.value, text(line.value.get("type"))
        if kind in ("user", "assistant") and not isinstance(record.get("message"), dict):
            reason = f"is a line of type {kind} without a message"
            self.account.reject(line.number, reason, ", ".join(record))
        elif self.account.is_sound(line):
            said = said_in(record) if kind == "user" else Said(self.account.kinds.name(kind))
            self.account.count_as(said.kind)
            if kind in ("user", "assistant", "system", "progress"):
                self._follow(line, said)
        return self.account.enough(self.position)

    def _follow(self, line: Line, said: Said) -> None:
        record, at = line.value, moment(line.value.get("timestamp"))
        is_turn = said.kind not in ("system", "progress")
        is_side = is_turn and record.get("isSidechain") is True
        is_first = self.request is None and not self.sides and self.position.offset == 0
        if self.subagent is None and is_side and is_first and text(record.get("agentId")):
            self._begin_subagent(line)
        if self.subagent is not None:
            own = self.subagent
            if said.kind == "request" and not own.task.description:
                own.asked(said.text, at)
            self.agent_type = self.agent_type or text(record.get("attributionAgent"))
            own.take(record, said, at, line.number)
        elif is_side:
            (self.request or self.before).saw(at)
            self._side(line, said).take(record, said, at, line.number)
        else:
            if said.kind == "request":
                self._close()
                key = line_key(record, session_of(record) or self.name, line.number)
                self.request = OpenTask(key, line.number, self.name, said.text, at)
                self.position = Position(line.offset, {"line": line.number})
            elif said.kind == "assistant":
                self.agent_types.update(subagents_in(record))
            (self.request or self.before).take(record, said, at, line.number)

    def _side(self, line: Line, said: Said) -> OpenTask:
        """Return the task of a subagent inside a session's own file: by its agent, or by the chain of its lines.

        What a subagent does after the next request is a task of its own, under that request.
        """
        record, at = line.value, moment(line.value.get("timestamp"))
        agent, uuid = text(record.get("agentId")), text(record.get("uuid"))
        found = self.sides.get(agent) if agent else self.side_of.get(text(record.get("parentUuid")) or "")
        if found is None:
            key = line_key(record, session_of(record) or self.name, line.number)
            found = OpenTask(key, line.number, self.name, None, None)
            found.task.parent_key = self.request.task.key if self.request else None
            self.sides[agent or key] = found
        if uuid:
            self.side_of[uuid] = found
        if said.kind == "request" and not found.task.description:
            found.asked(said.text, at)
            known = text(record.get("attributionAgent")) or self.agent_types.get(said.text.strip())
            found.task.agent = f"{AGENT}/{known or 'subagent'}"
        elif found.task.agent == AGENT:
            found.task.agent = f"{AGENT}/subagent"
        return found

    def _begin_subagent(self, line: Line) -> None:
        """Take the file for that of one subagent: every line in it is that agent's."""
        session, agent = session_of(line.value) or self.name, text(line.value.get("agentId")) or ""
        self.subagent = OpenTask(f"{session} {agent}", line.number, session, None, None)
        self.subagent.task.metadata["agent_id"] = agent[:200]

    def _close(self) -> None:
        """Hand over the request so far with its subagents; what stood before the first only if it counts."""
        if self.request is not None:
            self.account.piece.tasks.append(self.request.closed())
        elif self.before.is_countable:
            self.before.task.key = f"{self.before.session} before"
            self.account.piece.tasks.append(self.before.closed())
        self.account.piece.tasks += [side.closed() for side in self.sides.values()]
        self._begin_sides()

    def rest(self) -> Piece:
        """Return what is left at the end of the file, the task still open among it."""
        self._close()
        if self.subagent is not None:
            task, began = self.subagent.task, self.subagent.began()
            session = session_beside(self.path, self.subagent.session)
            task.parent_key = session.request_at(began)
            is_compaction = str(task.metadata["agent_id"]).startswith("acompact-")
            known = self.agent_type or session.subagent_for(task.description) or "subagent"
            task.agent = f"{AGENT}/{'compaction' if is_compaction else known}"
            self.account.piece.tasks.append(self.subagent.closed())
        return self.account.taken(self.position)


FORMAT = LogFormat(
    name="claude_code",
    title="Claude Code transcripts",
    keeps="~/.claude/projects/**/*.jsonl",
    fits=_fits,
    read=_read,
    grows=True,
)
"""Claude Code, versions 1.0 to 2.1.2xx, with the files of its subagents and compactions."""
