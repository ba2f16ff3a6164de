"""Document 001's mapping: reads what is known of tasks and results into the fields of an execution, by the rules."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

from pydantic import JsonValue

from learnlab.capture.mapping.failures import error_type_of, is_cancellation, message_of
from learnlab.capture.mapping.rules import MAX_TASK_DESCRIPTION as MAX_TASK_DESCRIPTION
from learnlab.capture.mapping.rules import RULES
from learnlab.capture.mapping.said import cut, is_a, member, name_of, number, opened, said
from learnlab.models import MAX_ERROR_MESSAGE, ErrorType, SuccessSource, as_uuid

CHARACTERS_A_TOKEN = 4
"""About how many characters of prose make a token; the seeds say 2 tokens a character and 2 characters a token."""

_Reader = tuple[int, str, str, Callable[[Any], Any]]


def _readers(origin: str) -> dict[str, tuple[_Reader, ...]]:
    """Return name → (place in the table, name, field, conversion) of everything that is read from a task, a result …"""
    readers: dict[str, tuple[_Reader, ...]] = {}
    reads = [(rule, read) for rule in RULES for read in rule.reads if read.startswith(f"{origin}.")]
    for place, (rule, read) in enumerate(reads):
        name = read.removeprefix(f"{origin}.")
        readers[name] = (*readers.get(name, ()), (place, name, rule.field, rule.convert))
    return readers


def _names(readers: dict[str, tuple[_Reader, ...]]) -> tuple[str, ...]:
    return tuple({name.split(".")[0]: None for name in readers})


_READERS = {origin: _readers(origin) for origin in ("task", "result", "pool", "message")}
_TASK, _RESULT, _POOL, _MESSAGE = map(_names, _READERS.values())
_USAGE = tuple(name.removeprefix("usage.") for name in _READERS["result"] if name.startswith("usage."))


def task_fields(task: Any, pool: Any = None) -> dict[str, JsonValue]:
    """Return what is known of a task before it runs, by the names of an execution's fields, as JSON.

    The task is a dict, a message with a payload, an object or a text; the pool is whatever runs it. The
    `task_id` is not among them: `task_id_of` gives it.

    >>> task_fields({"prompt": "Write a function", "type": "codegen", "repo_path": "/srv/shop/"})
    {'task_type': 'codegen', 'task_description': 'Write a function', 'repo': 'shop', 'estimated_tokens': 4}
    """
    return task_read(task, pool)[1]


def task_read(task: Any, pool: Any = None) -> tuple[str | None, dict[str, JsonValue]]:
    """Return the id that a task was given, None when it has none, and its `task_fields`: both in one reading.

    >>> task_read({"id": 7, "prompt": "Write a function"})
    ('7', {'external_id': '7', 'task_group': '7', 'task_description': 'Write a function', 'estimated_tokens': 4})
    """
    carried, message = opened(task)
    known = _known("task", {"prompt": carried} if is_a(carried, str) else said(carried, _TASK))
    given_id = known.pop("task_id", None)
    if "propensity" in known and member(carried, "candidates") is not None:
        del known["propensity"]
    if pool is not None:
        known |= _known("pool", _said_of_pool(pool))
    if message is not None:
        known |= _known("message", said(message, _MESSAGE))
    if (description := known.get("task_description")) is not None:
        known.setdefault("estimated_tokens", -(-len(description) // CHARACTERS_A_TOKEN))
        known["task_description"] = cut(description, MAX_TASK_DESCRIPTION)
    return given_id, _with_metadata(known)


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
    known = _known("result", _said_of_result(carried))
    if message is not None:
        known |= _known("message", said(message, _MESSAGE))
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


def _known(origin: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that something says, each from the first of its names that says anything."""
    readers = _READERS[origin]
    names = given if len(given) < len(readers) else readers
    known: dict[str, Any] = {}
    due = _due(origin, tuple([name for name in names if type(name) is str and name in readers]))
    for _, name, field, convert in due:
        try:
            value = given.get(name)
            if value is not None and field not in known and (converted := convert(value)) is not None:
                known[field] = converted
        except Exception:
            continue
    return known


@lru_cache(maxsize=1024)
def _due(origin: str, names: tuple[str, ...]) -> list[_Reader]:
    """Return what is read from these names, in the order of the table; most tasks have the names of the one before."""
    return sorted(reader for name in names for reader in _READERS[origin][name])


def _said_of_pool(pool: Any) -> dict[str, Any]:
    given = said(pool, _POOL)
    config = given.get("config")
    kind = None if config is None else member(config, "pool_type")
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
    if own is None and _BESIDE.isdisjoint(known):
        return known
    beside = {field[9:]: known.pop(field) for field in known.keys() & _BESIDE}
    if own or beside:
        known["metadata"] = (own if isinstance(own, dict) else {"metadata": own} if own else {}) | beside
    return known


_BESIDE = frozenset(rule.field for rule in RULES if rule.field.startswith("metadata."))
