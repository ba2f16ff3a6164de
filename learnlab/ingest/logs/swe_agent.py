"""SWE-agent's trajectories: one `.traj` document, one attempt at one instance."""

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
from learnlab.ingest.logs.inspect_usage import bare_model
from learnlab.ingest.logs.lines import loaded
from learnlab.ingest.logs.shapes import items, number, obj, text, whole, words_of
from learnlab.ingest.logs.swe_results import verdict_beside
from learnlab.ingest.logs.tasks import Piece, Step, Task
from learnlab.ingest.sources import printable
from learnlab.models import DurationSource, ErrorType, StepKind, SuccessSource

_STEP = {"action", "observation", "response", "thought"}
_ISSUE = re.compile(
    r"ISSUE:\s*\n(.*?)(?:\n\s*INSTRUCTIONS:|\Z)|<pr_description>(.*?)</pr_description>", re.DOTALL
)
_RUN_NAME = re.compile(r"(?P<model>.+?)__.+__t-\d")
_INSTANCE = re.compile(r"(?:.*__)?(?P<repo>[^_/].*?)-i?\d+")
_NO_MODELS = {"human", "human_thought", "replay", "instant_empty_submit"}
_ERRORS = (
    ("time", ErrorType.TIMEOUT), ("format", ErrorType.VALIDATION), ("cost", ErrorType.UNKNOWN),
    ("context", ErrorType.UNKNOWN), ("forfeit", ErrorType.UNKNOWN), ("", ErrorType.CRASH),
)  # fmt: skip


def _fits(head: Head) -> bool:
    found = obj(opening(head.start))
    steps, told = items(found.get("trajectory")), items(found.get("history"))
    if steps:
        return len(_STEP & obj(steps[0]).keys()) >= (1 if "environment" in found else 2)
    return bool(told) and {"role", "content", "agent"} <= obj(told[0]).keys()


def _read(path: Path, position: Position) -> Iterator[Piece]:
    del position
    document = read_document(path)
    if document.fault is not None:
        yield from pieces([("rejected", (1, document.fault, document.content))])
        return
    found = obj(document.value)
    if not {"trajectory", "history"} & found.keys():
        raise SourceError(
            f"{printable(path)} is no trajectory of SWE-agent: it has neither trajectory nor history"
        )
    yield from pieces([_entry(found, path)])


def _entry(found: dict[str, Any], path: Path) -> Entry:
    """Return the attempt that a document tells of; SWE-agent itself takes one without an exit status as not ended."""
    status = text(obj(found.get("info")).get("exit_status"))
    if status is None and items(found.get("trajectory")):
        return "unfinished", None
    try:
        return "attempt", _task(found, status, path)
    except (ValueError, RecursionError):
        return "rejected", (1, "the trajectory is nested too deeply", "")


def _task(found: dict[str, Any], status: str | None, path: Path) -> Task:
    """Return an attempt: what was asked, what was submitted, what it cost; its outcome only from a results file.

    A cost or a token count of 0 belongs to a replay or a person's demonstration and is unknown. The time is
    that of the tools, as far as the log has it.
    """
    info, stats = obj(found.get("info")), obj(obj(found.get("info")).get("model_stats"))
    config = _config(found.get("replay_config"))
    instance = text(obj(config.get("problem_statement")).get("id")) or _stem(path)
    key = json.dumps([instance, fingerprint([found.get("trajectory"), found.get("history"), info])])
    steps = list(_steps(found, key))
    seconds = [step.duration_seconds for step in steps if step.duration_seconds is not None]
    asked, is_issue = _asked(found, config)
    success = verdict_beside(path, instance)
    task = Task(
        key=key,
        position=1,
        description=asked,
        task_type="issue" if is_issue else "unknown",
        repo=_repo(instance, found),
        external_id=instance[:2000],
        task_group=instance[:2000],
        agent="SWE-agent",
        model=_model(config, path),
        success=success,
        success_source=SuccessSource.UNKNOWN if success is None else SuccessSource.VERIFIER,
        input_tokens=whole(stats.get("tokens_sent")) or None,
        output_tokens=whole(stats.get("tokens_received")) or None,
        actual_cost=number(stats.get("instance_cost")) or None,
        solution_summary=text(info.get("submission")),
        steps=steps,
    )
    if seconds:
        task.duration_seconds, task.duration_source = sum(seconds), DurationSource.WORK
    if status and status != "submitted":
        named = status.lower()
        task.error_type = next(kind for word, kind in _ERRORS if word in named)
        task.error_message = f"the run ended with {status}"
    facts = {
        "exit_status": status,
        "environment": text(found.get("environment")),
        "version": text(info.get("swe_agent_version")),
        "n_api_calls": whole(stats.get("api_calls")),
    }
    task.metadata = {name: value for name, value in facts.items() if value}
    return task


