"""The views of agents' sessions: steps given by hand against rows expected by hand, and the simulated history."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import duckdb
import polars as pl
import pytest

from learnlab.ingest.assemble import assemble
from learnlab.ingest.logs.tasks import Piece, Step
from learnlab.ingest.simulation.sample import ensure_sample, simulate_into, simulate_sessions_into
from learnlab.ingest.simulation.simulated_sessions import HELPER, NAME, simulated_sessions
from learnlab.models import StepKind
from learnlab.store import Store, sqlfiles

NOON = datetime(2026, 3, 31, 12)
A, B, C, D, E, F, G, GONE = (UUID(int=i) for i in range(1, 9))


def put(con: duckdb.DuckDBPyConnection, table: str, row: dict[str, Any]) -> None:
    con.execute(
        f"insert into {table} ({', '.join(row)}) values ({', '.join('?' * len(row))})", list(row.values())
    )


def task(con: duckdb.DuckDBPyConnection, key: UUID, **given: Any) -> None:
    put(con, "executions", {
        "task_id": key, "record_key": key, "content_hash": key, "timestamp": NOON, "time_source": "recorded",
        "uploaded_at": NOON, "task_type": "unknown", "description_hash": key, "repo": "shop", "file_count": 0,
        "estimated_tokens": 0, "agent": "pair", "model": "m-1", "model_tier": "unknown", "pool_type": "log",
        "success_source": "unknown", "cost_source": "list_price", "session_id": "s-1", "duration_source": "gaps",
    } | given)  # fmt: skip


_STEPS = iter(range(1000, 100_000))


def step(con: duckdb.DuckDBPyConnection, of: UUID, kind: str = "message", **given: Any) -> None:
    put(con, "steps", {
        "step_key": UUID(int=next(_STEPS)), "record_key": of, "kind": kind, "started_at": NOON, "cost_source": "unknown",
        "is_partial": False, "is_counted": True,
    } | given)  # fmt: skip


def look(con: duckdb.DuckDBPyConnection, view: str, order: str, **window: Any) -> list[dict[str, Any]]:
    for name, value in window.items():
        con.execute(f"set variable {name} = ?", [value])
    return con.sql(f"from {view} order by {order}").pl().to_dicts()


@pytest.fixture
def history(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A request with a subagent, that one's own subagent and a compaction; one with stated totals; an orphan."""
    put(con, "texts", {"text_hash": A, "text": "Why is it slow? " * 20})
    priced = {"cost_source": "list_price"}
    task(con, A, metadata='{"wall_seconds": 60.5}', duration_seconds=21.0)
    step(con, A, model="m-1", input_tokens=1000, cache_read_tokens=700, cache_write_tokens=200, output_tokens=50,
         cost_usd=1.0, duration_seconds=10.0, **priced)  # fmt: skip
    step(con, A, model=None, input_tokens=100, output_tokens=10, is_partial=True, duration_seconds=2.0)
    step(con, A, "tool_call", name="shell", duration_seconds=5.0, is_error=True)
    step(con, A, "tool_call", name="shell", duration_seconds=3.0, is_error=False)
    step(con, A, "tool_call", name="agent", is_error=False)
    step(con, A, "compaction", name="auto")
    task(con, B, parent_task_id=A, agent="pair/explorer", metadata='{"wall_seconds": 7}')
    step(con, B, model="m-2", input_tokens=40, output_tokens=4, cost_usd=0.25, duration_seconds=7.0, **priced)
    task(con, C, parent_task_id=B, agent="pair/explorer")
    step(con, C, model="m-2", input_tokens=10, cache_read_tokens=10, output_tokens=1, cost_usd=0.05, **priced)
    task(con, D, parent_task_id=A, agent="pair/compaction", timestamp=NOON - timedelta(hours=13))
    step(con, D, model="m-2", input_tokens=5, output_tokens=5, cost_usd=0.5,
         started_at=NOON - timedelta(hours=13), **priced)  # fmt: skip
    task(con, E, repo="bank", session_id=None, time_source="ingestion", input_tokens=500, output_tokens=60,
         actual_cost=2.0, cost_source="reported", success=True)  # fmt: skip
    step(
        con,
        E,
        model="m-3",
        input_tokens=500,
        output_tokens=60,
        cost_usd=9.0,
        started_at=None,
        is_counted=False,
    )
    step(con, E, "tool_call", started_at=None, duration_seconds=1.5, is_counted=False)
    task(con, F, parent_task_id=GONE, agent="pair/explorer")
    step(con, F, model="m-2", input_tokens=2, output_tokens=2, cost_usd=0.1, **priced)
    task(con, G, actual_cost=100.0)
    return con


