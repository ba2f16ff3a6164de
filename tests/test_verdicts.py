from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from learnlab.errors import StoreError
from learnlab.store import Store
from learnlab.store.frames import conform
from learnlab.store.migrations import validate

NAMES = ("joined_by", "value", "success", "success_source", "quality_score", "source")


def verdicts(*rows: tuple) -> pl.DataFrame:
    """Return verdicts of (joined_by, value, success, success_source) and a quality score where there is a fifth."""
    whole = [(*row[:4], row[4] if len(row) > 4 else None, "ci.csv") for row in rows]
    return pl.DataFrame(whole, schema=NAMES, orient="row", schema_overrides={"quality_score": pl.Float64})


def task(number: int, **given) -> dict:
    plain = {
        "task_id": f"00000000-0000-4000-8000-00000000000{number}",
        "timestamp": datetime(2026, 5, 1, 0, number),
        "task_type": "test",
        "task_description": f"Task {number}",
        "repo": "shop",
        "model_tier": "small",
        "pool_type": "x",
        "external_id": None,
        "task_group": None,
        "session_id": None,
        "parent_task_id": None,
        "metadata": "{}",
        "success": None,
        "success_source": "unknown",
        "quality_score": None,
    }
    return plain | given


def add(store: Store, *tasks: dict) -> None:
    good, faults = conform(pl.DataFrame(list(tasks), infer_schema_length=None))
    assert not len(faults), faults
    store.add(good)


def outcomes(store: Store) -> list[tuple]:
    return store.sql("select success, success_source from executions order by task_id").rows()


NOTHING = (None, "unknown")


def test_a_task_is_known_by_any_of_its_names(store):
    add(store, task(1, external_id="a-1"), task(2, task_group="a-2"), task(3), task(4, external_id="a-4"))
    given = verdicts(
        ("task", "a-1", True, "verifier", 80.0),
        ("task", "a-2", False, "verifier"),
        ("task", task(3)["task_id"].upper(), True, "user"),
        ("task", "a-5", True, "user"),
    )
    report = store.add_verdicts(given)
    assert (report.n_verdicts, report.n_matched, report.n_executions) == (4, 3, 3)
    assert report.unmatched == (("task", "a-5"),)
    assert outcomes(store) == [(True, "verifier"), (False, "verifier"), (True, "user"), NOTHING]
    assert store.sql("select quality_score from executions order by task_id").to_series().to_list() == [
        80,
        None,
        None,
        None,
    ]
    assert validate(store.path) == []


def test_a_session_or_branch_judges_requests_and_not_the_subagents(store):
    first = task(1, session_id="s", metadata='{"branch": "fix-1"}')
    helper = task(2, session_id="s", metadata='{"branch": "fix-1"}', parent_task_id=first["task_id"])
    add(store, first, helper, task(3, metadata='{"branch": "fix-2"}'))
    report = store.add_verdicts(verdicts(("session", "s", True, "user"), ("branch", "fix-2", False, "ci")))
    assert report.summary() == "2 verdicts: 2 match 2 executions"
    assert outcomes(store) == [(True, "user"), NOTHING, (False, "ci")]


def test_who_is_believed_more_is_not_overwritten(store):
    add(store, task(1, external_id="a", success=False, success_source="harness"), task(2, external_id="b"))
    store.add_verdicts(verdicts(("task", "a", True, "heuristic"), ("task", "b", True, "heuristic")))
    assert outcomes(store) == [(False, "harness"), (True, "heuristic")]
    store.add_verdicts(verdicts(("task", "a", True, "verifier"), ("task", "b", False, "heuristic")))
    assert outcomes(store) == [(True, "verifier"), (False, "heuristic")]
    store.add_verdicts(verdicts(("task", "a", False, "ci")))
    assert outcomes(store)[0] == (True, "verifier")


def test_of_several_the_most_believed_holds_of_equals_the_most_particular(store):
    add(store, task(1, external_id="a", session_id="s"), task(2, session_id="s", metadata='{"branch": "b"}'))
    store.add_verdicts(
        verdicts(("session", "s", False, "ci"), ("task", "a", True, "ci"), ("branch", "b", True, "verifier"))
    )
    assert outcomes(store) == [(True, "ci"), (True, "verifier")]


def test_a_session_that_grows_keeps_its_verdict(store):
    store.add_verdicts(verdicts(("session", "s", True, "user")))
    add(store, task(1, session_id="s"))
    assert outcomes(store) == [(True, "user")]
    add(store, task(1, session_id="s", task_description="Task 1, longer"), task(2, session_id="s"))
    assert outcomes(store) == [(True, "user")] * 2
    assert validate(store.path) == []


def test_verdicts_make_the_materialised_views_inexact(store):
    add(store, task(1, external_id="a"))
    store.refresh()
    before = store.query("report_state")["changed_seq"].item()
    store.add_verdicts(verdicts(("task", "a", False, "verifier")))
    assert store.view("tier_performance")["n_verdicts"].sum() == 1
    assert store.query("report_state")["changed_seq"].item() > before


def test_the_last_of_several_on_one_thing_counts(store):
    add(store, task(1, external_id="a"))
    report = store.add_verdicts(verdicts(("task", "a", True, "ci"), ("task", "a", False, "ci")))
    assert (report.n_verdicts, outcomes(store)) == (1, [(False, "ci")])
    store.add_verdicts(verdicts(("task", "a", True, "ci")))
    assert outcomes(store) == [(True, "ci")]


def test_what_is_no_verdict_is_refused_and_nothing_kept(store):
    add(store, task(1, external_id="a"))
    good = ("task", "a", True, "ci")
    for wrong, reason in (
        (
            ("repo", "a", True, "ci"),
            "1 of 2 verdicts cannot be kept: joined_by is none of task, session, branch",
        ),
        (("task", "b", None, "ci"), "neither true nor false"),
        (("task", "b", True, "rumour"), "success_source is none of"),
        (("task", "b", True, "ci", 101.0), "not from 0 to 100"),
        (("task", None, True, "ci"), "value or source is missing"),
    ):
        with pytest.raises(StoreError, match=reason):
            store.add_verdicts(verdicts(good, wrong))
    with pytest.raises(StoreError, match="source is missing"):
        store.add_verdicts(verdicts(good).drop("source"))
    assert outcomes(store) == [NOTHING]
    assert store.sql("select count(*) from verdicts").item() == 0
