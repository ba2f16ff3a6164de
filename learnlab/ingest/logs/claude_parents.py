"""On whose behalf a subagent of Claude Code worked: the requests of the session beside its file."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from learnlab.errors import SourceError
from learnlab.ingest.logs.claude_lines import line_key, said_in, session_of, subagents_in
from learnlab.ingest.logs.lines import loaded, opened_at
from learnlab.ingest.logs.parents import under_way
from learnlab.ingest.logs.shapes import moment, obj
from learnlab.ingest.rejected import MAX_RECORD


class Session(NamedTuple):
    """The requests of a session (time, key), and the types of its subagents by the hash of their prompt."""

    requests: tuple[tuple[datetime, str], ...]
    subagents: dict[int, str]

    def request_at(self, at: datetime | None) -> str | None:
        """Return the key of the last request at or before a time (naive UTC), None where there is none.

        >>> requests = ((datetime(2026, 3, 2), "a"), (datetime(2026, 3, 4), "b"))
        >>> Session(requests, {}).request_at(datetime(2026, 3, 3))
        'a'
        """
        return under_way(self.requests, at)

    def subagent_for(self, prompt: str) -> str | None:
        """Return the type of the subagent that got a prompt, None where no tool call with it stands in the log."""
        return self.subagents.get(hash(prompt.strip()))


_NOTHING = Session((), {})


def session_beside(path: Path, session: str) -> Session:
    """Return what the session of a subagent's file says; nothing where its own file is not there.

    `<session>/subagents/…/agent-*.jsonl` lies below a folder named as the session's file; in older versions
    the two lie in one folder.
    """
    below = next((folder for folder in path.parents if folder.name == "subagents"), None)
    if below is not None:
        beside = below.parent.parent / f"{below.parent.name}.jsonl"
    else:
        beside = next((near for near in path.parent.glob("*.jsonl") if near.stem == session), path)
    try:
        found = beside.stat()
    except OSError:
        return _NOTHING
    return _NOTHING if beside == path else _session(beside, (found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=32)
def _session(path: Path, state: tuple[int, int]) -> Session:
    """Read a session for its requests alone: most lines are passed over unparsed; `state` changes with the file."""
    requests, subagents, number = [], {}, 0
    try:
        with opened_at(path) as stream:
            while data := stream.readline(MAX_RECORD + 1):
                number += 1
                may_ask = b'"user"' in data and b'"tool_result"' not in data
                if not may_ask and b'"subagent_type"' not in data:
                    continue
                try:
                    record = obj(loaded(data))
                except ValueError:
                    continue
                if record.get("type") == "assistant":
                    subagents.update({hash(p): kind for p, kind in subagents_in(record).items()})
                elif record.get("type") == "user" and record.get("isSidechain") is not True:
                    at = moment(record.get("timestamp"))
                    if at is not None and said_in(record).kind == "request":
                        requests.append((at, line_key(record, session_of(record) or path.stem, number)))
    except SourceError:
        return _NOTHING
    return Session(tuple(requests), subagents)