def _stem(path: Path) -> str:
    return printable(Path(path.name)).split(".traj")[0]


def _config(value: Any) -> dict[str, Any]:
    """Return the configuration of a run: an object, in later versions written as a text."""
    if isinstance(value, str):
        try:
            return obj(loaded(value.encode("utf-8", "surrogatepass")))
        except ValueError:
            return {}
    return obj(value)


def _asked(found: dict[str, Any], config: dict[str, Any]) -> tuple[str, bool]:
    """Return the problem as it was stated, and whether it is an issue; the template's instructions are left out."""
    if own := text(obj(config.get("problem_statement")).get("text")):
        return own, True
    told = items(found.get("history")) or [
        message for step in items(found.get("trajectory"))[:1] for message in items(obj(step).get("query"))
    ]
    for message in map(obj, told):
        if message.get("role") == "user" and not message.get("is_demo"):
            said = words_of(message.get("content")) or ""
            issue = _ISSUE.search(said)
            return (issue[1] or issue[2] or "").strip() if issue else said, issue is not None
    return "", False


def _repo(instance: str, found: dict[str, Any]) -> str | None:
    """Return the repository: of `owner__name-123` the name, else the last part of the working directory."""
    if known := _INSTANCE.fullmatch(instance):
        return known["repo"]
    for step in items(found.get("trajectory"))[:1]:
        place = text(_config(obj(step).get("state")).get("working_dir")) or ""
        last = place.rstrip("/").rsplit("/", 1)[-1].rsplit("__", 1)[-1]
        return None if last in ("", "testbed", "n", "a", "n/a") else last
    return None


def _model(config: dict[str, Any], path: Path) -> str | None:
    """Return the model that the configuration names, else the one that begins the name of the run's folder or file."""
    named = text(obj(obj(config.get("agent")).get("model")).get("name"))
    if named is None:
        runs = [_RUN_NAME.match(name) for name in (_stem(path), printable(Path(path.parent.name)))]
        named = next((run["model"] for run in runs if run), None)
    return None if named in _NO_MODELS else bare_model(named)


def _steps(found: dict[str, Any], key: str) -> Iterator[Step]:
    """Yield what the model answered and which command it ran, turn by turn; usage is known only for the whole."""
    turns = [obj(step) for step in items(found.get("trajectory"))] or [
        message
        for message in map(obj, items(found.get("history")))
        if message.get("role") == "assistant" and not message.get("is_demo")
    ]
    for at, turn in enumerate(turns, 1):
        yield Step(StepKind.MESSAGE, f"{key}:{at}", at, is_counted=False)
        action = text(turn.get("action"))
        if action and (words := action.split(None, 1)):
            step = Step(StepKind.TOOL_CALL, f"{key}:{at}", at, name=words[0][:100], is_counted=False)
            step.duration_seconds = number(turn.get("execution_time"))
            yield step


FORMAT = LogFormat(
    name="swe_agent",
    title="SWE-agent trajectories (.traj)",
    keeps="./trajectories/<user>/<run>/<instance>/<instance>.traj",
    fits=_fits,
    read=_read,
    looks_beside=True,
)
"""SWE-agent's trajectories: one task a file, its verdict from a results file beside it, which may come later."""
