"""Files of labels: Parquet, CSV and JSON lines that hold one and the same table, and give it back as it was.

A row is a label; ordinary tools read it. `provenance`, on the first row alone, says as JSON where the labels come from.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import polars as pl

from learnlab.errors import FeedbackError
from learnlab.store.connection import sync

SCHEMA: dict[str, type[pl.DataType]] = {
    "feedback_key": pl.String,
    "feedback_id": pl.String,
    "task_id": pl.String,
    "given_at": pl.String,
    "feedback_type": pl.String,
    "annotator": pl.Int64,
    "author": pl.String,
    "visibility": pl.String,
    "success": pl.Boolean,
    "queue": pl.String,
    "label_schema": pl.String,
    "answers": pl.String,
    "comment": pl.String,
    "seconds": pl.Float64,
    "saw_suggestion": pl.Boolean,
    "via": pl.String,
    "provenance": pl.String,
}
"""The columns of a file of labels; `given_at` is written like 2026-06-30T12:00:00.000000Z."""

_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeError, ValueError)
"""What polars raises on a file that it cannot get through; a panic is not even an `Exception`."""

_RUN_BY_SPREADSHEETS = r"^\s*[=+\-@']|^[\t\r\n]|^$"
_TRUTH = {"true": True, "false": False}


def kind_of(path: Path) -> str:
    """Return the kind of file that a name's ending asks for: parquet, csv or jsonl.

    Raises:
        FeedbackError: when it is none of these.

    >>> kind_of(Path("labels.JSONL"))
    'jsonl'
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _FORMS:
        raise FeedbackError(f"{path.name} is no file of labels: its name ends in .parquet, .csv or .jsonl")
    return kind


def written(frame: pl.DataFrame, kind: str) -> bytes:
    """Return a frame with the columns of `SCHEMA` as the bytes of a file of a kind."""
    return _FORMS[kind][0](frame.select(*SCHEMA))


def read(path: Path) -> pl.DataFrame:
    """Return what a file of labels holds, with the columns of `SCHEMA`.

    Raises:
        FeedbackError: when there is no such file, or it is no file of labels.
    """
    kind = kind_of(path)
    try:
        frame = _FORMS[kind][1](path.read_bytes())
        missing = [name for name in SCHEMA if name not in frame.columns]
        if missing:
            raise FeedbackError(f"{path.name} is no file of labels: it has no column {', '.join(missing)}")
        return frame.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    except OSError as error:
        raise FeedbackError(f"{path.name} cannot be read: {error.strerror}") from error
    except _UNREADABLE as error:
        words = (str(error).splitlines() or [type(error).__name__])[0]
        raise FeedbackError(f"{path.name} cannot be read as a file of labels: {words[:300]}") from error


def put(path: Path, content: bytes) -> Callable[[], None]:
    """Write a file beside its place, for its owner's eyes alone, and return what moves it there in one step.

    Raises:
        FeedbackError: when it cannot be written.
    """
    beside = path.with_name(f".{path.name[:100]}.{uuid4().hex[:12]}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise FeedbackError(f"{path} cannot be written: {error.strerror or error}") from error

    def place() -> None:
        try:
            beside.replace(path)
            sync(path.parent)
        except OSError as error:
            raise FeedbackError(f"{path} cannot be written: {error.strerror or error}") from error
        finally:
            beside.unlink(missing_ok=True)

    return place


def _texts() -> list[str]:
    return [name for name, dtype in SCHEMA.items() if dtype == pl.String]


def _as_csv(frame: pl.DataFrame) -> bytes:
    """Return CSV in which no spreadsheet runs a text: it gets a ' in front, and so does an empty text or one with a '.

    So that reading takes one ' away wherever a text begins with it, and a field with nothing in it is null.
    """
    guarded = [
        pl.when(pl.col(name).str.contains(_RUN_BY_SPREADSHEETS))
        .then(pl.lit("'") + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name in _texts()
    ]
    return frame.with_columns(guarded).write_csv().encode()


def _of_csv(content: bytes) -> pl.DataFrame:
    frame = pl.read_csv(io.BytesIO(content), infer_schema=False) if content else pl.DataFrame()
    told = [name for name in SCHEMA if name in frame.columns]
    known = frame.select(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in told)
    return known.with_columns(
        pl.col(name).str.strip_prefix("'")
        if SCHEMA[name] == pl.String
        else pl.col(name).replace_strict(_TRUTH, return_dtype=pl.Boolean)
        if SCHEMA[name] == pl.Boolean
        else pl.col(name)
        for name in told
    )


def _as_jsonl(frame: pl.DataFrame) -> bytes:
    return frame.write_ndjson().encode()


def _of_jsonl(content: bytes) -> pl.DataFrame:
    return pl.read_ndjson(io.BytesIO(content), schema=SCHEMA) if content.strip() else pl.DataFrame()


def _as_parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def _of_parquet(content: bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(content))


_FORMS: dict[str, tuple[Callable[[pl.DataFrame], bytes], Callable[[bytes], pl.DataFrame]]] = {
    "parquet": (_as_parquet, _of_parquet),
    "csv": (_as_csv, _of_csv),
    "jsonl": (_as_jsonl, _of_jsonl),
}
"""How each kind of file is written and read."""
