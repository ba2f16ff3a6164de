"""The page of similar executions: rows of a search beside the others, the map, the figures and what is said."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnlab.intervals import wilson
from learnlab.reports import search_charts, search_estimates, search_sentences
from learnlab.reports.search_estimates import OTHERS, QUERY, SIMILAR
from learnlab.search.found import Found

HOSTILE = "</script><img src=x onerror=alert(1)>"


def attempts(n: int = 40, **changes: Any) -> pl.DataFrame:
    """Rows of window_outcomes: every other one small, the first three of four succeeded."""
    frame = pl.DataFrame(
        {
            "task_id": [f"id{i:03d}" for i in range(n)],
            "task_group": [f"problem{i}" for i in range(n)],
            "repo": ["shop", "blog"] * (n // 2),
            "model_tier": ["small", "large"] * (n // 2),
            "success": [i % 4 != 3 for i in range(n)],
            "cost_usd": [0.01 * (1 + i) for i in range(n)],
            "duration_seconds": [1.0 + i for i in range(n)],
        }
    )
    return frame.with_columns(**{name: pl.Series(values) for name, values in changes.items()})


def found(*similarities: float, **more: Any) -> Found:
    rows = [
        {
            "task_id": f"id{i:03d}",
            "similarity": s,
            "task_description": f"task {i}",
            "why": {"words": ["task"]},
        }
        for i, s in enumerate(similarities)
    ]
    return Found([row | more for row in rows], best_similarity=max(similarities, default=None))


def vectors(ids: list[str], embeddings: list[list[float]], texts: list[str] | None = None) -> pl.DataFrame:
    named = texts or ids
    return pl.DataFrame({"task_id": ids, "text_hash": named, "text": named, "embedding": embeddings})


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2060", "")


def test_the_nearest_are_rows_of_the_view_in_the_order_of_the_search() -> None:
    rows = attempts(4, success=[None, True, False, True])
    given = [
        {
            "task_id": "id002",
            "similarity": 0.9,
            "task_description": "a",
            "solution_summary": "s",
            "why": None,
        },
        {"task_id": "gone", "similarity": 0.8, "task_description": "b", "solution_summary": None},
        {
            "task_id": "id000",
            "similarity": None,
            "task_description": "c",
            "why": {"words": [], "fields": ["task_type"]},
        },
    ]
    seen = search_estimates.nearest(given, rows)
    assert seen.select("task_id", "similarity", "outcome", "why", "solution_summary").rows() == [
        ("id002", 0.9, "failed", "", "s"),
        ("id000", None, "unknown", "same task type", None),
    ]
    assert search_estimates.nearest([], rows).height == 0


def test_the_similar_are_compared_with_the_others_by_tier_and_over_all() -> None:
    rows = attempts()
    near = search_estimates.nearest(found(*[0.9] * 20), rows)
    marked = search_estimates.beside_others(rows, near)
    rates = {row["comparison"]: row for row in search_estimates.success(marked).to_dicts()}
    # Of ids 0 to 19, half are small and all of those succeeded; of the large every second one failed.
    expected = wilson(5, 10)
    assert expected is not None
    large = rates["large, similar"]
    assert (large["n_verdicts"], large["success_rate"], large["success_rate_low"]) == (10, 0.5, expected.low)
    assert rates["all tiers, similar"]["success_rate"] == 0.75
    assert rates["all tiers, others"]["n_verdicts"] == 20
    assert rates["small, similar"]["success_rate"] == 1.0
    costs = {row["comparison"]: row for row in search_estimates.medians(marked, "cost_usd").to_dicts()}
    assert costs["all tiers, similar"]["cost_usd_p50"] == pytest.approx(0.105)
    assert costs["small, others"]["cost_usd_p50"] == pytest.approx(0.30)


def test_a_tier_without_a_similar_verdict_is_not_compared() -> None:
    rows = attempts(4, model_tier=["small", "small", "large", "large"])
    marked = search_estimates.beside_others(rows, rows[:2])
    assert search_estimates.success(marked)["comparison"].to_list() == [
        "all tiers, others",
        "all tiers, similar",
        "small, similar",
    ]
    nothing = search_estimates.success(search_estimates.beside_others(rows, rows[:0]))
    assert nothing["comparison"].to_list() == ["all tiers, others"]


@given(st.integers(0, 12), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=25)
def test_the_plane_keeps_the_most_variance_and_is_the_same_each_time(n: int, d: int, seed: int) -> None:
    points = np.random.default_rng(seed).standard_normal((n, d))
    places, shares = search_estimates.plane(points)
    again, _ = search_estimates.plane(points + 7.0)
    assert np.allclose(places, again)
    assert places.shape == (n, 2)
    centred = points - points.mean(axis=0) if n else points
    variance = np.sort(np.linalg.eigvalsh(centred.T @ centred))[::-1] if n else np.zeros(d)
    held = [*variance, 0.0][:2]
    assert (places**2).sum(axis=0) == pytest.approx(held, abs=1e-9)
    total = variance.sum()
    assert shares == pytest.approx([v / total if total > 1e-12 else 0.0 for v in held], abs=1e-9)


def test_a_text_is_one_point_however_many_executions_it_has() -> None:
    rows = attempts(4, success=[True, False, None, True])
    near = search_estimates.nearest(found(0.9, 0.9, 0.8), rows)
    texts = ["one", "one", "two", "three"]
    embeddings = [[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]
    seen = search_estimates.neighbourhood_of(
        "asked", [1.0, 0.0], vectors(rows["task_id"].to_list(), embeddings, texts), near, rows
    )
    told = {row["task"]: row for row in seen.points.to_dicts()}
    assert told["asked"]["whose"] == QUERY
    one = told["one"]
    assert (one["whose"], one["repos"], one["tiers"]) == (SIMILAR, "blog, shop", "large, small")
    assert (one["outcome"], one["n_executions"], one["n_verdicts"], one["n_successes"]) == ("both", 2, 2, 1)
    assert [told[name]["similarity"] for name in ("one", "two", "three")] == pytest.approx([1.0, 0.6, 0.0])
    assert (told["two"]["outcome"], told["three"]["outcome"]) == ("unknown", "succeeded")
    assert told["three"]["whose"] == OTHERS
    assert sum(seen.shares) == pytest.approx(1.0)
    assert (told["one"]["x"], told["one"]["y"]) == pytest.approx((told["asked"]["x"], told["asked"]["y"]))


def test_a_map_of_nothing_but_the_task() -> None:
    rows = attempts(2)
    none = vectors([], []).cast(
        {"embedding": pl.List(pl.Float32), "task_id": pl.String, "text": pl.String, "text_hash": pl.String}
    )
    seen = search_estimates.neighbourhood_of(
        "asked", [1.0, 0.0], none, search_estimates.nearest([], rows), rows
    )
    assert seen.points.height == 1
    assert seen.shares == (0.0, 0.0)
    assert search_charts.neighbourhood(seen).to_dict()["description"]
    assert search_charts.similarity(seen.points, 0.7).to_dict()["description"]


def test_hostile_text_enters_the_figures_as_data_alone() -> None:
    rows = attempts(4, repo=[HOSTILE] * 4)
    near = search_estimates.nearest(found(0.9, 0.8, task_description=HOSTILE), rows)
    texts = [f"{HOSTILE} {i}" for i in range(4)]
    embeddings = np.eye(4).tolist()
    seen = search_estimates.neighbourhood_of(
        HOSTILE, [1.0, 0.0, 0.0, 0.0], vectors(rows["task_id"].to_list(), embeddings, texts), near, rows
    )
    marked = search_estimates.beside_others(rows, near)
    charts = [
        search_charts.neighbourhood(seen),
        search_charts.similarity(seen.points, 0.7),
        search_charts.success(search_estimates.success(marked)),
        search_charts.cost(search_estimates.medians(marked, "cost_usd")),
        search_charts.duration(search_estimates.medians(marked, "duration_seconds")),
    ]
    specs = [chart.to_dict() for chart in charts]
    for spec in specs:
        spec.pop("datasets")
        assert HOSTILE not in json.dumps(spec)
    drawn = charts[0].to_dict()
    drawn_texts = {row.get("task") for data in drawn["datasets"].values() for row in data}
    assert f"{HOSTILE} 3" in drawn_texts


def test_bars_of_similarity_add_up_to_each_kind() -> None:
    points = pl.DataFrame(
        {"whose": [QUERY, SIMILAR, SIMILAR, OTHERS, OTHERS], "similarity": [1.0, 1.0, 0.72, -1.0, 0.12]}
    )
    (rows,) = [
        data
        for data in search_charts.similarity(points, 0.7).to_dict()["datasets"].values()
        if "share" in data[0]
    ]
    assert [(row["whose"], round(row["similarity_from"], 2), row["share"]) for row in rows] == [
        (OTHERS, -1.0, 0.5), (OTHERS, 0.1, 0.5), (SIMILAR, 0.7, 0.5), (SIMILAR, 0.95, 0.5)
    ]  # fmt: skip


def test_a_difference_between_similar_and_others_is_told_by_its_interval() -> None:
    rows = attempts(200, success=[i < 100 or i % 2 == 0 for i in range(200)])
    marked = search_estimates.beside_others(rows, rows[:60])
    said = plain(search_sentences.beside(
        search_estimates.success(marked), "success_rate", "rate", "n_verdicts", "success rate"
    ))  # fmt: skip
    assert said.startswith(
        "The success rate of similar tasks is 100.0 % (95 % interval 94.0 % to 100.0 %, n = 60)"
    )
    assert "of the others 64.3 %" in said
    assert said.endswith("so it can be told.")
    few = search_estimates.beside_others(rows, rows[:9])
    said = search_sentences.beside(
        search_estimates.success(few), "success_rate", "rate", "n_verdicts", "success rate"
    )
    assert said == "Too few to tell the success rate of similar tasks: 9 are known."
    many = search_estimates.success(few).with_columns(n_verdicts=pl.lit(40), n_problems=pl.lit(3))
    said = search_sentences.beside(many, "success_rate", "rate", "n_verdicts", "success rate")
    assert said == "Too few to tell the success rate of similar tasks: 40 are known, on 3 problems."
    alone = search_estimates.beside_others(rows[:60], rows[:60])
    said = search_sentences.beside(
        search_estimates.success(alone), "success_rate", "rate", "n_verdicts", "success rate"
    )
    assert said.endswith("too few others are known to compare.")


def test_it_is_said_when_the_list_may_go_on() -> None:
    full = search_sentences.near(found(0.9, 0.8, 0.75), 3, 0.7)
    assert "(there may be more: these are the nearest)" in full
    assert "there may be more" not in search_sentences.near(found(0.9, 0.8, 0.2), 2, 0.7)
    assert search_sentences.near(found(), 0, 0.7) == "Nothing here can be compared with the task."
