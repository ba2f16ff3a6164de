from __future__ import annotations

import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.search.index.tokens import LONGEST_TEXT, LONGEST_WORD, STOP_WORDS, tokens, tokens_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("find_similar_executions", ["find_similar_executions", "find", "similar", "executions"]),
        ("findSimilarRows", ["findsimilarrows", "find", "similar", "rows"]),
        ("HTTPServerError", ["httpservererror", "http", "server", "error"]),
        ("scikit-learn", ["scikit-learn", "scikit", "learn"]),
        ("src/store/database.py", ["src", "store", "database.py", "database", "py"]),
        (r"C:\work\Main.java", ["c", "work", "main.java", "main", "java"]),
        ("ui/test_api.spec.ts", ["ui", "test_api.spec.ts", "test_api.spec", "test_api", "test", "api", "spec", "ts"]),
        ("__init__.py", ["__init__.py", "__init__", "init", "py"]),
        ("ECONNREFUSED TS2345", ["econnrefused", "ts2345"]),
        ("v1.26.4 and 3.12rc1", ["1.26.4", "3.12rc1"]),
        ("commit 3F9a1Bc0 at 0x7ffeDEAD", ["commit", "3f9a1bc0", "0x7ffedead"]),
        ("C++, C# and F#, not G#", ["c++", "c#", "f#", "g"]),
        ("don't touch the user's files", ["don", "touch", "user", "files"]),
        ("日本語のテスト", ["日本", "本語", "語の", "のテ", "テス", "スト"]),
        ("検 pandas日", ["検", "pandas", "日"]),
        ("Zażółć straße ПРИВЕТ 한국어", ["zażółć", "straße", "привет", "한국어"]),
        ("ﬁle ｆｕｌｌ cafe\u0301", ["file", "full", "café"]),
        ("a\x00b👩‍💻 x\ud800y", ["b", "x", "y"]),
        ("of the _ ___ -- ...", []),
        ("", []),
    ],
)  # fmt: skip
def test_words_come_whole_and_in_parts(text: str, words: list[str]) -> None:
    assert tokens(text) == words


def test_many_texts_give_what_each_gives_alone() -> None:
    texts = ["Fix parseJSON in a/b.py", None, "", "the", "Fix 日本語 fix", "x" * 200]
    found = tokens_of(pl.Series(texts))
    for place, text in enumerate(texts):
        assert found.filter(pl.col("place") == place)["word"].to_list() == tokens(text or ""), text
    assert tokens_of(pl.Series([None, None])).is_empty()


@settings(max_examples=25)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_words_are_short_lower_case_and_their_own_words(texts: list[str]) -> None:
    whole = tokens_of(pl.Series(texts, dtype=pl.String))
    for place, text in enumerate(texts):
        words = whole.filter(pl.col("place") == place)["word"].to_list()
        assert words == tokens(text)
        for word in words:
            assert 0 < len(word) <= LONGEST_WORD
            assert word not in STOP_WORDS
            assert word == word.lower()


@given(st.text(alphabet=st.sampled_from("aZ9_-./\\ é日#+"), max_size=40))
@settings(max_examples=25)
def test_what_is_written_larger_or_in_another_path_keeps_its_words(text: str) -> None:
    assert set(tokens(text)) <= set(tokens(f"({text}) elsewhere"))


@pytest.mark.parametrize(
    "unit",
    ["a", "A", "aA", "a.", "a-", "a/b", "1.", "0", "_", "語", "a\u0301\u0316", "\ufdfa", "👩‍💻", "\x00"],
)
def test_a_million_characters_take_no_long_time(unit: str) -> None:
    began = time.process_time()
    words = tokens(unit * (1_000_000 // len(unit)))
    assert time.process_time() - began < 2
    assert max(map(len, words), default=0) <= LONGEST_WORD


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    assert tokens("x " * (LONGEST_TEXT // 2) + "needle")[-1] == "x"
    assert "needle" in tokens("x " * (LONGEST_TEXT // 2 - 4) + "needle")
