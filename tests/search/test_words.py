from __future__ import annotations

from collections import Counter
from math import log

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.search.index import words
from learnlab.search.index.tokens import tokens
from learnlab.store.frames import conform

TEXTS = [
    "Fix the date parser: ParseError in dates.py",
    "Fix the parser of the billing report",
    "Write documentation for the billing module",
    "",
    "Speed up dates.py, dates dates dates",
]


def add(connection: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    connection.executemany(
        "insert into texts (text_hash, text) values (uuid(), $1)", [[text] for text in texts]
    )


def indexed(connection: duckdb.DuckDBPyConnection, texts: list[str]) -> duckdb.DuckDBPyConnection:
    add(connection, texts)
    while words.index_waiting(connection):
        pass
    return connection


def by_hand(query: str, texts: list[str]) -> dict[int, float]:
    """Return the scores of the formula, text by text."""
    lists = [tokens(text) for text in texts]
    average = sum(map(len, lists)) / len(lists)
    scores: dict[int, float] = {}
    for place, own in enumerate(lists):
        counts = Counter(own)
        for word in set(tokens(query)) & set(own):
            n_with = sum(word in other for other in lists)
            weight = log(1 + (len(texts) - n_with + 0.5) / (n_with + 0.5))
            length = 1 - 0.75 + 0.75 * len(own) / average
            scores[place] = scores.get(place, 0) + weight * counts[word] * 2.2 / (counts[word] + 1.2 * length)
    return scores


def test_the_index_holds_each_word_of_each_text(con):
    indexed(con, TEXTS)
    rows = con.execute("select text_no, word_hash, n_times, n_words from search.words").fetchall()
    first = con.execute("select min(text_no) from texts").fetchall()[0][0]
    want = {
        (first + place, words.word_hash(word), n, len(tokens(text)))
        for place, text in enumerate(TEXTS)
        for word, n in Counter(tokens(text)).items()
    }
    assert len(rows) == len(want)
    assert set(rows) == want
    lengths = con.execute("select n_words from search.worded order by text_no").fetchall()
    assert [n for (n,) in lengths] == [len(tokens(text)) for text in TEXTS]


def test_texts_are_indexed_once_and_in_pieces(con, monkeypatch):
    monkeypatch.setattr(words, "PIECE", 2)
    add(con, TEXTS)
    assert [words.index_waiting(con) for _ in range(4)] == [2, 2, 1, 0]
    add(con, ["one more"])
    assert [words.index_waiting(con) for _ in range(2)] == [1, 0]
    assert con.execute("select count(*), count(distinct text_no) from search.worded").fetchall() == [(6, 6)]


def test_a_piece_ends_where_it_has_characters_enough(con, monkeypatch):
    monkeypatch.setattr(words, "PIECE_CHARACTERS", 60)
    add(con, ["x" * 50, "y" * 50, "z" * 500, "short", "shorter"])
    assert [words.index_waiting(con) for _ in range(4)] == [2, 1, 2, 0]


def test_a_piece_that_fails_leaves_nothing(con, monkeypatch):
    add(con, TEXTS)
    con.execute("drop table search.worded")
    con.execute("create table search.worded (text_no bigint, n_words bigint check (n_words > 0))")
    with pytest.raises(duckdb.ConstraintException):
        words.index_waiting(con)
    assert con.execute("select count(*) from search.words").fetchall() == [(0,)]


@settings(max_examples=20)
@given(
    st.lists(st.text(alphabet="xyz ", min_size=1, max_size=12), min_size=1, max_size=8, unique=True),
    st.text(alphabet="wxyz ", max_size=12),
)
def test_scores_are_those_of_the_formula(con, texts, query):
    for table in ("texts", "search.words", "search.worded"):
        con.execute(f"delete from {table}")
    indexed(con, texts)
    rows = words.best(con, tokens(query))
    numbers = [no for (no,) in con.execute("select text_no from texts order by text_no").fetchall()]
    want = {numbers[place]: score for place, score in by_hand(query, texts).items()}
    assert dict(zip(rows["text_no"], rows["score"], strict=True)) == pytest.approx(want)
    assert rows["score"].is_sorted(descending=True)


def test_the_answer_is_as_long_as_asked(con):
    indexed(con, TEXTS)
    rows = words.best(con, tokens("ParseError in the dates.py parser"), limit=2)
    assert rows.columns == ["text_no", "text_hash", "score"]
    known = dict(con.execute("select text_no, cast(text_hash as varchar) from texts").fetchall())
    assert [known[no] for no in rows["text_no"]] == rows["text_hash"].to_list()
    assert len(rows) == 2


def test_a_filter_leaves_texts_out_and_weights_as_they_are(store, make_frame):
    frame = make_frame(4).with_columns(
        task_description=pl.Series(["billing report", "billing page", "billing", "search"]),
        repo=pl.Series(["shop", "mill", "mill", "mill"]),
    )
    store.add(conform(frame)[0])
    with store.writing() as connection:
        while words.index_waiting(connection):
            pass
        among = "text_hash in (select description_hash from executions where repo = $repo)"
        whole = words.best(connection, ["billing"])
        part = words.best(connection, ["billing"], among, {"repo": "mill"})
    assert len(whole) == 3
    assert part.rows() == [row for row in whole.rows() if row in part.rows()]
    assert len(part) == 2


def test_of_a_long_query_the_commonest_words_are_left_out_where_they_cost_much(con, monkeypatch):
    rare = [f"rare{n}" for n in range(words.FEW_WORDS)]
    indexed(con, [" ".join(rare), "common page", "common", "common"])
    whole = words.best(con, [*rare, "common"])
    assert len(whole) == 4
    monkeypatch.setattr(words, "MOST_ROWS", len(rare) + 2)
    part = words.best(con, [*rare, "common"])
    assert part.rows() == whole.rows()[:1]
    assert len(words.best(con, [*rare[1:], "common"])) == 4


@pytest.mark.parametrize("query", ["", "the of", "nowhere", "'; drop table texts; --"])
def test_a_query_that_matches_nothing_finds_nothing(con, query):
    assert words.best(con, tokens(query)).is_empty()
    indexed(con, TEXTS)
    assert words.best(con, tokens(query)).is_empty()
