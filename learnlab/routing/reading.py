"""Reads tries from a store: what was known of each task before it ran, what was tried on it, what came of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.models import Tier
from learnlab.routing.extra import extra
from learnlab.routing.textvectors import vector_table, vectors_of
from learnlab.routing.tries import KNOWN, Floats, Ints, Tasks, Tries
from learnlab.store import Store, sqlfiles
from learnlab.store.connection import fetch
from learnlab.store.views import moment

CHOICES = {"model": "model", "model_tier": "tier", "pool_type": "pool"}
"""What can be chosen, by the names of an execution's fields → the name in a `Candidate`."""

QUALITIES = {"success": "success", "score": "score"}

_TIERS = {tier.value: place for place, tier in enumerate(Tier)}
_TASK = ("task_group", "text_hash", *KNOWN)


@dataclass(frozen=True)
class Reads:
    """How tries are read: the fields of a candidate, the quality, and whose vectors ("" for none)."""

    candidates: tuple[str, ...] = ("model_tier",)
    quality: str = "success"
    encoder_key: str = ""

    def tries(self, store: Store) -> Tries:
        """Return the tries of a store that are read so: `read_tries`.

        Raises:
            RoutingError: as `read_tries`.
            StoreError: as `read_tries`.
        """
        return read_tries(
            store, candidates=self.candidates, quality=self.quality, encoder_key=self.encoder_key
        )


def fullest_key(store: Store) -> str:
    """Return the key of the model that has the most vectors in a store; "" where there are none."""
    with store.reading() as connection:
        table = vector_table(connection)
    return table.key if table else ""


def read_tries(
    db: str | Path | Store = "",
    *,
    candidates: Sequence[str] = ("model_tier",),
    quality: str = "success",
    encoder_key: str | None = None,
    days_back: int | None = None,
    as_of: str | datetime | None = None,
) -> Tries:
    """Return the tries that a store holds, from one state of it, in order of time; those without a time come first.

    A task is a problem, a text and what else was known; attempts at it are tries. `candidates` are the fields
    that a choice is made of (model, model_tier, pool_type): what does not say them is left out, but for a tier
    where the model is told. `quality` is `success` (trusted verdicts alone) or `score` (over 100). Vectors are
    those of the model that has most unless `encoder_key` names another. Tasks of one problem, or of one text that
    is not blank, have one group, and so on from those. The window counts back from `as_of`, by default the newest
    recorded time; archived executions are not read.

    Raises:
        RoutingError: for candidates or a quality that there are not, or when the extra `router` is missing.
        StoreError: when there is no such store, or `as_of` is no time.

    >>> len(read_tries("sample").candidates)  # doctest: +SKIP
    3
    """
    fields = checked_fields(candidates)
    if quality not in QUALITIES:
        raise RoutingError(f"quality is {str(quality)[:100]!r}, not one of {', '.join(QUALITIES)}")
    if days_back is not None and (isinstance(days_back, bool) or not 0 <= days_back <= 1_000_000):
        raise RoutingError(f"days_back is {days_back!r}, not a whole number from 0 to 1,000,000 or None")
    store = db if isinstance(db, Store) else Store(db)
    query = sqlfiles.load("queries", "tries").text
    with store.reading() as connection:
        rows = fetch(connection, query, {"days_back": days_back, "as_of": moment(as_of)})
        rows, found = _chosen(rows, fields)
        tasks = rows.select(*_TASK, "is_blank").unique(_TASK, maintain_order=True).with_row_index("task")
        texts = tasks["text_hash"].unique(maintain_order=True)
        vectors = vectors_of(connection, vector_table(connection, encoder_key), texts)
    at_text = tasks.select("text_hash").join(
        texts.to_frame().with_row_index("place"), on="text_hash", how="left", maintain_order="left"
    )
    rows = rows.join(
        tasks.select("task", *_TASK), on=_TASK, how="left", nulls_equal=True, maintain_order="left"
    )
    return Tries(
        tasks=Tasks(
            tasks.select(pl.col(name).cast(kind) for name, kind in KNOWN.items()),
            vectors[at_text["place"].to_numpy()],
            _groups(tasks),
        ),
        candidates=found,
        task=rows["task"].to_numpy().astype(np.int64),
        candidate=rows["candidate"].to_numpy().astype(np.int64),
        quality=_floats(rows[QUALITIES[quality]]),
        cost=_floats(rows["cost_usd"]),
        propensity=_floats(rows["propensity"]),
        started_at=rows["started_at"].cast(pl.Datetime("us")).to_numpy(),
    )


def checked_fields(candidates: Sequence[str]) -> tuple[str, ...]:
    """Return the fields that a choice is made of, in the order of `CHOICES`.

    Raises:
        RoutingError: when there are none, or one is no field that can be chosen.

    >>> checked_fields(["pool_type", "model_tier"])
    ('model_tier', 'pool_type')
    """
    given = (candidates,) if isinstance(candidates, str) else tuple(candidates)
    if not given or not set(given) <= CHOICES.keys():
        raise RoutingError(f"candidates are made of {', '.join(CHOICES)}, not of {str(given)[:200]}")
    return tuple(name for name in CHOICES if name in given)


def _chosen(rows: pl.DataFrame, fields: tuple[str, ...]) -> tuple[pl.DataFrame, tuple[Candidate, ...]]:
    """Return the rows that tell what was chosen, each with the place of its candidate, and the candidates."""
    needed = [name for name in fields if name != "model_tier" or "model" not in fields]
    rows = rows.drop_nulls(needed)
    different = (
        rows.select(fields)
        .unique()
        .with_columns(
            _tier=pl.col("model_tier").replace_strict(_TIERS, default=None) if "model_tier" in fields else 0
        )
    )
    order = [
        name if name != "model_tier" else "_tier"
        for name in ("model_tier", "model", "pool_type")
        if name in fields
    ]
    different = different.sort(order, nulls_last=True).drop("_tier").with_row_index("candidate")
    found = tuple(
        Candidate(**{CHOICES[name]: row[name] for name in fields}) for row in different.iter_rows(named=True)
    )
    return rows.join(different, on=fields, how="left", nulls_equal=True, maintain_order="left"), found


def _groups(tasks: pl.DataFrame) -> Ints:
    """Return the number of each task's group: tasks that share a problem or a text, directly or through others."""
    problem = tasks["task_group"].rank("dense").to_numpy().astype(np.int64) - 1
    alone = pl.when("is_blank").then(pl.format("-{}", "task")).otherwise("text_hash")
    text = tasks.select(alone.rank("dense")).to_series().to_numpy().astype(np.int64) - 1
    n = int(problem.max(initial=-1)) + 1
    edges: Any = extra("scipy.sparse").coo_array(
        (np.ones(len(tasks), dtype=np.int8), (problem, n + text)), shape=(2 * len(tasks) + 1,) * 2
    )
    _, label = extra("scipy.sparse.csgraph").connected_components(edges, directed=False)
    _, group = np.unique(label[problem], return_inverse=True)
    return np.asarray(group, dtype=np.int64)


def _floats(column: pl.Series) -> Floats:
    return np.asarray(column.cast(pl.Float64).fill_null(np.nan).to_numpy(), dtype=np.float64)
