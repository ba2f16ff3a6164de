"""Why a row was found: the words that it shares with the query, rarest first, and the fields that agree."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import polars as pl

from learnlab.search.tokens import tokens, tokens_of
from learnlab.search.words import word_hash
from learnlab.store.connection import fetch

MOST = 8
"""Words that are named."""

_LOOKED_UP = 256
"""Words whose rarity is looked up; of more, those that most rows share come last without it."""

_N_TEXTS = """
select word_hash, count(*) as n_texts from search.words
where word_hash in (select unnest(cast($hashes as ubigint[]))) group by word_hash
"""


def words_in_common(
    connection: duckdb.DuckDBPyConnection, query: str, texts: Sequence[str]
) -> list[list[str]]:
    """Return for each text the words that it shares with a query, `MOST` at most: rarest in the store first.

    Words that are equally rare come longest first, then in alphabetical order.
    """
    asked = pl.DataFrame({"word": tokens(query)}, schema={"word": pl.String}).unique()
    met = tokens_of(pl.Series(list(texts), dtype=pl.String)).unique().join(asked, on="word", how="semi")
    if met.is_empty():
        return [[] for _ in texts]
    shared = met.group_by("word").agg(n_rows=pl.len())
    ranked = (
        shared.join(_rarity(connection, shared), on="word", how="left")
        .sort(
            pl.col("n_texts").fill_null(pl.col("n_rows")),
            -pl.col("word").str.len_chars().cast(pl.Int64),
            "word",
        )
        .with_row_index("rank")
    )
    best = met.join(ranked, on="word").sort("rank").group_by("place").agg(pl.col("word").head(MOST))
    of_place = dict(best.iter_rows())
    return [of_place.get(place, []) for place in range(len(texts))]


def _rarity(connection: duckdb.DuckDBPyConnection, shared: pl.DataFrame) -> pl.DataFrame:
    """Return how many texts of the store have each word (word, n_texts), of those that fewest rows share."""
    some = shared.sort("n_rows", "word").head(_LOOKED_UP)["word"].to_list()
    hashes = {word_hash(word): word for word in some}
    counted = fetch(connection, _N_TEXTS, {"hashes": list(hashes)})
    named = pl.Series([hashes[one] for one in counted["word_hash"]], dtype=pl.String)
    return counted.select(word=named, n_texts="n_texts")
