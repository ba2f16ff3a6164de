"""The rules of document 001's mapping: for each field of an execution, what it is read from and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from learnlab.capture.mapping.failures import (
    FAILED,
    message_in,
    type_of_error,
    type_of_exit,
    type_of_gate,
    type_of_name,
    type_of_status,
)
from learnlab.capture.mapping.said import as_said, is_a, mapped, name_of, number, prose, word
from learnlab.ingest.logs.shapes import last_part
from learnlab.models import MAX_ERROR_MESSAGE, ErrorType, Tier

MAX_TASK_DESCRIPTION = 500
"""Characters of a captured task's description that are kept."""

_TIERS = frozenset(Tier)


def _number_of(value: Any) -> Any:
    """Return how many a list holds, or the number that is given."""
    return len(value) if is_a(value, list, tuple, set, frozenset, dict) else number(value)


def _folder_name(value: Any) -> Any:
    return last_part(name) if (name := name_of(value)) else None


def _repo(value: Any) -> Any:
    """Return a repository's name; of a path on a disk its last part."""
    name = name_of(value)
    is_path = name is not None and (name[0] in "/~.\\" or name[1:3] in (":\\", ":/"))
    return last_part(name) if is_path else name


def _tier(value: Any) -> Any:
    return spelt if (spelt := word(value)) in _TIERS else as_said(value)


def _topology(value: Any) -> Any:
    return word(value) or as_said(value)


def _text_id(value: Any) -> Any:
    """Return an id that is no UUID: what its own spelling is kept for."""
    text = name_of(value)
    return None if text is None or (len(text) == 36 and text.count("-") == 4) else text


def _verdict(value: Any) -> Any:
    """Return true or false as they are said; a score or a word is no verdict and is set aside."""
    if type(value) is bool:
        return value
    readable = as_said(value)
    return {"true": True, "false": False, "1": True, "0": False}.get(str(readable).lower(), readable)


def _failed(value: Any) -> Any:
    return False if word(value) in FAILED else None


def _other_type(value: Any) -> Any:
    """Return an error type's own spelling where the vocabulary has no word for it."""
    return name_of(value) if type_of_name(value) is ErrorType.UNKNOWN and word(value) != "unknown" else None


@dataclass(frozen=True, slots=True)
class Rule:
    """How one field of an execution is found: the names it is read from, in order, and what it is otherwise."""

    field: str
    reads: tuple[str, ...]
    otherwise: str = "null"
    note: str = ""
    convert: Callable[[Any], Any] = as_said


_NEXT = "the next row"

