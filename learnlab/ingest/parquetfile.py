"""Parquet as rows of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import polars as pl
import pyarrow as pa
from pyarrow import parquet

from learnlab.errors import SourceError
from learnlab.ingest.raw import ROWS_A_BATCH, Fault, RawRows, exact


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


def _texts_of_bytes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose texts are bytes again, so that broken UTF-8 can be looked for row by row."""
    columns = [
        column.cast(pa.large_binary())
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _raw(batch: pa.RecordBatch, first: int) -> RawRows:
    try:
        batch.validate(full=True)
        frame = pl.DataFrame([_as_text(column) for column in pl.DataFrame(batch).get_columns()])
        is_broken = pl.Series([False]).new_from_index(0, batch.num_rows)
    except pa.ArrowInvalid:
        bytes_ = pl.DataFrame(_texts_of_bytes(batch))
        names = [name for name, field in zip(batch.schema.names, batch.schema.types, strict=True)
                 if pa.types.is_string(field) or pa.types.is_large_string(field)]  # fmt: skip
        texts = bytes_.with_columns(exact(*names).cast(pl.String, strict=False))
        is_broken = bytes_.select(
            pl.any_horizontal(
                exact(name).is_not_null() & exact(name).cast(pl.String, strict=False).is_null()
                for name in names
            )
        ).to_series()
        frame = pl.DataFrame([_as_text(column) for column in texts.get_columns()])
    positions = pl.Series("source_position", range(first, first + len(frame)), dtype=pl.Int64)
    has_nul = frame.select(
        pl.any_horizontal(
            exact(name).str.contains("\0", literal=True).fill_null(False) for name in frame.columns
        )
    ).to_series()
    bad = has_nul | is_broken
    if not bad.any():
        return RawRows(frame, positions)
    faults: list[Fault] = [
        (first + at, "holds a NUL byte" if has_nul[at] else "is not UTF-8", repr(frame.row(at)))
        for at in bad.arg_true()
    ]
    return RawRows(frame.filter(~bad), positions.filter(~bad), faults)


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
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        raise SourceError(f"{name} cannot be read as Parquet from row {first} on: {reason}") from None
