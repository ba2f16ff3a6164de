"""What to ask about next: each order by rows given by hand, the reasons in words, and nothing private in either."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import duckdb
import polars as pl
import pytest
from conftest import START
from test_views import fill

from learnlab.errors import FeedbackError
from learnlab.feedback.giving import give
from learnlab.feedback.ordering import ORDERS, ordered
from learnlab.feedback.ordering.beliefs import WEIGHT, beliefs, gain
from learnlab.feedback.ordering.ranking import SHARES, ranked
from learnlab.ingest.simulation.simulator import simulate
from learnlab.people import FeedbackSubmission, Label, Viewer
from learnlab.store import Store, sqlfiles
from learnlab.store.connection import fetch
from learnlab.store.frames import conform
from learnlab.store.spool import SpoolWriter

HOSTILE = "</script><img src=x onerror=alert(1)>{0}"
UNKNOWN: dict[str, Any] = {"success": None, "success_source": "unknown"}


def rates(task: int, author: str, satisfaction: str, **given: Any) -> FeedbackSubmission:
    issues = ["too_slow"] if satisfaction in ("fair", "poor") else []
    plain = {"task_id": UUID(int=task), "author": author, "issues": issues, "visibility": "team"}
    return FeedbackSubmission(**(plain | {"satisfaction": satisfaction} | given))


def labels(task: int, author: str, success: bool, **given: Any) -> Label:
    plain = {"act": "label", "queue": "q", "label_schema": "outcome@1", "answers": {"success": "yes"}}
    return Label(task_id=UUID(int=task), author=author, success=success, **(plain | given))


@pytest.fixture
def holding(store: Store, make_record: Any) -> Any:
    """Return a function that stores executions, numbered from 1 on, an hour apart, unknown unless told otherwise."""

    def hold(*changes: dict[str, Any]) -> Store:
        when = [START + timedelta(hours=i) for i in range(len(changes))]
        records = [
            make_record(**({"task_id": UUID(int=i + 1), "timestamp": when[i]} | UNKNOWN | one))
            for i, one in enumerate(changes)
        ]
        SpoolWriter(store.path).append(records)
        return store

    return hold


def asked(store: Store, by: str, n: int = 50, **given: Any) -> list[int]:
    return [UUID(task).int for task in ordered(store, n, by, **given)["task_id"]]


def reasons(store: Store, by: str, n: int = 50) -> list[str]:
    return ordered(store, n, by)["why"].to_list()


def test_asked_is_who_has_no_verdict_to_be_trusted_and_says_enough(holding: Any) -> None:
    store = holding(
        {},
        {"success": True, "success_source": "verifier"},
        {"success": False, "success_source": "ci"},
        {"success": True, "success_source": "harness"},
        {"success": False, "success_source": "heuristic"},
        {"task_description": "fix it   "},
        {},
        {"repo": "bank"},
    )
    give(store.path, labels(7, "ada", True))
    assert sorted(asked(store, "mixed")) == sorted(asked(store, "random")) == [1, 4, 5, 8]
    assert asked(store, "age", repo="bank") == [8]
    assert asked(store, "coverage")[-1] == 4, "its harness told of it"


def candidates(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows of `queries/askable`, numbered from 1 on, an hour apart, drawn in this order, unknown unless told."""
    plain = {
        "task_type": "docs", "model_tier": "small", "repo": "shop", "is_told": False, "is_judged": False,
        "logged": None, "n_yes": 0, "n_no": 0, "is_settled": False, "lowest_rating": None, "highest_rating": None,
    }  # fmt: skip
    own = [
        {"task_id": f"{i:02d}", "lot": f"{i:02d}", "started_at": datetime(2026, 5, 1, i)}
        for i in range(1, len(rows) + 1)
    ]
    kinds = {"logged": pl.Boolean, "lowest_rating": pl.Int64, "highest_rating": pl.Int64}
    return pl.DataFrame(
        [plain | one | row for one, row in zip(own, rows, strict=True)], schema_overrides=kinds
    )


def cells(*rows: tuple[str, int, int, int]) -> pl.DataFrame:
    """Rows of `queries/verdict_cells`: repo, executions, verdicts, successes."""
    names = ("repo", "n_executions", "n_verdicts", "n_successes")
    kinds = {"task_type": pl.lit("docs"), "model_tier": pl.lit("small")}
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(**kinds)


