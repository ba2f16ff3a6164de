"""What a search found, as a terminal shows it."""

from __future__ import annotations

from datetime import datetime

import pytest

from learnlab.search.found import Found
from learnlab.search.telling import told


def row(**given):
    known = {"similarity": 0.5, "success": None, "repo": "shop", "task_type": "docs", "model_tier": "small"}
    return known | {"task_description": "Explain the cache", "why": {"words": [], "fields": []}} | given


def test_a_row_says_what_is_known_and_nothing_else():
    known = row(
        success=False,
        similarity=0.756,
        timestamp=datetime(2026, 5, 1),
        time_source="recorded",
        actual_cost=0.01234,
        duration_seconds=61.4,
        solution_summary="a page",
        why={"words": ["cache"], "fields": ["repo"]},
    )
    assert told(Found([known], threshold=None, best_similarity=0.756)).splitlines()[:4] == [
        " 0.76  failure · shop · docs · small · 2026-05-01 · $0.0123 · 61 s",
        "       Explain the cache",
        "       solution: a page",
        "       in common: cache, the same repo",
    ]
    bare = told(Found([row(similarity=None, timestamp=datetime(2026, 5, 1), time_source="ingestion")]))
    assert bare.splitlines()[:2] == [
        "    –  outcome unknown · shop · docs · small",
        "       Explain the cache",
    ]


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([None, None], "nobody verified any of them"),
        ([True, False, None], "1 of 2 verdicts are success: too few to tell"),
        ([True] * 15 + [False] * 5, "15 of 20 verdicts are success: 75%, 53% to 89%"),
    ],
)
def test_the_verdicts_come_with_their_interval_or_are_too_few(outcomes, said):
    assert said in told(Found([row(success=outcome) for outcome in outcomes])).splitlines()


def test_an_outcome_that_was_asked_for_is_no_rate():
    lines = told(Found([row(success=True, why={"fields": ["success"]})] * 20, fixed=["success"])).splitlines()
    assert lines[2:3] + lines[-1:] == ["       in common: the same outcome", "by meaning"]
    assert not [line for line in lines if "verdicts" in line or "verified" in line]


def test_an_empty_answer_gives_the_best_score_there_was():
    empty = Found(threshold=0.7, best_similarity=0.614, n_not_searchable=1200)
    assert told(empty).splitlines() == [
        "nothing has a similarity of 0.7 or more; the most similar there is has 0.61",
        "1,200 executions are not searchable by meaning yet: `learnlab encode`",
        "by meaning",
    ]
    assert told(Found(mode="words")).splitlines() == ["nothing found", "by words"]
    assert "2 executions are not searchable by words yet" in told(Found(mode="words", n_not_searchable=2))


def test_what_nobody_knows_is_not_told_and_one_is_one():
    said = told(Found([row(repo="unknown", task_type="unknown")], n_not_searchable=1)).splitlines()
    assert said[0] == " 0.50  outcome unknown · small"
    assert "1 execution is not searchable by meaning yet: `learnlab encode`" in said


def test_far_rows_are_said_to_be_far():
    assert "none has a similarity of 0.7 or more: the nearest has 0.50" in told(
        Found([row()], best_similarity=0.5)
    )
    assert "or more" not in told(Found([row()], best_similarity=0.7))
    assert "none of these has" in told(Found([row()], mode="hybrid", best_similarity=0.5))


def test_hostile_text_reaches_the_terminal_harmless():
    hostile = row(task_description="\x1b[2J{0}%s<b>\nsecond line", solution_summary="\x07bell", repo="\x9bx")
    said = told(Found([hostile]))
    assert not {"\x1b", "\x07", "\x9b"} & set(said)
    assert "{0}%s<b> second line" in said
