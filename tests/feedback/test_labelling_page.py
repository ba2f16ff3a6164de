"""The page to label from: a report only looks, and what was answered is counted by hand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from learnlab.errors import ReportError
from learnlab.feedback.giving import give
from learnlab.feedback.labelling.queues import known_queue
from learnlab.people import Label
from learnlab.reports import labelling, labelling_charts, labelling_sentences
from learnlab.store import Store
from learnlab.store.frames import conform

CHOSEN = {
    "queue": "q", "n_items": 12, "labels_per_item": 2, "ordered_by": "random", "schema": "outcome", "repo": "",
    "seed": 0, "open_in_report": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, empty: Path, make_frame: Any) -> Path:
    """A store of twelve executions that nobody has judged."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("asked") / "store.duckdb"))
    good, faults = conform(make_frame(12, success=None))
    assert faults.is_empty()
    store.add(good)
    return store.path


@pytest.fixture
def asked(filled: Path, tmp_path: Path) -> Store:
    return Store(shutil.copy(filled, tmp_path / "store.duckdb"))


def desk(store: Store, **changes: Any) -> labelling.Desk:
    return labelling.desk(store.path, **(CHOSEN | changes))


def says(store: Store, desk: labelling.Desk, author: str, place: int, **given: Any) -> None:
    task = desk.tasks["task_id"][place - 1]
    told = {"queue": "q", "label_schema": desk.schema.key, "author": author, "task_id": task}
    give(store.path, Label(**(told | {"act": "label"} | given)))


def test_a_report_looks_and_opens_nothing_unless_it_is_told_to(asked: Store, capsys: Any) -> None:
    looked = desk(asked)
    assert (looked.is_open, looked.tasks.height, looked.is_here) == (False, 12, False)
    assert known_queue("q", asked) is None
    assert labelling.widget(looked) is None
    assert "opens no queue and labels nothing" in capsys.readouterr().out
    assert labelling_sentences.asked(looked).startswith("Nobody has opened the queue q yet. It would hold 12")
    opened = desk(asked, open_in_report=True)
    assert opened.is_open
    assert opened.tasks["task_id"].to_list() == looked.tasks["task_id"].to_list()
    assert desk(asked, n_items=3, schema="expert").tasks.height == 12
    with pytest.raises(ReportError, match="outcome or expert"):
        desk(asked, schema="nonsense")


def test_an_item_counts_once_whoever_labelled_it(asked: Store) -> None:
    opened = desk(asked, open_in_report=True)
    assert labelling_sentences.most(opened) == "Too few to tell what people answer: 0 items with an answer."
    for place in range(1, 11):
        says(
            asked,
            opened,
            "ada",
            place,
            answers={"success": "yes"},
            success=True,
            seconds=4,
            saw_suggestion=False,
        )
    says(asked, opened, "bob", 1, answers={"success": "no"}, success=False, saw_suggestion=True)
    says(asked, opened, "bob", 2, act="skip")
    says(asked, opened, "cyd", 3, answers={"success": "no"}, success=False, visibility="private")
    told = desk(asked)
    rows = labelling.answers(told)
    assert rows.select("n_items", "n_labels", "value").rows() == [
        (10, 11, 0.95),
        (10, 11, 0.05),
        (10, 11, 0.0),
    ]
    assert (rows["value_low"] < rows["value_high"]).all()
    assert labelling_sentences.given(told) == "11 labels on 10 of 12 items; 1 skip."
    assert labelling_sentences.most(told).startswith(
        "The most frequent answer: Did the agent do what the task asked for? Yes 95.0\u00a0%"
    )
    assert labelling_sentences.seen(told) == "Of 11 labels, 1 was given after a suggestion had been seen."
    assert labelling.speed(told).is_empty()
    assert isinstance(labelling_charts.answers(rows).to_dict()["description"], str)


def test_scores_are_means_over_items(asked: Store) -> None:
    opened = desk(asked, schema="expert", open_in_report=True)
    names = [question.name for question in opened.schema.questions]
    for place, score in ((1, 0.5), (2, 1.0)):
        says(asked, opened, "ada", place, answers=dict.fromkeys(names, score))
    rows = labelling.answers(desk(asked))
    assert rows.select("kind", "n_items", "value").unique().rows() == [("mean", 2, 0.75)]
    assert "Too few to tell what people answer: 2 items" in labelling_sentences.most(desk(asked))


def test_kinds_are_counted_by_tier(asked: Store) -> None:
    chart = labelling_charts.kinds(desk(asked).tasks)
    (data,) = chart.to_dict()["datasets"].values()
    assert sorted(row["n_items"] for row in data) == [4, 4, 4]
    assert pl.DataFrame(data)["task_type"].unique().to_list() == ["refactor"]
