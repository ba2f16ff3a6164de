"""The tasks of a Gemini CLI chat: one message of a person each, with the answers and tool calls until the next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from learnlab.ingest.logs.clock import Clock, seconds_between
from learnlab.ingest.logs.shapes import items, moment, obj, text, whole
from learnlab.ingest.logs.tasks import Step, Task
from learnlab.models import StepKind

KNOWN = frozenset({"user", "gemini", "info", "warning", "error", "metadata", "record", "update", "rewind"})
"""The kinds that an account of a chat calls by name."""

_IGNORED = ("/", "?", "<session_context>", "<hook_context>")
_EXIT = re.compile(r"Exit Code: (\d{1,10})\b")


@dataclass(slots=True)
class Chat:
    """What must be known at a byte of a chat to read on from there; all of it is JSON."""

    session: str
    number: int = 1
    kind: str | None = None
    root: str | None = None
    parent_task: str | None = None
    repo: str | None = None
    model: str | None = None
    began: str | None = None

    def state(self) -> dict[str, Any]:
        """Return the state as the JSON object that makes it again."""
        return {name: getattr(self, name) for name in self.__slots__}


def kind_of(message: dict[str, Any]) -> str:
    """Return the kind of a message, of today (`type`) or of older versions (`role`).

    >>> kind_of({"type": "model"}), kind_of({"role": "user"})
    ('gemini', 'user')
    """
    kind = text(message.get("type")) or text(message.get("role")) or "none"
    return "gemini" if kind == "model" else kind


def content_text(content: Any) -> str:
    """Return the text of a content, a text, a part or an array of parts; thoughts are left out.

    >>> content_text([{"text": "a"}, "b", {"inlineData": {}}, {"text": "hm", "thought": True}])
    'a\\nb'
    """
    parts = content if isinstance(content, list) else [content]
    texts = [
        text(part) or (text(obj(part).get("text")) if obj(part).get("thought") is not True else None)
        for part in parts
    ]
    return "\n".join(part for part in texts if part)


def asked_in(message: dict[str, Any]) -> str | None:
    """Return what a person asked in a message of type user, None where it is a command or the program's own.

    >>> asked_in({"content": "Fix it"}), asked_in({"content": "/clear"})
    ('Fix it', None)
    """
    content = message.get("content", message.get("parts"))
    asked = content_text(message.get("displayContent")) or content_text(content)
    if asked.strip():
        return None if asked.strip().startswith(_IGNORED) else asked
    others = [obj(part) for part in items(content)]
    return (
        ""
        if any(other and "functionResponse" not in other and "text" not in other for other in others)
        else None
    )


def at_of(message: dict[str, Any]) -> datetime | None:
    """Return the time of a message (naive UTC)."""
    return moment(message.get("timestamp")) or moment(message.get("ts"))


class OpenTask:
    """The task that is being read. A message that is written again with more in it is the same message."""

    def __init__(self, chat: Chat, position: int, key: str, asked: str, at: datetime | None) -> None:
        self.key = key
        self.task = Task(
            key=key,
            position=position,
            description=asked,
            timestamp=at,
            parent_key=chat.parent_task,
            agent="subagent" if chat.kind == "subagent" else None,
            session_id=chat.root or chat.session,
            task_group=chat.root or chat.session,
        )
        self._clock = Clock(at)
        self._steps: dict[tuple[StepKind, str], Step] = {}
        self._counts = {"n_interruptions": 0, "n_rewinds": 0}

    def add(self, kind: str, message: dict[str, Any], chat: Chat, key: str, position: int) -> None:
        """Take a message into the task."""
        at, said = at_of(message), content_text(message.get("content", message.get("parts")))
        if kind == "gemini":
            self._clock.saw(at)
            self._answer(message, chat, key, position, at)
            for n, call in enumerate(items(message.get("toolCalls"))):
                self._call(obj(call), chat, f"{key}:{n}", position, at)
            self.task.solution_summary = said or self.task.solution_summary
        elif kind == "error":
            self._clock.saw(at)
            self.task.error_message = said or None
        elif kind == "info" and "cancelled" in said.lower():
            self._clock.saw(at)
            self._counts["n_interruptions"] += 1

    def rewound(self) -> None:
        """Count that the person went back to an earlier message; what was used until then was used."""
        self._counts["n_rewinds"] += 1

    def _answer(
        self, message: dict[str, Any], chat: Chat, key: str, position: int, at: datetime | None
    ) -> None:
        step = self._steps.setdefault(
            (StepKind.MESSAGE, key),
            Step(StepKind.MESSAGE, key, position, at, provider="google", is_partial=True),
        )
        step.model = text(message.get("model")) or step.model or chat.model
        tokens = obj(message.get("tokens"))
        went_in, came_out = whole(tokens.get("input")), whole(tokens.get("output"))
        if went_in is None and came_out is None:
            return
        went_in = (went_in or 0) + (whole(tokens.get("tool")) or 0)
        came_out = (came_out or 0) + (whole(tokens.get("thoughts")) or 0)
        if went_in + came_out >= (step.input_tokens or 0) + (step.output_tokens or 0):
            step.input_tokens, step.output_tokens, step.is_partial = went_in, came_out, False
            step.cache_read_tokens = min(whole(tokens.get("cached")) or 0, went_in)

    def _call(self, call: dict[str, Any], chat: Chat, key: str, position: int, at: datetime | None) -> None:
        own = text(call.get("id"))
        key = f"{chat.session}:{own}" if own else key
        step = self._steps.setdefault(
            (StepKind.TOOL_CALL, key),
            Step(StepKind.TOOL_CALL, key, position, at, name=text(call.get("name"))),
        )
        ended = moment(call.get("timestamp"))
        self._clock.saw(ended)
        if (lasted := seconds_between(step.started_at, ended)) is not None:
            step.duration_seconds = lasted
        status = text(call.get("status"))
        answers = [
            obj(obj(obj(part).get("functionResponse")).get("response")) for part in items(call.get("result"))
        ]
        said = "\n".join(text(a.get("output")) or text(a.get("error")) or "" for a in answers)
        codes = _EXIT.findall(said[-2000:]) if step.name == "run_shell_command" else []
        if status in ("success", "error"):
            is_error = status == "error" or bool(codes and int(codes[-1]))
            step.end(is_error, text(call.get("resultDisplay")) or said)

    def closed(self, chat: Chat) -> Task:
        """Return the task with what is known when it ends."""
        task = self.task
        task.steps = list(self._steps.values())
        task.repo = chat.repo
        self._clock.time(task, None, bool(task.steps))
        task.metadata |= {name: n for name, n in self._counts.items() if n}
        return task
