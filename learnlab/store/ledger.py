"""The ledger: one row for every transaction that changed the executions of a store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

import duckdb

from learnlab.secrets import mask_text

_COUNTED = ("n_rows_read", "n_accepted", "n_replaced", "n_duplicates", "n_rejected", "n_masked", "n_removed")


def note(
    connection: duckdb.DuckDBPyConnection,
    kind: str,
    moment: datetime,
    counts: Mapping[str, int],
    *,
    source: str | None = None,
    mapping: str | None = None,
    ingest_id: UUID | None = None,
    kinds: Mapping[str, int] | None = None,
) -> None:
    """Write the ledger row of a transaction; counts that are not given are 0.

    `kinds` accounts for the lines that were read, kind → number; `n_lines` is their sum.
    """
    connection.execute(
        f"insert into ledger (ingest_id, kind, source, mapping, {', '.join(_COUNTED)}, n_lines, kinds, committed_at) "
        f"values (?, ?, ?, ?{', ?' * len(_COUNTED)}, ?, ?, ?)",
        [
            ingest_id or uuid4(),
            kind,
            source,
            mapping,
            *(counts.get(name, 0) for name in _COUNTED),
            sum(kinds.values()) if kinds else 0,
            json.dumps(_masked(kinds)) if kinds else None,
            moment,
        ],
    )


def _masked(kinds: Mapping[str, int]) -> Counter[str]:
    """Return numbers by kind with the secrets in the kinds masked; what then has one name is added up."""
    masked: Counter[str] = Counter()
    for kind, n in kinds.items():
        masked[mask_text(kind)[0]] += n
    return masked
