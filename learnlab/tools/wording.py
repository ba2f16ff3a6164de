"""What went wrong, in words for an agent: what to change, and nothing of this machine or of other people."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from learnlab.errors import LearnlabError, StoreBusyError, StoreError
from learnlab.models import Record
from learnlab.secrets import showable
from learnlab.store import Store

_MOST = 600
"""Characters of a refusal."""

_MOST_FAULTS = 3

_FOLDERS = re.compile(r"(?<![\w.])[~/][^\s'\"`:;,()]*/")
_ROOT = re.compile(r"(?<![\w.])/(?=\w)")


def of_arguments(error: ValidationError, arguments: type[Record]) -> str:
    """Return what is wrong with the arguments of a call, in one line.

    >>> from learnlab.tools.rating import Rating
    >>> try:
    ...     Rating.model_validate({"task_id": "t1", "satisfaction": "superb", "colour": 1})
    ... except ValidationError as error:
    ...     of_arguments(error, Rating).split("; ")[0]
    "satisfaction is 'superb': it may be excellent, good, fair, poor"
    """
    faults = error.errors(include_url=False, include_context=True)
    unknown = [repr(str(one["loc"][0])[:60]) for one in faults if one["type"] == "extra_forbidden"]
    said = dict.fromkeys(_fault(dict(one)) for one in faults if one["type"] != "extra_forbidden")
    if unknown:
        there = ", ".join(arguments.model_fields) or "none"
        said[f"there is no argument {', '.join(unknown[:_MOST_FAULTS])}: there are {there}"] = None
    return _short("; ".join(list(said)[: _MOST_FAULTS + 1]))


def of_trouble(error: LearnlabError, store: Store) -> str:
    """Return one of our own errors without paths, or processes, whose command lines may name people."""
    if isinstance(error, StoreBusyError):
        return "the store has been busy for too long: nothing was kept; try again in a minute with the same arguments"
    if isinstance(error, StoreError):
        if not store.exists():
            return "there is no store yet: it begins with the first execution that is captured or ingested"
        return (
            "the store cannot be read or written just now: nothing was kept; the server's log says why, "
            "so tell whoever runs it"
        )
    return _short(without_paths(str(error)[: 4 * _MOST], store))


def without_paths(text: str, store: Store) -> str:
    """Return a text with the last part alone of every path in it.

    >>> without_paths("no model in /home/ada/models/mini: name another", Store("sample"))
    'no model in mini: name another'
    """
    text = text.replace(str(store.path), store.path.stem)
    return _ROOT.sub("", _FOLDERS.sub("", text))


def _short(text: str) -> str:
    shown = showable(text[: 4 * _MOST])
    return shown if len(shown) <= _MOST else f"{shown[: _MOST - 2]} …"


def _fault(fault: dict[str, Any]) -> str:
    name, kind, context = str(fault["loc"][0])[:60], fault["type"], fault.get("ctx", {})
    if kind == "missing":
        return f"{name} is missing"
    if kind == "string_too_long":
        return f"{name} has {len(fault['input']):,} characters: it may have {context['max_length']:,}"
    if kind in ("enum", "literal_error"):
        words = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        return f"{name} is {_input(fault['input'])}: it may be {words}"
    says = str(fault["msg"]).replace("Input should be", "it should be").replace("a valid tuple", "a list")
    return f"{name} is {_input(fault['input'])}: {says}"


def _input(given: Any) -> str:
    if isinstance(given, dict | list):
        return "an object" if isinstance(given, dict) else "a list"
    return repr(given[:60] if isinstance(given, str) else given)[:80]
