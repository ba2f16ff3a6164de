"""What readers of agents' logs make of them: tasks, the steps inside them, and an account of every line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from learnlab.ingest.batch import Position
from learnlab.ingest.rejected import Fault
from learnlab.models import DurationSource, ErrorType, StepKind, SuccessSource

MAX_ERROR = 2000
"""The characters of a tool's error that are held: its whole output may be very long."""


def error_type_of(said: str, other: ErrorType) -> ErrorType:
    """Return the type of an error by its words: running out of time is told by them, else it is the other.

    >>> error_type_of("Request timed out.", ErrorType.UNKNOWN).value
    'timeout'
    """
    begun = said[:MAX_ERROR].lower()
    return ErrorType.TIMEOUT if "timeout" in begun or "timed out" in begun else other


@dataclass(slots=True)
class Step:
    """A message, a tool call or a compaction inside a task.

    `key` is the log's own identity of it: a step counts once, wherever it appears again, with its largest
    usage. `input_tokens` is everything that went in, with what the cache read and wrote (`cache_read_tokens`,
    `cache_write_tokens` are parts of it); None is unknown. `is_partial` says that more was used than the log
    tells. `is_counted` says whether the task's tokens and cost are the sum over its steps; a log that states
    a task's totals gives them with the task and marks its steps as not counted. `cost_usd` is only what the
    log itself reports. Times are naive UTC.
    """

    kind: StepKind
    key: str
    position: int
    started_at: datetime | None = None
    duration_seconds: float | None = None
    name: str | None = None
    model: str | None = None
    provider: str | None = None
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    is_error: bool | None = None
    error: str | None = None
    is_partial: bool = False
    is_counted: bool = True

    def end(self, is_error: bool, said: str) -> None:
        """Take whether it ended in an error, and what was said then."""
        self.is_error = is_error
        self.error = (said.strip()[:MAX_ERROR] or None) if is_error else None


@dataclass(slots=True)
class Task:
    """One execution as a log tells it; whatever the log does not say stays None.

    `key` is the identity of the task in its log (not of the file it stands in), `parent_key` that of the
    task on whose behalf it ran. `position` is the line (or entry) at which it begins. Tokens and costs are
    given only where the log states them for the task as a whole (see `Step.is_counted`); `usage_by_model`
    then gives them by model, so that they can be priced: model → (input, cache read, cache write, output).
    """

    key: str
    position: int
    description: str
    timestamp: datetime | None = None
    task_type: str = "unknown"
    repo: str | None = None
    parent_key: str | None = None
    external_id: str | None = None
    task_group: str | None = None
    attempt: int | None = None
    session_id: str | None = None
    agent: str | None = None
    model: str | None = None
    success: bool | None = None
    success_source: SuccessSource = SuccessSource.UNKNOWN
    quality_score: float | None = None
    duration_seconds: float | None = None
    duration_source: DurationSource = DurationSource.UNKNOWN
    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    actual_cost: float | None = None
    usage_by_model: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    error_type: ErrorType | None = None
    error_message: str | None = None
    solution_summary: str | None = None
    file_count: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class Piece:
    """What a reader yields: tasks that are complete so far, what could not be read, and an account of the input.

    `kinds` counts every line (of a document: every entry) once under a name for its kind, rejected ones
    under `rejected`. `position` is where to read on after this piece; None where the format does not grow.
    """

    tasks: list[Task] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    position: Position | None = None