def test_every_execution_with_steps_belongs_to_the_request_at_the_top(
    history: duckdb.DuckDBPyConnection,
) -> None:
    rows = look(history, "agent_executions", "task_id")
    assert [(each["task_id"], each["request_id"], each["part"]) for each in rows] == [
        (str(A), str(A), "own work"),
        (str(B), str(A), "subagents"),
        (str(C), str(A), "subagents"),
        (str(D), str(A), "compaction"),
        (str(E), str(E), "own work"),
        (str(F), str(GONE), "subagents"),
    ]
    assert [each["wall_seconds"] for each in rows] == [60.5, 7.0, None, None, None, None]


def test_a_ring_of_parents_neither_hangs_nor_loses_anybody(con: duckdb.DuckDBPyConnection) -> None:
    for own, parent in ((A, B), (B, C), (C, A), (D, D)):
        task(con, own, parent_task_id=parent)
        step(con, own, cost_usd=1.0)
    assert len(look(con, "agent_executions", "task_id")) == 4
    assert sum(each["cost_usd"] for each in look(con, "agent_requests", "request_id")) == 4.0


def test_costs_are_those_of_messages_or_as_the_log_states_them(history: duckdb.DuckDBPyConnection) -> None:
    rows = look(history, "agent_costs", "day nulls last, part, model")
    names = (
        "day",
        "repo",
        "part",
        "model",
        "n_messages",
        "n_unpriced",
        "n_partial",
        "n_reported",
        "cost_usd",
    )
    noon = date(2026, 3, 31)
    assert [tuple(each[name] for name in names) for each in rows] == [
        (date(2026, 3, 30), "shop", "compaction", "m-2", 1, 0, 0, 0, 0.5),
        (noon, "shop", "own work", "m-1", 1, 0, 0, 0, 1.0),
        (noon, "shop", "own work", "unknown", 1, 1, 1, 0, None),
        (noon, "shop", "subagents", "m-2", 3, 0, 0, 0, pytest.approx(0.4)),
        (None, "bank", "own work", "m-1", 1, 0, 0, 1, 2.0),
    ]
    assert [each["n_costs"] for each in rows] == [1, 1, 0, 3, 1]
    tokens = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "uncached_tokens", "output_tokens")
    assert [tuple(each[name] for name in tokens) for each in rows] == [
        (5, 0, 0, 0, 5),
        (1000, 700, 200, 100, 50),
        (100, 0, 0, 0, 10),
        (52, 10, 0, 0, 7),
        (500, 0, 0, 0, 60),
    ]


def test_requests_carry_the_work_done_for_them(history: duckdb.DuckDBPyConnection) -> None:
    first, stated, orphan = look(history, "agent_requests", "request_id")
    costs = ("own_cost_usd", "subagents_cost_usd", "compaction_cost_usd", "cost_usd", "whole_cost_usd")
    assert [first[name] for name in costs] == [1.0, pytest.approx(0.3), 0.5, pytest.approx(1.8), None]
    assert [stated[name] for name in costs] == [2.0, None, None, 2.0, 2.0]
    assert [orphan[name] for name in costs] == [None, 0.1, None, 0.1, 0.1]
    assert [each["task_group"] for each in (first, stated, orphan)] == ["s-1", str(E), "s-1"]
    counts = ("n_subagents", "n_messages", "n_tool_calls", "n_tool_errors", "n_unpriced", "n_partial")
    assert [first[name] for name in counts] == [2, 5, 3, 1, 1, 1]
    assert [stated[name] for name in counts] == [0, 1, 1, 0, 0, 0]
    assert (first["request"], orphan["request"]) == (("Why is it slow? " * 20)[:200], None)
    assert (first["wall_seconds"], first["duration_source"], orphan["duration_source"]) == (
        60.5,
        "gaps",
        "unknown",
    )
    assert (first["success"], stated["success"], stated["started_at"]) == (None, True, None)


