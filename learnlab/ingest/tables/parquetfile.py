"""Parquet as rows of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import polars as pl
import pyarrow as pa
from pyarrow import parquet

from learnlab.errors import SourceError
from learnlab.ingest.rejected import Fault
from learnlab.ingest.tables.parquetcells import (
    beyond_years,
    careful_texts,
    needs_care,
    parts,
    with_known_zones,
)
from learnlab.ingest.tables.raw import ROWS_A_BATCH, RawRows

UNREADABLE = (
    pa.ArrowException, OSError, OverflowError, UnicodeError, pl.exceptions.PolarsError, pl.exceptions.PanicException,
)  # fmt: skip
"""What the libraries raise on a file that they cannot get through; a panic is not even an `Exception`."""


def _as_text(column: pl.Series) -> pl.Series:
    """Return a column as the texts that a CSV file would hold; empty texts become null."""
    kind = column.dtype
    if kind.is_nested():
        texts = column.to_frame("v").select(pl.struct("v").struct.json_encode())["v"]
        texts = texts.str.strip_prefix('{"v":').str.strip_suffix("}")
        return texts.set(column.is_null(), None).alias(column.name)
    if isinstance(kind, pl.Datetime):
        return column.dt.to_string("%Y-%m-%dT%H:%M:%S%.f" + ("%:z" if kind.time_zone else ""))
    if kind == pl.Duration:
        return (column.dt.total_microseconds() / 1e6).cast(pl.String)
    if kind == pl.Binary:
        return column.bin.encode("hex")
    texts = column.cast(pl.String)
    return texts.set(texts == "", None)


def _column(column: pa.Array, name: str, *, is_sound: bool) -> tuple[pl.Series, dict[int, str]]:
    """Return a column as texts, and the rows that it spoils with the reason."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    column = column.cast(with_known_zones(column.type))
    if needs_care(column) or (not is_sound and _holds_text(column.type)):
        texts, faults = careful_texts(column)
        return texts.alias(name), faults
    beyond = beyond_years(column)
    if beyond:
        column = column.take(
            pa.array([None if row in beyond else row for row in range(len(column))], pa.int64())
        )
    try:
        found = pl.from_arrow(column)
        assert isinstance(found, pl.Series)
        texts = _as_text(found.alias(name))
    except UNREADABLE:
        texts, faults = careful_texts(column)
        return texts.alias(name), faults
    return texts, dict.fromkeys(beyond, "holds a date or time outside the years 1 to 9999")


def _holds_text(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(test(part) for part in parts(kind) for test in tests)


def _raw(batch: pa.RecordBatch, first: int) -> RawRows:
    faulty: dict[int, str] = {}
    columns = []
    try:
        batch.validate(full=True)
        is_sound = True
    except pa.ArrowInvalid:
        is_sound = False
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        series, spoilt = _column(column, name, is_sound=is_sound)
        columns.append(series)
        faulty = spoilt | faulty
        if series.str.contains("\0", literal=True).any():
            nul = series.str.contains("\0", literal=True).arg_true()
            faulty = dict.fromkeys(nul, "holds a NUL byte") | faulty
    frame = pl.DataFrame(columns)
    positions = pl.Series("source_position", range(first, first + len(frame)), dtype=pl.Int64)
    if not faulty:
        return RawRows(frame, positions)
    faults: list[Fault] = [(first + row, faulty[row], repr(frame.row(row))) for row in sorted(faulty)]
    is_good = ~pl.Series(range(len(frame))).is_in(sorted(faulty))
    return RawRows(frame.filter(is_good), positions.filter(is_good), faults)


def read_parquet(stream: BinaryIO, name: str = "the file") -> Iterator[RawRows]:
    """Yield the rows of a Parquet file in pieces, positions being row numbers from 1.

    Raises:
        SourceError: when the file is no Parquet file, or breaks off; what was read before stands.
    """
    first = 1
    try:
        file = parquet.ParquetFile(stream)
        names = file.schema_arrow.names
        if len(set(names)) < len(names):
            raise SourceError(f"{name}: several columns have the same name; rename them")
        if not file.metadata.num_rows or not names:
            yield RawRows(pl.DataFrame(schema=dict.fromkeys(names, pl.String)), pl.Series([], dtype=pl.Int64))
            return
        for batch in file.iter_batches(ROWS_A_BATCH):
            yield _raw(batch, first)
            first += batch.num_rows
    except UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise SourceError(f"{name} cannot be read as Parquet from row {first} on: {reason}") from None
