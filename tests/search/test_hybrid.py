from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.search.hybrid import K, fused

ranking = st.lists(st.integers(0, 12), unique=True, max_size=8).map(
    lambda items: pl.Series(items, dtype=pl.Int64)
)


def scores(*rankings: pl.Series) -> dict[int, float]:
    return dict(fused(*rankings).rows())


def test_what_both_name_comes_first():
    joined = fused(pl.Series([7, 8, 9]), pl.Series([5, 9]))
    assert joined["item"].to_list() == [9, 7, 5, 8]
    assert joined["score"].to_list() == pytest.approx([1 / 63 + 1 / 62, 1 / 61, 1 / 61, 1 / 62])


@given(ranking, ranking)
@settings(max_examples=25)
def test_each_item_gets_what_its_places_give(first, second):
    want = {
        item: sum(1 / (K + 1 + list(one).index(item)) for one in (first, second) if item in list(one))
        for item in {*first, *second}
    }
    joined = fused(first, second)
    assert dict(joined.rows()) == pytest.approx(want)
    assert joined["item"].n_unique() == len(joined)
    assert joined["score"].is_sorted(descending=True)


@given(ranking, ranking)
@settings(max_examples=25)
def test_the_order_of_the_rankings_changes_no_score(first, second):
    assert scores(first, second) == pytest.approx(scores(second, first))


@given(ranking)
@settings(max_examples=25)
def test_one_ranking_stays_as_it_is(items):
    empty = items.clear()
    for joined in (fused(items), fused(items, empty), fused(empty, items), fused(items, items)):
        assert joined["item"].to_list() == items.to_list()
