"""The limits of an execution record as columns see them: types and checks generated from the model."""

from __future__ import annotations

import types
from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin
from uuid import UUID

import annotated_types as at
import polars as pl

from learnlab.models import EARLIEST, ExecutionRecord, latest_plausible


def _plain(annotation: Any) -> tuple[Any, list[Any]]:
    """Return the bare type under Annotated and Optional, with all the limits met on the way."""
    limits: list[Any] = []
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *extra = get_args(annotation)
            for limit in extra:
                limits.extend(getattr(limit, "metadata", [limit]))
        elif origin in (Union, types.UnionType):
            (annotation,) = [arm for arm in get_args(annotation) if arm is not type(None)]
        else:
            return annotation, limits


def _dtype(plain: Any) -> pl.DataType:
    if plain is bool:
        return pl.Boolean()
    if plain is int:
        return pl.Int64()
    if plain is float:
        return pl.Float64()
    if plain is datetime:
        return pl.Datetime("us")
    return pl.String()


_FIELDS = {name: _plain(field.annotation) for name, field in ExecutionRecord.model_fields.items()}
_LIMITS = {
    name: [*limits, *(part for item in field.metadata for part in getattr(item, "metadata", [item]))]
    for (name, field), (_, limits) in zip(ExecutionRecord.model_fields.items(), _FIELDS.values(), strict=True)
}

SCHEMA: dict[str, pl.DataType] = {name: _dtype(plain) for name, (plain, _) in _FIELDS.items()}
"""The columns of a frame of executions and their types: ids and metadata are text, times are naive UTC."""

REQUIRED = [name for name, field in ExecutionRecord.model_fields.items() if field.is_required()]
"""The fields that every execution must have."""

DEFAULTS: dict[str, Any] = {
    name: field.default
    for name, field in ExecutionRecord.model_fields.items()
    if not field.is_required() and field.default_factory is None and field.default is not None
}
"""What a field holds when nobody says."""

KINDS = {bool: "true or false", int: "a whole number", float: "a number", datetime: "a time", UUID: "a UUID"}
"""How to name what a field's value should be; everything else is text."""
_UUID = r"^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"


def kind_of(name: str) -> str:
    """Return how to name what a field's value should be.

    >>> kind_of("actual_cost"), kind_of("repo")
    ('a number', 'text')
    """
    return KINDS.get(_FIELDS[name][0], "text")


class Fault(NamedTuple):
    """A check on a column: whether a row breaks it, and the reason in words where it does."""

    broken: pl.Expr
    reason: pl.Expr


def fault(broken: pl.Expr, *words: str | pl.Expr) -> Fault:
    """Return a fault whose reason is made of words and columns of text."""
    parts = [pl.lit(word) if isinstance(word, str) else word for word in words]
    return Fault(broken.fill_null(False), pl.concat_str(parts, ignore_nulls=True))


def shown(name: str) -> pl.Expr:
    """Return a column's values as a reason shows them: as text, cut at 60 characters."""
    return pl.col(name).cast(pl.String).str.slice(0, 60)


def _of_type(name: str, plain: Any) -> Iterator[Fault]:
    column = pl.col(name)
    if plain is float:
        yield fault(~column.is_finite(), f"{name} is ", shown(name), ", not a finite number")
    elif plain is datetime:
        yield fault(column < EARLIEST.replace(tzinfo=None), f"{name} is ", shown(name), ", before 2000")
        newest = latest_plausible().replace(tzinfo=None)
        yield fault(column > newest, f"{name} is ", shown(name), ", in the future")
    elif plain is UUID:
        yield fault(~column.str.contains(_UUID), f"{name} is '", shown(name), "', not a UUID")
    elif isinstance(plain, type) and issubclass(plain, Enum):
        words = [member.value for member in plain]
        end = f"', not one of {', '.join(words)}"
        yield fault(column.is_not_null() & ~column.is_in(words), f"{name} is '", shown(name), end)


def _of_limit(name: str, limit: object) -> Iterator[Fault]:
    column = pl.col(name)
    if isinstance(limit, at.Ge):
        yield fault(column < pl.lit(limit.ge), f"{name} is ", shown(name), f", below {limit.ge}")
    elif isinstance(limit, at.Le):
        yield fault(column > pl.lit(limit.le), f"{name} is ", shown(name), f", above {limit.le}")
    elif isinstance(limit, at.MinLen):
        yield fault(column.str.len_bytes() == 0, f"{name} is empty")
    elif isinstance(limit, at.MaxLen):
        length = column.str.len_chars()
        end = f" characters, {limit.max_length} at most"
        yield fault(length > limit.max_length, f"{name} has ", length.cast(pl.String), end)


def faults_of(name: str) -> Iterator[Fault]:
    """Yield every check of one field, the most basic first."""
    if name in REQUIRED:
        yield fault(pl.col(name).is_null(), f"{name} is missing")
    yield from _of_type(name, _FIELDS[name][0])
    for limit in _LIMITS[name]:
        yield from _of_limit(name, limit)
