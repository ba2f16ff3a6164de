"""What every reader returns: a piece of a source, read and checked."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

REJECTED_SCHEMA = {"source_position": pl.Int64, "reason": pl.String, "content": pl.String}
"""The columns of a frame of rejected rows: where they stood (line or row, from 1), why, and what they said."""


@dataclass(frozen=True)
class Batch:
    """A piece of a source: valid executions, rejected rows, and how many rows were read for both.

    `executions` has the columns of `learnlab.store.frames.SCHEMA`, all valid, with `record_key` and
    `content_hash` set; `rejected` has those of `REJECTED_SCHEMA`. `position` is where to read on.
    """

    executions: pl.DataFrame
    rejected: pl.DataFrame
    n_rows_read: int
    position: int
