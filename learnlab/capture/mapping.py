"""Document 001's mapping: where each field of an execution is read from, as one table that does the reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from pydantic import JsonValue

from learnlab.capture.failures import (
    FAILED,
    error_type_of,
    is_cancellation,
    message_in,
    message_of,
    type_of_error,
    type_of_exit,
    type_of_gate,
    type_of_name,
    type_of_status,
)
from learnlab.capture.said import (
    as_said,
    cut,
    is_a,
    mapped,
    member,
    name_of,
    number,
    opened,
    prose,
    said,
    word,
)
from learnlab.ingest.logs.shapes import last_part
from learnlab.models import MAX_ERROR_MESSAGE, ErrorType, SuccessSource, Tier, as_uuid

MAX_TASK_DESCRIPTION = 500
"""Characters of a captured task's description that are kept."""

CHARACTERS_A_TOKEN = 4
"""About how many characters of prose make a token; the seeds say 2 tokens a character and 2 characters a token."""

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

_Reader = tuple[str, str, Callable[[Any], Any]]


def _readers(origin: str) -> tuple[_Reader, ...]:
    """Return name, field and conversion of everything that is read from a task, a result …, in the table's order."""
    return tuple(
        (read.removeprefix(f"{origin}."), rule.field, rule.convert)
        for rule in RULES
        for read in rule.reads
        if read.startswith(f"{origin}.")
    )


def _names(readers: tuple[_Reader, ...]) -> tuple[str, ...]:
    return tuple({name.split(".")[0]: None for name, _, _ in readers})


_OF_TASK, _OF_RESULT, _OF_POOL, _OF_MESSAGE = map(_readers, ("task", "result", "pool", "message"))
_TASK, _RESULT, _POOL, _MESSAGE = map(_names, (_OF_TASK, _OF_RESULT, _OF_POOL, _OF_MESSAGE))
_USAGE = tuple(name.removeprefix("usage.") for name, _, _ in _OF_RESULT if name.startswith("usage."))