RULES: tuple[Rule, ...] = (
    Rule("task_id", ("task.task_id", "task.id"), "a new uuid4", "a text becomes the uuid5 of it", name_of),
    Rule(
        "external_id", ("task.task_id", "task.id"), note="the text of an id that is no UUID", convert=_text_id
    ),
    Rule(
        "task_group",
        ("task.task_group", "task.task_id", "task.id"),
        note="attempts at the same id share it",
        convert=name_of,
    ),
    Rule("attempt", ("task.attempt",), convert=number),
    Rule("session_id", ("task.session_id",), convert=name_of),
    Rule("parent_task_id", ("task.parent_task_id",), "the task inside which it was called", convert=name_of),
    Rule("task_type", ("task.task_type", "task.type"), "`unknown`", "normalised", name_of),
    Rule(
        "task_description",
        ("task.prompt", "task.description", "task.task_description"),
        "empty",
        f"cut at {MAX_TASK_DESCRIPTION} characters; a task that is a text is its description",
        prose,
    ),
    Rule("repo", ("task.repo",), _NEXT, "of a path its last part", _repo),
    Rule("repo", ("task.repo_path",), "`unknown`", "the last part of the path", _folder_name),
    Rule(
        "file_count",
        ("result.files_changed", "result.file_count", "task.file_count", "task.files"),
        "0",
        "a list is counted",
        _number_of,
    ),
    Rule(
        "estimated_tokens",
        ("task.estimated_tokens",),
        "the description's characters / 4",
        "about 4 characters a token, rounded up, of the whole description before it is cut",
        number,
    ),
    Rule("agent", ("result.agent", "task.agent"), convert=name_of),
    Rule("model", ("result.model", "task.model"), convert=name_of),
    Rule("model_tier", ("result.model_tier", "task.model_tier"), "`unknown`", convert=_tier),
    Rule(
        "pool_type",
        (
            "result.pool_type",
            "pool.config.pool_type",
            "pool.pool_type",
            "pool.type",
            "task.pool_type",
            "task.pool",
        ),
        "`unknown`",
        "from the pool's configuration before the task",
        name_of,
    ),
    Rule("swarm_topology", ("task.swarm_topology",), convert=_topology),
    Rule(
        "routing_confidence",
        ("task.routing_confidence",),
        note="never invented, and never a propensity",
        convert=number,
    ),
    Rule(
        "propensity",
        ("task.propensity",),
        note="the probability of choosing this tier; beside candidates the routing reads it",
        convert=number,
    ),
    Rule(
        "complexity_score",
        ("result.complexity_score", "result.complexity", "task.complexity_score", "task.complexity"),
        note="never invented",
        convert=number,
    ),
    Rule(
        "success",
        ("result.success",),
        _NEXT,
        "false when the task raised, unknown when it was cancelled",
        convert=_verdict,
    ),
    Rule(
        "success",
        ("result.status",),
        note="false when it says that it failed (`failed`, `error`, `timeout` …); `completed` alone is unknown",
        convert=_failed,
    ),
    Rule(
        "success_source",
        ("result.success_source",),
        "`harness` where the success is known",
        "only beside a success",
    ),
    Rule(
        "duration_seconds",
        ("result.duration_seconds", "result.duration"),
        "the wall clock from start to end",
        convert=number,
    ),
    Rule("quality_score", ("result.quality_score",), convert=number),
    Rule(
        "cost_estimate",
        ("result.cost_estimate", "result.estimated_cost", "task.cost_estimate", "task.estimated_cost"),
        note="never the actual cost",
        convert=number,
    ),
    Rule(
        "actual_cost",
        ("result.actual_cost", "result.cost", "result.cost_usd"),
        note="US dollars; unknown is null, never 0",
        convert=number,
    ),
    Rule(
        "input_tokens",
        ("result.input_tokens", "result.usage.input_tokens", "result.usage.prompt_tokens"),
        note="with those read from and written to a cache",
        convert=number,
    ),
    Rule(
        "output_tokens",
        ("result.output_tokens", "result.usage.output_tokens", "result.usage.completion_tokens"),
        convert=number,
    ),
    Rule(
        "cached_tokens",
        ("result.cached_tokens", "result.usage.cached_tokens", "result.usage.cache_read_input_tokens"),
        note="read from a cache",
        convert=number,
    ),
    Rule(
        "error_type",
        ("result.error_type",),
        _NEXT,
        "an error type makes the success false where nobody states it",
        convert=type_of_name,
    ),
    Rule(
        "error_type",
        ("result.gate_passed", "result.quality_gate"),
        note="a failed gate",
        convert=type_of_gate,
    ),
    Rule(
        "error_type",
        ("result.exit_code", "result.returncode"),
        _NEXT,
        "`crash` when a signal ended the process: negative, or 128 and the signal",
        convert=type_of_exit,
    ),
    Rule("error_type", ("result.status",), _NEXT, "`timeout`, `crashed` …", type_of_status),
    Rule(
        "error_type",
        ("result.error",),
        "by the message: `timeout` or `timed out`, `validation`, else `unknown`",
        "the exception's class, and those of its causes, decide first; none where it succeeded",
        type_of_error,
    ),
    Rule(
        "error_message",
        ("result.error_message", "result.error"),
        "what the exception says",
        f"cut at {MAX_ERROR_MESSAGE} characters",
        message_in,
    ),
    Rule("user_accepted", (), note="comes with feedback"),
    Rule("user_rating", (), note="comes with feedback"),
    Rule("peak_memory_mb", ("result.peak_memory_mb",), convert=number),
    Rule("cpu_time_seconds", ("result.cpu_time_seconds",), convert=number),
    Rule("solution_summary", ("result.solution_summary",), convert=prose),
    Rule("metadata", ("task.metadata", "result.metadata"), "empty", "both, the result's last", mapped),
    Rule("metadata.pool_id", ("result.pool_id", "pool.pool_id", "task.pool_id"), convert=name_of),
    Rule("metadata.worker_id", ("result.worker_id", "task.worker_id"), convert=name_of),
    Rule("metadata.source_pool_id", ("message.source_pool_id",), note="of the message that carried it"),
    Rule("metadata.target_pool_id", ("message.target_pool_id",), note="of the message that carried it"),
    Rule(
        "metadata.error_type",
        ("result.error_type",),
        note="its own spelling where the vocabulary has no word for it",
        convert=_other_type,
    ),
    Rule("metadata.cancelled", (), "absent", "true when it was cancelled, interrupted or told to exit"),
)
"""The whole mapping. Of several names the first that says something counts; a result wins over its task."""
