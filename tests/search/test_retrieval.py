from __future__ import annotations

from math import log2

import pytest
from encoders import WordEncoder

from bench.retrieval import (
    CHANCE,
    CUT,
    MODES,
    Quality,
    Texts,
    beginnings,
    measured,
    overview,
    quality,
    repo_of,
    without_names,
)


def test_quality_is_that_of_the_formula() -> None:
    best = 1 + 1 / log2(3)
    assert quality([5, 1, 9, 2], {1, 2}) == pytest.approx(((1 / log2(3) + 1 / log2(5)) / best, 1 / 2))
    assert quality([1, 2, 3], {1, 2}) == (1, 1)
    assert quality([*range(50), 77], {77}) == (0, 1 / 51)
    assert quality([], {1}) == (0, 0)
    many = set(range(20))
    assert quality(list(range(20)), many) == (1, 1)


@pytest.mark.parametrize(
    ("task", "repo"),
    [
        ("scikit-learn__scikit-learn.5741bac9.test_arff_parser.ecde431a.lv1", "scikit-learn/scikit-learn"),
        ("linkedin__Liger-Kernel.c856fbab.test_mini_models.96209d55.lv1", "linkedin/Liger-Kernel"),
        ("anthropics__claude-agent-sdk-python__91315e__22fa9f", "anthropics/claude-agent-sdk-python"),
        ("django__django-10097", "django/django"),
        ("ap1400_2_hw26", "ap1400_2"),
    ],
)
def test_a_repository_is_read_off_the_id(task: str, repo: str) -> None:
    assert repo_of(task) == repo


def test_names_go_however_they_are_spelt() -> None:
    texts = Texts(
        "t", {"Import pytorch_lightning, Lightning-AI and sklearn.base": {"Lightning-AI/pytorch-lightning"}}
    )
    more = Texts("t", {**texts.labels, "SCIKIT LEARN": {"scikit-learn/scikit-learn"}})
    assert [" ".join(text.split()) for text in without_names(more).labels] == ["Import , and .base", ""]


def test_each_mode_is_measured_on_every_text_that_belongs_with_another(tmp_path) -> None:
    groups = ["alpha beta gamma", "delta epsilon zeta"]
    labels = {f"{words} number{at}": {words} for words in groups for at in range(3)}
    texts = Texts("two groups", labels | {"alone": {"alone"}})
    asking, found = measured(texts, WordEncoder(), 100, tmp_path)
    assert sorted(asking) == list(range(6))
    for mode in MODES:
        assert found[mode] == [(pytest.approx(1), 1)] * 6
    assert sum(one.ndcg for one in found[CHANCE]) < 5.5
    lines = overview(texts, asking, found).splitlines()
    assert len(lines) == 1 + 2 * 7
    assert "6 queries against 7 texts" in lines[0]


def test_the_commonest_label_is_left_out_once_more() -> None:
    texts = Texts("t", {"a": {"x"}, "b": {"x"}, "c": {"x"}, "d": {"y"}, "e": {"y"}})
    found = {mode: [Quality(at / 10, 1.0) for at in range(5)] for mode in (*MODES, CHANCE)}
    lines = overview(texts, [4, 3, 2, 1, 0], found).splitlines()
    assert lines[15] == "the 2 queries that are not of x"
    assert lines[16].split()[:3] == ["nDCG@10", "semantic", "0.050"]


def test_beginnings_that_are_the_same_are_one_text() -> None:
    texts = Texts("t", {"x" * CUT + "a": {"one"}, "x" * CUT + "b": {"two"}, "short": {"one"}})
    assert beginnings(texts).labels == {"x" * CUT: {"one", "two"}, "short": {"one"}}
