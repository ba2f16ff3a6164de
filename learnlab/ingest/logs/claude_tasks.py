"""A task of a Claude Code transcript while its lines come in: its messages, its tool calls, its time."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

from learnlab.ingest.logs.claude_lines import Said, line_key, message_key, session_of, usage_of
from learnlab.ingest.logs.clock import PAUSE_SECONDS, seconds_between
from learnlab.ingest.logs.shapes import items, last_part, number, obj, text, words_of
from learnlab.ingest.logs.tasks import Step, Task, error_type_of
from learnlab.models import MAX_ERROR_MESSAGE, DurationSource, ErrorType, StepKind

AGENT = "claude_code"
"""Who works on requests; subagents and compactions have their kind behind a slash."""

NO_REQUEST = "(no request recorded)"
"""The description of what was done without a request in the log."""

_SYNTHETIC = "<synthetic>"
_WRITES = {
    "Edit": "file_path",
    "Write": "file_path",
    "MultiEdit": "file_path",
    "NotebookEdit": "notebook_path",
}
"""Tools that change files, and what their input calls the file."""


class OpenTask:
    """One task so far. `session` is what its session is called where its lines do not say it.

    >>> task = OpenTask("5f3c", 1, "s", "Fix it", None)
    >>> task.take({"type": "assistant", "message": {"content": "Done."}}, Said("assistant"), None, 2)
    >>> task.closed().solution_summary
    'Done.'
    """

    def __init__(self, key: str, position: int, session: str, asked: str | None, at: datetime | None) -> None:
        self.task = Task(key, position, asked or "", at, agent=AGENT)
        self._fallback = session
        self._messages: dict[str, Step] = {}
        self._calls: dict[str, Step] = {}
        self._compactions: dict[str, Step] = {}
        self._times: list[datetime] = []
        self._last: datetime | None = None
        self._worked = 0.0
        self._is_timed = False
        self._files: set[str] = set()
        self._counts = {"n_interruptions": 0, "n_user_modified": 0}
        self._error: str | None = None

    @property
    def is_countable(self) -> bool:
        """Whether there is anything in it that a history would miss."""
        return bool(self._messages or self._calls or self._compactions)

    @property
    def session(self) -> str:
        """The id of its session; once it was needed it stays."""
        if self.task.session_id is None:
            self.task.session_id = self._fallback
        return self.task.session_id

    def take(self, record: dict[str, Any], said: Said, at: datetime | None, position: int) -> None:
        """Take a line that belongs to the task."""
        if self.task.session_id is None:
            self.task.session_id = session_of(record)
        if said.kind == "assistant":
            self._learn(record)
            self._answer(record, at, position)
        elif said.kind == "progress":
            self.saw(at)
            return
        elif said.kind == "system":
            self._note(record, at, position)
            return
        elif said.kind == "command":
            return
        else:
            self._learn(record)
            self._hear(record, said, at)
        self.saw(at)
        if at is not None:
            self._last = at if self._last is None else max(at, self._last)

    def saw(self, at: datetime | None) -> None:
        """Take the time of a line at which there was work."""
        if at is not None:
            self._times.append(at)

    def asked(self, words: str, at: datetime | None) -> None:
        """Take the prompt of a subagent; what stands before it is a copy of its parent's lines."""
        self.task.description, self.task.timestamp = words, at
        self._times.clear()
        self._last = None

    def began(self) -> datetime | None:
        """Return when it began: at the time of its request, else at the first of its lines."""
        return self.task.timestamp or min(self._times, default=None)

    def closed(self) -> Task:
        """Return the task as it is now."""
        task = self.task
        task.description = task.description or NO_REQUEST
        task.timestamp = self.began()
        task.task_group = self.session
        steps = (*self._messages.values(), *self._calls.values(), *self._compactions.values())
        task.steps = sorted(steps, key=lambda step: step.position)
        times = sorted(self._times)
        if self._is_timed:
            task.duration_seconds, task.duration_source = round(self._worked, 3), DurationSource.WORK
        elif times:
            gaps = ((after - before).total_seconds() for before, after in pairwise(times))
            task.duration_seconds = round(sum(gap for gap in gaps if gap <= PAUSE_SECONDS), 3)
            task.duration_source = DurationSource.GAPS
        if times:
            task.metadata["wall_seconds"] = round((times[-1] - times[0]).total_seconds(), 3)
        n_errors = sum(1 for call in self._calls.values() if call.is_error)
        counts = self._counts | {"n_tool_errors": n_errors}
        task.metadata |= {name: count for name, count in counts.items() if count}
        task.file_count = len(self._files)
        task.error_message = self._error
        if self._error is not None:
            task.error_type = error_type_of(self._error, ErrorType.UNKNOWN)
        return task

    def _learn(self, record: dict[str, Any]) -> None:
        """Take the folder, the branch and the version from the first line that says them."""
        task = self.task
        if task.repo is None:
            task.repo = last_part(text(record.get("cwd")))
        for name, field in (("branch", "gitBranch"), ("version", "version")):
            if name not in task.metadata and (known := text(record.get(field))):
                task.metadata[name] = known[:200]

    def _answer(self, record: dict[str, Any], at: datetime | None, position: int) -> None:
        message = obj(record.get("message"))
        key = message_key(record, self.session, position)
        step = self._messages.get(key)
        if step is None:
            step = self._messages[key] = Step(StepKind.MESSAGE, key, position, is_partial=True)
        if step.started_at is None and at is not None:
            step.started_at = at
            if self._last is not None and 0 <= (at - self._last).total_seconds() <= PAUSE_SECONDS:
                step.started_at = self._last
        if (seconds := seconds_between(step.started_at, at)) is not None:
            step.duration_seconds = max(seconds, step.duration_seconds or 0.0)
        if message.get("stop_reason") is not None:
            step.is_partial = False
        cost = number(record.get("costUSD"))
        if cost is not None:
            step.cost_usd = max(cost, step.cost_usd or 0.0)
        model = text(message.get("model"))
        is_real = model != _SYNTHETIC and record.get("isApiErrorMessage") is not True
        self._use(step, message, model if model != _SYNTHETIC else None)
        said = words_of(message.get("content"))
        if is_real and said and said.strip():
            self.task.solution_summary = said.strip()
        self._error = None
        if record.get("isApiErrorMessage") is True:
            self._error = said or "API error"
            step.is_error, step.error = True, self._error[:MAX_ERROR_MESSAGE]
        for index, block in enumerate(items(message.get("content"))):
            if obj(block).get("type") == "tool_use":
                self._call(obj(block), f"{line_key(record, self.session, position)} {index}", at, position)

    def _use(self, step: Step, message: dict[str, Any], model: str | None) -> None:
        """Give a message the larger of the usage that it has and the one that a line of it states."""
        usage = usage_of(message)
        known = ((step.input_tokens or 0) + (step.output_tokens or 0), step.output_tokens or 0)
        if usage.size > known or (step.input_tokens is None and step.output_tokens is None):
            step.input_tokens, step.cache_read_tokens, step.cache_write_tokens = usage[:3]
            step.cache_write_1h_tokens, step.output_tokens = usage[3:]
            step.model = model or step.model
        step.model = step.model or model

    def _call(self, block: dict[str, Any], own: str, at: datetime | None, position: int) -> None:
        key, name = text(block.get("id")) or own, text(block.get("name"))
        if key not in self._calls:
            self._calls[key] = Step(StepKind.TOOL_CALL, key, position, at, name=name)
        given = obj(block.get("input"))
        if name in _WRITES and (path := text(given.get(_WRITES[name]))):
            self._files.add(path)

    def _hear(self, record: dict[str, Any], said: Said, at: datetime | None) -> None:
        result = record.get("toolUseResult")
        self._counts["n_interruptions"] += said.kind == "interruption"
        self._counts["n_user_modified"] += obj(result).get("userModified") is True
        if said.kind != "tool result":
            return
        for block in map(obj, items(obj(record.get("message")).get("content"))):
            call = self._calls.get(text(block.get("tool_use_id")) or "")
            if call is None or block.get("type") != "tool_result":
                continue
            call.is_error = block.get("is_error") is True
            if call.is_error:
                error = words_of(block.get("content")) or text(result) or "error"
                call.error = error[:MAX_ERROR_MESSAGE]
            if (lasted := seconds_between(call.started_at, at)) is not None:
                call.duration_seconds = lasted

    def _note(self, record: dict[str, Any], at: datetime | None, position: int) -> None:
        """Take what the tool itself notes: how long it worked, that it made room."""
        if record.get("subtype") == "turn_duration":
            worked = number(record.get("durationMs"))
            if worked is not None:
                self._worked += worked / 1000
                self._is_timed = True
        elif record.get("subtype") == "compact_boundary":
            details = obj(record.get("compactMetadata"))
            key = line_key(record, self.session, position)
            seconds = number(details.get("durationMs"))
            known = self._compactions.get(key)
            # Said again, it stays where it was said first.
            if known is None or known.duration_seconds is None:
                self._compactions[key] = Step(
                    StepKind.COMPACTION, key, known.position if known else position, at,
                    seconds / 1000 if seconds is not None else None, name=text(details.get("trigger")),
                )  # fmt: skip
            self.saw(at)
