"""The careful path through Parquet columns that polars cannot read: one value at a time, no row lost for another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa

_A_DAY = timedelta(days=1).total_seconds()
_LATEST = datetime(9999, 12, 31).timestamp() - _A_DAY
_EARLIEST = -62_135_596_800 + _A_DAY
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def parts(kind: pa.DataType) -> Iterator[pa.DataType]:
    """Yield a type and every type inside it.

    >>> [str(part) for part in parts(pa.list_(pa.binary()))]
    ['list<item: binary>', 'binary']
    """
    yield kind
    if pa.types.is_dictionary(kind):
        yield from parts(kind.value_type)
    for at in range(kind.num_fields):
        yield from parts(kind.field(at).type)


def is_known_zone(zone: str | None) -> bool:
    """Return whether a time zone is none, or one of the database of zones.

    >>> is_known_zone("Europe/Paris"), is_known_zone("+05:30")
    (True, False)
    """
    try:
        return zone is None or bool(ZoneInfo(zone))
    except (ValueError, OSError, LookupError):
        return False


def with_known_zones(kind: pa.DataType) -> pa.DataType:
    """Return a type of time whose zone polars knows: an instant is the same in UTC.

    >>> with_known_zones(pa.timestamp("ms", "+05:30"))
    TimestampType(timestamp[ms, tz=UTC])
    """
    if pa.types.is_timestamp(kind) and not is_known_zone(kind.tz):
        return pa.timestamp(kind.unit, "UTC")
    return kind


def needs_care(column: pa.Array) -> bool:
    """Return whether polars would not get through a column: decimals of 256 bits, bytes inside lists."""
    kind = column.type
    inside = list(parts(kind))[1:]
    return any(map(pa.types.is_decimal256, (kind, *inside))) or any(map(_is_bytes, inside))


def _is_bytes(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_fixed_size_binary,
        pa.types.is_binary_view,
    )
    return any(test(kind) for test in tests)


def beyond_years(column: pa.Array) -> set[int]:
    """Return the rows whose date or time is outside the years that can be written."""
    kind = column.type
    if pa.types.is_date32(kind):
        numbers, a_second = pl.Series(column.cast(pa.int32())).cast(pl.Int64), 1 / _A_DAY
    elif pa.types.is_date64(kind):
        numbers, a_second = pl.Series(column.cast(pa.int64())), 1000
    elif pa.types.is_timestamp(kind):
        numbers, a_second = pl.Series(column.cast(pa.int64())), _PER_SECOND[kind.unit]
    else:
        return set()
    seconds = numbers / a_second
    return set(((seconds < _EARLIEST) | (seconds > _LATEST)).fill_null(False).arg_true())


def careful_texts(column: pa.Array) -> tuple[pl.Series, dict[int, str]]:
    """Return a column's values as texts, and for the rows that have none to give, the reason.

    >>> texts, faults = careful_texts(pa.array([[b"a"], None]))
    >>> texts.to_list(), faults
    (['["61"]', None], {})
    """
    texts: list[str | None] = []
    faults: dict[int, str] = {}
    for row, value in enumerate(column):
        text = None
        try:
            text = _text(value.as_py())
            if text is not None:
                text.encode("utf-8")
        except UnicodeError:
            faults[row], text = "is not UTF-8", None
        except (ValueError, TypeError, OverflowError, LookupError, RecursionError, pa.ArrowException):
            faults[row], text = "holds a value that cannot be read", None
        texts.append(text)
    return pl.Series(texts, dtype=pl.String), faults


def _text(value: Any) -> str | None:
    if isinstance(value, (list, dict, tuple)):
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    return None if value is None else str(_plain(value)) or None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)