def test_lots_follow_from_the_seed_and_from_nothing_else(holding: Any) -> None:
    store = holding(*[{} for _ in range(12)])
    first = asked(store, "random", seed=1)
    assert first != asked(store, "random", seed=2)
    give(store.path, labels(first[0], "ada", True))
    assert asked(store, "random", seed=1) == first[1:]


def test_what_has_waited_longest_comes_first_and_what_has_no_time_last() -> None:
    found = ranked(
        candidates({"started_at": None}, {}, {"started_at": datetime(2026, 4, 30)}),
        cells(("shop", 3, 0, 0)),
        9,
        "age",
    )
    assert found.rows() == [
        (1, "03", "waits since 2026-04-30"),
        (2, "02", "waits since 2026-05-01"),
        (3, "01", "nobody recorded when it was"),
    ]


def test_kinds_with_the_fewest_verdicts_come_first_and_are_filled_evenly() -> None:
    rows = candidates(*[{"repo": "bank"}] * 3, *[{"repo": "shop"}] * 3, {"is_told": True})
    found = ranked(rows, cells(("bank", 9, 2, 1), ("shop", 4, 0, 0)), 9, "coverage")
    assert found["task_id"].to_list() == ["06", "05", "04", "03", "02", "01", "07"]
    assert found["why"].unique(maintain_order=True).to_list() == [
        "0 of 4 like it are judged",
        "2 of 9 like it are judged",
    ]


def test_a_label_is_asked_for_where_it_says_most_and_then_where_the_next_does() -> None:
    rows = candidates(*[{"repo": "bank"}] * 4, *[{"repo": "shop"}] * 2)
    found = ranked(rows, cells(("bank", 100, 0, 0), ("shop", 80, 0, 0)), 9, "uncertainty")
    assert found["task_id"].to_list() == ["04", "03", "06", "02", "05", "01"]
    assert (
        found["why"][0] == "nobody has judged one like it yet, and it speaks for 100: a label says most here"
    )


def test_a_label_says_most_where_the_odds_are_even_few_are_judged_and_many_are_told_of() -> None:
    kinds = pl.DataFrame(
        {
            "task_type": list("abcd"),
            "model_tier": ["small"] * 4,
            "repo": ["shop"] * 4,
            "n_executions": [100, 100, 100, 300],
            "n_verdicts": [40, 40, 4, 40],
            "n_successes": [20, 38, 2, 20],
        }
    )
    gains = beliefs(kinds).select(gain(pl.lit(1))).to_series().to_list()
    assert gains[1] < gains[0] < gains[3] < gains[2]


def test_the_gain_is_the_variance_that_one_more_verdict_takes() -> None:
    kinds = {"task_type": ["a"], "model_tier": ["small"], "repo": ["shop"]}
    known = beliefs(pl.DataFrame(kinds | {"n_executions": [7], "n_verdicts": [12], "n_successes": [3]}))
    rate, weight = known.select("rate", "weight").row(0)
    a, b = rate * weight, (1 - rate) * weight

    def variance(a: float, b: float) -> float:
        return a * b / ((a + b) ** 2 * (a + b + 1))

    after = rate * variance(a + 1, b) + (1 - rate) * variance(a, b + 1)
    assert known.select(gain(pl.lit(1))).item() == pytest.approx(7 * (variance(a, b) - after))
    assert weight == 12 + WEIGHT


def test_a_kind_without_verdicts_is_believed_to_be_like_its_coarser_kind() -> None:
    rows = [("docs", "small", "shop", 5, 0, 0), ("docs", "small", "bank", 400, 400, 300)]
    names = ("task_type", "model_tier", "repo", "n_executions", "n_verdicts", "n_successes")
    known = beliefs(pl.DataFrame(rows, schema=names, orient="row"))
    assert known["rate"].to_list() == pytest.approx([0.75, 0.75], abs=0.01)
    assert known["weight"].to_list() == [WEIGHT, 400 + WEIGHT]


