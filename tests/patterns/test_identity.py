from __future__ import annotations

from uuid import UUID

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.patterns.identity import ids, pattern_id, same_clusters

NONE = pl.DataFrame(schema={"cluster_id": pl.String, "text_hash": pl.String})


def found(**members):
    rows = [
        (int(name[1:]) if name != "out" else -1, text) for name, texts in members.items() for text in texts
    ]
    return pl.DataFrame(rows, schema={"cluster": pl.Int64, "text_hash": pl.String}, orient="row")


def known(**members):
    rows = [(name if name != "out" else None, text) for name, texts in members.items() for text in texts]
    return pl.DataFrame(rows, schema={"cluster_id": pl.String, "text_hash": pl.String}, orient="row")


def test_half_of_all_texts_in_common_is_the_same_and_less_is_another():
    assert same_clusters(found(c0="abcd"), known(x="abcd")) == {0: "x"}
    assert same_clusters(found(c0="ab", out="cd"), known(x="abcd")) == {0: "x"}  # 2 of 4
    assert same_clusters(found(c0="abef", out="c"), known(x="abc", out="ef")) == {}  # 2 of 5


def test_new_texts_and_deleted_ones_change_nothing():
    assert same_clusters(found(c0=["a", "b", *map(str, range(50))]), known(x="ab")) == {0: "x"}
    assert same_clusters(found(c0="ab"), known(x="ab0123456789")) == {0: "x"}


def test_of_two_halves_only_one_keeps_the_id():
    assert same_clusters(found(c0="ab", c1="cd"), known(x="abcd")) == {0: "x"}
    assert same_clusters(found(c0="abcd"), known(x="ab", y="cd")) == {0: "x"}


@settings(max_examples=25)
@given(
    st.lists(st.integers(-1, 4), min_size=1, max_size=40),
    st.lists(st.integers(-1, 4), min_size=1, max_size=40),
)
def test_no_id_is_given_twice_and_each_cluster_has_one(now, before):
    frame = pl.DataFrame({"cluster": now, "text_hash": [str(i) for i in range(len(now))]})
    names = [None if one < 0 else str(UUID(int=one)) for one in before]
    last = pl.DataFrame(
        {"cluster_id": pl.Series(names, dtype=pl.String), "text_hash": [str(i) for i in range(len(before))]}
    )
    given_ids = ids(frame, last)
    assert set(given_ids["cluster"]) == {one for one in now if one >= 0}
    assert given_ids["cluster_id"].is_unique().all()
    again = given_ids.join(frame, on="cluster", how="right").select("cluster_id", "text_hash")
    assert ids(frame, again).equals(given_ids)


def test_new_ids_come_from_the_texts_alone():
    one = ids(found(c0="ab", c1="cd"), NONE)
    other = ids(found(c0="dc", c1="ba"), NONE)
    assert one["cluster_id"].to_list() == other["cluster_id"].to_list()[::-1]
    taken = one["cluster_id"][0]
    moved = ids(found(c0="ab", c1="xy"), known(**{taken: "xy"}, out="ab"))
    assert moved["cluster_id"][1] == taken
    assert moved["cluster_id"].n_unique() == 2


def test_a_pattern_is_its_cluster_and_its_solution():
    assert pattern_id("x", "1") == pattern_id("x", "1")
    assert len({pattern_id("x", "1"), pattern_id("x", "2"), pattern_id("y", "1")}) == 3
