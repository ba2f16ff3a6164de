"""What never met its other half: open attempts given by hand against the orphans expected by hand."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import polars as pl
import pytest

from learnlab.events import AttemptEvent, Candidate, RoutingDecision
from learnlab.models import now
from learnlab.reports import capture_sentences as sentences
from learnlab.store import Store, migrations, spool
from learnlab.store.spool import SpoolWriter

NOON = datetime(2026, 3, 31, 12)
A, B, C, D, E = (str(UUID(int=i)) for i in range(1, 6))
TASK, OTHER = str(UUID(int=101)), str(UUID(int=102))


def side(
    con: duckdb.DuckDBPyConnection,
    attempt: str,
    side: str,
    at: datetime = NOON,
    *,
    task: str = TASK,
    arrived: datetime | None = None,
    **known: Any,
) -> None:
    """Put one side of an attempt, told at a time (UTC), into the table of those that wait."""
    con.execute(
        "insert into open_attempts values (?, ?, ?, ?, ?, ?)",
        [attempt, side, task, at, json.dumps(known), arrived or at],
    )


def executed(con: duckdb.DuckDBPyConnection, key: str, task: str) -> None:
    con.execute(
        "insert into executions (task_id, timestamp, time_source, uploaded_at, task_type, description_hash, repo, "
        "file_count, estimated_tokens, model_tier, pool_type, success_source, cost_source, record_key, content_hash) "
        "values ($task, $at, 'recorded', $at, 'docs', $key, 'shop', 0, 0, 'small', 'local', 'unknown', 'unknown', "
        "$key, $key)",
        {"task": task, "at": NOON, "key": key},
    )


def look(con: duckdb.DuckDBPyConnection, view: str = "orphans", **variables: Any) -> list[dict[str, Any]]:
    for name, value in variables.items():
        con.execute(f"set variable {name} = ?", [value])
    return con.sql(f"from {view} order by all").pl().to_dicts()


def kinds(con: duckdb.DuckDBPyConnection, **variables: Any) -> list[tuple[int, str]]:
    return [(int(row["attempt_id"][-1]), row["kind"]) for row in look(con, **variables)]


def test_each_kind_is_told_from_the_others(con: duckdb.DuckDBPyConnection) -> None:
    side(con, A, "decision")
    side(con, B, "start")
    side(con, C, "decision")
    side(con, C, "start", NOON + timedelta(seconds=5))
    side(con, D, "outcome", task=OTHER)
    side(con, E, "outcome")
    executed(con, str(UUID(int=77)), TASK)
    assert kinds(con) == [
        (1, "decision without outcome"),
        (2, "start without outcome"),
        (3, "start without outcome"),
        (4, "outcome without decision"),
        (5, "outcome told again"),
    ]
    assert [row["is_decided"] for row in look(con)] == [True, False, True, False, False]


def test_what_is_known_of_an_attempt_is_shown_and_the_rest_is_unknown(con: duckdb.DuckDBPyConnection) -> None:
    side(con, A, "decision", external_id="t-1", repo="shop", model_tier="small", pool_type="local")
    side(con, A, "start", NOON + timedelta(minutes=1), pool_type="runpod", task_type="docs", session_id="s-1")
    side(con, B, "outcome", success=False, duration_seconds=2.5)
    first, second = look(con, asked_at=NOON + timedelta(minutes=2))
    assert first == {
        "attempt_id": A, "task_id": TASK, "external_id": "t-1", "kind": "start without outcome", "is_decided": True,
        "repo": "shop", "session_id": "s-1", "task_type": "docs", "model_tier": "small", "pool_type": "runpod",
        "success": None, "duration_seconds": None, "waiting_since_at": NOON, "waiting_seconds": 120.0,
        "is_overdue": False,
    }  # fmt: skip
    assert (second["success"], second["duration_seconds"], second["external_id"]) == (False, 2.5, None)
    assert [second[name] for name in ("repo", "task_type", "model_tier", "pool_type")] == ["unknown"] * 4


@pytest.mark.parametrize(
    "known",
    ['"a text"', "[1, 2]", "null", '{"success": "perhaps", "duration_seconds": "long", "repo": null}',
     '{"success": [], "duration_seconds": "Infinity"}', '{"duration_seconds": -1}', '{"duration_seconds": "NaN"}'],
)  # fmt: skip
def test_whatever_somebody_said_breaks_nothing(con: duckdb.DuckDBPyConnection, known: str) -> None:
    con.execute("insert into open_attempts values (?, 'outcome', ?, ?, ?, ?)", [A, TASK, NOON, known, NOON])
    (only,) = look(con)
    assert (only["success"], only["duration_seconds"], only["repo"]) == (None, None, "unknown")


def test_the_hour_is_over_when_it_is_over(con: duckdb.DuckDBPyConnection) -> None:
    side(con, A, "decision", NOON - timedelta(hours=1, microseconds=1))
    side(con, B, "decision", NOON - timedelta(hours=1))
    found = {row["attempt_id"]: row["is_overdue"] for row in look(con, asked_at=NOON)}
    assert found == {A: True, B: False}


def test_the_present_is_told_and_as_of_goes_before_it(con: duckdb.DuckDBPyConnection) -> None:
    side(con, A, "start", NOON - timedelta(minutes=2), arrived=NOON)
    side(con, B, "start", NOON - timedelta(minutes=1), arrived=NOON + timedelta(minutes=1))
    assert [row["waiting_seconds"] for row in look(con)] == [180.0, 120.0]
    later = NOON + timedelta(hours=2)
    assert [row["waiting_seconds"] for row in look(con, asked_at=later)] == [7320.0, 7260.0]
    (only,) = look(con, as_of=NOON - timedelta(seconds=90))
    assert (only["attempt_id"], only["waiting_seconds"]) == (A, 30.0)
    assert [row["attempt_id"] for row in look(con, as_of=later, days_back=1)] == [A, B]
    assert look(con, as_of=later + timedelta(days=1), days_back=1) == []


def test_a_clock_that_was_ahead_or_goes_backwards_makes_no_wait_negative(
    con: duckdb.DuckDBPyConnection,
) -> None:
    side(con, A, "start", NOON + timedelta(days=400), arrived=NOON)
    (ahead,) = look(con, asked_at=NOON + timedelta(hours=2))
    assert (ahead["waiting_since_at"], ahead["waiting_seconds"], ahead["is_overdue"]) == (NOON, 7200.0, True)
    (backwards,) = look(con, asked_at=NOON - timedelta(days=3))
    assert (backwards["waiting_seconds"], backwards["is_overdue"]) == (0.0, False)


def test_a_decision_that_nothing_waits_for_is_no_orphan(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("insert into routing_decisions values (?, ?, ?, '[]', '{}', '{}', null)", [A, TASK, NOON])
    assert look(con) == []


def test_orphans_are_counted_by_kind_and_age(con: duckdb.DuckDBPyConnection) -> None:
    ages = [
        timedelta(seconds=60),
        timedelta(seconds=61),
        timedelta(hours=1),
        timedelta(hours=24),
        timedelta(days=9),
    ]
    for number, age in enumerate(ages):
        side(con, str(UUID(int=200 + number)), "decision", NOON - age)
    side(con, A, "start", NOON - timedelta(days=9))
    found = [
        (row["kind"][:8], row["waiting"], row["n_attempts"], row["n_decided"], row["n_overdue"])
        for row in look(con, "orphan_counts", asked_at=NOON)
    ]
    assert found == [
        ("decision", "longer", 1, 1, 1),
        ("decision", "up to a day", 1, 1, 1),
        ("decision", "up to a minute", 1, 1, 0),
        ("decision", "up to an hour", 2, 2, 0),
        ("start wi", "longer", 1, 0, 1),
    ]  # fmt: skip


def test_a_view_read_through_the_store_knows_the_present(store: Store) -> None:
    an_hour = now().replace(tzinfo=None) - timedelta(hours=1)
    with store.writing() as connection:
        side(connection, A, "decision", an_hour - timedelta(minutes=1), repo="shop")
        side(connection, B, "start", an_hour + timedelta(minutes=5), repo="bank")
    found = store.view("orphans").sort("attempt_id")
    assert found["is_overdue"].to_list() == [True, False]
    assert found["waiting_seconds"].is_between([3660, 3300], [3780, 3420]).all()
    assert store.view("orphans", repo="bank")["kind"].to_list() == ["start without outcome"]
    assert store.view("orphans", as_of=an_hour)["waiting_seconds"].to_list() == [pytest.approx(60)]
    assert store.view("orphan_counts")["n_overdue"].sum() == 1


def test_validation_finds_an_attempt_that_is_both_open_and_executed(store: Store) -> None:
    with store.writing() as connection:
        side(connection, A, "start")
        side(connection, B, "decision")
        executed(connection, A, TASK)
    assert "attempts that are executed and still wait for a side: 1" in migrations.validate(store.path)


def test_dead_letters_are_counted_by_what_went_wrong(con: duckdb.DuckDBPyConnection) -> None:
    rows = [("a", "KeyError: 'a'"), ("a", "KeyError: 'b'"), ("mail", "took 12 s"), ("mail", "took 3.5 s")]
    for minute, (subscriber, error) in enumerate(rows):
        at = NOON + timedelta(minutes=minute)
        con.execute(
            "insert into dead_letters values (uuid(), ?, 'task_completed', ?, ?, '{}')",
            [at, subscriber, error],
        )
    query = (Path(migrations.__file__).parents[2] / "sql/queries/dead_letters.sql").read_text(
        encoding="utf-8"
    )
    found: pl.DataFrame = con.sql(query).pl()
    assert found.select("subscriber", "why", "n_messages", "first_error").rows() == [
        ("a", "KeyError: …", 2, "KeyError: 'a'"),
        ("mail", "took # s", 2, "took 12 s"),
    ]
    assert found["last_at"].to_list() == [NOON + timedelta(minutes=1), NOON + timedelta(minutes=3)]


def orphan(kind: str, *, decided: bool = False, since: datetime | None = None) -> dict[str, Any]:
    at = since or NOON
    return {"kind": kind, "is_decided": decided, "is_overdue": since is not None, "waiting_since_at": at}


def test_a_page_says_what_waits_and_since_when() -> None:
    assert sentences.unmet(pl.DataFrame([orphan("x")]).clear()) == (
        "Every decision has its outcome, and nothing else waits for its other side."
    )
    rows = [
        orphan("decision without outcome", decided=True),
        orphan("decision without outcome", decided=True, since=NOON),
        orphan("start without outcome", since=NOON - timedelta(days=1)),
    ]
    assert sentences.unmet(pl.DataFrame(rows)) == (
        "3 attempts wait for their other side: 2 decisions without outcome, 1 start without outcome. 2 of them for "
        "more than an hour, the first since 2026-03-30 12:00 UTC."
    )
    assert sentences.unmet(pl.DataFrame(rows[2:])).startswith(
        "Every decision has its outcome, but 1 other attempt"
    )
    assert sentences.unmet(pl.DataFrame(rows[:1])).endswith("None of them has waited for more than an hour.")


def test_a_page_says_who_could_not_take_messages() -> None:
    one = pl.DataFrame({"subscriber": ["{0} %s"], "n_messages": [1]})
    assert sentences.undelivered(one) == (
        "1 message could not be taken by a subscriber of the bus, by {0} %s."
    )
    two = pl.concat([one, one.with_columns(n_messages=pl.lit(2, dtype=pl.Int64))])
    assert sentences.undelivered(two).endswith("all of them by {0} %s.")
    assert sentences.undelivered(one.clear()).startswith("No subscriber")


def test_a_page_says_what_waits_in_the_spool_and_what_was_unreadable(store: Store, make_record: Any) -> None:
    assert sentences.spooled(store.path) == (
        "Nothing waited in the spool when this page was made, and nothing in it was unreadable."
    )
    SpoolWriter(store.path).append([make_record()])
    (segment,) = spool.waiting(store.path)
    segment.with_suffix(".quarantined").write_bytes(b"\xff" * 1200)
    assert sentences.spooled(store.path) == (
        f"1 segment of the spool with {segment.stat().st_size:,} bytes waited to be drained when this page was made; "
        "1 segment with 1,200 bytes could not be read and is kept beside the store, set aside as quarantined."
    )


def test_sides_that_come_one_by_one_are_orphans_until_they_meet(store: Store) -> None:
    def kinds_now() -> list[tuple[str, bool, str, str]]:
        return store.view("orphans").select("kind", "is_decided", "repo", "model_tier").rows()

    writer = SpoolWriter(store.path)
    chosen = Candidate(tier="large", pool="local")
    writer.append([RoutingDecision(decision_id=A, task_id="t-1", chosen=chosen, task={"repo": "shop"})])
    assert kinds_now() == [("decision without outcome", True, "shop", "large")]
    writer.append([AttemptEvent(attempt_id=A, side="start", task_id="t-1")])
    assert kinds_now() == [("start without outcome", True, "shop", "large")]
    writer.append([AttemptEvent(attempt_id=B, side="outcome", task_id="t-1", known={"success": True})])
    assert kinds_now() == []
    assert store.sql("select record_key, success from executions").rows() == [(A, True)]
    writer.append([AttemptEvent(attempt_id=C, side="outcome", task_id="t-1", known={"success": True})])
    assert kinds_now() == [("outcome told again", False, "unknown", "unknown")]
    assert migrations.validate(store.path) == []
