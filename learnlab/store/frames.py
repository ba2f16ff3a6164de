"""Whole frames of executions made to conform: typed, completed, checked."""

from __future__ import annotations

from functools import cache

import polars as pl

from learnlab.errors import StoreError
from learnlab.models import MAX_ERROR_MESSAGE
from learnlab.store.limits import DEFAULTS, SCHEMA, Fault, fault, faults_of, kind_of, shown
from learnlab.store.words import normalised_task_type, times_of_text, truth_of_text


def _typed(name: str, have: pl.DataType) -> pl.Expr | None:
    """Return a column as the type that it should have, null where it cannot be read; None when it has it."""
    want, column = SCHEMA[name], pl.col(name)
    if have == want:
        return None
    if have == pl.Null:
        return pl.lit(None, dtype=want).alias(name)
    if have.is_nested():
        raise StoreError(f"column {name} holds {have}, not {kind_of(name)}")
    if isinstance(have, pl.Datetime) and isinstance(want, pl.Datetime):
        zoned = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if have.time_zone else column
        return zoned.cast(want)
    if isinstance(want, pl.Datetime) and have == pl.String:
        return times_of_text(column)
    if want == pl.Boolean() and have == pl.String:
        return truth_of_text(column)
    if want == pl.Int64() and have.is_float():
        return pl.when(column == column.floor()).then(column.cast(want, strict=False)).alias(name)
    return column.cast(want, strict=False)


def _with_own_spelling(frame: pl.DataFrame) -> pl.DataFrame:
    """Normalise the task types, keeping a spelling that changed in the metadata (a JSON object as text)."""
    normalised = frame.select(normalised_task_type(pl.col("task_type"))).to_series()
    if normalised.equals(frame["task_type"]):
        return frame
    frame = frame.with_columns(_type=normalised)
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


def _completed(typed: pl.DataFrame) -> pl.DataFrame:
    """Return a typed frame with every column: defaults where nothing is said."""
    absent = [pl.lit(None, dtype=SCHEMA[name]).alias(name) for name in SCHEMA if name not in typed.columns]
    untimed = pl.col("timestamp").is_null()
    return (
        typed.with_columns(absent)
        .with_columns([pl.col(name).fill_null(value) for name, value in DEFAULTS.items()])
        .with_columns(
            error_message=pl.col("error_message").str.slice(0, MAX_ERROR_MESSAGE),
            time_source=pl.when(untimed).then(pl.lit("ingestion")).otherwise("time_source"),
        )
        .select(*SCHEMA)
    )


def _no_object(whole: pl.DataFrame) -> Fault:
    """Return the fault of metadata that is no JSON object; `{}` needs no look."""
    to_look_at = (whole["metadata"] != "{}").fill_null(False)
    first = whole["metadata"].filter(to_look_at).str.json_path_match("$").str.slice(0, 1)
    no_object = pl.Series("no_object", [False], dtype=pl.Boolean).new_from_index(0, len(whole))
    no_object = no_object.scatter(to_look_at.arg_true(), (first != "{").fill_null(True))
    places = no_object.arg_true().cast(pl.UInt32)
    return fault(pl.col("row").is_in(places.implode()), "metadata is no JSON object")


def _reasons(broken: pl.DataFrame, faults: list[Fault]) -> pl.Series:
    """Return for each row the reason of the first fault it has, null when it has none."""
    found = [pl.when(one.broken).then(one.reason) for one in faults]
    return broken.with_columns(reason=pl.coalesce([*found, pl.lit(None, dtype=pl.String)]))["reason"]


@cache
def _limits() -> tuple[Fault, ...]:
    return tuple(one for name in SCHEMA for one in faults_of(name))


def _no_faults(whole: pl.DataFrame) -> pl.DataFrame:
    return whole.clear().select("row", pl.lit("").alias("reason"))


def conform(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that are valid executions, typed and complete, and the faults of those that are not.

    The first frame has the columns of `SCHEMA` plus `row`; absent columns hold the models' defaults; task
    types are normalised; an error message is cut at its limit; a row without timestamp gets time_source
    `ingestion`. The second has `row` (the position in `frame`) and `reason`. Every row of `frame` is in
    exactly one of the two. `task_id`, `timestamp`,
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
    found = {name: _typed(name, kind) for name, kind in frame.schema.items()}
    retyped = {name: column for name, column in found.items() if column is not None}
    typed = frame.with_columns(*retyped.values())
    whole = _completed(typed).with_row_index("row")
    if whole.is_empty():
        return whole, _no_faults(whole)
    unreadable = [
        fault(
            pl.lit(frame[name].is_not_null() & typed[name].is_null()),
            f"{name} is '",
            shown(name),
            f"', not {kind_of(name)}",
        )
        for name in retyped
    ]
    limits = [*_limits(), _no_object(whole)]
    broken = whole.select(pl.any_horizontal([one.broken for one in (*unreadable, *limits)])).to_series()
    if not broken.any():
        return _with_own_spelling(whole), _no_faults(whole)
    first = _reasons(frame, unreadable).filter(broken)
    reasons = first.zip_with(first.is_not_null(), _reasons(whole.filter(broken), limits))
    faults = whole.filter(broken).select("row", reason=reasons)
    return _with_own_spelling(whole.filter(~broken)), faults
