"""What a store says of its propensities: who logs them, whether decisions add up, and what can be judged."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from learnlab.errors import RoutingError, StoreError
from learnlab.routing.counterfactual.stored import decisions, judged_tries, propensities
from learnlab.store import Store, connection, sqlfiles
from learnlab.store.frames import conform

DAY = datetime(2026, 5, 1)


def ident(at: int) -> str:
    return f"00000000-0000-4000-8000-{at:012d}"


def add(store: Store, *rows: dict[str, Any]) -> None:
    plain = {
        "timestamp": DAY,
        "task_type": "docs",
        "repo": "shop",
        "model_tier": "small",
        "pool_type": "local",
    }
    plain |= {"success": True, "success_source": "verifier", "source": "a.jsonl"}
    full = [
        plain | {"task_id": ident(at), "task_group": f"g{at}", "task_description": f"Task {at}"} | row
        for at, row in enumerate(rows)
    ]
    good, faults = conform(pl.DataFrame(full, infer_schema_length=None))
    assert not len(faults)
    store.add(good)


def decide(store: Store, *decided: tuple[int, list[Any], Any, str | None]) -> None:
    """Keep decisions: the number of the task, the propensities of the candidates, that of the chosen, the version."""
    made = pl.DataFrame(
        {
            "decision_id": [ident(100 + at) for at, *_ in decided],
            "task_id": [ident(at) for at, *_ in decided],
            "timestamp": [DAY] * len(decided),
            "candidates": [
                json.dumps(
                    [{"tier": "small"} if p == "-" else {"tier": "small", "propensity": p} for p in chances]
                )
                for _, chances, *_ in decided
            ],
            "chosen": [json.dumps({"tier": "small", "propensity": chosen}) for _, _, chosen, _ in decided],
            "context": ["{}"] * len(decided),
            "router_version": [version for *_, version in decided],
        }
    )
    with store.writing() as open_store, connection.lent(open_store, made=made):
        open_store.execute(f"insert into routing_decisions ({', '.join(made.columns)}) select * from made")


def test_sources_are_told_by_who_logs_propensities(store: Store) -> None:
    add(
        store,
        {"propensity": 0.5},
        {"propensity": 0.25, "model_tier": "large"},
        {"task_group": "g0", "attempt": 2},
        {"source": "b.csv"},
        {"source": "b.csv", "model_tier": "unknown"},
        {"source": "b.csv", "repo": "web", "timestamp": DAY - timedelta(days=9)},
    )
    found = propensities(store)
    assert found.rows() == [("a.jsonl", 3, 2, 1, 0), ("b.csv", 2, 0, 0, 2)]
    assert list(sqlfiles.load("queries", "propensities").columns) == found.columns
    assert propensities(store, repo="web").rows() == [("b.csv", 1, 0, 0, 1)]
    assert propensities(store, days_back=3)["n_executions"].to_list() == [3, 1]
    assert propensities(store, as_of="2026-04-25").rows() == [("b.csv", 1, 0, 0, 1)]


def test_decisions_are_told_by_whether_they_add_up(store: Store) -> None:
    add(store, *[{"propensity": 0.5}] * 6)
    decide(
        store,
        (0, [0.5, 0.5], 0.5, "one"),
        (1, [0.5, 0.4], 0.5, "one"),  # less than 1
        (2, [0.5, None], 0.5, "one"),  # one is not known
        (3, [0.5, "-"], 0.4, "one"),  # one is missing, and the execution says 0.5
        (4, [], None, None),
        (5, ["'; drop table executions; --", 0.5], 0.5, "two"),
        (77, [1.0], 1.0, "one"),  # its execution is not here
    )
    found = decisions(store)
    assert list(sqlfiles.load("queries", "decision_propensities").columns) == found.columns
    assert sorted(found.rows()) == [
        ("one", 4, 4, 2, 1, 1),
        ("two", 1, 1, 0, 0, 0),
        ("unknown", 1, 0, 0, 0, 0),
    ]
    assert decisions(store, repo="web").is_empty()
    assert decisions(store, as_of="2026-04-01").is_empty()


def test_a_repo_is_judged_alone(store: Store) -> None:
    add(store, *[{"propensity": 0.5, "repo": name} for name in ("shop", "web", "shop")])
    assert len(judged_tries(store).tries) == 3
    alone = judged_tries(store, repo="web").tries
    assert (len(alone), len(alone.tasks)) == (1, 1)


def test_a_store_without_propensities_is_refused_with_its_sources(store: Store) -> None:
    add(store, {}, {}, {"source": "<b>.csv", "propensity": 0.5})
    with pytest.raises(RoutingError, match=r"2 of 3 tries lack the propensity .* \(2 from 'a\.jsonl'\)"):
        judged_tries(store)
    with pytest.raises(RoutingError, match="no tries"):
        judged_tries(store, repo="nowhere")


def test_a_store_that_is_not_there_is_an_error() -> None:
    for read in (judged_tries, propensities, decisions):
        with pytest.raises(StoreError):
            read("no_such_store")