def task_fields(task: Any, pool: Any = None) -> dict[str, JsonValue]:
    """Return what is known of a task before it runs, by the names of an execution's fields, as JSON.

    The task is a dict, a message with a payload, an object or a text; the pool is whatever runs it. The
    `task_id` is not among them: `task_id_of` gives it.

    >>> task_fields({"prompt": "Write a function", "type": "codegen", "repo_path": "/work/shop/"})
    {'task_type': 'codegen', 'task_description': 'Write a function', 'repo': 'shop', 'estimated_tokens': 4}
    """
    carried, message = opened(task)
    known = _known(_OF_TASK, {"prompt": carried} if is_a(carried, str) else said(carried, _TASK))
    known.pop("task_id", None)
    if "propensity" in known and member(carried, "candidates") is not None:
        del known["propensity"]
    if pool is not None:
        known |= _known(_OF_POOL, _said_of_pool(pool))
    if message is not None:
        known |= _known(_OF_MESSAGE, said(message, _MESSAGE))
    if (description := known.get("task_description")) is not None:
        known.setdefault("estimated_tokens", -(-len(description) // CHARACTERS_A_TOKEN))
        known["task_description"] = cut(description, MAX_TASK_DESCRIPTION)
    return _with_metadata(known)


def task_id_of(task: Any) -> tuple[UUID, str | None]:
    """Return the id of a task and the text that was given for it; a task without one gets a new id and None.

    >>> task_id_of({"task_id": "task-abc-123"})
    (UUID('e06a46ed-134f-5928-a08b-cd492c16d495'), 'task-abc-123')
    """
    carried, _ = opened(task)
    given = said(carried, ("task_id", "id"))
    text = name_of(given.get("task_id")) or name_of(given.get("id"))
    return (as_uuid(text), text) if text else (uuid4(), None)


def result_fields(result: Any, error: BaseException | None = None) -> dict[str, JsonValue]:
    """Return what is known of an outcome, by the names of an execution's fields, as JSON.

    The result is a dict, a message with a payload, an object or anything else, which says nothing; an
    exception in its place is the error. An error makes the success false, being cancelled leaves it unknown.

    >>> result_fields({"status": "completed", "cost": 0.002, "files_changed": ["a.py", "b.py"]})
    {'file_count': 2, 'actual_cost': 0.002}
    >>> result_fields(None, TimeoutError())["error_type"]
    'timeout'
    """
    if error is None and is_a(result, BaseException):
        error, result = result, None
    carried, message = opened(result)
    known = _known(_OF_RESULT, _said_of_result(carried))
    if message is not None:
        known |= _known(_OF_MESSAGE, said(message, _MESSAGE))
    if error is not None and is_cancellation(error):
        known.pop("success", None)
        known["metadata.cancelled"] = True
    elif error is not None:
        known |= {"success": False, "error_type": error_type_of(error)}
        known.setdefault("error_message", message_of(error))
    _judge(known)
    return _with_metadata(known)


def table() -> str:
    """Return the mapping as a Markdown table, one row a rule: what the page on capture prints.

    >>> table().splitlines()[0]
    '| Field of the execution | Read from, in this order | Otherwise | Note |'
    """
    rows = ["| Field of the execution | Read from, in this order | Otherwise | Note |", "|---|---|---|---|"]
    for rule in RULES:
        reads = ", ".join(f"`{read}`" for read in rule.reads) or "—"
        rows.append(f"| `{rule.field}` | {reads} | {rule.otherwise} | {rule.note} |")
    return "\n".join(rows) + "\n"


def _known(readers: tuple[_Reader, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that something says, each from the first of its names that says anything."""
    known: dict[str, Any] = {}
    for name, field, convert in readers:
        try:
            value = given.get(name)
            if value is not None and field not in known and (converted := convert(value)) is not None:
                known[field] = converted
        except Exception:
            continue
    return known


def _said_of_pool(pool: Any) -> dict[str, Any]:
    given = said(pool, _POOL)
    kind = member(given.get("config"), "pool_type")
    return given if kind is None else {**given, "config.pool_type": kind}


def _said_of_result(result: Any) -> dict[str, Any]:
    """Return what a result says, its usage by dotted names; tokens of a cache that were not counted are added."""
    given = said(result, _RESULT)
    usage = given.get("usage")
    if usage is None:
        return given
    counts = {name: value for name in _USAGE if (value := number(member(usage, name))) is not None}
    beside = [number(member(usage, f"cache_{way}_input_tokens")) for way in ("read", "creation")]
    if type(counts.get("input_tokens")) is int:
        counts["input_tokens"] += sum(n for n in beside if type(n) is int and n > 0)
    for details in ("input_tokens_details", "prompt_tokens_details"):
        if (cached := number(member(member(usage, details), "cached_tokens"))) is not None:
            counts.setdefault("cached_tokens", cached)
    return {**given, **{f"usage.{name}": value for name, value in counts.items()}}


def _judge(known: dict[str, Any]) -> None:
    """Bring success, its source and the error into line with one another."""
    message = known.get("error_message")
    if known.get("success") is True:
        known.pop("error_type", None)
    else:
        if known.get("error_type") is not None:
            known.setdefault("success", False)
        if known.get("success") is False or message:
            stated = known.get("error_type", ErrorType.UNKNOWN)
            known["error_type"] = str(
                error_type_of(None, message) if stated is ErrorType.UNKNOWN and message else stated
            )
    if message:
        known["error_message"] = cut(message, MAX_ERROR_MESSAGE)
    source = known.pop("success_source", SuccessSource.HARNESS.value)
    if "success" in known:
        known["success_source"] = source


def _with_metadata(known: dict[str, Any]) -> dict[str, Any]:
    """Put what goes beside the fields into the metadata, after what was given as metadata."""
    own = known.pop("metadata", None)
    beside = {field[9:]: known.pop(field) for field in known.keys() & _BESIDE}
    if own or beside:
        known["metadata"] = (own if isinstance(own, dict) else {"metadata": own} if own else {}) | beside
    return known


_BESIDE = frozenset(rule.field for rule in RULES if rule.field.startswith("metadata."))
