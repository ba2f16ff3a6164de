"""What every reader returns: a piece of a source, read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

REJECTED_SCHEMA = {"source_position": pl.Int64, "reason": pl.String, "content": pl.String}
"""The columns of a frame of rejected rows: where they stood (line or row, from 1), why, and what they said."""

STEPS_SCHEMA: dict[str, pl.DataType] = {
    "step_key": pl.String(),
    "record_key": pl.String(),
    "kind": pl.String(),
    "name": pl.String(),
    "model": pl.String(),
    "started_at": pl.Datetime("us"),
    "duration_seconds": pl.Float64(),
    "input_tokens": pl.Int64(),
    "cache_read_tokens": pl.Int64(),
    "cache_write_tokens": pl.Int64(),
    "output_tokens": pl.Int64(),
    "cost_usd": pl.Float64(),
    "cost_source": pl.String(),
    "price_version": pl.String(),
    "is_error": pl.Boolean(),
    "error": pl.String(),
    "is_partial": pl.Boolean(),
    "is_counted": pl.Boolean(),
    "source_position": pl.Int64(),
}
"""The columns of a frame of steps, those of the table `steps`."""


@dataclass(frozen=True)
class Position:
    """How far a growing log was read: the byte to read on from, and what its reader has to know there.

    `state` is the reader's own, a JSON object; `{}` at byte 0.
    """

    offset: int = 0
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """A piece of a source: valid executions, the steps inside them, rejected rows, and what was read for them.

    `executions` has the columns of `learnlab.store.frames.SCHEMA`, all valid, with `record_key` and
    `content_hash` set; `steps` those of `STEPS_SCHEMA`, each with the record_key of its execution; `rejected`
    those of `REJECTED_SCHEMA`. `n_rows_read` is executions and rejected rows together. `kinds` says how many
    lines (or entries of a document) of each kind were read for them: it accounts for every one. `position`
    is where to read on, None where a source does not grow.
    """

    executions: pl.DataFrame
    rejected: pl.DataFrame
    n_rows_read: int
    steps: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STEPS_SCHEMA))
    kinds: dict[str, int] = field(default_factory=dict)
    position: Position | None = None
