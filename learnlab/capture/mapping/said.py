"""Reads what tasks, results and routers say, be they dicts, messages or objects, without trusting them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import Any, TypeGuard, TypeVar
from uuid import UUID

from learnlab.events import MessageType
from learnlab.lenient import plain, storable

_T = TypeVar("_T")
_SAYS_NOTHING: tuple[type[Any], ...] = (
    type(None),
    str,
    bytes,
    bytearray,
    int,
    float,
    complex,
    list,
    tuple,
    set,
    frozenset,
)
_ENDS = ("source_pool_id", "target_pool_id")
_TYPES = frozenset(MessageType)
_FLAT = frozenset({str, int, float, bool, type(None)})
_FEW, _MOST = 20, 1 << 63
SPLIT = 100
"""Characters of a split word that suffice to recognise the secret in it."""


def is_a(value: Any, *kinds: type[_T]) -> TypeGuard[_T]:
    """Return whether a value is of one of some types, by its real type: asking for its class may run code.

    >>> is_a("text", str, int), is_a(None, str)
    (True, False)
    """
    return issubclass(type(value), kinds)


def member(given: Any, name: str) -> Any:
    """Return what a mapping or an object has under a name; None where it has nothing, a method, or raises.

    >>> member({"model": "m-1"}, "model"), member("text", "upper"), member(ValueError("x"), "args")
    ('m-1', None, ('x',))
    """
    try:
        value = (given if type(given) is dict else said(given, (name,))).get(name)
    except Exception:
        return None
    return None if callable(value) else value


def said(given: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return what is said under some names: a dict is itself, of anything else what it has and is not None.

    A text, a number, a list says nothing by name.

    >>> said(ValueError("x"), ("args", "nothing")), said("text", ("args",))
    ({'args': ('x',)}, {})
    """
    if type(given) is dict:
        return given
    if issubclass(type(given), _SAYS_NOTHING):
        return {}
    found: dict[str, Any] = {}
    is_mapping = issubclass(type(given), Mapping)
    for name in names:
        try:
            value = given.get(name) if is_mapping else getattr(given, name, None)
            if value is not None and not callable(value):
                found[name] = value
        except Exception:
            continue
    return found


def opened(given: Any) -> tuple[Any, Any]:
    """Return what a message carries, and the message; of anything else itself, and None.

    A message has a payload, and names a pool or one of the bus's types.

    >>> opened({"type": "TASK_DELEGATE", "source_pool_id": "p1", "payload": {"prompt": "Sort"}})[0]
    {'prompt': 'Sort'}
    >>> opened({"prompt": "Sort", "payload": [3, 1]})
    ({'prompt': 'Sort', 'payload': [3, 1]}, None)
    """
    if (type(given) is dict and "payload" not in given) or issubclass(type(given), _SAYS_NOTHING):
        return given, None
    if (payload := member(given, "payload")) is None:
        return given, None
    is_message = (
        any(member(given, name) is not None for name in _ENDS) or word(member(given, "type")) in _TYPES
    )
    return (payload, given) if is_message else (given, None)


def as_said(value: Any) -> Any:
    """Return a value as JSON: a text that can be stored, a finite number, else `plain`.

    >>> as_said("a\\x00"), as_said(float("inf")), as_said((1, 2))
    ('a\ufffd', 'inf', [1, 2])
    """
    kind = type(value)
    if kind is str:
        return storable(value) or None
    if kind is bool or value is None:
        return value
    if kind is int:
        return value if -_MOST < value < _MOST else f"an integer of {value.bit_length()} bits"
    if kind is float:
        return value if isfinite(value) else str(value)
    return as_said(value.value) if is_a(value, Enum) else plain(value)


def mapped(value: Any) -> Any:
    """Return a mapping as JSON, a flat dict without going through its text; anything else as `plain` does.

    >>> mapped({"team": "core", "tries": 2}), mapped({"at": (1, 2)})
    ({'team': 'core', 'tries': 2}, {'at': [1, 2]})
    """
    is_flat = (
        type(value) is dict
        and len(value) <= _FEW
        and all(type(name) is str and type(own) in _FLAT for name, own in value.items())
    )
    return {storable(name): as_said(own) for name, own in value.items()} if is_flat else plain(value)


def name_of(value: Any) -> str | None:
    """Return the name that stands for something: a text, an id, an enum's value, an object's own `name`.

    >>> name_of("m-1"), name_of({"name": "m-1"}), name_of(7), name_of([])
    ('m-1', 'm-1', '7', None)
    """
    if type(value) is str:
        return storable(value).strip() or None
    if is_a(value, Enum):
        value = value.value if isinstance(value.value, str) else value.name
    if is_a(value, str):
        return storable(str(value)).strip() or None
    if is_a(value, UUID, PurePath) or (type(value) is int and -_MOST < value < _MOST):
        return storable(str(value))
    return None if issubclass(type(value), _SAYS_NOTHING) else _own_name(value)


def _own_name(value: Any) -> str | None:
    name = member(value, "name")
    return storable(name).strip() or None if isinstance(name, str) else None


def word(value: Any) -> str:
    """Return one word as vocabularies spell it, lower case with underscores; empty for what is no name.

    >>> word(" Timed-Out "), word(None)
    ('timed_out', '')
    """
    return (name_of(value) or "").lower().replace("-", "_").replace(" ", "_")


def prose(value: Any) -> str | None:
    """Return a text for people to read: itself, or anything else as the text of its JSON.

    >>> prose("Sort"), prose([{"role": "user", "content": "Sort"}])
    ('Sort', '[{"role": "user", "content": "Sort"}]')
    """
    if is_a(value, str):
        return storable(str(value)) or None
    if is_a(value, bytes, bytearray):
        return storable(bytes(value).decode("utf-8", "replace")) or None
    readable = as_said(value)
    if readable is None or isinstance(readable, str):
        return readable or None
    return json.dumps(readable, ensure_ascii=False) if readable not in ({}, []) else None


def number(value: Any) -> Any:
    """Return a number, also one written as a text; what is none stays as it is said, to be set aside.

    >>> number("4.5"), number(3), number(True), number("many")
    (4.5, 3, 'True', 'many')
    """
    kind = type(value)
    if kind is bool:
        return str(value)
    readable = as_said(value)
    if kind is int or kind is float:
        return readable
    if isinstance(readable, str):
        try:
            parsed = float(readable)
        except ValueError:
            return readable
        return parsed if isfinite(parsed) else readable
    return readable


def cut(text: str, limit: int) -> str:
    """Return the first characters of a text; a split word goes whole when it could be a secret.

    Half a key or an address is no longer recognised as one when secrets are masked, so it must not be left.

    >>> cut("Explain the cache", 14), cut("mail ada1@example.org", 12)
    ('Explain the ca', 'mail')
    """
    if len(text) <= limit:
        return text
    kept = text[:limit]
    if kept[-1].isspace() or text[limit].isspace():
        return kept
    piece = kept.split()[-1]
    whole = piece + text[limit : limit + SPLIT].split(maxsplit=1)[0]
    could_be_secret = any(char.isalpha() for char in whole) and not whole.isalpha()
    return kept[: -len(piece)].rstrip() if could_be_secret and len(piece) < min(SPLIT, limit) else kept
