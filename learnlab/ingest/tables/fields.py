"""How columns are recognised: the names that sources use for each field of an execution, and their units."""

from __future__ import annotations

import re
from enum import Enum
from fractions import Fraction
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import polars as pl

from learnlab.models import ExecutionRecord
from learnlab.store.limits import SCHEMA

UNITS: dict[str, Fraction] = {
    "us": Fraction(1, 1_000_000), "ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60), "h": Fraction(3600),
    "bytes": Fraction(1, 1 << 20), "kb": Fraction(1, 1 << 10), "mb": Fraction(1), "gb": Fraction(1 << 10),
    "usd": Fraction(1), "cents": Fraction(1, 100), "percent": Fraction(1, 100), "fraction": Fraction(100),
}  # fmt: skip
"""What one of a unit is in the field's own: seconds, megabytes, US dollars; a share from per cent, a score (0-100)
from a fraction."""

ALIASES: dict[str, tuple[str, ...]] = {
    "task_id": ("task_id", "execution_id", "run_id", "id", "uuid", "instance_id"),
    "external_id": ("external_id",),
    "task_group": ("task_group", "group_id", "problem_id"),
    "attempt": ("attempt", "attempt_number"),
    "session_id": ("session_id", "session", "conversation_id", "thread_id"),
    "parent_task_id": ("parent_task_id", "parent_id"),
    "timestamp": ("timestamp", "started_at", "start_time", "created_at", "executed_at", "datetime", "time", "ts", "date"),
    "task_type": ("task_type", "task_category", "category", "dimension"),
    "task_description": (
        "task_description", "description", "prompt", "task", "instruction", "problem_statement", "question",
    ),
    "repo": ("repo", "repository", "repo_name", "repository_name", "project"),
    "file_count": ("file_count", "n_files", "files_changed"),
    "estimated_tokens": ("estimated_tokens", "token_estimate"),
    "agent": ("agent", "agent_name", "assistant"),
    "model": ("model", "model_name", "model_id", "llm"),
    "model_tier": ("model_tier", "tier"),
    "pool_type": ("pool_type", "pool"),
    "swarm_topology": ("swarm_topology", "topology"),
    "routing_confidence": ("routing_confidence",),
    "propensity": ("propensity",),
    "complexity_score": ("complexity_score", "complexity"),
    "success": (
        "success", "succeeded", "is_success", "passed", "resolved", "is_correct", "correct",
        "verdict", "outcome", "status",
    ),
    "success_source": ("success_source",),
    "duration_seconds": (
        "duration_seconds", "duration_s", "duration", "elapsed_seconds", "elapsed_s", "elapsed", "latency_seconds",
        "latency_s", "runtime_seconds", "wall_time_seconds", "duration_ms", "latency_ms", "elapsed_ms", "runtime_ms",
        "duration_minutes",
    ),
    "quality_score": ("quality_score", "quality"),
    "cost_estimate": ("cost_estimate", "cost_estimate_usd", "estimated_cost", "estimated_cost_usd", "expected_cost"),
    "actual_cost": (
        "actual_cost", "actual_cost_usd", "cost_usd", "total_cost_usd", "total_cost", "cost", "cost_cents",
    ),
    "cost_source": ("cost_source",),
    "price_version": ("price_version",),
    "input_tokens": ("input_tokens", "prompt_tokens", "in_tok", "tokens_in", "gen_ai_usage_input_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens", "out_tok", "tokens_out", "gen_ai_usage_output_tokens"),
    "cached_tokens": ("cached_tokens", "cached_input_tokens", "cache_read_tokens", "cache_read_input_tokens"),
    "error_type": ("error_type", "error_kind"),
    "error_message": ("error_message", "error", "exception", "failure_reason"),
    "user_accepted": ("user_accepted", "accepted"),
    "user_rating": ("user_rating", "rating", "stars"),
    "peak_memory_mb": ("peak_memory_mb", "memory_mb", "peak_memory_bytes", "peak_memory_gb"),
    "cpu_time_seconds": ("cpu_time_seconds", "cpu_seconds", "cpu_time_ms", "cpu_ms"),
    "solution_summary": ("solution_summary", "solution", "summary"),
    "metadata": ("metadata",),
}  # fmt: skip
"""Field → the column names that mean it, the likeliest first, in lower case with underscores."""

BEFORE_THE_RUN = (
    "external_id", "task_group", "attempt", "session_id", "parent_task_id", "timestamp", "task_type", "task_description",
    "repo", "agent", "model", "model_tier", "pool_type", "swarm_topology",
)  # fmt: skip
"""The fields that are known before a run and, with its id, tell one run from another."""

TELLING = (
    "task_description", "success", "duration_seconds", "quality_score", "actual_cost", "cost_estimate", "input_tokens",
    "output_tokens", "error_type", "error_message", "user_accepted", "user_rating", "model", "task_type",
)  # fmt: skip
"""The fields of which a file of executions has at least two: what was asked, of whom, what came of it."""

_EVENTS = ("message", "payload", "content")
"""What a log of events has beside its `type`: such a line is a step of a run, not a run."""

_SUFFIX_UNITS = {"ms": "ms", "minutes": "min", "cents": "cents", "bytes": "bytes", "gb": "gb"}
_OF_ALIAS = {alias: field for field, aliases in ALIASES.items() for alias in aliases}


def plain_name(column: str) -> str:
    """Return a column's name as it is compared: lower case, words joined by underscores.

    >>> plain_name(" Duration (ms)"), plain_name("taskType"), plain_name("gen_ai.usage.input_tokens")
    ('duration_ms', 'task_type', 'gen_ai_usage_input_tokens')
    """
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column[:200])
    return re.sub(r"[^\w]+|_+", "_", split.lower()).strip("_")


def recognised(columns: list[str]) -> dict[str, list[tuple[str, str | None]]]:
    """Return field → the columns that mean it with their units, the likeliest first.

    >>> recognised(["Latency_MS", "colour", "taskId"])
    {'task_id': [('taskId', None)], 'duration_seconds': [('Latency_MS', 'ms')]}
    """
    found: dict[str, list[tuple[int, str, str | None]]] = {}
    for column in columns:
        name = plain_name(column)
        if field := _OF_ALIAS.get(name):
            unit = _SUFFIX_UNITS.get(name.rsplit("_", 1)[-1])
            found.setdefault(field, []).append((ALIASES[field].index(name), column, unit))
    return {
        field: [(column, unit) for _, column, unit in sorted(found[field])]
        for field in ALIASES
        if field in found
    }


def looks_like_events(columns: list[str]) -> bool:
    """Return whether the columns are those of a transcript or an event log, whose lines are no executions.

    >>> looks_like_events(["type", "message", "error"]), looks_like_events(["prompt", "type", "model"])
    (True, False)
    """
    names = set(map(plain_name, columns))
    return "type" in names and not names.isdisjoint(_EVENTS)


def _words(field: str) -> frozenset[str] | None:
    annotation: Any = ExecutionRecord.model_fields[field].annotation
    while get_origin(annotation) in (Annotated, UnionType):
        annotation = get_args(annotation)[0]
    is_words = isinstance(annotation, type) and issubclass(annotation, Enum)
    return frozenset(member.value for member in annotation) if is_words else None


VOCABULARY: dict[str, frozenset[str]] = {
    field: words for field in ALIASES if (words := _words(field)) is not None
}
"""The fields that hold one word of a vocabulary, and its words."""

NUMBERS = tuple(field for field in ALIASES if SCHEMA[field] in (pl.Int64, pl.Float64))
"""The fields that hold a number."""
