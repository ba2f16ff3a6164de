"""One sample of an Inspect log made into a task: its verdict, its usage, the steps inside it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from learnlab.ingest.logs.documents import fingerprint
from learnlab.ingest.logs.inspect_scores import verdict_of
from learnlab.ingest.logs.inspect_steps import SampleReader
from learnlab.ingest.logs.inspect_usage import bare_model, usage_of
from learnlab.ingest.logs.shapes import items, moment, number, obj, text, whole
from learnlab.ingest.logs.tasks import Task, error_type_of
from learnlab.models import DurationSource, ErrorType, SuccessSource

_SHOWN = 2000


class Run(NamedTuple):
    """What all samples of a log share: the evaluation's identity, its task, model and solver."""

    identity: tuple[str, ...] = ()
    task: str = "unknown"
    created: str | None = None
    model: str | None = None
    agent: str | None = None
    repo: str | None = None
    metadata: dict[str, Any] = {}  # noqa: RUF012


def run_of(log: dict[str, Any]) -> Run:
    """Return what a log's header says of its run; the evaluation's id is its identity, in old logs several.

    >>> run_of({"status": "error", "eval": {"eval_id": "f9Wt", "task": "sums", "model": "openai/gpt-4o"}})[:4]
    (('f9Wt',), 'sums', None, 'gpt-4o')
    """
    said = obj(log.get("eval"))
    own = text(said.get("eval_id"))
    parts = [text(said.get(name)) for name in ("run_id", "task_id", "created", "task", "model")]
    plan = items(obj(log.get("plan")).get("steps"))
    solver = text(said.get("solver")) or (text(obj(plan[-1]).get("solver")) if plan else None)
    origin = text(obj(said.get("revision")).get("origin")) or ""
    facts = {
        "log_status": text(log.get("status")),
        "inspect_version": text(obj(said.get("packages")).get("inspect_ai")),
        "task_version": text(said.get("task_version")) or whole(said.get("task_version")),
        "commit": text(obj(said.get("revision")).get("commit")),
        "dataset": text(obj(said.get("dataset")).get("name")),
    }
    return Run(
        identity=(own,) if own else tuple(part or "" for part in parts) if any(parts) else (),
        task=(text(said.get("task")) or "unknown")[:500],
        created=text(said.get("created")),
        model=bare_model(text(said.get("model"))),
        agent=solver,
        repo=origin.replace(":", "/").rstrip("/").rsplit("/", 1)[-1].removesuffix(".git") or None,
        metadata={name: value for name, value in facts.items() if value is not None},
    )


def task_of(sample: dict[str, Any], run: Run, position: int) -> Task:
    """Return a sample as a task; its tokens are the sample's own account by model, the graders' among them.

    A sample is known by its uuid, which stays when an evaluation is tried again and the sample is carried
    over, else by its run, id and epoch; where a log says none of these, by what it says. Time is the
    working time, else the time from beginning to end.

    Raises:
        ValueError: when the sample has no id.

    >>> sample = {"id": 7, "epoch": 2, "input": "1 + 1?", "scores": {"match": {"value": "C"}}}
    >>> task = task_of(sample, Run(("f9Wt",), "sums"), 1)
    >>> task.key, task.task_group, task.attempt, task.success, task.quality_score
    ('["f9Wt", "7", 2]', 'sums/7', 2, True, 100.0)
    """
    known = sample.get("id")
    if isinstance(known, bool) or not isinstance(known, (int, str)) or known == "":
        raise ValueError("the sample has no id")
    name, epoch = text(str(known)[:_SHOWN]) or "", whole(sample.get("epoch")) or 1
    identity = (own,) if (own := text(sample.get("uuid"))) else run.identity
    if not identity:
        identity = (fingerprint(sample),)
    read = SampleReader(sample)
    verdict = verdict_of(sample)
    task = Task(
        key=json.dumps([*identity, name, epoch]),
        position=position,
        description=read.asked(),
        task_type=run.task,
        repo=run.repo,
        external_id=name,
        task_group=f"{run.task}/{name}"[:_SHOWN],
        attempt=epoch,
        session_id=run.identity[0][:_SHOWN] if run.identity else None,
        agent=run.agent,
        model=run.model,
        success=verdict.success,
        success_source=SuccessSource.UNKNOWN if verdict.success is None else SuccessSource.VERIFIER,
        quality_score=verdict.quality,
        solution_summary=read.answered(),
        file_count=len(items(sample.get("files"))),
    )
    _add_usage(task, sample)
    task.steps = [*read.steps(task.key, is_counted=task.input_tokens is None)]
    _add_time(task, sample, run, read)
    _add_error(task, sample)
    limit = text(obj(sample.get("limit")).get("type")) or text(sample.get("limit"))
    facts = {
        "scores": verdict.scores,
        "limit": limit,
        "n_retries": len(items(sample.get("error_retries"))) or whole(sample.get("retries")),
        "wall_seconds": number(sample.get("total_time")),
        "is_invalidated": bool(sample.get("invalidation")),
    }
    task.metadata = run.metadata | {fact: value for fact, value in facts.items() if value}
    return task


def _add_usage(task: Task, sample: dict[str, Any]) -> None:
    """Give a task the tokens by model that its sample states, and their cost where the log has it."""
    found = [
        (bare_model(text(model)), usage_of(said)) for model, said in obj(sample.get("model_usage")).items()
    ]
    usages = [(model or "unknown", usage) for model, usage in found if usage is not None]
    if not usages or len(usages) < len(found):
        return
    task.input_tokens = sum(usage.input_tokens for _, usage in usages)
    task.output_tokens = sum(usage.output_tokens for _, usage in usages)
    reads = [usage.cache_read for _, usage in usages if usage.cache_read is not None]
    task.cached_tokens = sum(reads) if reads else None
    costs = [usage.cost for _, usage in usages if usage.cost]
    task.actual_cost = sum(costs) if len(costs) == len(usages) else None
    for model, usage in usages:
        took, read, wrote, gave = task.usage_by_model.get(model, (0, 0, 0, 0))
        read, wrote = read + (usage.cache_read or 0), wrote + (usage.cache_write or 0)
        task.usage_by_model[model] = (took + usage.input_tokens, read, wrote, gave + usage.output_tokens)


def _add_time(task: Task, sample: dict[str, Any], run: Run, read: SampleReader) -> None:
    """Give a task its beginning and its duration: working time, else from beginning to end."""
    times = [at for event in read.events if (at := moment(event.get("timestamp")))]
    begin = moment(sample.get("started_at")) or min(times, default=None)
    task.timestamp = begin or moment(run.created)
    if (work := number(sample.get("working_time"))) is not None:
        task.duration_seconds, task.duration_source = work, DurationSource.WORK
        return
    wall = number(sample.get("total_time"))
    end = moment(sample.get("completed_at")) or max(times, default=None)
    if wall is None and begin and end and end > begin:
        wall = (end - begin).total_seconds()
    if wall is not None:
        task.duration_seconds, task.duration_source = wall, DurationSource.WALL


def _add_error(task: Task, sample: dict[str, Any]) -> None:
    """Give a task the error that halted its sample."""
    said = sample.get("error")
    message = text(said) or text(obj(said).get("message"))
    if message:
        task.error_type = error_type_of(message, ErrorType.CRASH)
        task.error_message = message
