"""What must be known at a byte of a Codex rollout to read on from there, and where a fork's own work begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from learnlab.ingest.logs.codex_lines import Record, totals_of
from learnlab.ingest.logs.shapes import moment, obj, text

_UUID7 = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_REPLAY_SECONDS = 2.0
"""How long after its birth a fork without telling turn ids is taken to be copying its parent."""

Totals = tuple[int, int, int, int]
"""Cumulative tokens: input, of it read from and written to the cache, output."""


def minted_at(value: Any) -> float | None:
    """Return when an id was made, in seconds since 1970, from a version 7 UUID; None for any other.

    >>> minted_at("019b2ea4-aaaa-7bbb-8ccc-58208e1f0000")
    1766014102.186
    """
    found = _UUID7.fullmatch(value) if isinstance(value, str) else None
    return int(found[1] + found[2], 16) / 1000 if found else None


@dataclass(slots=True)
class Session:
    """The state of a rollout at a line: who and where, which model, how many tokens so far, which turn runs.

    Everything in it is JSON, so it is the state of a position.
    """

    number: int = 1
    id: str | None = None
    root: str | None = None
    parent: str | None = None
    agent: str | None = None
    cwd: str | None = None
    branch: str | None = None
    version: str | None = None
    provider: str | None = None
    model: str | None = None
    effort: str | None = None
    parent_task: str | None = None
    born: float | None = None
    stamped: float = 0.0
    is_fork: bool = False
    is_replay: bool = False
    replay_has_turns: bool = False
    n_tasks: int = 0
    n_restarts: int = 0
    totals: list[int] | None = None
    turn_began: float | None = None
    turn_is_split: bool = False

    def state(self) -> dict[str, Any]:
        """Return the state as the JSON object that makes it again."""
        return {name: getattr(self, name) for name in self.__slots__}

    def learn(self, record: Record) -> None:
        """Take what a `session_meta` or `turn_context` line says; the first session_meta says whose file it is."""
        said = record.payload
        if record.kind == "session_meta":
            own = text(said.get("id")) or text(said.get("session_id"))
            if self.born is not None:
                self.is_replay = self.is_fork and self.n_tasks == 0 and own not in (None, self.id)
                return
            self._introduce(said, own or self.id, record.at)
        elif record.kind == "turn_context":
            self.model = text(said.get("model")) or self.model
            self.effort = text(said.get("effort")) or self.effort
            self.cwd = text(said.get("cwd")) or self.cwd

    def _introduce(self, said: dict[str, Any], own: str | None, at: datetime | None) -> None:
        self.id = own
        spawn = obj(obj(obj(said.get("source")).get("subagent")).get("thread_spawn"))
        forked_from = text(said.get("forked_from_id"))
        spawned_by = text(said.get("parent_thread_id")) or text(spawn.get("parent_thread_id"))
        is_subagent = bool(spawned_by) or "subagent" in obj(said.get("source"))
        self.parent = spawned_by or (forked_from if is_subagent else None)
        self.root = text(said.get("session_id")) or self.parent or own
        self.agent = text(said.get("agent_role")) or text(said.get("agent_nickname"))
        if is_subagent and self.agent is None:
            self.agent = text(obj(said.get("source")).get("subagent")) or "subagent"
        self.cwd = text(said.get("cwd")) or self.cwd
        self.branch = text(obj(said.get("git")).get("branch"))
        self.version = text(said.get("cli_version"))
        self.provider = text(said.get("model_provider"))
        self.model = text(said.get("model")) or self.model
        told = moment(said.get("timestamp")) or at
        self.born = minted_at(own) or (seconds(told) if told else 0.0)
        self.stamped = seconds(at) if at else self.born
        self.is_fork = bool(forked_from) or bool(spawned_by)
        self.is_replay = bool(forked_from)

    def is_copied(self, record: Record) -> bool:
        """Say whether a line of a fork is its parent's, copied with new times, and take its totals from it.

        A turn's id tells when the turn ran: the fork's own turns are younger than the fork. Without such
        ids, what is stamped within two seconds of the fork's birth is a copy.
        """
        if not self.is_replay:
            return False
        said, turn = record.payload, minted_at(record.payload.get("turn_id"))
        if turn is not None:
            self.replay_has_turns = True
            self.is_replay = turn < (self.born or 0.0)
        elif record.kind == "session_meta":
            self.is_replay = text(said.get("id")) != self.id
        elif not self.replay_has_turns and record.at is not None:
            self.is_replay = seconds(record.at) <= self.stamped + _REPLAY_SECONDS
        if self.is_replay and record.kind == "event_msg/token_count":
            copied = totals_of(obj(said.get("info")).get("total_token_usage"))
            self.totals = list(copied) if copied else self.totals
        elif self.is_replay and record.kind == "turn_context":
            self.model = text(said.get("model")) or self.model
        return self.is_replay

    def used(self, info: dict[str, Any]) -> Totals | None:
        """Return the tokens used since the last count, None where nothing was; counts are cumulative.

        A count that is smaller than the last began again. The first count of a fork whose parent's was not
        copied holds the parent's too: what the last request took is taken then.
        """
        now = totals_of(info.get("total_token_usage"))
        if now is None:
            return None
        before, self.totals = self.totals, list(now)
        if before is None:
            last = totals_of(info.get("last_token_usage"))
            return last if self.is_fork and last and any(last) else now if any(now) else None
        if now[0] < before[0] or now[3] < before[3]:
            self.n_restarts += 1
            return now if any(now) else None
        went_in, came_out = now[0] - before[0], now[3] - before[3]
        if not went_in and not came_out:
            return None
        read = min(max(now[1] - before[1], 0), went_in)
        return went_in, read, min(max(now[2] - before[2], 0), went_in - read), came_out


def seconds(at: datetime) -> float:
    """Return a naive UTC time as seconds since 1970.

    >>> seconds(datetime(1970, 1, 2))
    86400.0
    """
    return at.replace(tzinfo=UTC).timestamp()
