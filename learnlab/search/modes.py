"""The three ways to rank what is similar: by meaning, by words, by both."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.search import hybrid
from learnlab.search.asked import Asked
from learnlab.search.filters import Where
from learnlab.search.index import words
from learnlab.search.index.tokens import tokens
from learnlab.search.nearest import nearest, nearest_texts
from learnlab.search.records import winners
from learnlab.search.searchable import Searchable
from learnlab.search.twostage import of_texts
from learnlab.store.connection import lent

DEPTH = 200
"""Texts that each ranking brings to a fusion, where no more rows are asked for."""


@dataclass(frozen=True)
class Query:
    """A text to search by, its vector (of length 1) where there is one, and a task_id to leave out."""

    text: str
    vector: NDArray[np.float32] | None
    excluded: str | None = None


def ranked(
    connection: duckdb.DuckDBPyConnection, query: Query, asked: Asked, where: Where, known: Searchable
) -> pl.DataFrame:
    """Return the rows that a query finds, best first, the whole record of each with `similarity` and `score`.

    The similarity is null for a text, or a query, that has no vector.
    """
    table, vector = known.table, query.vector
    depth = max(DEPTH, asked.limit + 1)
    if asked.mode == "semantic":
        if table is None or vector is None:
            vector = None
            best = pl.DataFrame(schema={"text_hash": pl.String, "score": pl.Float64})
        else:
            return nearest(
                connection,
                table,
                vector,
                where,
                known.n_texts,
                asked.limit,
                is_exact=asked.is_exact,
                excluded=query.excluded,
            ).rows
    else:
        kept = "" if where.is_all else f"text_hash in ({where.texts})"
        best = words.best(connection, tokens(query.text), kept, where.params, depth)
        best = best.select("text_hash", "score")
        if asked.mode == "hybrid" and table is not None and vector is not None:
            near = nearest_texts(
                connection, table, vector, where, known.n_texts, depth, is_exact=asked.is_exact
            )
            best = hybrid.fused(near, best["text_hash"]).rename({"item": "text_hash"})
    with lent(connection, ranked_texts=best):
        ranking = of_texts("ranked_texts", table if vector is not None else None, vector)
        return winners(connection, ranking, where, asked.limit, excluded=query.excluded).rows
