"""Results of tau-bench: a JSON array of attempts, each with its reward and all that was said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from learnlab.errors import SourceError
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.documents import Entry, fingerprint, opening, pieces, read_document
from learnlab.ingest.logs.formats import Head, LogFormat
from learnlab.ingest.logs.shapes import items, number, obj, text, whole
from learnlab.ingest.logs.tasks import Piece, Step, Task
from learnlab.ingest.sources import printable
from learnlab.models import ErrorType, StepKind, SuccessSource

_INFO = {"task", "reward_info", "user_cost"}
_NEAR = 1e-6
_POLICY = re.compile(r"\s*#\s*(\w{1,40}) agent policy", re.IGNORECASE)
_DOMAIN = re.compile(r"(?<![a-z])(airline|retail|telecom)(?![a-z])")
_BY_RUN = re.compile(r"(?:tool-calling|act|react|few-shot)-(?P<model>.+?)-\d+(?:\.\d+)?_range_")
_BY_DOMAIN = re.compile(r"(?P<model>.+?)-(?:airline|retail)\b")


def _fits(head: Head) -> bool:
    found = items(opening(head.start))
    first = obj(found[0]) if found else {}
    info = obj(first.get("info"))
    return {"task_id", "reward"} <= first.keys() and ("traj" in first or bool(_INFO & info.keys()))


def _read(path: Path, position: Position) -> Iterator[Piece]:
    del position
    document = read_document(path)
    if not isinstance(document.value, list) and document.fault is None:
        raise SourceError(f"{printable(path)} holds no results of tau-bench: it is no JSON array")
    found = items(document.value)
    whole_ones = found if document.fault is None else found[:-1]
    yield from pieces(_entries(whole_ones, document.fault, document.content, path.name))


def _entries(found: list[Any], fault: str | None, content: str, name: str) -> Iterator[Entry]:
    for at, attempt in enumerate(found, 1):
        if obj(attempt).keys() >= {"task_id", "reward"}:
            try:
                yield "attempt", _task(attempt, at, name)
            except (ValueError, RecursionError):
                yield "rejected", (at, "the attempt is nested too deeply", "")
        else:
            shown = attempt[:200] if isinstance(attempt, str) else ""
            yield "rejected", (at, "is no attempt: it has no task_id or no reward", shown)
    if fault is not None:
        yield "rejected", (len(found) + 1, f"from here on: {fault}", content)


def _task(attempt: dict[str, Any], at: int, name: str) -> Task:
    """Return an attempt: a reward of 1 (within 1e-6, as tau-bench counts it) is success, of 0 failure.

    The file names no run: an attempt is known by its task, trial and all that was said. What an attempt
    that broke off was given as reward is the harness's word. The file has no time, no tokens and no cost of
    the agent; `user_cost` is what the simulated customer cost. The model stands only in the file's name.
    """
    info, said = obj(attempt.get("info")), [obj(message) for message in items(attempt.get("traj"))]
    asked = obj(info.get("task"))
    task_id, trial = attempt.get("task_id"), whole(attempt.get("trial"))
    known = text(task_id) or (str(task_id) if type(task_id) is int else "unknown")
    instruction = text(asked.get("instruction")) or text(info.get("instruction")) or ""
    key = json.dumps([known, trial, fingerprint([instruction, attempt.get("traj")])])
    domain = _domain(said, name)
    reward, error = number(attempt.get("reward")), text(info.get("error"))
    if reward is not None and abs(reward - 1) <= _NEAR:
        reward = 1.0
    success = {1.0: True, 0.0: False}.get(reward) if reward is not None else None
    source = SuccessSource.HARNESS if error else SuccessSource.VERIFIER
    answers = [
        answer for message in said if message.get("role") == "assistant" if (answer := _content(message))
    ]
    costs = [number(info.get(place)) for place in ("agent_cost", "total_cost")]
    facts = {
        "user_cost": number(info.get("user_cost")),
        "reward": reward,
        "user_id": text(asked.get("user_id")),
        "n_turns": sum(message.get("role") == "user" for message in said) or None,
    }
    return Task(
        key=key,
        position=at,
        description=instruction or next((_content(m) for m in said if m.get("role") == "user"), ""),
        task_type="customer_service",
        repo=f"tau_bench/{domain}" if domain else "tau_bench",
        external_id=known[:2000],
        task_group=f"{domain or 'tau_bench'}/{known}"[:2000],
        attempt=1 if trial is None else trial + 1,
        model=_model(name),
        success=success,
        success_source=SuccessSource.UNKNOWN if success is None else source,
        quality_score=100 * reward if reward is not None and reward <= 1 and not error else None,
        actual_cost=next((cost for cost in costs if cost), None),
        error_type=ErrorType.CRASH if error else None,
        error_message=error,
        solution_summary=answers[-1] if answers else None,
        metadata={fact: value for fact, value in facts.items() if value is not None},
        steps=_steps(said, key),
    )


def _domain(said: list[dict[str, Any]], name: str) -> str | None:
    """Return the domain: as the agent's policy calls itself, else as the file's name does."""
    for message in said[:1]:
        if policy := _POLICY.match(_content(message)[:200]):
            return policy[1].lower()
    found = _DOMAIN.search(name.lower())
    return found[1] if found else None


def _model(name: str) -> str | None:
    """Return the model that a file's name begins with, as tau-bench names its results."""
    found = _BY_RUN.match(name) or _BY_DOMAIN.match(name)
    return text(found["model"][:500]) if found else None


def _content(message: dict[str, Any]) -> str:
    return text(message.get("content")) or ""


def _steps(said: list[dict[str, Any]], key: str) -> list[Step]:
    """Return the agent's answers and its tool calls, each with the error that the tool answered, if any.

    An id of a call comes up again within an attempt: an answer belongs to the latest call of its id.
    """
    waiting: dict[str | None, Step] = {}
    n_calls = 0
    found: list[Step] = []
    for at, message in enumerate(said, 1):
        if message.get("role") == "assistant":
            found.append(Step(StepKind.MESSAGE, f"{key}:{at}", at, is_counted=False))
            for call in map(obj, items(message.get("tool_calls"))):
                n_calls += 1
                step = Step(StepKind.TOOL_CALL, f"{key}:{n_calls}", at, is_counted=False)
                step.name = text(obj(call.get("function")).get("name"))
                waiting[text(call.get("id"))] = step
                found.append(step)
        elif message.get("role") == "tool":
            answered, answer = waiting.pop(text(message.get("tool_call_id")), None), _content(message)
            if answered is not None:
                answered.is_error = answer.startswith("Error")
                answered.error = answer if answered.is_error else None
    return found


FORMAT = LogFormat(
    name="tau_bench",
    title="tau-bench results (a JSON array of attempts with rewards)",
    keeps="./results/*.json",
    fits=_fits,
    read=_read,
)
"""tau-bench's results: one task an attempt, its verdict the reward."""