def test_time_is_the_requests_own_and_the_rest_of_the_wall_clock(history: duckdb.DuckDBPyConnection) -> None:
    rows = look(history, "agent_time", "repo desc, what, name")
    names = ("repo", "what", "name", "n_steps", "n_timed", "n_errors", "seconds")
    # 60.5 seconds of wall clock less 10 and 2 of the models and 5 and 3 of the shell.
    assert [tuple(each[name] for name in names) for each in rows] == [
        ("shop", "compaction", "compaction", 1, 0, 0, None),
        ("shop", "model", "m-1", 1, 1, 0, 10.0),
        ("shop", "model", "unknown", 1, 1, 0, 2.0),
        ("shop", "tool", "agent", 1, 0, 0, None),
        ("shop", "tool", "shell", 2, 2, 1, 8.0),
        ("shop", "waiting", "waiting", 1, 1, 0, 40.5),
        ("bank", "model", "m-3", 1, 0, 0, None),
        ("bank", "tool", "unknown", 1, 1, 0, 1.5),
    ]


def test_the_rest_is_no_waiting_where_a_model_is_not_timed(con: duckdb.DuckDBPyConnection) -> None:
    for own, seconds in ((A, 2.0), (B, None), (C, 9.0)):
        task(con, own, metadata='{"wall_seconds": 7}')
        step(con, own, "tool_call", name="shell", duration_seconds=1.0)
        step(con, own, model="m-1", duration_seconds=seconds)
    # A tool that asks a person lasts as long as the person takes.
    step(con, B, "tool_call", name="AskUserQuestion", duration_seconds=1.0)
    rest = [each for each in look(con, "agent_time", "what, name") if each["what"] in ("waiting", "untold")]
    # Request C's steps ran side by side, for longer together than the wall clock.
    assert [(each["what"], each["n_steps"], each["seconds"]) for each in rest] == [
        ("untold", 1, 5.0),
        ("waiting", 1, 1.0),
        ("waiting", 2, 4.0),
    ]


@pytest.mark.parametrize("metadata", ['{"wall_seconds": "soon"}', '{"wall_seconds": -1}', '{"wall_seconds": {}}', "[]",
                                      '{"wall_seconds": "inf"}', '{"wall_seconds": null}', None])  # fmt: skip
def test_a_wall_clock_that_is_none_is_unknown(con: duckdb.DuckDBPyConnection, metadata: str | None) -> None:
    task(con, A, metadata=metadata)
    step(con, A, duration_seconds=1.0)
    (only,) = look(con, "agent_executions", "task_id")
    assert only["wall_seconds"] is None
    assert [each["what"] for each in look(con, "agent_time", "what")] == ["model"]


def test_the_window_is_that_of_the_request(con: duckdb.DuckDBPyConnection) -> None:
    old = NOON - timedelta(days=31)
    task(con, A, timestamp=old)
    task(con, B, timestamp=old + timedelta(days=2), parent_task_id=A)
    task(con, C, timestamp=NOON - timedelta(days=29))
    task(con, D, timestamp=NOON)
    task(con, E, timestamp=NOON + timedelta(days=9), time_source="ingestion")
    for own in (A, B, C, D, E):
        step(con, own, cost_usd=1.0)

    def seen(**window: Any) -> list[str]:
        return [each["task_id"] for each in look(con, "agent_executions", "task_id", **window)]

    assert seen() == [str(C), str(D), str(E)]
    assert seen(days_back=40) == [str(each) for each in (A, B, C, D, E)]
    assert seen(days_back=40, as_of=NOON - timedelta(days=1)) == [str(each) for each in (A, B, C, E)]


@pytest.fixture(scope="module")
def simulated() -> Piece:
    return simulated_sessions(seed=3, n=25)