def test_what_contradicts_is_found_the_plainest_first_and_nothing_else(holding: Any) -> None:
    def said(logged: bool | None) -> dict[str, Any]:
        return {"success": logged, "success_source": "unknown" if logged is None else "heuristic"}

    store = holding(*map(said, (False, None, None, True, True, False, True, None, False, None)), {})
    give(
        store.path,
        rates(1, "ada", "good"),
        *(rates(2, "ada", "excellent"), rates(2, "bob", "fair")),
        *(labels(3, "ada", True), labels(3, "bob", False)),
        labels(4, "ada", False),
        rates(5, "ada", "poor"),
        labels(6, "ada", True),
        *(rates(7, "ada", "good"), labels(7, "ada", True)),
        rates(8, "ada", "poor"),
        labels(9, "ada", True, visibility="private"),
        *(labels(10, "ada", True), labels(10, "bob", False), labels(10, "cyd", True, act="adjudication")),
    )
    assert ordered(store, 50, "disagreement").select("task_id", "why").rows() == [
        (str(UUID(int=task)), why)
        for task, why in (
            (3, "people disagree on whether it succeeded: 1 yes, 1 no"),
            (6, "people say it succeeded, the log says it failed"),
            (4, "people say it failed, the log says it succeeded"),
            (2, "people disagree: ratings from 3 to 5"),
            (5, "rated poor, yet said to have succeeded"),
            (1, "rated well, yet said to have failed"),
        )
    ]


def test_a_mixed_order_keeps_its_shares_and_asks_nothing_twice() -> None:
    begun = [{"started_at": datetime(2026, 5, 1, 7 * i % 22)} for i in range(22)]
    found = ranked(candidates(*begun), cells(("shop", 22, 0, 0)), 20, "mixed")
    assert found["task_id"].n_unique() == found.height == 20
    counts = dict(found["why"].value_counts().iter_rows())
    assert 20 * SHARES["random"] <= counts["drawn by lot"] < 7
    assert sum(SHARES.values()) == pytest.approx(1)


def test_reasons_hold_nothing_that_a_log_or_a_person_wrote(holding: Any) -> None:
    told = {"task_description": HOSTILE * 3, "repo": HOSTILE, "task_type": HOSTILE, "success": True}
    store = holding(told | {"success_source": "heuristic"}, {"repo": HOSTILE})
    give(store.path, rates(1, HOSTILE, "poor", comment=HOSTILE), labels(1, "ada", False))
    for by in ("disagreement", "mixed"):
        words = " ".join(reasons(store, by))
        assert words
        assert "<" not in words


def test_whoever_asks_gets_the_order_of_all(holding: Any) -> None:
    store = holding({"success": True, "success_source": "heuristic"}, {})
    give(store.path, labels(1, "ada", False, visibility="private"), labels(2, "ada", True))
    ada = Store(store.path, viewer=Viewer("ada"))
    assert asked(ada, "disagreement") == []
    assert asked(ada, "mixed") == asked(store, "mixed") == [1]


@pytest.mark.parametrize(("n", "by", "says"), [(0, "age", "1 or more"), (5, "best", "random, uncertainty")])
def test_nonsense_is_refused(store: Store, n: int, by: str, says: str) -> None:
    with pytest.raises(FeedbackError, match=says):
        ordered(store, n, by)


@pytest.mark.parametrize(
    "name", ["askable", "verdict_cells", "answers", "contextual_answers", "issues_named", "given", "prompted"]
)
def test_a_query_is_what_its_header_says(name: str, con: duckdb.DuckDBPyConnection) -> None:
    query = sqlfiles.load("queries", name)
    tables = duckdb.connect().get_table_names(re.sub(r"\$\w+", "null", query.text))
    assert sorted(tables) == sorted(query.reads)
    given = {"repo": None, "seed": 1, "least_characters": 3}
    fill(con, 300)
    con.execute(
        "insert into texts (text_hash, text) select distinct description_hash, 'a text' from executions"
    )
    con.execute("update people.events set issues = ['too_slow', 'other']")
    frame = fetch(con, query.text, {key: value for key, value in given.items() if f"${key}" in query.text})
    assert list(query.columns) == frame.columns
    assert frame.height == frame.select(query.grain).n_unique() > 0


def test_an_empty_store_has_nothing_to_ask(store: Store) -> None:
    assert ordered(store, 5, "mixed").rows() == []


@pytest.mark.soak
def test_every_order_is_that_of_a_fleet(store: Store, soak: bool) -> None:
    executions = simulate(20_000 if soak else 400, 3).executions
    store.add(conform(executions)[0])
    unjudged = executions.filter(~pl.col("success_source").is_in(["verifier", "ci", "user"]))
    for by in set(ORDERS) - {"disagreement"} if soak else ["uncertainty"]:
        found = ordered(store, 10_000, by)
        assert set(found["task_id"]) == set(unjudged["task_id"])
