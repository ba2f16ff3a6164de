"""What every format comes to before anything is understood: rows of text, and the rows that could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from polars import selectors

from learnlab.ingest.rejected import Fault

ROWS_A_BATCH = 122_880
"""Rows handed on at once: one row group of a DuckDB file."""

MAX_BYTES = 256 << 20
"""Rows of about this size together are handed on even where they are few."""


@dataclass(frozen=True)
class RawRows:
    """A piece of a source as text: one string column a source column, empty values as null.

    `positions` holds the line (CSV, JSON lines) or row number (JSON array, Parquet) of each row, from 1.
    `faults` are the rows that could not be read; every row of the source is in exactly one of the two.
    """

    frame: pl.DataFrame
    positions: pl.Series
    faults: Sequence[Fault] = ()

    @property
    def n_rows_read(self) -> int:
        """The rows of the piece, readable or not."""
        return len(self.positions) + len(self.faults)


def regrouped(pieces: Iterable[RawRows]) -> Iterator[RawRows]:
    """Yield the same rows in pieces of exactly ROWS_A_BATCH, but the last, or fewer when they are very long.

    A whole row group goes straight into the store's file; fewer rows go through its log first, twice the work.
    """
    waiting: list[RawRows] = []
    for piece in pieces:
        waiting.append(piece)
        n_bytes = sum(part.frame.estimated_size() for part in waiting)
        while sum(len(part.positions) for part in waiting) >= ROWS_A_BATCH:
            both = _joined(waiting)
            waiting = [RawRows(both.frame.slice(ROWS_A_BATCH), both.positions.slice(ROWS_A_BATCH))]
            yield RawRows(both.frame.head(ROWS_A_BATCH), both.positions.head(ROWS_A_BATCH), both.faults)
            n_bytes = 0
        if n_bytes > MAX_BYTES:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(pieces: Sequence[RawRows]) -> RawRows:
    return RawRows(
        pl.concat([piece.frame for piece in pieces], how="diagonal", rechunk=False),
        pl.concat([piece.positions for piece in pieces]),
        [fault for piece in pieces for fault in piece.faults],
    )


def exact(*names: str) -> pl.Expr:
    """Return the columns of exactly these names; `pl.col` alone would read `*` and `^…$` as patterns.

    >>> pl.DataFrame({"a": [1], "*": [2]}).select(exact("*")).columns
    ['*']
    """
    return selectors.by_name(*names).as_expr()


def from_rows(
    names: Sequence[str],
    rows: Sequence[Sequence[str | None]],
    positions: Sequence[int],
    faults: Sequence[Fault],
) -> RawRows:
    """Return rows of equal length as a piece; empty texts become null.

    >>> from_rows(["a", "b"], [["1", ""]], [2], []).frame.rows()
    [('1', None)]
    """
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    series = [
        pl.Series(name, [value or None for value in column], dtype=pl.String)
        for name, column in zip(names, columns, strict=True)
    ]
    return RawRows(pl.DataFrame(series), pl.Series("source_position", positions, dtype=pl.Int64), faults)
