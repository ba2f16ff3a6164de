from __future__ import annotations

import polars as pl

from learnlab.patterns.naming import CHARACTERS, N_TERMS, name, terms


def of(*clusters):
    rows = [(at, text) for at, texts in enumerate(clusters) for text in texts]
    return terms(pl.DataFrame(rows, schema={"cluster": pl.Int64, "text": pl.String}, orient="row"))


def test_a_word_that_all_clusters_have_comes_last():
    found = of(
        ["fix login", "fix login page"], ["fix invoice", "fix invoice page"], ["fix upload", "fix upload"]
    )
    assert found["terms"].to_list() == [["login", "fix"], ["invoice", "fix"], ["upload", "fix"]]


def test_a_word_of_one_text_or_a_number_names_nothing():
    found = of(["login alice 4711", "login bob 4711"], ["invoice", "invoice"])
    assert found["terms"].to_list() == [["login"], ["invoice"]]


def test_the_share_of_texts_counts_and_not_how_often_one_says_it():
    found = of(["login " + "tax " * 50, "login tax", "login"], ["other", "other"])
    assert found["terms"].to_list()[0] == ["login", "tax"]


def test_texts_without_words_have_no_name():
    found = of(["!!!", ""], ["login", "login"])
    assert found.select(name(pl.col("terms")))["terms"].to_list() == ["no words in common", "login"]


def test_long_texts_are_cut_and_terms_are_few():
    many = " ".join(f"word{at:03d}x" for at in range(100))
    late = "a" * CHARACTERS + " late"
    found = of([many, many], [late, late])
    assert len(found["terms"][0]) == N_TERMS
    assert "late" not in found["terms"].to_list()[1]
