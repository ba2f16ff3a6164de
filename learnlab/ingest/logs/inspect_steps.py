"""What stands inside one sample of an Inspect log: its texts, the model's answers, the tools' calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from learnlab.ingest.logs.clock import seconds_between
from learnlab.ingest.logs.inspect_usage import bare_model, usage_of
from learnlab.ingest.logs.shapes import items, moment, number, obj, text
from learnlab.ingest.logs.tasks import Step
from learnlab.models import StepKind

_ATTACHED = ("attachment://", "tc://")
_END = object()


class SampleReader:
    """Reads the texts and the steps of one sample: its attachments, its events, its messages.

    >>> reader = SampleReader({"input": "attachment://5f", "attachments": {"5f": "What is 1 + 1?"}})
    >>> reader.asked()
    'What is 1 + 1?'
    """

    def __init__(self, sample: dict[str, Any]) -> None:
        old = obj(sample.get("transcript"))
        self.sample = sample
        self.attached = obj(sample.get("attachments")) or obj(old.get("content"))
        self.events = list(_flat(items(sample.get("events")) or items(old.get("events"))))
        self.messages = [obj(message) for message in items(sample.get("messages"))]

    def said(self, content: Any) -> str:
        """Return a message's content as text: attachments put back, pictures named."""
        if isinstance(content, str):
            prefix = next((prefix for prefix in _ATTACHED if content.startswith(prefix)), None)
            return text(self.attached.get(content.removeprefix(prefix), content) if prefix else content) or ""
        parts = [(text(obj(part).get("type")) or "", obj(part)) for part in items(content)]
        said = [
            self.said(text(part.get("text"))) if kind == "text" else f"[{kind[:20]}]"
            for kind, part in parts
            if kind and kind != "reasoning"
        ]
        return "\n".join(part for part in said if part)

    def asked(self) -> str:
        """Return what was asked: the input's text, or its user messages."""
        given = self.sample.get("input")
        if isinstance(given, str):
            return self.said(given)
        messages = [obj(message) for message in items(given)]
        users = [self.said(message.get("content")) for message in messages if message.get("role") == "user"]
        return "\n\n".join(part for part in users if part)

    def answered(self) -> str | None:
        """Return the text of the last answer."""
        output = obj(self.sample.get("output"))
        choices = items(output.get("choices"))
        answer = self.said(obj(obj(choices[0]).get("message")).get("content")) if choices else ""
        return answer or self.said(output.get("completion")) or None

    def steps(self, key: str, *, is_counted: bool) -> Iterator[Step]:
        """Yield the model's answers and the tools' calls: as events tell them, else as messages do."""
        told = [event for event in self.events if event.get("event") in ("model", "tool", "compaction")]
        if told:
            for at, event in enumerate(told, 1):
                yield _step_of(event, f"{key}:{at}", at, is_counted=is_counted)
            return
        for at, message in enumerate(self.messages, 1):
            role = message.get("role")
            if role == "assistant":
                model = bare_model(text(message.get("model")))
                yield Step(StepKind.MESSAGE, f"{key}:{at}", at, model=model, is_counted=is_counted)
            elif role == "tool":
                step = Step(StepKind.TOOL_CALL, f"{key}:{at}", at, name=text(message.get("function")))
                step.error, step.is_error, step.is_counted = *_tool_error(message), is_counted
                yield step


def _flat(events: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield events in their order, those nested in a tool's or a subtask's (as older logs have them) after it."""
    waiting = [iter(events)]
    while waiting:
        found = next(waiting[-1], _END)
        if found is _END:
            waiting.pop()
            continue
        event = obj(found)
        yield event
        if nested := items(event.get("events")):
            waiting.append(iter(nested))


def _step_of(event: dict[str, Any], key: str, at: int, *, is_counted: bool) -> Step:
    begin, end = moment(event.get("timestamp")), moment(event.get("completed"))
    seconds = number(event.get("working_time"))
    if seconds is None:
        seconds = seconds_between(begin, end)
    step = Step(StepKind.MESSAGE, key, at, begin, seconds, is_counted=is_counted)
    if event.get("event") == "tool":
        step.kind, step.name = StepKind.TOOL_CALL, text(event.get("function"))
        step.error, step.is_error = _tool_error(event)
    elif event.get("event") == "compaction":
        step.kind, step.name = StepKind.COMPACTION, text(event.get("type"))
    else:
        output = obj(event.get("output"))
        step.name, step.model = text(event.get("role")), bare_model(text(event.get("model")))
        step.error = text(event.get("error")) or text(output.get("error"))
        step.is_error = step.error is not None
        usage = usage_of(output.get("usage"))
        if usage is not None and event.get("cache") != "read":
            step.input_tokens, step.output_tokens = usage.input_tokens, usage.output_tokens
            step.cache_read_tokens, step.cache_write_tokens = usage.cache_read, usage.cache_write
            step.cost_usd = usage.cost
    return step


def _tool_error(value: dict[str, Any]) -> tuple[str | None, bool]:
    """Return what a tool's call failed with, and whether it failed."""
    said = value.get("error")
    message = text(said) or text(obj(said).get("message")) or text(obj(said).get("type"))
    return message, message is not None or value.get("failed") is True
