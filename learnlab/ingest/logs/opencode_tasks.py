"""The tasks of an opencode session: one request of a person each, with the answers and tool calls until the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from learnlab.ingest.logs.clock import Clock, Span, covered_seconds
from learnlab.ingest.logs.kinds import words
from learnlab.ingest.logs.shapes import items, last_part, moment, number, obj, text, whole
from learnlab.ingest.logs.tasks import Step, Task
from learnlab.models import StepKind

PARTS = words(
    "text reasoning tool file step-start step-finish snapshot patch agent subtask retry compaction source-url"
)
"""The types of parts."""

KNOWN = frozenset(
    {"session", "copied", "message/user", "message/assistant"} | {f"part/{kind}" for kind in PARTS}
)
"""The kinds that an account of a session calls by name."""

_SELLERS = {
    "opencode": None, "github-copilot": None, "vercel": None, "amazon-bedrock": None, "google-vertex": "google",
    "google-vertex-anthropic": "anthropic", "xai": "x-ai", "gitlab": None,
}  # fmt: skip
"""Who sells other makers' models: what the model costs at its maker's is what is known. Any other name stays."""

_ZERO = (0, 0, 0, 0)


@dataclass(slots=True)
class Message:
    """A message with its parts, each with the number of its entry."""

    info: dict[str, Any]
    position: int
    parts: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    @property
    def created(self) -> datetime | None:
        """When it was begun (naive UTC)."""
        return moment(obj(self.info.get("time")).get("created"))

    @property
    def kind(self) -> str:
        """Its kind as the account calls it."""
        return f"message/{text(self.info.get('role')) or 'none'}"


def session_key(session: dict[str, Any]) -> str:
    """Return the id of a session."""
    return text(session.get("id")) or "unknown"


def is_copied(session: dict[str, Any], message: Message) -> bool:
    """Say whether a message is older than its session: a fork holds copies of what was before it."""
    began = moment(obj(session.get("time")).get("created"))
    return began is not None and message.created is not None and message.created < began


def asked_in(message: Message) -> str | None:
    """Return what a person asked, None where it is no request: the program's own words, a compaction, an answer.

    >>> asked_in(Message({"role": "user"}, 1, [(2, {"type": "text", "text": "Fix it"})]))
    'Fix it'
    """
    if message.info.get("role") != "user":
        return None
    parts = [part for _, part in message.parts]
    if not parts:
        summary = obj(message.info.get("summary"))
        return text(summary.get("body")) or text(summary.get("title"))
    typed = [part for part in parts if part.get("synthetic") is not True and part.get("ignored") is not True]
    texts = [
        text(part.get("text")) if part.get("type") == "text" else text(part.get("prompt")) for part in typed
    ]
    if asked := "\n".join(said for said in texts if said):
        return asked
    return "" if any(part.get("type") in ("file", "agent") for part in typed) else None


class OpenTask:
    """The task that is being read."""

    def __init__(
        self, session: dict[str, Any], message: Message, asked: str, parent_task: str | None
    ) -> None:
        self.session = session
        own, root = session_key(session), text(session.get("parentID"))
        began = message.created
        self.task = Task(
            key=f"{own}:{text(message.info.get('id')) or f'#{message.position}'}",
            position=message.position,
            description=asked,
            timestamp=began,
            parent_key=parent_task,
            session_id=root or own,
            task_group=root or own,
            repo=last_part(text(session.get("directory"))),
        )
        if version := text(session.get("version")):
            self.task.metadata["version"] = version[:200]
        self._clock = Clock(began)
        self._spans: list[Span] = []
        self._is_timed = True
        self._files: set[str] = set()

    def add(self, message: Message) -> None:
        """Take a message that is no request into the task: an answer, or what the program said itself."""
        tools: list[Span] = []
        for position, part in message.parts:
            self._part(part, position, tools)
        if message.info.get("role") == "assistant":
            self._answer(message, tools)

    def _answer(self, message: Message, tools: list[Span]) -> None:
        info, began = message.info, message.created
        ended = moment(obj(info.get("time")).get("completed"))
        self._clock.saw(began)
        self._clock.saw(ended)
        step = Step(StepKind.MESSAGE, self._key(info, message.position), message.position, began)
        where = obj(info.get("model"))
        step.model = text(info.get("modelID")) or text(where.get("modelID"))
        seller = text(info.get("providerID")) or text(where.get("providerID"))
        step.provider = _SELLERS.get(seller, seller) if seller else None
        if began and ended and ended >= began:
            self._spans.append((began, ended))
            inside = [(max(a, began), min(b, ended)) for a, b in tools]
            step.duration_seconds = round(covered_seconds([(began, ended)]) - covered_seconds(inside), 6)
        else:
            self._is_timed = False
        self._count(step, message)
        fault = obj(info.get("error"))
        if fault:
            step.is_error, step.error = (
                True,
                text(obj(fault.get("data")).get("message")) or text(fault.get("name")),
            )
            if fault.get("name") == "MessageAbortedError":
                self.task.metadata["n_interruptions"] = self.task.metadata.get("n_interruptions", 0) + 1
        self.task.error_message = step.error if fault.get("name") != "MessageAbortedError" else None
        self.task.agent = self.task.agent or text(info.get("agent")) or text(info.get("mode"))
        said = "\n".join(text(p.get("text")) or "" for _, p in message.parts if p.get("type") == "text")
        self.task.solution_summary = said.strip() or self.task.solution_summary
        self.task.steps.append(step)

    def _count(self, step: Step, message: Message) -> None:
        """Set what an answer used. Older versions state a message's last request only: the sum is larger then."""
        finished = [part for _, part in message.parts if part.get("type") == "step-finish"]
        used = [found for part in finished if (found := _tokens(part.get("tokens")))]
        summed = tuple(map(sum, zip(*used, strict=True))) if used else _ZERO
        best = max(
            _tokens(message.info.get("tokens")) or _ZERO, summed, key=lambda counts: counts[0] + counts[3]
        )
        step.is_partial = not any(best)
        if not any(best):
            return
        step.input_tokens, step.cache_read_tokens, step.cache_write_tokens, step.output_tokens = best
        costs = [_cost(part.get("cost")) for part in finished]
        cost = _cost(message.info.get("cost"))
        if cost is None and costs and None not in costs:
            cost = sum(filter(None, costs))
        is_free = (step.model or "").endswith(("-free", ":free"))
        step.cost_usd = cost if cost or (cost == 0 and is_free) else None

    def _part(self, part: dict[str, Any], position: int, tools: list[Span]) -> None:
        kind, key = part.get("type"), self._key(part, position)
        time = obj(part.get("time"))
        self._clock.saw(moment(time.get("start")))
        self._clock.saw(moment(time.get("end")))
        if kind == "patch":
            self._files.update(name for name in items(part.get("files")) if isinstance(name, str))
        elif kind == "compaction":
            began = moment(time.get("created")) or moment(time.get("start"))
            self.task.steps.append(Step(StepKind.COMPACTION, key, position, began))
        elif kind == "tool":
            state = obj(part.get("state"))
            time = obj(state.get("time"))
            began, ended = moment(time.get("start")), moment(time.get("end"))
            self._clock.saw(began)
            self._clock.saw(ended)
            step = Step(StepKind.TOOL_CALL, key, position, began, name=text(part.get("tool")))
            if began and ended and ended >= began:
                step.duration_seconds = (ended - began).total_seconds()
                tools.append((began, ended))
            status, code = state.get("status"), number(obj(state.get("metadata")).get("exit"))
            if status in ("completed", "success", "error"):
                told = text(state.get("error")) or text(state.get("output")) or ""
                step.end(status == "error" or bool(code), told)
            self.task.steps.append(step)

    def _key(self, found: dict[str, Any], position: int) -> str:
        return f"{session_key(self.session)}:{text(found.get('id')) or f'#{position}'}"

    def closed(self) -> Task:
        """Return the task with what is known when it ends."""
        task = self.task
        task.file_count = len(self._files)
        worked = covered_seconds(self._spans) if self._spans and self._is_timed else None
        self._clock.time(task, worked, bool(task.steps))
        return task


def _tokens(value: Any) -> tuple[int, int, int, int] | None:
    """Return input with the cache's parts, read, written, output; the log states the cache and reasoning beside."""
    tokens = obj(value)
    cache = obj(tokens.get("cache"))
    plain, output = whole(tokens.get("input")), whole(tokens.get("output"))
    if plain is None and output is None:
        return None
    read, written = whole(cache.get("read")) or 0, whole(cache.get("write")) or 0
    return (plain or 0) + read + written, read, written, (output or 0) + (whole(tokens.get("reasoning")) or 0)


def _cost(value: Any) -> float | None:
    return number(obj(value).get("usd")) if isinstance(value, dict) else number(value)