@pytest.fixture
def filled(con: duckdb.DuckDBPyConnection, simulated: Piece) -> duckdb.DuckDBPyConnection:
    batch = assemble(simulated, NAME, NAME)
    assert len(batch.rejected) == 0
    con.register("given", batch.executions.drop("task_description", "timestamp"))
    con.register("times", batch.executions.select("record_key", "timestamp"))
    con.execute(
        "insert into executions by name select g.*, t.timestamp, t.timestamp as uploaded_at, uuid() as "
        "description_hash from given g join times t using (record_key)".replace(
            "g.*", "g.* exclude (uploaded_at)"
        )
    )
    con.register("taken", batch.steps)
    con.execute("insert into steps by name from taken")
    con.execute("set variable days_back = 1000")
    return con


PRICES = {  # US dollars a million tokens: in, read from the cache, written to it, out
    "claude-opus-4-5-20251101": (5, 0.5, 6.25, 25),
    "claude-sonnet-4-5-20250929": (3, 0.3, 3.75, 15),
    "gpt-5-codex": (1.25, 0.125, 0, 10),
    HELPER: (1, 0.1, 1.25, 5),
}


def price(message: Step) -> float:
    """The list price of a message, by hand; all contexts stay under the size at which some models cost more."""
    full, read, write, out = PRICES[str(message.model)]
    n_read, n_write = message.cache_read_tokens or 0, message.cache_write_tokens or 0
    plain = (message.input_tokens or 0) - n_read - n_write
    return (plain * full + n_read * read + n_write * write + (message.output_tokens or 0) * out) / 1e6


def test_the_simulated_historys_sums_are_those_it_was_made_of(
    filled: duckdb.DuckDBPyConnection, simulated: Piece
) -> None:
    messages = [
        (task, step) for task in simulated.tasks for step in task.steps if step.kind is StepKind.MESSAGE
    ]
    priced = [(task, step) for task, step in messages if step.model in PRICES]
    assert max(step.input_tokens or 0 for _, step in priced) < 200_000
    costs = filled.sql("from agent_costs").pl()
    assert costs["n_messages"].sum() == len(messages)
    assert costs["n_unpriced"].sum() == len(messages) - len(priced)
    assert costs["n_partial"].sum() == sum(step.is_partial for _, step in messages)
    assert costs["input_tokens"].sum() == sum(step.input_tokens or 0 for _, step in messages)
    assert costs["cost_usd"].sum() == pytest.approx(sum(price(step) for _, step in priced))
    for part, agent in (
        ("own work", "pair"),
        ("subagents", "pair/explorer"),
        ("compaction", "pair/compaction"),
    ):
        expected = sum(price(step) for task, step in priced if task.agent == agent)
        assert costs.filter(part=part)["cost_usd"].sum() == pytest.approx(expected)
        assert expected > 0
    requests = filled.sql("from agent_requests").pl()
    assert requests.height == sum(task.parent_key is None for task in simulated.tasks)
    assert requests["cost_usd"].sum() == pytest.approx(costs["cost_usd"].sum())
    calls = [step for task in simulated.tasks if task.parent_key is None for step in task.steps
             if step.kind is StepKind.TOOL_CALL]  # fmt: skip
    spent = dict(
        filled.sql("select name, sum(seconds) from agent_time where what = 'tool' group by all").fetchall()
    )
    assert spent == pytest.approx(
        {name: sum(step.duration_seconds or 0 for step in calls if step.name == name) for name in spent}
    )


def test_the_simulated_history_is_the_same_every_time(simulated: Piece) -> None:
    assert simulated_sessions(seed=3, n=25) == simulated
    assert {task.key for task in simulated_sessions(seed=4, n=5).tasks}.isdisjoint(
        task.key for task in simulated.tasks
    )
    keys = [step.key for task in simulated.tasks for step in task.steps]
    assert len(keys) == len(set(keys))
    assert all(task.success is None for task in simulated.tasks)
    frame = pl.DataFrame({"at": [task.timestamp for task in simulated.tasks]})
    assert frame["at"].max() < datetime(2026, 6, 30)  # type: ignore[operator]


