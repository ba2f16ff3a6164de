"""Parquet as rows of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import polars as pl
import pyarrow as pa
from pyarrow import parquet

from learnlab.errors import SourceError
from learnlab.ingest.raw import ROWS_A_BATCH, Fault, RawRows


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


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _decoded(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, set[int]]:
    """Return a batch with its broken texts made null, and the rows where they stood."""
    broken: set[int] = set()
    columns = []
    for column in batch.columns:
        if _is_text(column.type):
            texts: list[str | None] = []
            for row, value in enumerate(column.cast(pa.large_binary()).to_pylist()):
                try:
                    texts.append(None if value is None else value.decode("utf-8"))
                except UnicodeDecodeError:
                    texts.append(None)
                    broken.add(row)
            column = pa.array(texts, pa.large_string())
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names), broken


def _raw(batch: pa.RecordBatch, first: int) -> RawRows:
    broken: set[int] = set()
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        batch, broken = _decoded(batch)
    frame = pl.DataFrame([_as_text(column) for column in pl.DataFrame(batch).get_columns()])
    positions = pl.Series("source_position", range(first, first + len(frame)), dtype=pl.Int64)
    has_nul = [name for name in frame.columns if frame[name].str.contains("\0", literal=True).any()]
    nul = set().union(*(frame[name].str.contains("\0", literal=True).arg_true() for name in has_nul))
    if not broken and not nul:
        return RawRows(frame, positions)
    faults: list[Fault] = [
        (first + row, "is not UTF-8" if row in broken else "holds a NUL byte", repr(frame.row(row)))
        for row in sorted(broken | nul)
    ]
    is_sound = ~pl.Series(range(len(frame))).is_in(sorted(broken | nul))
    return RawRows(frame.filter(is_sound), positions.filter(is_sound), faults)


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
