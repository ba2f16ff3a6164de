"""Tasks and steps made into frames: identified, priced, checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from hashlib import sha256
from typing import Any, NamedTuple

import polars as pl

from learnlab.ingest.batch import STEPS_SCHEMA, Batch
from learnlab.ingest.logs.tasks import Piece, Step, Task
from learnlab.ingest.prices import price_of, price_version
from learnlab.ingest.rejected import Fault, rejected_frame
from learnlab.models import MAX_DESCRIPTION, MAX_ERROR_MESSAGE, UNKNOWN, CostSource, Tier
from learnlab.store.frames import conform
from learnlab.store.limits import SCHEMA

_PLAIN = (
    "external_id", "task_group", "attempt", "session_id", "timestamp", "task_type", "file_count", "agent",
    "success", "quality_score", "duration_seconds", "input_tokens", "cached_tokens", "output_tokens",
)  # fmt: skip
"""What a task and an execution call by the same name and hold alike."""

_TASK_CONTENT = [field.name for field in fields(Task) if field.name not in ("position", "steps")]
_STEP_CONTENT = [field.name for field in fields(Step) if field.name != "position"]
"""What a log says of a task and a step: all but the places where it says so."""

_CUT = {"description": MAX_DESCRIPTION, "error_message": MAX_ERROR_MESSAGE, "solution_summary": 20_000}


def key_of(log_format: str, kind: str, key: str) -> str:
    """Return the UUID text of a task or step: the first 128 bits of the SHA-256 of its format, kind and key.

    >>> key_of("claude_code", "task", "5f3c") == key_of("claude_code", "step", "5f3c")
    False
    """
    text = f"learnlab\\0{log_format}\\0{kind}\\0{key}".encode("utf-8", "surrogatepass")
    digest = sha256(text, usedforsecurity=False).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


class Part(NamedTuple):
    """A piece, the name of its format, and how its file is called in what is stored."""

    piece: Piece
    log_format: str
    source: str


def assemble(piece: Piece, log_format: str, source: str) -> Batch:
    """Return a piece as a batch; `source` is how the file is called in what is stored.

    A task that breaks a limit of the models becomes a rejected row and its steps go with it. The content hash
    covers the task and its steps as the log tells them, so neither the place in the file nor the price table
    makes another version.

    >>> batch = assemble(Piece([Task(key="1", position=1, description="Fix it")]), "codex", "codex:a.jsonl")
    >>> batch.executions.select("task_description", "pool_type", "model_tier", "source_position").row(0)
    ('Fix it', 'codex', 'unknown', 1)
    """
    return assemble_all([Part(piece, log_format, source)])[0]


def assemble_all(parts: Sequence[Part]) -> list[Batch]:
    """Return pieces as batches, checked together: many small files cost hardly more than a large one."""
    rows = [_execution(task, part) for part in parts for task in part.piece.tasks]
    good, faulty = conform(pl.DataFrame(rows, schema=SCHEMA))
    refused = dict(faulty.select("row", "reason").iter_rows())
    batches, first = [], 0
    for part in parts:
        end = first + len(part.piece.tasks)
        n_good = end - first - sum(first <= row < end for row in refused)
        batches.append(_batch(part, good.head(n_good).drop("row"), first, refused))
        good, first = good.slice(n_good), end
    return batches


def _batch(part: Part, executions: pl.DataFrame, first: int, refused: dict[int, str]) -> Batch:
    """Return a part as a batch; `first` is the row at which its tasks began, `refused` tells why rows are none."""
    piece, log_format, _ = part
    faults: list[Fault] = list(piece.faults)
    steps: list[tuple[Any, ...]] = []
    for row, task in enumerate(piece.tasks, first):
        if row in refused:
            faults.append((task.position, refused[row], task.description))
        else:
            record_key = key_of(log_format, "task", task.key)
            steps += [_step(step, record_key, log_format) for step in task.steps]
    return Batch(
        executions=executions,
        rejected=rejected_frame(sorted(faults, key=lambda fault: fault[0])),
        n_rows_read=len(piece.tasks) + len(piece.faults),
        steps=pl.DataFrame(steps, schema=STEPS_SCHEMA, orient="row"),
        kinds=dict(piece.kinds),
        position=piece.position,
    )


def _execution(task: Task, part: Part) -> dict[str, Any]:
    log_format = part.log_format
    record_key = key_of(log_format, "task", task.key)
    model = task.model or _main_model(task.steps)
    row: dict[str, Any] = {name: getattr(task, name) for name in _PLAIN}
    row |= _cost(task)
    models = sorted({step.model for step in task.steps if step.model} | {*task.usage_by_model})
    metadata = task.metadata | ({"models": models} if len(models) > 1 else {})
    row |= {
        "task_id": record_key,
        "record_key": record_key,
        "content_hash": _content_hash(task, log_format),
        "parent_task_id": key_of(log_format, "task", task.parent_key) if task.parent_key else None,
        "task_description": task.description[: _CUT["description"]],
        "error_message": task.error_message and task.error_message[: _CUT["error_message"]],
        "solution_summary": task.solution_summary and task.solution_summary[: _CUT["solution_summary"]],
        "repo": (task.repo or UNKNOWN)[:500],
        "agent": task.agent and task.agent[:500],
        "model": model and model[:500],
        "model_tier": Tier.UNKNOWN.value,
        "pool_type": log_format,
        "success_source": task.success_source.value,
        "duration_source": task.duration_source.value,
        "error_type": task.error_type and task.error_type.value,
        "time_source": "recorded" if task.timestamp else "ingestion",
        "estimated_tokens": 0,
        "metadata": json.dumps(metadata, ensure_ascii=True, separators=(",", ":")),
        "source": part.source[:4000],
        "source_position": task.position,
    }
    return row


def _cost(task: Task) -> dict[str, Any]:
    """Return the cost of a task as a whole: as reported, else of its usage at list price, else unknown."""
    if task.actual_cost is not None:
        return {"actual_cost": task.actual_cost, "cost_source": CostSource.REPORTED.value}
    prices = [price_of(model, None, task.timestamp, *usage) for model, usage in task.usage_by_model.items()]
    if prices and None not in prices:
        total = sum(price for price in prices if price is not None)
        return {
            "actual_cost": total,
            "cost_source": CostSource.LIST_PRICE.value,
            "price_version": price_version(),
        }
    return {"actual_cost": None, "cost_source": CostSource.UNKNOWN.value}


def _main_model(steps: Iterable[Step]) -> str | None:
    """Return the model that wrote the most, the first of equals; None where no step names one."""
    written: dict[str, int] = {}
    for step in steps:
        if step.model and (step.output_tokens is not None or step.model not in written):
            written[step.model] = written.get(step.model, 0) + (step.output_tokens or 0)
    return max(written, key=lambda model: written[model], default=None)


def _step(step: Step, record_key: str, log_format: str) -> tuple[Any, ...]:
    cost, cost_source, version = step.cost_usd, CostSource.UNKNOWN, None
    if cost is not None:
        cost_source = CostSource.REPORTED
    elif step.model and step.input_tokens is not None:
        usage = (
            step.input_tokens,
            step.cache_read_tokens or 0,
            step.cache_write_tokens or 0,
            step.output_tokens or 0,
            step.cache_write_1h_tokens or 0,
        )
        cost = price_of(step.model, step.provider, step.started_at, *usage)
        if cost is not None:
            cost_source, version = CostSource.LIST_PRICE, price_version()
    return (
        key_of(log_format, step.kind.value, step.key),
        record_key,
        step.kind.value,
        step.name and step.name[:500],
        step.model and step.model[:500],
        step.started_at,
        step.duration_seconds,
        step.input_tokens,
        step.cache_read_tokens,
        step.cache_write_tokens,
        step.output_tokens,
        cost,
        cost_source.value,
        version,
        step.is_error,
        step.error and step.error[:MAX_ERROR_MESSAGE],
        step.is_partial,
        step.is_counted,
        step.position,
    )


def _content_hash(task: Task, log_format: str) -> str:
    """Return the identity of what the log says of a task: its fields and steps without their places."""
    steps = [[getattr(step, name) for name in _STEP_CONTENT] for step in task.steps]
    said = [[getattr(task, name) for name in _TASK_CONTENT], steps]
    return key_of(log_format, "content", json.dumps(said, ensure_ascii=True, sort_keys=True, default=str))
