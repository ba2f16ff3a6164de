"""Reading values out of JSON that somebody else wrote: whatever stands there, an answer of the asked kind or None."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from learnlab.models import EARLIEST, latest_plausible

_MOST = 2**53
_NO_OFFSET = timedelta()
_EARLIEST = EARLIEST.replace(tzinfo=None)
_BEGAN = datetime.now(UTC).replace(tzinfo=None)
_HALF = re.compile("[\ud800-\udfff]")


def obj(value: Any) -> dict[str, Any]:
    """Return a JSON object, an empty one for anything else.

    >>> obj({"a": 1}), obj(None), obj([1])
    ({'a': 1}, {}, {})
    """
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return a JSON array, an empty one for anything else.

    >>> items([1]), items({"a": 1})
    ([1], [])
    """
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """Return a text that can be stored, None for anything else and for the empty text.

    NUL characters are left out, halves of surrogate pairs become replacement characters.

    >>> text("a" + chr(0)), text(1), text("")
    ('a', None, None)
    """
    if not isinstance(value, str) or not value:
        return None
    if not value.isascii():
        value = _HALF.sub("\ufffd", value)
    return value.replace("\0", "") or None


def words_of(content: Any) -> str | None:
    """Return the words of a message or of a tool's result: a text, or an array of parts with texts; None for no words.

    >>> words_of([{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}])
    'a\\nb'
    """
    if isinstance(content, str):
        return text(content)
    return "\n".join(known for block in items(content) if (known := text(obj(block).get("text")))) or None


def last_part(path: str | None) -> str | None:
    """Return the last part of a folder's path, of Unix or Windows; None where there is none.

    >>> last_part("/home/ada/shop/"), last_part("C:\\\\work\\\\shop"), last_part("/")
    ('shop', 'shop', None)
    """
    parts = [part for part in re.split(r"[/\\]", path or "") if part.strip()]
    return parts[-1][:500] if parts else None


def number(value: Any) -> float | None:
    """Return a finite number ≥ 0, also one written as a text; None for anything else.

    >>> number(1), number("0.5"), number(-1), number(True), number("x")
    (1.0, 0.5, None, None, None)
    """
    found = _float(value)
    return found if found is not None and 0 <= found <= 1e15 else None


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: Any) -> int | None:
    """Return a whole number from 0 to 2**53, also one written as a text; None for anything else.

    >>> whole(3), whole("3"), whole(3.0), whole(3.5), whole(-3)
    (3, 3, 3, None, None)
    """
    if type(value) is int:
        return value if 0 <= value <= _MOST else None
    found = number(value)
    return int(found) if found is not None and found <= _MOST and found == int(found) else None


def moment(value: Any) -> datetime | None:
    """Return a time as naive UTC: ISO 8601 text, or seconds, milliseconds, micro- or nanoseconds since 1970.

    None for anything else, and for a time before 2000 or in the future. A text without zone is UTC.

    >>> moment("2026-01-31T10:00:00.5Z"), moment(1769853600), moment("1769853600000000000"), moment("soon")
    (datetime.datetime(2026, 1, 31, 10, 0, 0, 500000), datetime.datetime(2026, 1, 31, 10, 0),
     datetime.datetime(2026, 1, 31, 10, 0), None)
    """
    try:
        if isinstance(value, str) and "-" in value[1:]:
            found = datetime.fromisoformat(value.strip())
            if found.tzinfo is not None:
                found = found.replace(tzinfo=None) - (found.utcoffset() or _NO_OFFSET)
        elif (seconds := _float(value)) is not None:
            while seconds > 1e11:
                seconds /= 1000
            found = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    if found < _EARLIEST or (found > _BEGAN and found > latest_plausible().replace(tzinfo=None)):
        return None
    return found
