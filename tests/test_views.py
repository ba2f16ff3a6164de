"""The views: rows given by hand against rows expected by hand, headers against what the SQL does."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import polars as pl
import pytest

from learnlab.intervals import wilson
from learnlab.store import sqlfiles

NOON = datetime(2026, 3, 31, 12)
RATED = ("tier_performance", "model_performance", "pool_performance", "solution_patterns")


_serial = itertools.count(1)


def row(**given: Any) -> dict[str, Any]:
    """One execution: a success of a small model at noon, with what is given in its place."""
    own = UUID(int=next(_serial))
    plain = {
        "task_id": own, "timestamp": NOON, "time_source": "recorded", "uploaded_at": NOON, "task_type": "docs",
        "description_hash": UUID(int=0), "repo": "shop", "file_count": 0, "estimated_tokens": 0, "model": "m-1",
        "model_tier": "small", "pool_type": "local", "success": True, "success_source": "verifier",
        "cost_source": "unknown", "record_key": own, "content_hash": own,
    }  # fmt: skip
    return plain | given


def add(con: duckdb.DuckDBPyConnection, *rows: dict[str, Any]) -> None:
    for one in rows:
        con.execute(
            f"insert into executions ({', '.join(one)}) values ({', '.join('?' * len(one))})",
            list(one.values()),
        )


def look(con: duckdb.DuckDBPyConnection, view: str, **window: Any) -> list[dict[str, Any]]:
    for name, value in window.items():
        con.execute(f"set variable {name} = ?", [value])
    return con.sql(f"select * from {view}").pl().to_dicts()


def fill(con: duckdb.DuckDBPyConnection, n: int, seed: int = 0) -> None:
    """Random executions: few distinct keys, so that groups are crowded, nulls wherever they may be; some have steps."""
    rng = np.random.default_rng(seed)

    def pick(values: list[Any]) -> list[Any]:
        return [values[i] for i in rng.integers(0, len(values), n)]

    frame = pl.DataFrame(
        {
            "timestamp": [NOON - timedelta(hours=int(h)) for h in rng.integers(0, 24 * 100, n)],
            "time_source": pick(["recorded", "recorded", "ingestion"]),
            "task_type": pick(["docs", "test"]), "repo": pick(["shop", "bank"]),
            "model": pick(["m-1", "m-2", None]), "model_tier": pick(["small", "large", "unknown"]),
            "pool_type": pick(["local", "runpod"]), "success": pick([True, False, None]),
            "cost_estimate": pick([0.0, 0.5, None]), "actual_cost": pick([0.25, None]),
            "duration_seconds": pick([1.0, 20.0, None]), "quality_score": pick([40.0, None]),
            "input_tokens": pick([100, None]), "output_tokens": pick([7, 8, None]),
            "solution_summary": pick(["retry", "cache", None]), "source": pick(["a.csv", "b.csv", None]),
        }
    )  # fmt: skip
    con.register("random_rows", frame)
    con.execute(
        "insert into executions by name select f.*, uuid() as task_id, uuid() as record_key, uuid() as content_hash, "
        "uuid() as description_hash, 0 as file_count, 0 as estimated_tokens, 'verifier' as success_source, "
        "'reported' as cost_source, f.timestamp as uploaded_at from random_rows f"
    )
    con.execute(
        "insert into steps by name select uuid() as step_key, e.record_key, k.kind, k.name, e.model, e.timestamp as "
        "started_at, 2.0 as duration_seconds, 10 as input_tokens, 3 as output_tokens, e.actual_cost as cost_usd, "
        "e.cost_source, false as is_partial, e.success is null as is_counted from executions e, "
        "(values ('message', null), ('tool_call', 'shell')) as k(kind, name) where e.success is not true"
    )
    con.execute(
        'insert into open_attempts select uuid(), k.side, e.task_id, e.timestamp, \'{"repo": "shop"}\', e.timestamp '
        "from (from executions limit 20) e, (values ('decision'), ('start'), ('outcome')) as k(side)"
    )
    con.execute(
        "insert into people.events (feedback_id, task_id, timestamp, feedback_type, author, visibility, satisfaction, "
        "rating, success, label_schema, answers, via, arrived_at) "
        "select uuid(), e.task_id, e.timestamp, k.feedback_type, k.author, k.visibility, 'good', "
        "case k.feedback_type when 'rating' then 4 end, e.success, 'outcome', '{}', 'python', e.timestamp "
        "from (from executions limit 50) e, (values ('rating', 'ada', 'team'), ('rating', 'bob', 'private'), "
        "('label', 'ada', 'public'), ('label', 'cyd', 'team')) as k(feedback_type, author, visibility)"
    )
    con.execute(
        "insert into people.public_cells values ('2026-04-01', 'docs', 'small', 'good', 7, 5, now()::timestamp)"
    )
    con.execute(
        "create or replace view search.embeddings as select description_hash as text_hash, 'toy@1' as model_key, "
        "success is not null as is_searchable, [1.0]::float[] as embedding from executions"
    )


@pytest.mark.parametrize("view", sqlfiles.views(), ids=lambda view: view.name)
def test_header_says_what_the_sql_does(view: sqlfiles.SqlFile, con: duckdb.DuckDBPyConnection) -> None:
    # An empty catalogue: there, a view that is read keeps its own name.
    assert sorted(duckdb.connect().get_table_names(view.text)) == sorted(view.reads)
    fill(con, 2000)
    frame = con.sql(f"select * from {view.name}").pl()
    assert list(view.columns) == frame.columns
    assert frame.height > 0
    if view.grain == ["one row"]:
        assert frame.height == 1
    else:
        assert frame.select(view.grain).n_unique() == frame.height
    assert view.text == view.text.rstrip() + "\n"


@pytest.mark.parametrize("name", RATED)
def test_bounds_are_those_of_wilson(name: str, con: duckdb.DuckDBPyConnection) -> None:
    fill(con, 3000, seed=1)
    add(con, *[row(pool_type="rare", task_type="rare", solution_summary="rare") for _ in range(5)])
    rows = look(con, name, days_back=1000)
    judged = [each for each in rows if each["n_verdicts"]]
    assert any(each["n_verdicts"] == each["n_successes"] for each in judged)
    for each in judged:
        expected = wilson(each["n_successes"], each["n_verdicts"])
        assert expected is not None
        found = [each["success_rate"], each["success_rate_low"], each["success_rate_high"]]
        assert found == pytest.approx([expected.estimate, expected.low, expected.high], abs=1e-12)


def test_no_verdict_gives_no_rate_and_no_bounds(con: duckdb.DuckDBPyConnection) -> None:
    add(con, row(success=None, solution_summary="try"), row(success=None, solution_summary="try"))
    for name in RATED:
        (only,) = look(con, name, min_uses=1)
        assert only["n_verdicts"] == 0
        assert [only[f"success_rate{end}"] for end in ("", "_low", "_high")] == [None, None, None]


def test_tier_performance_adds_up_one_day_by_hand(con: duckdb.DuckDBPyConnection) -> None:
    seconds, dollars = [10.0, 20.0, 30.0, None], [0.1, None, 0.3, None]
    verdicts, scores = [True, False, None, True], [80.0, None, 60.5, None]
    add(
        con,
        *[
            row(success=verdict, duration_seconds=second, actual_cost=dollar, quality_score=score)
            for verdict, second, dollar, score in zip(verdicts, seconds, dollars, scores, strict=True)
        ],
        row(model_tier="large", success=False),
    )
    large, small = sorted(look(con, "tier_performance"), key=lambda each: each["model_tier"])
    assert (large["n_executions"], large["n_successes"], large["duration_seconds_p95"]) == (1, 0, None)
    assert {key: value for key, value in small.items() if not key.startswith("success_rate_")} == {
        "day": date(2026, 3, 31), "repo": "shop", "model_tier": "small", "task_type": "docs",
        "n_executions": 4, "n_verdicts": 3, "n_successes": 2, "success_rate": 2 / 3,
        "n_durations": 3, "duration_seconds_mean": 20.0, "duration_seconds_p95": pytest.approx(29.0),
        "n_costs": 2, "cost_usd_mean": pytest.approx(0.2), "cost_usd_total": pytest.approx(0.4),
        "n_qualities": 2, "quality_mean": 70.25,
    }  # fmt: skip


def test_tier_is_looked_up_only_where_none_was_recorded(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("insert into model_tiers values ('m-1', 'large'), ('m-2', 'medium')")
    add(
        con,
        row(model="m-1", model_tier="small"),
        row(model="m-2", model_tier="unknown"),
        row(model="m-3", model_tier="unknown"),
        row(model=None, model_tier="unknown"),
    )
    found = sorted((each["model"], each["model_tier"]) for each in look(con, "model_performance"))
    assert found == [("m-1", "small"), ("m-2", "medium"), ("m-3", "unknown"), ("unknown", "unknown")]


def test_pool_performance_counts_by_the_hour(con: duckdb.DuckDBPyConnection) -> None:
    add(
        con,
        row(timestamp=NOON),
        row(timestamp=NOON - timedelta(seconds=1), success=False),
        row(timestamp=NOON - timedelta(minutes=60)),
        row(timestamp=NOON, time_source="ingestion"),
    )
    found = {
        each["hour"]: (each["n_executions"], each["n_successes"]) for each in look(con, "pool_performance")
    }
    assert found == {NOON: (1, 1), datetime(2026, 3, 31, 11): (2, 1), None: (1, 1)}


@pytest.mark.parametrize(
    ("view", "days"), [("tier_performance", 30), ("model_performance", 30), ("pool_performance", 7),
                       ("solution_patterns", 90), ("window_outcomes", 30), ("cost_calibration", 30)]
)  # fmt: skip
def test_window_counts_back_from_the_newest_recorded_time(
    view: str, days: int, con: duckdb.DuckDBPyConnection
) -> None:
    both = {"cost_estimate": 1.0, "actual_cost": 2.0, "solution_summary": "try"}
    inside, outside = NOON - timedelta(days=days, microseconds=-1), NOON - timedelta(days=days)
    add(con, row(timestamp=NOON, **both), row(timestamp=inside, **both), row(timestamp=outside, **both))
    # Ingested long after: it must not push the end of the window, and is always inside.
    add(con, row(timestamp=NOON + timedelta(days=300), time_source="ingestion", **both))

    def seen(**window: Any) -> int:
        rows = look(con, view, min_uses=1, **window)
        return sum(each.get("n_executions", each.get("n_uses", 1)) for each in rows)

    assert seen() == 3
    assert seen(days_back=days + 1) == 4
    assert seen(days_back=1) == 2
    assert seen(days_back=days + 1, as_of=NOON - timedelta(seconds=1)) == 3
    assert seen(days_back=days, as_of=datetime(2020, 1, 1)) == 1


def test_time_window_ends_at_the_newest_recorded_time(con: duckdb.DuckDBPyConnection) -> None:
    assert look(con, "time_window") == [{"as_of": None, "days_back": None, "min_uses": None}]
    add(con, row(timestamp=NOON), row(timestamp=NOON + timedelta(days=3), time_source="ingestion"))
    assert look(con, "time_window", days_back=9)[0] == {"as_of": NOON, "days_back": 9, "min_uses": None}


def test_solution_patterns_need_five_uses(con: duckdb.DuckDBPyConnection) -> None:
    first = NOON - timedelta(days=3)
    used = {"solution_summary": "add index"}
    add(con, *[row(**used, success=False, quality_score=50.0) for _ in range(3)])
    add(
        con,
        row(**used, task_type="bugfix", timestamp=first),
        row(**used, success=None, time_source="ingestion"),
    )
    add(con, *[row(**used, repo="bank") for _ in range(4)])
    add(con, *[row(solution_summary=nothing) for nothing in ("", None) for _ in range(5)])
    (only,) = look(con, "solution_patterns")
    assert {key: value for key, value in only.items() if not key.startswith("success_rate_")} == {
        "solution_summary": "add index", "repo": "shop", "task_types": ["bugfix", "docs"], "n_uses": 5,
        "n_verdicts": 4, "n_successes": 1, "success_rate": 0.25, "n_qualities": 3, "quality_mean": 50.0,
        "first_seen_at": first, "last_seen_at": NOON,
    }  # fmt: skip
    assert len(look(con, "solution_patterns", min_uses=4)) == 2


def test_cost_calibration_is_signed_and_relative_only_to_something(con: duckdb.DuckDBPyConnection) -> None:
    add(
        con,
        row(cost_estimate=0.5, actual_cost=0.25),
        row(cost_estimate=0.0, actual_cost=1.0, time_source="ingestion", model=None),
        row(cost_estimate=None, actual_cost=1.0),
        row(cost_estimate=1.0, actual_cost=None),
    )
    cheap, free = sorted(look(con, "cost_calibration"), key=lambda each: each["cost_usd"])
    errors = ("cost_error_usd", "cost_error_absolute_usd", "cost_error_relative")
    assert [cheap[name] for name in errors] == [-0.25, 0.25, -0.5]
    assert [free[name] for name in errors] == [1.0, 1.0, None]
    assert (cheap["day"], free["day"]) == (date(2026, 3, 31), None)
    assert (cheap["model"], free["model"]) == ("m-1", "unknown")


def test_window_outcomes_tell_retries_and_shared_problems(con: duckdb.DuckDBPyConnection) -> None:
    add(con, row(task_group="p", attempt=1), row(task_group="p", attempt=2), row(time_source="ingestion"))
    found = look(con, "window_outcomes")
    assert sorted((each["task_group"], each["is_retry"]) for each in found[:2]) == [("p", False), ("p", True)]
    assert (found[2]["task_group"], found[2]["started_at"]) == (str(found[2]["task_id"]), None)


def test_token_flags_tell_constants_from_coincidences(con: duckdb.DuckDBPyConnection) -> None:
    counted = {"source": "bench.csv", "model": "m-1", "input_tokens": 500, "output_tokens": 500}
    add(con, *[row(**counted) for _ in range(10)])
    add(con, *[row(**counted | {"model": "m-2"}) for _ in range(9)])
    add(con, *[row(**counted | {"source": "other.csv"}) for _ in range(9)])
    # Ten reruns of one problem repeat their counts honestly.
    add(con, *[row(**counted | {"model": "m-3"}, task_group="same", attempt=n) for n in range(1, 11)])
    add(con, row(source="bench.csv", model="m-1"), row(source="bench.csv", model="m-1", actual_cost=0.1))
    add(con, row(source="no tokens at all.csv"), row(source=None))
    flags = look(con, "token_flags")
    assert sorted((each["flag"], each["model"], each["n_alike"] or 0) for each in flags) == [
        ("missing", "m-1", 0),
        *[("repeated", "m-1", 10)] * 10,
    ]


def test_token_flags_need_a_share_of_the_models_rows(con: duckdb.DuckDBPyConnection) -> None:
    add(con, *[row(source="big.csv", input_tokens=1, output_tokens=1) for _ in range(10)])
    con.execute(
        "insert into executions by name select e.* replace (uuid() as task_id, uuid() as record_key, "
        "uuid() as content_hash, i as input_tokens) from (from executions limit 1) e, range(100, 10_091) r(i)"
    )
    assert look(con, "token_flags") == []
    con.execute("delete from executions where input_tokens = 100")
    assert len(look(con, "token_flags")) == 10


def test_token_flags_respect_the_window(con: duckdb.DuckDBPyConnection) -> None:
    days = [NOON - timedelta(days=n) for n in range(10)]
    add(con, *[row(timestamp=day, source="s", input_tokens=5, output_tokens=5) for day in days])
    assert len(look(con, "token_flags")) == 10
    assert len(look(con, "token_flags", as_of=NOON - timedelta(days=4))) == 6
    assert len(look(con, "token_flags", days_back=2)) == 2


def test_coderouterbench_constants_are_found(con: duckdb.DuckDBPyConnection) -> None:
    path = Path(__file__).parent.parent / "../shared/data/coderouterbench/id_test_results_long.csv"
    if not path.exists():
        pytest.skip("../shared/data is not here")
    results = pl.read_csv(path)
    con.register("results", results)
    con.execute(
        "insert into executions by name select task_id as task_group, model, 'id_test' as source, "
        "case when total_tokens > 0 then input_tokens end as input_tokens, "
        "case when total_tokens > 0 then output_tokens end as output_tokens, "
        "case when total_tokens > 0 then cost_usd end as actual_cost, uuid() as task_id, uuid() as record_key, "
        "uuid() as content_hash, uuid() as description_hash, 'x' as task_type, 'x' as repo, 0 as file_count, "
        "0 as estimated_tokens, 'unknown' as model_tier, 'unknown' as pool_type, 'verifier' as success_source, "
        "'reported' as cost_source, 'ingestion' as time_source, now()::timestamp as timestamp, "
        "now()::timestamp as uploaded_at from results"
    )
    # Counted another way: polars, with the pairs that anyone who sorts the file by frequency sees.
    pairs = (
        results.filter(pl.col("total_tokens") > 0).group_by("model", "input_tokens", "output_tokens").len()
    )
    expected = dict(pairs.filter(pl.col("len") >= 10).group_by("model").agg(pl.col("len").sum()).iter_rows())
    flags = con.sql("select flag, model, count(*) as n from token_flags group by all").pl()
    assert dict(flags.filter(flag="repeated").select("model", "n").iter_rows()) == expected
    assert flags.filter(flag="missing").select("model", "n").rows() == [("Qwen3-Max", 42)]
    assert sorted(expected) == ["MiniMax-M2.7", "Qwen3-Max", "glm-5", "kimi-k2.5", "qwen3.5-plus"]
