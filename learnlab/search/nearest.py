"""The executions nearest to a vector, by the cheaper of two plans that find the same."""

from __future__ import annotations

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.search.filters import Where
from learnlab.search.index.vectors import VectorTable
from learnlab.search.records import Won, winners
from learnlab.search.twostage import by_all, by_signs, n_candidates
from learnlab.store.connection import fetch

KEPT_BY_MOST = 0.35
"""The share of executions from which on it is cheaper to search all texts and filter what was found."""

_SPARE = 1.3
"""How many more candidates are taken than the share that a filter keeps asks for."""


def nearest(
    connection: duckdb.DuckDBPyConnection,
    table: VectorTable,
    vector: NDArray[np.float32],
    where: Where,
    n_texts: int,
    limit: int,
    *,
    is_exact: bool = False,
    excluded: str | None = None,
) -> Won:
    """Return the executions whose texts are nearest to a vector of length 1, among those that a filter keeps.

    Where the filter keeps most, all texts are searched and it is applied to what was found, with as many more
    candidates as it will take away; should fewer be left than the search needs, it is done again filter first.
    So recall does not hang on the filter. `is_exact` compares the numbers of every text.
    """
    n_kept = min(n_texts, where.n_kept)
    kept = "" if where.is_all else where.texts
    wanted = n_candidates(n_kept, limit)
    if is_exact or wanted >= n_kept:
        return winners(connection, by_all(table, vector, kept), where, limit, excluded=excluded)
    share = where.n_kept / where.n_executions
    if share >= KEPT_BY_MOST:
        n = wanted if where.is_all else round(_SPARE * wanted / share)
        found = winners(
            connection, by_signs(table, vector, n), where, limit, excluded=excluded, counts_texts=True
        )
        if found.n_texts >= min(wanted, n_kept):
            return found
    return winners(connection, by_signs(table, vector, wanted, kept), where, limit, excluded=excluded)


def nearest_texts(
    connection: duckdb.DuckDBPyConnection,
    table: VectorTable,
    vector: NDArray[np.float32],
    where: Where,
    n_texts: int,
    limit: int,
    *,
    is_exact: bool = False,
) -> pl.Series:
    """Return the hashes of the `limit` texts nearest to a vector that have an execution which a filter keeps."""
    kept = "" if where.is_all else where.texts
    wanted = n_candidates(min(n_texts, where.n_kept), limit)
    ranking = by_all(table, vector, kept) if is_exact else by_signs(table, vector, wanted, kept)
    query = f"with {ranking.ctes} select text_hash from ranked order by score desc, text_hash limit {limit:d}"
    return fetch(connection, query, ranking.params | (where.params if kept else {}))["text_hash"]