def ask(con: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """The rows of a query, whose documented columns are those that it has."""
    file = sqlfiles.load("queries", query)
    frame = con.sql(file.text).pl()
    assert list(file.columns) == frame.columns
    assert frame.select(file.grain).n_unique() == frame.height
    return frame.to_dicts()


def test_lines_are_counted_by_reader_and_kind(con: duckdb.DuckDBPyConnection) -> None:
    read = {
        "claude_code:a.jsonl": '{"assistant": 3, "rejected": 1}',
        "csv:b.csv": None,
        "claude_code:c: d.jsonl": '{"assistant": 4}',
        None: '{"entry": 1, "odd": "x"}',
    }
    for source, kinds in read.items():
        put(con, "ledger", {
            "ingest_id": A, "kind": "ingest", "source": source, "n_rows_read": 1, "n_accepted": 1, "n_replaced": 0,
            "n_duplicates": 0, "n_rejected": 0, "n_removed": 0, "committed_at": NOON, "kinds": kinds, "n_masked": 2,
        })  # fmt: skip
    assert [tuple(each.values()) for each in ask(con, "lines_read")] == [
        ("claude_code", "assistant", 7, 2),
        ("claude_code", "rejected", 1, 1),
        ("ingest", "entry", 1, 1),
        ("ingest", "odd", 0, 1),
    ]
    assert [each["n_masked"] for each in ask(con, "sources")] == [2, 2, 2, 2]


def test_origins_of_costs_and_durations(history: duckdb.DuckDBPyConnection) -> None:
    history.execute(
        "update executions set source = 'log:a', duration_source = 'work' where agent = 'pair/explorer'"
    )
    history.execute("update executions set actual_cost = 1 where agent = 'pair/compaction'")
    names = ("n_executions", "n_for_others", "n_cost_reported", "n_cost_list_price", "n_cost_unknown")
    rows = {each["reader"]: each for each in ask(history, "origins")}
    assert [rows["unknown"][name] for name in names] == [4, 1, 1, 2, 1]
    assert [rows["log"][name] for name in names] == [3, 3, 0, 0, 3]
    assert [rows[reader]["n_time_work"] for reader in ("unknown", "log")] == [0, 3]
    assert [rows[reader]["n_time_gaps"] for reader in ("unknown", "log")] == [4, 0]


def test_models_without_a_price(history: duckdb.DuckDBPyConnection) -> None:
    task(history, GONE, model="m-9", input_tokens=7, output_tokens=None)
    rows = ask(history, "unpriced_models")
    # The message of request A that names no model, and an execution of which no message is known.
    assert [tuple(each.values()) for each in rows] == [("m-9", 1, 1, 7, 0), ("unknown", 1, 1, 100, 10)]


def test_sessions_are_stored_once_beside_the_fleet(store: Store) -> None:
    fleet = simulate_into(store, 40)
    first, again = simulate_sessions_into(store), simulate_sessions_into(store)
    assert (first.n_accepted, first.n_duplicates) == (again.n_duplicates, again.n_accepted)
    assert (fleet.n_accepted, first.n_rejected, again.n_accepted) == (40, 0, 0)
    assert store.query("integrity")["n"].sum() == 0
    costs = store.view("agent_costs", days_back=1000)
    # What the store makes of an execution's messages and what the views add up are the same.
    assert costs.filter(n_unpriced=0)["cost_usd"].sum() == pytest.approx(
        store.sql("select sum(actual_cost) as usd from executions where source = $1", [NAME])["usd"].item()
    )
    assert store.sql("select distinct model_tier from outcomes where model = $1", [HELPER]).rows() == [
        ("small",)
    ]


def test_a_sample_from_before_gets_its_sessions() -> None:
    sample = Store("sample").ensure()
    simulate_into(sample, 5)
    ensure_sample(sample)
    n = sample.sql("select count(*) as n from executions where source = $1", [NAME])["n"].item()
    assert n > 400
    ensure_sample(sample)
    assert sample.sql("from executions").height == 5 + n
