"""The tasks of a Codex rollout: one human request each, with the messages and tool calls until the next."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from learnlab.ingest.logs.clock import Clock, seconds_between
from learnlab.ingest.logs.codex_lines import Record, outcome_of, request_text, totals_of
from learnlab.ingest.logs.codex_session import Session, Totals, seconds
from learnlab.ingest.logs.kinds import words
from learnlab.ingest.logs.shapes import last_part, number, obj, text, words_of
from learnlab.ingest.logs.tasks import Step, Task
from learnlab.models import StepKind

_CALLS = words("""
    response_item/function_call response_item/custom_tool_call response_item/local_shell_call
    response_item/tool_call response_item/web_search_call response_item/tool_search_call
    response_item/image_generation_call event_msg/exec_command_begin event_msg/mcp_tool_call_begin
    event_msg/patch_apply_begin
""")
_ENDS = words("""
    response_item/function_call_output response_item/custom_tool_call_output response_item/tool_result
    response_item/function_result response_item/tool_search_output event_msg/exec_command_end
    event_msg/mcp_tool_call_end event_msg/patch_apply_end
""")
_NAMES = {
    "local_shell_call": "local_shell",
    "web_search_call": "web_search",
    "tool_search_call": "tool_search",
    "image_generation_call": "image_generation",
    "exec_command_begin": "exec_command",
    "patch_apply_begin": "apply_patch",
}
_WORK = _CALLS | _ENDS | {"response_item/message", "response_item/reasoning", "event_msg/token_count"}
"""The kinds of lines by which the settings of the task are told from those of the next one."""

_PATCHED = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.{1,1000})$", re.MULTILINE)


class OpenTask:
    """The task that is being read: what is known of it so far."""

    def __init__(self, session: Session, position: int, asked: str, at: datetime | None, by: str) -> None:
        self.task = Task(
            key=f"{session.id}:{session.n_tasks}",
            position=position,
            description=asked,
            timestamp=at,
            agent=session.agent,
            parent_key=session.parent_task,
            session_id=session.root or session.id,
            task_group=session.root or session.id,
        )
        self.by = by
        self.is_answered = False
        self._clock = Clock(at)
        self._work = 0.0
        self._told = _told(session)
        self._has_turn = False
        self._calls: dict[str, tuple[Step, bool]] = {}
        self._files: set[str] = set()
        self._n_interruptions = 0

    def add(self, record: Record, session: Session, line: int) -> None:
        """Take a line into the task."""
        kind, said, at = record
        if kind == "event_msg/token_count":
            self._count(obj(said.get("info")), session, at, line)
        elif kind == "event_msg/turn.completed":
            self._legacy_count(said, session, at, line)
        elif kind in _CALLS:
            self._call(kind, said, session, at, line)
        elif kind in _ENDS:
            self._end(said, at)
        elif kind == "compacted":
            self._clock.saw(at)
            self.is_answered = True
            key = f"{session.id}:{at.isoformat() if at else line}"
            self.task.steps.append(Step(StepKind.COMPACTION, key, line, at, model=session.model))
        elif kind in ("response_item/message", "event_msg/agent_message"):
            self._answer(words_of(said.get("content") or said.get("message")) or "", at)
        elif kind in ("event_msg/task_complete", "event_msg/turn_complete", "event_msg/turn_aborted"):
            self._n_interruptions += kind.endswith("aborted")
            self._answer(text(said.get("last_agent_message")) or "", at)
            self._turn_ends(said, session, at)
        elif kind in ("event_msg/task_started", "event_msg/turn_started"):
            session.turn_began, session.turn_is_split = (seconds(at) if at else None), False
        elif kind in ("event_msg/error", "event_msg/stream_error"):
            self._clock.saw(at)
            self.task.error_message = text(said.get("message")) or text(obj(said.get("error")).get("message"))
        elif kind == "response_item/reasoning":
            self._clock.saw(at)
        if kind in _WORK or not self.is_answered:
            self._told = _told(session)

    def _answer(self, answer: str, at: datetime | None) -> None:
        self._clock.saw(at)
        if answer:
            self.is_answered = True
            self.task.solution_summary, self.task.error_message = answer, None

    def _count(self, info: dict[str, Any], session: Session, at: datetime | None, line: int) -> None:
        used = session.used(info)
        key = ":".join(map(str, (session.id, session.n_restarts, *(session.totals or ()))))
        if used is None and (legacy := "prompt" in info and totals_of(info)):
            used, key = legacy, f"{session.id}:{legacy}"
        if used is not None:
            self._message(key, used, session, at, line)

    def _legacy_count(self, said: dict[str, Any], session: Session, at: datetime | None, line: int) -> None:
        """Take the usage that 0.51 and 0.52 wrote at the end of a turn, unless counts are written as well."""
        used = totals_of(said.get("usage"))
        if used is not None and any(used) and session.totals is None:
            self._message(f"{session.id}:{at.isoformat() if at else line}:{used}", used, session, at, line)
        else:
            self._clock.saw(at)

    def _message(self, key: str, used: Totals, session: Session, at: datetime | None, line: int) -> None:
        self._clock.saw(at)
        self.is_answered = True
        self.task.steps.append(
            Step(
                StepKind.MESSAGE, key, line, at, model=session.model, provider=session.provider,
                input_tokens=used[0], cache_read_tokens=used[1], cache_write_tokens=used[2], output_tokens=used[3],
            )
        )  # fmt: skip

    def _call(
        self, kind: str, said: dict[str, Any], session: Session, at: datetime | None, line: int
    ) -> None:
        self._clock.saw(at)
        self.is_answered = True
        short = kind.partition("/")[2]
        invoked = obj(said.get("invocation"))
        name = text(said.get("name")) or text(obj(said.get("function")).get("name")) or _NAMES.get(short)
        if invoked:
            name = ".".join(filter(None, (text(invoked.get("server")), text(invoked.get("tool"))))) or name
        patch = text(said.get("input")) or text(said.get("arguments")) or ""
        self._files.update(_PATCHED.findall(patch.replace("\\n", "\n")) if "*** " in patch else ())
        call = text(said.get("call_id")) or text(said.get("id"))
        if call is None or call not in self._calls:
            key = call or f"{at.isoformat() if at else line}:{name}"
            step = Step(StepKind.TOOL_CALL, f"{session.id}:{key}", line, at, name=name)
            if said.get("status") == "failed":
                step.is_error = True
            self.task.steps.append(step)
            self._calls[call or f"={name}"] = (step, False)

    def _end(self, said: dict[str, Any], at: datetime | None) -> None:
        self._clock.saw(at)
        self._files.update(path for path in obj(said.get("changes")) if isinstance(path, str))
        call = text(said.get("call_id")) or f"={text(said.get('name'))}"
        if call not in self._calls:
            return
        step, is_stated = self._calls[call]
        ended = outcome_of(said)
        if ended.is_error is not None:
            step.end(ended.is_error, ended.said)
        if ended.seconds is not None:
            step.duration_seconds = ended.seconds
        elif not is_stated and (lasted := seconds_between(step.started_at, at)) is not None:
            step.duration_seconds = lasted
        self._calls[call] = (step, is_stated or ended.seconds is not None)

    def _turn_ends(self, said: dict[str, Any], session: Session, at: datetime | None) -> None:
        stated = number(said.get("duration_ms"))
        if stated is not None and not session.turn_is_split:
            self._has_turn = True
            self._work += stated / 1000
        elif session.turn_began is not None and at is not None and seconds(at) >= session.turn_began:
            self._has_turn = True
            self._work += seconds(at) - session.turn_began
        session.turn_began = None

    def split_turn(self, session: Session, at: datetime | None) -> None:
        """End the task in the middle of a turn, because the person said something else."""
        if session.turn_began is None or at is None or not self.is_answered:
            return
        self._has_turn = True
        self._work += max(seconds(at) - session.turn_began, 0.0)
        session.turn_began, session.turn_is_split = seconds(at), True

    def closed(self, session: Session, is_last: bool) -> Task:
        """Return the task with what is known when it ends; `is_last` where the file ends before the next one."""
        task = self.task
        cwd, model, *rest = self._told if self.is_answered else _told(session)
        task.repo = last_part(cwd)
        if not any(step.model for step in task.steps):
            task.model = model
        task.file_count = len(self._files)
        turn_runs = is_last and session.turn_began is not None and self.is_answered
        worked = self._work if self._has_turn and not turn_runs else None
        self._clock.time(task, worked, self.is_answered)
        told = zip(("branch", "version", "effort"), rest, strict=True)
        task.metadata |= {name: value[:200] for name, value in told if value}
        if self._n_interruptions:
            task.metadata["n_interruptions"] = self._n_interruptions
        return task


def _told(session: Session) -> tuple[str | None, ...]:
    return session.cwd, session.model, session.branch, session.version, session.effort


def asked_in(record: Record) -> tuple[str, str] | None:
    """Return what a person asked in a line and which kind of line it was; None where nobody asked anything.

    >>> asked_in(Record("event_msg/user_message", {"message": "Fix it"}, None))
    ('Fix it', 'event')
    """
    kind, said, _ = record
    if kind == "event_msg/user_message":
        asked = request_text(text(said.get("message")) or "")
        return None if asked is None else (asked, "event")
    if kind == "response_item/message" and said.get("role") == "user":
        asked = request_text(said.get("content"))
        return None if asked is None else (asked, "item")
    return None
