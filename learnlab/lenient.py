"""Records made of whatever somebody says: what does not fit is kept beside, and the record stands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from learnlab.models import MAX_ERROR_MESSAGE, UNKNOWN, ExecutionRecord

_NAMES = ("task_type", "repo", "model_tier", "pool_type")
NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""A NUL character as JSON text writes it, with the escaped backslashes before it."""


def record_of(known: Mapping[str, Any]) -> ExecutionRecord:
    """Return the execution of which these fields are known: whatever they hold, it becomes one.

    A required field that is missing is `unknown` (the description is empty). What breaks a limit, or is no
    field of an execution, stands under `refused` in the metadata and leaves its field unknown. Texts lose
    what no file can hold: NUL characters and halves of characters.

    >>> record = record_of({"repo": "shop", "quality_score": 140, "success": True})
    >>> record.task_type, record.quality_score, record.metadata
    ('unknown', None, {'refused': {'quality_score': '140'}})
    """
    fields: dict[str, Any] = {
        name: storable(value) if isinstance(value, str) else value for name, value in known.items()
    }
    if metadata := fields.get("metadata"):
        readable = plain(metadata)
        fields["metadata"] = readable if isinstance(readable, dict) else {"metadata": readable}
    if fields.get("error_message"):
        fields["error_message"] = str(fields["error_message"])[:MAX_ERROR_MESSAGE]
    refused: dict[str, str] = {}
    while True:
        absent: dict[str, Any] = {name: UNKNOWN for name in _NAMES if fields.get(name) in (None, "")}
        if fields.get("task_description") is None:
            absent["task_description"] = ""
        try:
            return ExecutionRecord(**(fields | absent))
        except ValidationError as error:
            for name in {str(one["loc"][0]) for one in error.errors(include_url=False) if one["loc"]}:
                refused[name[:100]] = storable(_shown(fields.pop(name, None)))
            if not refused:
                raise
            fields = {name: value for name, value in fields.items() if value is not None}
            for name, says in (("success", "success_source"), ("actual_cost", "cost_source")):
                if name in refused:
                    fields.pop(says, None)
            fields["metadata"] = {**fields.get("metadata", {}), "refused": refused}


def union(*told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of all who tell of one thing, the later's where several have one; their metadata together.

    A duration comes with its own source, or with none.

    >>> union({"repo": "shop", "metadata": {"a": 1}}, {"success": True, "metadata": {"b": 2}})
    {'repo': 'shop', 'metadata': {'a': 1, 'b': 2}, 'success': True}
    """
    known: dict[str, Any] = {}
    for said in told:
        before, own = known.get("metadata"), said.get("metadata")
        if "duration_seconds" in said:
            known.pop("duration_source", None)
        known |= said
        if isinstance(before, dict) and isinstance(own, dict):
            known["metadata"] = before | own
    return known


def _shown(value: Any) -> str:
    """Return a value as a short text, whatever it is."""
    try:
        return str(value)[:200]
    except Exception as error:
        return f"{type(value).__name__} that cannot be shown: {type(error).__name__}"


def storable(text: str) -> str:
    """Return a text without what no file can hold: NUL characters and halves of characters.

    >>> storable("caf\\u00e9\\x00")
    'café\ufffd'
    """
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: what is no JSON becomes a short text, infinities become null.

    Inside lists and dictionaries only the part that is no JSON becomes a text.

    >>> plain({"at": (1, 2), 3: float("inf")})
    {'at': [1, 2], '3': None}
    >>> plain({"task": {"id": "t1", "text": "half a \\ud800"}})
    {'task': {'id': 't1', 'text': 'half a ?'}}
    """
    return _plain(value, set(), 0)


_DEEPEST = 100
"""How many levels are looked into for the part that is no JSON."""


def _plain(value: Any, seen: set[int], depth: int) -> Any:
    """Return a value as JSON; each list and dictionary is looked into once, so that circles end."""
    try:
        text = to_json(
            value, fallback=_shown, inf_nan_mode="null", bytes_mode="base64", serialize_unknown=True
        )
        return json.loads(NUL.sub(rb"\1\\ufffd", text) if rb"\u0000" in text else text)
    except (ValueError, RecursionError):
        if isinstance(value, str):
            return storable(value)
        if not isinstance(value, dict | list | tuple) or id(value) in seen or depth >= _DEEPEST:
            return storable(_shown(value))
        seen.add(id(value))
        if isinstance(value, dict):
            return {storable(_shown(name)): _plain(part, seen, depth + 1) for name, part in value.items()}
        return [_plain(part, seen, depth + 1) for part in value]
