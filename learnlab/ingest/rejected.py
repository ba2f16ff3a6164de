"""Rows and lines that could not be read: where they stood, why, and what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from learnlab.ingest.batch import REJECTED_SCHEMA

MAX_RECORD = 16 << 20
"""The bytes that one row may take; a longer one is rejected without being held in memory."""

MAX_CONTENT = 100_000
"""The characters of a rejected row that are kept; the reason says when it was longer."""

Fault = tuple[int, str, str]
"""A row that could not be read: its line or row number, the reason, what it said."""


def shown(text: str) -> str:
    """Return what is kept of a rejected row: all of it, or its beginning.

    >>> shown("a,b")
    'a,b'
    """
    return text if len(text) <= MAX_CONTENT else text[:MAX_CONTENT] + f" … ({len(text):,} characters)"


def rejected_frame(faults: Sequence[Fault]) -> pl.DataFrame:
    """Return faults as a frame of `REJECTED_SCHEMA`, what cannot be shown as UTF-8 replaced.

    >>> rejected_frame([(2, "too few fields", "a")]).rows()
    [(2, 'too few fields', 'a')]
    """
    safe = [
        (position, reason, shown(content).encode("utf-8", "replace").decode("utf-8").replace("\0", "\\0"))
        for position, reason, content in faults
    ]
    return pl.DataFrame(safe, schema=REJECTED_SCHEMA, orient="row")
