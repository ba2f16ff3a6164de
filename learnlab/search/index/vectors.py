"""Vectors in the store: each text once per model, as signs to look through and 12 bits a dimension to compare by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.errors import SearchError
from learnlab.models import now
from learnlab.search.encoder import Vectors
from learnlab.store.connection import lent, transaction

_TOLERANCE = 0.01
"""How far from 1 a length may be; half-precision models stay within a tenth of it."""


STEPS = 2047
"""Steps from 0 to the largest number of a vector: 12 bits with the sign, to which DuckDB packs a `smallint` column.

Comparing a million crowded vectors so finds .998 of the ten nearest in floats; 10 bits .992, 8 bits .973
(docs/decisions/0020-search.md)."""


@dataclass(frozen=True)
class VectorTable:
    """The table that holds one model's vectors: `text_hash`, `b0` … (signs), `scale`, `v`; null where a text has none.

    >>> table = VectorTable("all-MiniLM-L6-v2@53aa51172d14", 384, 1)
    >>> table.name, table.n_words
    ('search.vectors_1', 6)
    """

    key: str
    dimension: int
    model_no: int

    @property
    def name(self) -> str:
        """The table's name as SQL writes it."""
        return f"search.vectors_{self.model_no:d}"

    @property
    def n_words(self) -> int:
        """How many integers of 64 bits hold the signs: columns b0 to b<n_words - 1>."""
        return -(-self.dimension // 64)


def table_of(connection: duckdb.DuckDBPyConnection, key: str) -> VectorTable | None:
    """Return the table of a model's vectors, by the encoder's key; None where none has been kept yet."""
    found = connection.execute(
        "select model_no, dimension from search.models where model_key = $key", {"key": key}
    ).fetchall()
    return VectorTable(key, int(found[0][1]), int(found[0][0])) if found else None


def n_waiting(connection: duckdb.DuckDBPyConnection, key: str) -> int:
    """Return how many texts a model has not looked at yet; two counts that the file keeps, no row is read."""
    table = table_of(connection, key)
    done = f"(select count(*) from {table.name})" if table else "0"
    ((n,),) = connection.execute(f"select (select count(*) from texts) - {done}").fetchall()
    return max(0, int(n))


def signs(vectors: Vectors) -> NDArray[np.uint64]:
    """Return the signs of vectors, 64 to an integer: bit i of a row, counted from the lowest, is set where x[i] > 0.

    >>> signs(np.array([[0.6, -0.8, 0.0], [-0.6, 0.0, 0.8]], dtype=np.float32)).tolist()
    [[1], [4]]
    """
    packed = np.packbits(vectors > 0, axis=1, bitorder="little")
    whole = np.zeros((len(vectors), -(-vectors.shape[1] // 64) * 8), dtype=np.uint8)
    whole[:, : packed.shape[1]] = packed
    return whole.view("<u8").astype(np.uint64, copy=False)


def quantised(vectors: Vectors) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Return vectors in whole numbers and the scale of each: x is about v · scale, with scale = max|x| / STEPS.

    >>> v, scale = quantised(np.array([[0.6, -0.8]], dtype=np.float32))
    >>> v.tolist(), round(float(scale[0]), 4)
    ([[1535, -2047]], 0.0004)
    """
    scale = (np.abs(vectors).max(axis=1) / np.float32(STEPS)).astype(np.float32)
    return np.rint(vectors / scale[:, None]).astype(np.int16), scale


def usable(vectors: Vectors) -> NDArray[np.bool_]:
    """Return for each vector whether it may be kept: finite and of length 1."""
    with np.errstate(invalid="ignore", over="ignore"):
        fits: NDArray[np.bool_] = np.abs(np.linalg.norm(vectors, axis=1) - 1) <= _TOLERANCE
    return fits


def add(
    connection: duckdb.DuckDBPyConnection,
    encoder_key: str,
    dimension: int,
    text_hashes: Sequence[UUID | str],
    vectors: Vectors,
) -> int:
    """Keep the vectors of texts, a row each, in one transaction; return how many were new.

    A text that has one already keeps it, and one that is no longer in the store gets none.

    Raises:
        SearchError: when a vector has another dimension, is not finite or not of length 1, or the model was
            kept with another dimension before; then nothing is written.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.shape != (len(text_hashes), dimension):
        raise SearchError(
            f"{encoder_key} gave an array of shape {vectors.shape} for {len(text_hashes)} texts and dimension "
            f"{dimension}: nothing was kept"
        )
    if len(wrong := np.flatnonzero(~usable(vectors))):
        raise SearchError(
            f"{encoder_key} gave no vector of length 1 for text {text_hashes[wrong[0]]} "
            f"({_what_is_wrong(vectors[wrong[0]])}): nothing was kept"
        )
    numbers, scale = quantised(vectors)
    words = signs(vectors)
    rows = pl.DataFrame(
        {
            "text_hash": [str(text_hash) for text_hash in text_hashes],
            **{f"b{at}": words[:, at] for at in range(words.shape[1])},
            "scale": scale,
            "v": pl.Series(numbers.ravel()).reshape((len(numbers), dimension)),
        },
        schema_overrides={"text_hash": pl.String},
    )
    return _insert(connection, encoder_key, dimension, rows)


def set_aside(
    connection: duckdb.DuckDBPyConnection,
    encoder_key: str,
    dimension: int,
    text_hashes: Sequence[UUID | str],
) -> int:
    """Note texts that a model has no vector for, blank ones among them: they are done and cannot be found by it.

    Returns how many were new.

    Raises:
        SearchError: when the model was kept with another dimension before.
    """
    rows = pl.DataFrame({"text_hash": [str(one) for one in text_hashes]}, schema={"text_hash": pl.String})
    return _insert(connection, encoder_key, dimension, rows)


def _what_is_wrong(vector: NDArray[np.float32]) -> str:
    if not np.isfinite(vector).all():
        return (
            f"dimension {int(np.flatnonzero(~np.isfinite(vector))[0])} is {vector[~np.isfinite(vector)][0]}"
        )
    return f"its length is {np.linalg.norm(vector.astype(np.float64)):.6g}"


def _insert(connection: duckdb.DuckDBPyConnection, key: str, dimension: int, rows: pl.DataFrame) -> int:
    if rows.is_empty():
        return 0
    once = rows.unique("text_hash", keep="first", maintain_order=True)
    with transaction(connection), lent(connection, coming_vectors=once):
        table = _made(connection, key, dimension)
        ((n_new,),) = connection.execute(
            f"""
            insert into {table.name} by name
            select n.* from (select * replace (cast(text_hash as uuid) as text_hash) from coming_vectors) n
            where n.text_hash in (select text_hash from texts)
                and n.text_hash not in (select text_hash from {table.name})
            """
        ).fetchall()
    return int(n_new)


def checked(table: VectorTable | None, key: str, dimension: int) -> VectorTable | None:
    """Return a model's table after making sure that its vectors have the dimension that the encoder gives.

    Raises:
        SearchError: when they have another.
    """
    if table and table.dimension != dimension:
        raise SearchError(
            f"{key} gives vectors of {dimension} dimensions, but the store has some of {table.dimension} under "
            "that key: a changed model needs another name or revision"
        )
    return table


def _made(connection: duckdb.DuckDBPyConnection, key: str, dimension: int) -> VectorTable:
    """Return the table of a model, made if need be, with the view of all vectors."""
    if table := checked(table_of(connection, key), key, dimension):
        return table
    ((model_no,),) = connection.execute(
        "insert into search.models select coalesce(max(model_no), 0) + 1, $key, $dimension, $now "
        "from search.models returning model_no",
        {"key": key, "dimension": dimension, "now": now().replace(tzinfo=None)},
    ).fetchall()
    table = VectorTable(key, dimension, int(model_no))
    columns = ", ".join(f"b{at} ubigint" for at in range(table.n_words))
    connection.execute(
        f"create table {table.name} (text_hash uuid not null, {columns}, scale float, v smallint[{dimension:d}])"
    )
    numbers = connection.execute("select model_no from search.models order by model_no").fetchall()
    connection.execute(
        "create or replace view search.embeddings as "
        + " union all ".join(_OF_ONE.format(no=no) for (no,) in numbers)
    )
    connection.execute(f"comment on view search.embeddings is '{_COMMENT}'")
    return table


_OF_ONE = """
select text_hash, (select model_key from search.models where model_no = {no}) as model_key,
    scale is not null as is_searchable, list_transform(v::smallint[], lambda x: (x * scale)::float) as embedding
from search.vectors_{no}
"""
_COMMENT = (
    "Every vector of every model, as floats; null where a text has none. Made anew when a model is added."
)
