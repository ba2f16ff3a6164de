"""Whole frames of records checked at once, by checks generated from the models."""

from __future__ import annotations

import types
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

import annotated_types as at
import polars as pl

from learnlab.errors import StoreError
from learnlab.models import (
    EARLIEST,
    MAX_ERROR_MESSAGE,
    TASK_TYPE_BREAK,
    TASK_TYPE_OF,
    UNKNOWN,
    ExecutionRecord,
    latest_plausible,
)


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

_REQUIRED = [name for name, field in ExecutionRecord.model_fields.items() if field.is_required()]
_DEFAULTS: dict[str, Any] = {
    name: field.default
    for name, field in ExecutionRecord.model_fields.items()
    if not field.is_required() and field.default_factory is None and field.default is not None
}
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", datetime: "a time", UUID: "a UUID"}
_UUID = r"^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"


def empty_executions() -> pl.DataFrame:
    """Return a frame of executions with every column and no row."""
    return pl.DataFrame(schema=SCHEMA)


def _is_set(name: str) -> pl.Expr:
    return pl.col(name).is_not_null()


def _shown(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.slice(0, 60)


def _fault(broken: pl.Expr, *words: str | pl.Expr) -> pl.Expr:
    parts = [pl.lit(word) if isinstance(word, str) else word for word in words]
    return pl.when(broken.fill_null(False)).then(pl.concat_str(parts, ignore_nulls=True))


def _limit_faults(name: str, plain: Any) -> Iterable[pl.Expr]:
    """Yield an expression for each limit of a field: the reason where a row breaks it, else null."""
    column = pl.col(name)
    if name in _REQUIRED:
        yield _fault(column.is_null(), f"{name} is missing")
    if plain is float:
        yield _fault(~column.is_finite(), f"{name} is ", _shown(name), ", not a finite number")
    if plain is datetime:
        yield _fault(column < EARLIEST.replace(tzinfo=None), f"{name} is ", _shown(name), ", before 2000")
        yield _fault(
            column > latest_plausible().replace(tzinfo=None), f"{name} is ", _shown(name), ", in the future"
        )
    if plain is UUID:
        yield _fault(~column.str.contains(_UUID), f"{name} is '", _shown(name), "', not a UUID")
    if isinstance(plain, type) and issubclass(plain, Enum):
        words = [member.value for member in plain]
        yield _fault(
            _is_set(name) & ~column.is_in(words),
            f"{name} is '",
            _shown(name),
            f"', not one of {', '.join(words)}",
        )
    for limit in _LIMITS[name]:
        if isinstance(limit, at.Ge):
            yield _fault(column < pl.lit(limit.ge), f"{name} is ", _shown(name), f", below {limit.ge}")
        elif isinstance(limit, at.Le):
            yield _fault(column > pl.lit(limit.le), f"{name} is ", _shown(name), f", above {limit.le}")
        elif isinstance(limit, at.MinLen):
            yield _fault(column.str.len_chars() < limit.min_length, f"{name} is empty")
        elif isinstance(limit, at.MaxLen):
            length = column.str.len_chars()
            yield _fault(
                length > limit.max_length,
                f"{name} has ",
                length.cast(pl.String),
                f" characters, {limit.max_length} at most",
            )


TRUE_WORDS = ("true", "t", "yes", "y", "1", "1.0", "pass", "passed", "success", "succeeded", "resolved")
FALSE_WORDS = ("false", "f", "no", "n", "0", "0.0", "fail", "failed", "failure", "error", "unresolved")


def truth_of_text(column: pl.Expr) -> pl.Expr:
    """Return true or false for the words that say so, in any case, and null for every other text.

    >>> pl.Series(["Yes", "FAILED", "completed"]).to_frame("x").select(truth_of_text(pl.col("x")))["x"].to_list()
    [True, False, None]
    """
    words = {word: word in TRUE_WORDS for word in (*TRUE_WORDS, *FALSE_WORDS)}
    return (
        column.str.strip_chars()
        .str.to_lowercase()
        .replace_strict(words, default=None, return_dtype=pl.Boolean)
    )


_TIME_FORMS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y/%m/%dT%H:%M:%S", "%Y-%m-%d")
_ZONED_FORMS = ("%+", "%Y-%m-%dT%H:%M:%S%.f%z")


def times_of(texts: pl.Series) -> pl.Series:
    """Return the times of a series of texts; form by form, each only where none before it fitted."""
    text = texts.str.strip_chars().str.replace(r"^(\d{4}[-/]\d\d[-/]\d\d) (\d)", "${1}T${2}")
    found = text.str.to_datetime(_TIME_FORMS[0], time_unit="us", strict=False)
    for form in (*_TIME_FORMS[1:], *_ZONED_FORMS, "epoch"):
        open_rows = found.is_null() & text.is_not_null()
        if not open_rows.any():
            break
        rest = text.filter(open_rows)
        if form == "epoch":
            number = rest.set(~rest.str.contains(r"^\d{9,19}(\.\d+)?$"), None).cast(pl.Float64, strict=False)
            scales = pl.select(
                pl.when(number < 1e11).then(1e6).when(number < 1e14).then(1e3).when(number < 1e17).then(1.0)
                .otherwise(1e-3)
            ).to_series()  # fmt: skip
            times = (number * scales).round().cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
        elif form in _ZONED_FORMS:
            whole = rest.str.replace(r"([+-]\d\d)$", "${1}00")
            times = whole.str.to_datetime(form, time_zone="UTC", time_unit="us", strict=False)
            times = times.dt.replace_time_zone(None)
        else:
            times = rest.str.to_datetime(form, time_unit="us", strict=False)
        found = found.scatter(open_rows.arg_true(), times)
    return found


def times_of_text(column: pl.Expr) -> pl.Expr:
    """Return the UTC times (naive, microseconds) of texts: ISO 8601 with or without zone, or epoch numbers.

    A time without zone is UTC. A number is seconds since 1970, or milli-, micro- or nanoseconds when it is
    too large for that. Every other text gives null.

    >>> texts = ["2026-03-01 10:00:00+02:00", "2026-03-01", "1772350200", "soon"]
    >>> pl.Series(texts).to_frame("x").select(times_of_text(pl.col("x")).cast(str))["x"].to_list()
    ['2026-03-01 08:00:00.000000', '2026-03-01 00:00:00.000000', '2026-03-01 07:30:00.000000', None]
    """
    return column.map_batches(times_of, return_dtype=pl.Datetime("us"))


def _typed(frame: pl.DataFrame, name: str) -> tuple[pl.Expr, pl.Expr | None]:
    """Return the column as its type, and the reason where a value there cannot be read as that type."""
    have, want = frame.schema[name], SCHEMA[name]
    column = pl.col(name)
    if have == want:
        return column, None
    if have == pl.Null:
        return pl.lit(None, dtype=want).alias(name), None
    if isinstance(have, pl.Datetime) and want == pl.Datetime("us"):
        zoned = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if have.time_zone else column
        return zoned.cast(want), None
    if isinstance(want, pl.Datetime) and have == pl.String:
        typed = times_of_text(column)
    elif want == pl.Boolean() and have == pl.String:
        typed = truth_of_text(column)
    elif want == pl.Int64() and have.is_float():
        typed = pl.when(column == column.floor()).then(column.cast(want, strict=False))
    elif have.is_nested():
        raise StoreError(f"column {name} holds {have}, not {_WORDS.get(_FIELDS[name][0], 'text')}")
    else:
        typed = column.cast(want, strict=False)
    reason = _fault(
        column.is_not_null() & typed.is_null(),
        f"{name} is '",
        _shown(name),
        f"', not {_WORDS.get(_FIELDS[name][0], 'text')}",
    )
    return typed.alias(name), reason


def normalised_task_type(column: pl.Expr) -> pl.Expr:
    """Return a column of task types with the spellings of one type made one: `models.normalise_task_type` in bulk."""
    plain = column.str.to_lowercase().str.replace_all(TASK_TYPE_BREAK, "_").str.strip_chars("_")
    return plain.replace(TASK_TYPE_OF).replace("", UNKNOWN)


def _with_own_spelling(frame: pl.DataFrame) -> pl.DataFrame:
    """Normalise the task types, keeping a spelling that changed in the metadata (a JSON object as text)."""
    frame = frame.with_columns(_type=normalised_task_type(pl.col("task_type")))
    spelt = pl.struct("task_type").struct.json_encode()
    rest = pl.col("metadata").fill_null("{}").str.strip_chars()
    both = pl.concat_str(spelt.str.strip_suffix("}"), pl.lit(","), rest.str.strip_prefix("{"))
    changed = pl.col("_type") != pl.col("task_type")
    metadata = (
        pl.when(changed & (rest.str.replace_all(r"\s", "") == "{}"))
        .then(spelt)
        .when(changed & ~rest.str.contains(r'"task_type"\s*:'))
        .then(both)
        .otherwise(pl.col("metadata"))
    )
    return frame.with_columns(metadata=metadata).with_columns(task_type=pl.col("_type")).drop("_type")


def conform(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that are valid executions, typed and complete, and the faults of those that are not.

    The first frame has the columns of `SCHEMA` plus `row`; absent columns hold the models' defaults; task
    types are normalised; an error message is cut at its limit; a row without timestamp gets time_source
    `ingestion`. The second has `row` (the position in
    `frame`) and `reason`. Every row of `frame` is in exactly one of the two. `task_id`, `timestamp`,
    `record_key` and `content_hash` may be null in the first: whoever stores them fills them in.

    Raises:
        StoreError: for a column that no execution has, or one of a type that can hold no such value.

    >>> good, faults = conform(pl.DataFrame({"task_type": ["Docs", "fix"], "task_description": ["a", "b"],
    ...     "repo": ["shop", "shop"], "model_tier": ["small", "huge"], "pool_type": ["local", "local"]}))
    >>> good["task_type"].to_list(), faults["reason"].to_list()
    (['docs'], ["model_tier is 'huge', not one of small, medium, large, unknown"])
    """
    strange = [name for name in frame.columns if name not in SCHEMA]
    if strange:
        raise StoreError(
            f"no such column of an execution: {', '.join(strange)}; put what has no column into metadata"
        )
    typed, unreadable = [], []
    for name in frame.columns:
        expression, reason = _typed(frame, name)
        typed.append(expression)
        if reason is not None:
            unreadable.append(reason)
    absent = [pl.lit(None, dtype=SCHEMA[name]).alias(name) for name in SCHEMA if name not in frame.columns]
    first = pl.coalesce([*unreadable, pl.lit(None, dtype=pl.String)])
    whole = (
        frame.with_columns(_unreadable=first)
        .with_columns(typed)
        .with_columns(absent)
        .with_columns([pl.col(name).fill_null(value) for name, value in _DEFAULTS.items()])
        .with_columns(
            error_message=pl.col("error_message").str.slice(0, MAX_ERROR_MESSAGE),
            time_source=pl.when(pl.col("timestamp").is_null())
            .then(pl.lit("ingestion"))
            .otherwise("time_source"),
        )
        .with_row_index("row")
    )
    faults = [fault for name, (plain, _) in _FIELDS.items() for fault in _limit_faults(name, plain)]
    whole = whole.with_columns(reason=pl.coalesce([pl.col("_unreadable"), *faults]))
    good = whole.filter(pl.col("reason").is_null()).select("row", *SCHEMA)
    return _with_own_spelling(good), whole.filter(pl.col("reason").is_not_null()).select("row", "reason")
