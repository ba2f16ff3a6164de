from __future__ import annotations

import math

import numpy as np
import pytest
from encoders import WordEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.errors import SearchError
from learnlab.search.index import vectors
from learnlab.store import migrations
from learnlab.store.frames import conform

KEY = "words@1"


def drawn(n: int, dimension: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def hashes(con) -> list[str]:
    con.execute("insert into texts (text_hash, text) select uuid(), 'text ' || i from range(50) r(i)")
    return [str(row[0]) for row in con.execute("select text_hash from texts order by text_no").fetchall()]


@settings(max_examples=20)
@given(st.integers(1, 200), st.integers(0, 10_000))
def test_signs_and_numbers_say_what_the_vector_says(dimension, seed):
    given_vectors = drawn(3, dimension, seed)
    words = vectors.signs(given_vectors)
    assert words.shape == (3, -(-dimension // 64))
    for row, vector in zip(words.tolist(), given_vectors, strict=True):
        whole = sum(word << 64 * at for at, word in enumerate(row))
        assert [whole >> at & 1 for at in range(64 * len(row))] == [
            int(at < dimension and vector[at] > 0) for at in range(64 * len(row))
        ]
    numbers, scale = vectors.quantised(given_vectors)
    assert np.abs(numbers).max(axis=1).tolist() == [vectors.STEPS] * 3
    off = np.abs(numbers * scale[:, None] - given_vectors)
    assert (off <= scale[:, None] * 0.501).all()


def test_what_is_kept_is_what_was_given(con, hashes):
    given_vectors = drawn(50, 100)
    assert vectors.table_of(con, KEY) is None
    assert vectors.n_waiting(con, KEY) == 50
    assert vectors.add(con, KEY, 100, hashes, given_vectors) == 50
    table = vectors.table_of(con, KEY)
    assert (table.key, table.dimension, table.n_words) == (KEY, 100, 2)
    rows = con.execute(
        f"select v.b0, v.b1, v.scale, v.v from {table.name} v "
        "join texts t on t.text_hash = v.text_hash order by t.text_no"
    ).fetchall()
    numbers, scale = vectors.quantised(given_vectors)
    assert [list(row[:2]) for row in rows] == vectors.signs(given_vectors).tolist()
    assert [row[2] for row in rows] == scale.tolist()
    assert [list(row[3]) for row in rows] == numbers.tolist()
    assert vectors.n_waiting(con, KEY) == 0


def test_a_text_has_one_vector_a_model_and_one_that_is_gone_gets_none(con, hashes):
    first, second = drawn(50, 64, 1), drawn(50, 64, 2)
    gone = "00000000-0000-4000-8000-000000000000"
    assert vectors.add(con, KEY, 64, [hashes[0], hashes[0], gone], first[:3]) == 1
    assert vectors.add(con, KEY, 64, hashes, second) == 49
    assert vectors.set_aside(con, KEY, 64, [*hashes, gone]) == 0
    kept = con.execute(
        "select cast(scale as double) from search.vectors_1 where text_hash = $it", {"it": hashes[0]}
    ).fetchall()
    assert kept == [(float(vectors.quantised(first[:1])[1][0]),)]
    assert con.execute("select count(*), count(distinct text_hash) from search.vectors_1").fetchall() == [
        (50, 50)
    ]
    assert vectors.add(con, KEY, 64, [], first[:0]) == 0


def broken(what: str) -> np.ndarray:
    rows = drawn(3, 64)
    if what == "dimension":
        return rows[:, :63]
    if what == "number":
        return rows[:2]
    rows[1] = {"zero": 0, "length": rows[1] * 2, "short": rows[1] / 2}.get(what, rows[1])
    rows[1, 7] = {"nan": math.nan, "infinity": -math.inf, "huge": 3e38}.get(what, rows[1, 7])
    return rows


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("dimension", r"shape \(3, 63\) for 3 texts and dimension 64"),
        ("number", r"shape \(2, 64\) for 3 texts"),
        ("zero", "its length is 0"),
        ("length", "its length is 2"),
        ("short", "its length is 0.5"),
        ("nan", "dimension 7 is nan"),
        ("infinity", "dimension 7 is -inf"),
        ("huge", r"its length is 3e\+38"),
    ],
)
def test_what_is_no_vector_of_length_1_is_refused_and_nothing_written(con, hashes, what, said):
    with pytest.raises(SearchError, match=said) as caught:
        vectors.add(con, KEY, 64, hashes[:3], broken(what))
    assert what in ("dimension", "number") or hashes[1] in str(caught.value)
    assert vectors.table_of(con, KEY) is None
    assert con.execute("select count(*) from search.models").fetchall() == [(0,)]


def test_another_dimension_under_the_same_key_is_an_error(con, hashes):
    vectors.add(con, KEY, 64, hashes, drawn(50, 64))
    for call in (
        lambda: vectors.add(con, KEY, 65, hashes, drawn(50, 65)),
        lambda: vectors.set_aside(con, KEY, 65, hashes),
    ):
        with pytest.raises(SearchError, match="gives vectors of 65 dimensions, but the store has some of 64"):
            call()


def test_models_stand_side_by_side_in_the_view(store, make_frame):
    store.add(conform(make_frame(14))[0])
    hostile = """it's "quoted"; drop table texts --@1"""
    with store.writing() as connection:
        hashes = [str(row[0]) for row in connection.execute("select text_hash from texts").fetchall()]
        first, second = drawn(7, 384), drawn(7, 5)
        vectors.add(connection, KEY, 384, hashes, first)
        vectors.add(connection, hostile, 5, hashes[:4], second[:4])
        vectors.set_aside(connection, hostile, 5, hashes[4:5])
        assert vectors.n_waiting(connection, hostile) == 2
    counts = "select model_key, count(*), count(embedding) from {} group by model_key order by count(*) desc"
    assert store.sql(counts.format("search.embeddings")).rows() == [(KEY, 7, 7), (hostile, 5, 4)]
    assert store.sql(counts.format("execution_embeddings")).rows() == [(KEY, 14, 14), (hostile, 8, 8)]
    one = store.sql(
        "select embedding from execution_embeddings where model_key = $key and text_hash = $it",
        {"key": KEY, "it": hashes[2]},
    )["embedding"].to_list()
    assert len(one) == 2
    assert np.dot(one[0], first[2]) == pytest.approx(1, abs=1e-3)
    assert migrations.validate(store.path) == []


def test_validation_finds_vectors_and_words_that_hang_in_the_air(store, make_frame):
    store.add(conform(make_frame(3))[0])
    with store.writing() as connection:
        hashes = [str(row[0]) for row in connection.execute("select text_hash from texts").fetchall()]
        vectors.add(connection, KEY, 64, hashes, drawn(3, 64))
        connection.execute("insert into search.vectors_1 select * from search.vectors_1 limit 1")
        connection.execute("insert into search.vectors_1 (text_hash) values (uuid())")
        connection.execute("insert into search.worded values (1, 1), (1, 1), (99, 1)")
        connection.execute("insert into search.words values (7, 1, 1, 1), (8, 50, 1, 1)")
    assert migrations.validate(store.path) == [
        "vectors that stand twice: 1",
        "vectors without their text: 1",
        "indexed texts that stand twice: 1",
        "indexed texts without their text: 1",
        "words of texts that are not indexed: 1",
    ]


def test_tables_of_vectors_go_and_come_with_the_schema(store, make_frame):
    store.add(conform(make_frame(3))[0])
    with store.writing() as connection:
        hashes = [str(row[0]) for row in connection.execute("select text_hash from texts").fetchall()]
        vectors.add(connection, KEY, 384, hashes, WordEncoder().encode(["a", "b", "c"]))
    migrations.downgrade(store.path, 5)
    migrations.upgrade(store.path)
    assert store.sql("select count(*) from search.embeddings").item() == 0
    migrations.reset(store.path)
    assert migrations.validate(store.path) == []
