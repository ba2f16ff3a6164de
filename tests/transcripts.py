"""Small transcripts made by hand: requests with answers, tool calls and subagents, as Claude Code writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

_START = datetime(2026, 5, 1, 10, tzinfo=UTC)
MODEL = "claude-sonnet-4-5-20250929"


class Transcript:
    """A session that is written line by line; `lines` is what its file holds so far.

    >>> talk = Transcript("s1")
    >>> _ = talk.asks("Fix it").answers("Done", output=7)
    >>> len(talk.lines.splitlines()), json.loads(talk.lines.splitlines()[0])["message"]["content"]
    (2, 'Fix it')
    """

    def __init__(self, session: str, repo: str = "shop", branch: str = "main", **extra: Any) -> None:
        self.session = session
        self.lines = ""
        self.n = 0
        self.common = {
            "sessionId": session,
            "cwd": f"/home/somebody/{repo}",
            "gitBranch": branch,
            "version": "2.1.0",
            "isSidechain": False,
            "userType": "external",
            **extra,
        }

    def line(self, **said: Any) -> Transcript:
        """Write any line, a second after the one before it."""
        self.n += 1
        at = (_START + timedelta(seconds=self.n)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        own = {"uuid": f"{self.session}-{self.n:032}", "timestamp": at, **self.common}
        self.lines += json.dumps(own | said) + "\n"
        return self

    def asks(self, words: str) -> Transcript:
        """Write a human request."""
        return self.line(type="user", message={"role": "user", "content": words})

    def answers(
        self, words: str = "", *, output: int = 10, tool: str = "", tool_id: str = "", model: str = MODEL
    ) -> Transcript:
        """Write an answer of the model, with a call of a tool where one is named."""
        content: list[dict[str, Any]] = [{"type": "text", "text": words}] if words else []
        if tool:
            call = {"type": "tool_use", "id": tool_id or f"toolu_{self.session}_{self.n}", "name": tool}
            content.append(call | {"input": {"file_path": "a.py"}})
        usage = {
            "input_tokens": 3,
            "cache_creation_input_tokens": 20,
            "cache_read_input_tokens": 100,
            "output_tokens": output,
        }
        message = {
            "id": f"msg_{self.session}_{self.n}",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": "tool_use" if tool else "end_turn",
            "usage": usage,
        }
        return self.line(type="assistant", requestId=f"req_{self.session}_{self.n}", message=message)

    def returns(self, tool_id: str, words: str, *, is_error: bool = False) -> Transcript:
        """Write what a tool gave back."""
        result = {"type": "tool_result", "tool_use_id": tool_id, "content": words, "is_error": is_error}
        return self.line(type="user", message={"role": "user", "content": [result]}, toolUseResult=words)
