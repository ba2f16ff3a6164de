"""The records and their vocabularies: every limit that learnlab enforces is written here once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

UNKNOWN = "unknown"
"""What a required text says when nobody knows: a tier, a pool, a repo or a task type."""


class ErrorType(StrEnum):
    """What kind of failure ended an execution."""

    TIMEOUT = "timeout"
    QUALITY_GATE = "quality_gate"
    CRASH = "crash"
    VALIDATION = "validation"
    UNKNOWN = "unknown"


class Tier(StrEnum):
    """A price class of models; `unknown` is a tier that no router chooses."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    UNKNOWN = "unknown"


class Topology(StrEnum):
    """How the agents of a swarm are wired."""

    HIERARCHICAL = "hierarchical"
    FLAT = "flat"
    DYNAMIC = "dynamic"
    STAR = "star"
    MESH = "mesh"
    TREE = "tree"


class SuccessSource(StrEnum):
    """Who says that an execution succeeded; the first four are trusted by learning."""

    VERIFIER = "verifier"
    USER = "user"
    CI = "ci"
    HARNESS = "harness"
    HEURISTIC = "heuristic"
    UNKNOWN = "unknown"


class CostSource(StrEnum):
    """Where an actual cost comes from."""

    REPORTED = "reported"
    LIST_PRICE = "list_price"
    UNKNOWN = "unknown"


class TimeSource(StrEnum):
    """Whether a timestamp was in the source or is the time of ingestion."""

    RECORDED = "recorded"
    INGESTION = "ingestion"


class DurationSource(StrEnum):
    """What a duration measures: `work` as the log states it, `gaps` the time between events without long
    pauses, `wall` first to last event with every pause in it."""

    WORK = "work"
    GAPS = "gaps"
    WALL = "wall"
    UNKNOWN = "unknown"


class StepKind(StrEnum):
    """What a step inside an execution is: one answer of a model, one call of a tool, one compaction of context."""

    MESSAGE = "message"
    TOOL_CALL = "tool_call"
    COMPACTION = "compaction"


TASK_TYPE_FAMILIES: dict[str, tuple[str, ...]] = {
    "refactor": ("refactor", "refactoring", "refactor_code", "code_refactor", "code_refactoring"),
    "test": ("test", "tests", "testing", "unit_test", "unit_tests", "write_tests", "test_generation"),
    "docs": ("docs", "doc", "documentation", "document", "documenting", "write_docs"),
    "bugfix": ("bugfix", "bug_fix", "bug_fixing", "bugfixing", "fix", "fix_bug", "bug"),
    "feature": ("feature", "features", "new_feature", "implement_feature", "feature_request"),
    "code_generation": ("code_generation", "codegen", "generate_code", "code_gen"),
    "review": ("review", "code_review", "reviewing"),
    "debug": ("debug", "debugging"),
    "optimize": ("optimize", "optimise", "optimization", "optimisation", "performance"),
}
"""Task types that several spellings mean: normalised type → spellings (lower case, underscores)."""

TASK_TYPE_OF = {spelling: name for name, spellings in TASK_TYPE_FAMILIES.items() for spelling in spellings}
"""The same table turned round: spelling → normalised task type."""

TASK_TYPE_BREAK = r"[\s\x1c-\x1f\-./]+"
"""What stands between the words of a task type, as a regular expression."""


def normalise_task_type(spelling: str) -> str:
    """Return the one spelling that several ways of writing a task type share.

    Case, blanks, hyphens, dots and slashes do not count; unknown types stay as they are otherwise.

    >>> [normalise_task_type(s) for s in ("Refactor", "refactoring", "refactor-code", "Data Science")]
    ['refactor', 'refactor', 'refactor', 'data_science']
    """
    return _normalised(spelling) if len(spelling) > 100 else _known_normalised(spelling)


def _normalised(spelling: str) -> str:
    plain = re.sub(TASK_TYPE_BREAK, "_", spelling.lower()).strip("_")
    return TASK_TYPE_OF.get(plain, plain) or UNKNOWN


_known_normalised = lru_cache(maxsize=1024)(_normalised)


def as_uuid(value: UUID | str, source: str = "") -> UUID:
    """Return the UUID that an id stands for: itself, or uuid5 of its source and text.

    >>> as_uuid("task-abc-123") == as_uuid("task-abc-123")
    True
    >>> as_uuid("0f8fad5b-d9cb-469f-a165-70867728950e")
    UUID('0f8fad5b-d9cb-469f-a165-70867728950e')
    """
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"learnlab:{source}:{value}")


EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""No execution is older: an earlier time is a misread one."""


_A_DAY = timedelta(days=1)


def latest_plausible() -> datetime:
    """Return the newest time that a record may carry: a day from now, for clocks that are ahead."""
    return datetime.now(UTC) + _A_DAY


def _as_utc(moment: datetime) -> datetime:
    """A time without zone is UTC; any other is converted to UTC."""
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if not EARLIEST <= utc <= latest_plausible():
        raise ValueError(f"{utc.isoformat()} is no plausible time: before 2000 or in the future")
    return utc


def _none_is_empty(value: Any) -> Any:
    return {} if value is None else value


Id = Annotated[UUID, BeforeValidator(lambda value: as_uuid(value) if isinstance(value, str) else value)]
UtcTime = Annotated[datetime, AfterValidator(_as_utc)]
Name = Annotated[str, Field(min_length=1, max_length=500)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Score = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
TaskType = Annotated[str, AfterValidator(normalise_task_type), Field(min_length=1, max_length=500)]

MAX_DESCRIPTION = 1_000_000
MAX_ERROR_MESSAGE = 1000


def now() -> datetime:
    """Return the present moment in UTC, with its zone."""
    return datetime.now(UTC)


class Record(BaseModel):
    """The base of every record: unknown fields are errors, infinities are too."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ExecutionRecord(Record):
    """One attempt at one task: what was asked, of whom, and what came of it.

    Costs are US dollars, durations seconds, scores 0-100, probabilities 0-1, times UTC. Whatever nobody
    knows is None, never a default that looks like a figure. A text `task_id` becomes a UUID and stays in
    `external_id`; a success that is given without its source is the harness's word, a cost is reported.

    Raises:
        pydantic.ValidationError: when a value is out of its range or a required field is missing.

    >>> record = ExecutionRecord(task_type="Refactoring", task_description="Optimise queries", repo="shop",
    ...     model_tier="medium", pool_type="local", success=True, duration_seconds=45.2,
    ...     cost_estimate=0.0030, actual_cost=0.0032)
    >>> record.task_type
    'refactor'
    """

    task_id: UUID = Field(default_factory=uuid4)
    external_id: str | None = Field(default=None, max_length=2000)
    task_group: str | None = Field(default=None, max_length=2000)
    attempt: Annotated[int, Field(ge=1)] | None = None
    session_id: str | None = Field(default=None, max_length=2000)
    parent_task_id: UUID | None = None

    timestamp: UtcTime = Field(default_factory=now)
    time_source: TimeSource = TimeSource.RECORDED
    uploaded_at: UtcTime | None = None

    task_type: TaskType
    task_description: str = Field(max_length=MAX_DESCRIPTION)
    repo: Name
    file_count: Count = 0
    estimated_tokens: Count = 0

    agent: str | None = Field(default=None, max_length=500)
    model: str | None = Field(default=None, max_length=500)
    model_tier: Tier
    pool_type: Name
    swarm_topology: Topology | None = None
    routing_confidence: Share | None = None
    propensity: Share | None = None
    complexity_score: Score | None = None

    success: bool | None = None
    success_source: SuccessSource = SuccessSource.UNKNOWN
    duration_seconds: Amount | None = None
    duration_source: DurationSource = DurationSource.UNKNOWN
    quality_score: Score | None = None
    cost_estimate: Amount | None = None
    actual_cost: Amount | None = None
    cost_source: CostSource = CostSource.UNKNOWN
    price_version: str | None = Field(default=None, max_length=100)
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cached_tokens: Count | None = None

    error_type: ErrorType | None = None
    error_message: str | None = Field(default=None, max_length=MAX_ERROR_MESSAGE)
    user_accepted: bool | None = None
    user_rating: Annotated[int, Field(ge=1, le=5)] | None = None
    peak_memory_mb: Amount | None = None
    cpu_time_seconds: Amount | None = None
    solution_summary: str | None = Field(default=None, max_length=MAX_DESCRIPTION)
    metadata: Annotated[dict[str, Any], BeforeValidator(_none_is_empty)] = Field(default_factory=dict)

    source: str | None = Field(default=None, max_length=4000)
    source_position: Count | None = None
    record_key: UUID | None = None
    content_hash: UUID | None = None

    @model_validator(mode="before")
    @classmethod
    def _keep_what_is_normalised(cls, given: Any) -> Any:
        """Keep a text id and the task type's own spelling; say where an outcome came from when nobody did."""
        if not isinstance(given, dict):
            return given
        filled = dict(given)
        source = str(filled.get("source") or "")
        for name in ("task_id", "parent_task_id"):
            if isinstance(text := filled.get(name), str):
                filled[name] = as_uuid(text, source)
                if name == "task_id" and str(filled[name]) != text.lower():
                    filled.setdefault("external_id", text)
        spelling = filled.get("task_type")
        if isinstance(spelling, str) and normalise_task_type(spelling) != spelling:
            filled["metadata"] = {"task_type": spelling} | dict(filled.get("metadata") or {})
        if filled.get("success") is not None:
            filled.setdefault("success_source", SuccessSource.HARNESS)
        if filled.get("actual_cost") is not None:
            filled.setdefault("cost_source", CostSource.REPORTED)
        return filled

    def calculate_embedding_content(self) -> str:
        """Return the text that stands for the task in searches: the description alone, no outcome.

        A text with the outcome in it would let a router read the answer before it runs.

        >>> ExecutionRecord(task_type="docs", task_description="Explain the cache", repo="shop",
        ...     model_tier="small", pool_type="local", success=False).calculate_embedding_content()
        'Explain the cache'
        """
        return self.task_description

    def calculate_prediction_error(self) -> dict[str, float | None]:
        """Return how far the cost estimate was off: signed, absolute (US dollars) and relative to the estimate.

        `cost_error` is actual − estimate. Each is None when a cost is unknown; the relative error also when
        the estimate is 0.

        >>> ExecutionRecord(task_type="docs", task_description="Explain", repo="shop", model_tier="small",
        ...     pool_type="local", cost_estimate=0.5, actual_cost=0.25).calculate_prediction_error()
        {'cost_error': -0.25, 'cost_error_absolute': 0.25, 'cost_error_relative': -0.5}
        """
        if self.cost_estimate is None or self.actual_cost is None:
            return {"cost_error": None, "cost_error_absolute": None, "cost_error_relative": None}
        error = self.actual_cost - self.cost_estimate
        relative = error / self.cost_estimate if self.cost_estimate else None
        return {"cost_error": error, "cost_error_absolute": abs(error), "cost_error_relative": relative}
