"""The page of patterns: which are shown, how they are drawn, and what is said of them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from learnlab.patterns import Mined
from learnlab.reports import pattern_charts, pattern_estimates, pattern_sentences
from learnlab.store import Store

HOSTILE = "</script><img src=x onerror=alert(1)>"


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2060", "")


def patterns(*rows: tuple[str, str, float | None], **changes: Any) -> pl.DataFrame:
    """A row a pattern: solution, verdict, lift; its interval is a tenth either way."""
    made = [
        {
            "pattern_id": f"p{i:02d}",
            "cluster_id": "c1" if i % 2 == 0 else "c2",
            "task_context": "dates",
            "solution_summary": solution,
            "verdict": verdict,
            "usage_count": 30 + i,
            "n_verdicts": 20 + i,
            "success_rate": 0.5,
            "success_rate_low": 0.4,
            "success_rate_high": 0.6,
            "n_compared": 20 + i,
            "base_rate": 0.4,
            "lift": lift,
            "lift_low": None if lift is None else lift - 0.1,
            "lift_high": None if lift is None else lift + 0.1,
            "is_universal": i % 2 == 0,
            "trend": "steady",
            "rate_change": -0.25,
        }
        | changes
        for i, (solution, verdict, lift) in enumerate(rows)
    ]
    return pl.DataFrame(
        made, schema_overrides={"lift": pl.Float64, "lift_low": pl.Float64, "lift_high": pl.Float64}
    )


def clusters(*points: list[float], **changes: Any) -> pl.DataFrame:
    made = [
        {
            "cluster_id": f"c{i + 1}",
            "name": f"cluster {i + 1}",
            "terms": ["date", "zone"],
            "n_texts": 30 - i,
            "n_executions": 60 - i,
            "repos": ["blog", "shop"],
            "embedding": point,
        }
        | changes
        for i, point in enumerate(points)
    ]
    return pl.DataFrame(made)


def test_the_strongest_of_each_verdict_are_shown_best_first() -> None:
    found = patterns(
        ("a", "works", 0.2), ("b", "works", 0.4), ("c", "works", 0.3), ("d", "anti-pattern", -0.2),
        ("e", "anti-pattern", -0.5), ("f", "too few to tell", 0.1), ("g", "too few to tell", -0.05),
        ("h", "too few to tell", None),
    )  # fmt: skip
    shown = pattern_estimates.strongest(found, 2)
    assert shown["solution_summary"].to_list() == ["b", "c", "f", "g", "d", "e"]
    assert pattern_estimates.strongest(found, 1)["solution_summary"].to_list() == ["b", "g", "e"]


def test_two_patterns_of_one_name_keep_a_row_each() -> None:
    shown = pattern_estimates.strongest(patterns(("same", "works", 0.3), ("same", "works", 0.2)))
    assert shown["row"].to_list() == ["same · dates", "same · dates (2)"]


def test_a_cluster_is_coloured_by_what_it_holds() -> None:
    found = Mined(
        clusters([1.0, 0.0], [0.0, 1.0], [0.5, 0.5]),
        patterns(("a", "works", 0.2), ("b", "too few to tell", 0.0), ("c", "anti-pattern", -0.2)),
    )
    seen = pattern_estimates.clusters_on_a_plane(found)
    assert dict(seen.points.select("name", "holds").iter_rows()) == {
        "cluster 1": "both", "cluster 2": "neither", "cluster 3": "neither",
    }  # fmt: skip
    assert seen.shares == pytest.approx((1.0, 0.0))
    assert seen.points["is_named"].to_list() == [True, True, True]
    near = Mined(clusters([1.0, 0.0], [0.0, 1.0], [0.01, 0.99]), found.patterns)
    assert pattern_estimates.clusters_on_a_plane(near).points["is_named"].to_list() == [True, True, False]


def test_hostile_text_enters_the_figures_as_data_alone() -> None:
    found = Mined(
        clusters([1.0, 0.0], [0.0, 1.0], name=HOSTILE, terms=[HOSTILE], repos=[HOSTILE]),
        patterns((HOSTILE, "works", 0.2), (HOSTILE, "anti-pattern", -0.2), task_context=HOSTILE),
    )
    for chart in (
        pattern_charts.lifts(found.patterns),
        pattern_charts.universal(found.patterns),
        pattern_charts.clusters(pattern_estimates.clusters_on_a_plane(found)),
    ):
        spec = chart.to_dict()
        data = json.dumps(spec.pop("datasets"))
        assert "onerror=alert(1)" in data
        assert "onerror" not in json.dumps(spec)


def test_every_interval_of_a_lift_is_drawn_in_the_colour_of_its_verdict() -> None:
    spec = pattern_charts.lifts(patterns(("a", "works", 0.2), ("b", "too few to tell", 0.0)), 1).to_dict()
    (rows,) = [data for data in spec["datasets"].values() if "_row" in data[0] and "_n" not in data[0]]
    assert [(row["row"], row["_row"], row["lift_low"]) for row in rows] == [
        ("a · dates", 0, 0.1), ("b · dates", 1, -0.1),
    ]  # fmt: skip
    assert "Shown" not in spec["title"]["subtitle"]
    drawn = [layer["encoding"] for part in spec["layer"] for layer in part.get("layer", [])]
    scale = next(one["color"]["scale"] for one in drawn if "color" in one)
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == pattern_charts.COLOURS


def test_the_best_and_the_worst_are_named_with_their_intervals() -> None:
    found = patterns(("pad it", "works", 0.2), ("clip it", "works", 0.3), ("skip it", "anti-pattern", -0.4))
    assert plain(pattern_sentences.best(found)) == (
        "Most is added, by the lower end of the interval, by “clip it” on tasks about dates: 30.0 points "
        "(95 % interval 20.0 points to 40.0 points, n = 21)."
    )
    assert "“skip it” on tasks about dates: −40.0 points" in plain(pattern_sentences.worst(found))
    unsure = found.filter(verdict="nothing")
    assert pattern_sentences.best(unsure).startswith("No pattern is known to work better")
    assert pattern_sentences.worst(unsure).startswith("No pattern is known to work worse")
    assert pattern_sentences.universal(found) == (
        "2 of the 3 patterns that can be told were used in 3 repos or more."
    )
    assert pattern_sentences.universal(unsure) == "Too few to tell what holds in many repos."


def test_what_changes_is_named_and_the_rest_counted() -> None:
    steady = patterns(("a", "works", 0.2))
    assert (
        pattern_sentences.changing(steady) == "No pattern is known to be drifting or dying in the last weeks."
    )
    drifting = patterns(*[(name, "works", 0.2) for name in "abcdef"], trend="drifting")
    said = plain(pattern_sentences.changing(drifting))
    assert said.startswith(
        "In the last weeks, “a” (dates) is drifting: its success rate changed by −25.0 points;"
    )
    assert said.endswith("; and 2 more.")


def test_texts_without_a_vector_are_said() -> None:
    found = Mined(clusters([1.0]), patterns(), n_texts=30, n_outliers=0, n_without_vector=7)
    assert plain(pattern_sentences.grouped(found)) == (
        "Of 30 texts 30 are in 1 cluster; none is outside. 7 more have no vector and were not looked at: "
        "`learnlab encode`."
    )
    assert pattern_sentences.judged(pl.DataFrame()).startswith("No solution was named often enough")
    assert len(pattern_sentences.conclusions(found)) == 2
    one = Mined(clusters([1.0]), patterns(), n_texts=30, n_outliers=1, n_without_vector=1)
    said = plain(pattern_sentences.grouped(one))
    assert "1 cluster; 1 (3.3 %) is like no others" in said
    assert "1 more has no vector and was" in said


def test_a_pattern_keeps_its_cluster_however_long_its_solution_is() -> None:
    rows = pattern_estimates.strongest(
        patterns(("a" * 300 + "1", "works", 0.2), ("a" * 300 + "2", "works", 0.3))
    )
    assert rows["row"].to_list() == ["a" * 79 + "… · dates", "a" * 79 + "… · dates (2)"]
    axis = pattern_charts.lifts(patterns(("retry", "works", 0.2))).to_dict()
    assert "indexof(datum.label, ' · ')" in str(axis)


@pytest.mark.parametrize(
    ("anew", "reason"), [(True, "there are no tasks to mine"), (False, "no patterns were mined yet")]
)
def test_a_page_stops_with_the_reason_where_nothing_can_be_mined(
    store: Store, anew: bool, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Exception, match=r"^$") as stopped:
        pattern_estimates.patterns(store.path, anew=anew)
    assert type(stopped.value).__name__ == "SystemExit"
    assert f"No patterns here: {reason}" in capsys.readouterr().out


def test_clusters_without_patterns_are_shown() -> None:
    found = Mined(clusters([1.0, 0.0]), patterns(("a", "works", 0.1))[:0], mined_at=datetime(2026, 1, 1))
    assert pattern_estimates.clusters_on_a_plane(found).points["holds"].to_list() == ["neither"]
