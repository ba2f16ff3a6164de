"""The index of words: which text has which word, and the texts that match a query's words best (BM25)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import duckdb
import polars as pl

from learnlab.search.index.tokens import LONGEST_TEXT, tokens_of
from learnlab.store.connection import fetch, lent, transaction

PIECE = 50_000
"""Texts that one call indexes, at most."""

PIECE_CHARACTERS = 1_000_000
"""Characters that one call indexes, about: well under a second's work."""

FEW_WORDS = 32
"""Words of a query that all count, whatever they cost."""

MOST_ROWS = 1_000_000
"""Rows of the index that a query with more words may read: its rarest words count, as many as bring no more."""

K1, B = 1.2, 0.75
"""How soon repeating a word stops counting, and how much a text's length counts: the customary values."""

_WAITING = """
with waiting as (
    select t.text_no, least(strlen(t.text), $longest) as n_characters
    from texts t anti join search.worded w on w.text_no = t.text_no
    order by t.text_no limit $piece
),
piece as (
    select text_no from waiting
    qualify sum(n_characters) over (order by text_no) - n_characters < $characters
)
select t.text_no, t.text from texts t semi join piece p on p.text_no = t.text_no
"""

_RAREST = """
select word_hash from search.words
where word_hash in (select unnest(cast($word_hashes as ubigint[])))
group by word_hash
qualify sum(count(*)) over (order by count(*), word_hash) <= $most
"""

_BEST = f"""
with hit as materialized (
    select word_hash, text_no, n_times, n_words from search.words
    where word_hash in (select unnest(cast($word_hashes as ubigint[])))
),
corpus as (select count(*) as n_texts, avg(n_words) as average from search.worded),
known as (
    select word_hash, ln(1 + ((select n_texts from corpus) - count(*) + 0.5) / (count(*) + 0.5)) as weight,
    from hit group by word_hash
),
scored as (
    select
        h.text_no,
        sum(k.weight * h.n_times * {K1 + 1}
            / (h.n_times + {K1} * ({1 - B} + {B} * h.n_words / (select average from corpus)))) as score,
    from hit h join known k on k.word_hash = h.word_hash
    {{among}}
    group by h.text_no
    order by score desc, h.text_no limit $n_best
)
select s.text_no, t.text_hash, s.score from scored s join texts t on t.text_no = s.text_no
order by s.score desc, s.text_no
"""


def word_hash(word: str) -> int:
    """Return the 64 bits under which the index keeps a word.

    >>> word_hash("refactor") == word_hash("refactor") != word_hash("refactors")
    True
    """
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")


def index_waiting(connection: duckdb.DuckDBPyConnection) -> int:
    """Index the words of a piece of the texts that wait, in one transaction; return how many texts, 0 when none waits.

    A piece is at most `PIECE` texts and about `PIECE_CHARACTERS` characters, oldest first; call again until it
    returns 0, giving the store back in between. A text without any word is indexed too: with no rows.
    """
    limits = {"longest": LONGEST_TEXT, "piece": PIECE, "characters": PIECE_CHARACTERS}
    piece = fetch(connection, _WAITING, limits)
    if piece.is_empty():
        return 0
    met = tokens_of(piece["text"])
    met = met.with_columns(text_no=piece["text_no"].gather(met["place"]))
    distinct = met["word"].unique()
    hashes = pl.Series([word_hash(word) for word in distinct], dtype=pl.UInt64)
    words = (
        met.join(pl.DataFrame({"word": distinct, "word_hash": hashes}), on="word")
        .group_by("word_hash", "text_no")
        .agg(n_times=pl.len().cast(pl.Int64))
        .with_columns(n_words=pl.col("n_times").sum().over("text_no"))
        .sort("word_hash", "text_no")
    )
    counted = words.group_by("text_no").agg(pl.col("n_words").first())
    worded = piece.select("text_no").join(counted, on="text_no", how="left").fill_null(0).sort("text_no")
    with transaction(connection), lent(connection, new_words=words, new_worded=worded):
        connection.execute(
            "insert into search.words select word_hash, text_no, n_times, n_words from new_words"
        )
        connection.execute("insert into search.worded select text_no, n_words from new_worded")
    return len(piece)


def best(
    connection: duckdb.DuckDBPyConnection,
    query_words: Sequence[str],
    where: str = "",
    params: Mapping[str, Any] | None = None,
    limit: int = 100,
) -> pl.DataFrame:
    """Return the texts that match a query's words best: text_no, text_hash, score (BM25, best first).

    Formula: S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", Foundations and
    Trends in Information Retrieval 3 (2009), 333-389, with k1 = 1.2 and b = 0.75; the weight of a word that n of N
    texts have is ln(1 + (N − n + 0.5) / (n + 0.5)), never negative. Each word counts once, however often the query
    says it; of more than `FEW_WORDS` words the commonest are left out where they would cost more than
    `MOST_ROWS` allows. `where` is a condition on `text_hash` with its `params`; weights are those of all texts.

    Raises:
        duckdb.Error: when the condition is wrong.
    """
    hashes = list({word_hash(word) for word in query_words})
    if len(hashes) > FEW_WORDS:
        given = {"word_hashes": hashes, "most": MOST_ROWS}
        hashes = fetch(connection, _RAREST, given)["word_hash"].to_list()
    among = f"where h.text_no in (select text_no from texts where {where})" if where else ""
    own = {"word_hashes": hashes, "n_best": limit}
    return fetch(connection, _BEST.format(among=among), {**(params or {}), **own})
