"""The texts nearest to a vector: signs first, which are small and quick, then the numbers of those that are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import SearchError
from learnlab.search.index.vectors import VectorTable, signs

LEFT_OUT = 0.35
"""The share of a query's dimensions whose sign is left out of the first stage: those nearest to 0 say least.

It costs nothing and halves the candidates that are needed (docs/decisions/0020-search.md)."""

FEWEST = 400
PER_ROOT = 6
PER_ROW = 16


def n_candidates(n_texts: int, limit: int) -> int:
    """Return how many texts the first stage passes on so that the second finds 99 % of the nearest `limit`.

    It grows with the root of how many there are: measured on real vectors, docs/decisions/0020-search.md.

    >>> n_candidates(10_000, 10), n_candidates(1_000_000, 10), n_candidates(1_000_000, 1000)
    (760, 6160, 22000)
    """
    return max(FEWEST, round(PER_ROOT * sqrt(n_texts)) + PER_ROW * limit)


@dataclass(frozen=True)
class Ranking:
    """Common table expressions that end in `ranked` (text_hash, similarity, score), with their parameters."""

    ctes: str
    params: dict[str, Any] = field(default_factory=dict)


def checked(vector: Sequence[float] | NDArray[np.floating], dimension: int) -> NDArray[np.float32]:
    """Return a query's vector as 32-bit floats of length 1.

    Raises:
        SearchError: when it is zero, not finite, or has another dimension.

    >>> checked([3.0, 4.0], 2).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    whole = np.asarray(vector, dtype=np.float64)
    if whole.shape != (dimension,):
        raise SearchError(f"a query's vector has shape {whole.shape}, the store's have dimension {dimension}")
    length = float(np.linalg.norm(whole))
    if not np.isfinite(length) or length == 0:
        raise SearchError(f"a query's vector has length {length:g}: nothing can be compared with it")
    return (whole / length).astype(np.float32)


def by_all(table: VectorTable, vector: NDArray[np.float32], kept: str = "") -> Ranking:
    """Return the ranking of every text, or of those whose hash is among `kept` (a select), by its numbers."""
    among = f"and text_hash in ({kept})" if kept else ""
    return Ranking(
        f"ranked as (select text_hash, {_cosine(table)} from {table.name} where scale is not null {among})",
        {"q": vector.tolist()},
    )


def by_signs(table: VectorTable, vector: NDArray[np.float32], n: int, kept: str = "") -> Ranking:
    """Return the ranking of the `n` texts whose signs differ least from a vector's, by their numbers.

    `kept`, a select, names the hashes of the texts to look at where not all are.
    """
    (of_query,) = signs(vector[None]).tolist()
    least = np.quantile(np.abs(vector), LEFT_OUT)
    (of_mask,) = signs((np.abs(vector) > least).astype(np.float32)[None]).tolist()
    differ = " + ".join(f"bit_count(xor(b{i}, $b{i}) & $m{i})::smallint" for i in range(table.n_words))
    among = f"and text_hash in ({kept})" if kept else ""
    ctes = f"""
    close as (
        select rowid as row_no, {differ} as n_differ from {table.name}
        where scale is not null {among}
        order by n_differ, row_no limit {n:d}
    ),
    ranked as (
        select text_hash, {_cosine(table)} from {table.name} where rowid in (select row_no from close)
    )"""
    bits = {f"b{i}": bits for i, bits in enumerate(of_query)} | {
        f"m{i}": bits for i, bits in enumerate(of_mask)
    }
    return Ranking(ctes, {"q": vector.tolist()} | bits)


def of_texts(name: str, table: VectorTable | None, vector: NDArray[np.float32] | None) -> Ranking:
    """Return the ranking that a table of `text_hash` and `score` says, with cosines where there are vectors."""
    if table is None or vector is None:
        similar = "cast(null as float) as similarity"
        return Ranking(
            f"ranked as (select cast(text_hash as uuid) as text_hash, {similar}, score from {name})"
        )
    return Ranking(
        f"""
    cosines as (
        select text_hash, {_cosine(table)} from {table.name}
        where text_hash in (select cast(text_hash as uuid) from {name})
    ),
    ranked as (
        select cast(n.text_hash as uuid) as text_hash, c.similarity, n.score
        from {name} n left join cosines c on c.text_hash = cast(n.text_hash as uuid)
    )""",
        {"q": vector.tolist()},
    )


def _cosine(table: VectorTable) -> str:
    size = f"float[{table.dimension:d}]"
    product = f"array_inner_product(v::{size}, $q::{size}) * scale"
    return f"{product} as similarity, {product} as score"
