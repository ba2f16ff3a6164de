"""The vectors of texts as routers take them: of one model, of length 1, zeros where a text has none."""

from __future__ import annotations

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.search.index.vectors import VectorTable, table_of
from learnlab.store.connection import fetch, lent

_PIECE = 20_000


def vector_table(connection: duckdb.DuckDBPyConnection, encoder_key: str | None = None) -> VectorTable | None:
    """Return the table of a model's vectors, by default of the model that has most; None where there is none."""
    if encoder_key is not None:
        return table_of(connection, encoder_key)
    keys = connection.execute("select model_key from search.models order by model_no desc").fetchall()
    tables = [table for (key,) in keys if (table := table_of(connection, key))]
    return max(tables, key=lambda table: _n_vectors(connection, table), default=None)


def vectors_of(
    connection: duckdb.DuckDBPyConnection, table: VectorTable | None, text_hashes: pl.Series
) -> NDArray[np.float32]:
    """Return the vector of each text, a row each: zeros where a text has none, no column without a table."""
    whole = np.zeros((len(text_hashes), table.dimension if table else 0), dtype=np.float32)
    if table is None or not len(text_hashes):
        return whole
    wanted = pl.DataFrame({"place": range(len(text_hashes)), "text_hash": text_hashes})
    with lent(connection, wanted=wanted):
        found = fetch(
            connection,
            f"select w.place, v.v from {table.name} v join wanted w on v.text_hash = cast(w.text_hash as uuid) "
            "where v.scale is not null",
        )
    places = found["place"].to_numpy()
    numbers = found["v"].to_numpy() if len(found) else np.zeros((0, table.dimension))
    for at in range(0, len(found), _PIECE):
        piece = numbers[at : at + _PIECE].astype(np.float32)
        whole[places[at : at + _PIECE]] = piece / np.linalg.norm(piece, axis=1, keepdims=True)
    return whole


def _n_vectors(connection: duckdb.DuckDBPyConnection, table: VectorTable) -> int:
    ((n,),) = connection.execute(f"select count(scale) from {table.name}").fetchall()
    return int(n)
