"""Why a row was found: the words that it shares with the query, rarest first, and the fields that agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import duckdb
import polars as pl

from learnlab.search.index.tokens import tokens_of
from learnlab.search.index.words import word_hash

MOST = 8
"""Words that are named."""

_LOOKED_UP = 256
"""Words whose rarity in the store is looked up; of more, those that most rows share count by their rows alone."""

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
    words: list[set[str]] = [set() for _ in range(1 + len(texts))]
    for place, word in tokens_of(pl.Series([query, *texts], dtype=pl.String)).iter_rows():
        words[place].add(word)
    asked, *met = words
    n_rows = Counter(word for own in met for word in own & asked)
    if not n_rows:
        return [[] for _ in texts]
    n_texts = _n_texts(connection, sorted(n_rows, key=lambda word: (n_rows[word], word))[:_LOOKED_UP])
    order = sorted(n_rows, key=lambda word: (n_texts.get(word, n_rows[word]), -len(word), word))
    rank = {word: place for place, word in enumerate(order)}
    return [sorted(own & asked, key=rank.__getitem__)[:MOST] for own in met]


def _n_texts(connection: duckdb.DuckDBPyConnection, words: Sequence[str]) -> dict[str, int]:
    """Return how many texts of the store have each word, where the index knows it."""
    named = {word_hash(word): word for word in words}
    counted = connection.execute(_N_TEXTS, {"hashes": list(named)}).fetchall()
    return {named[found]: n for found, n in counted}
