"""Attempts whose sides come one by one: they wait in open_attempts until a decision and its outcome are both there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import polars as pl

from learnlab.events import AttemptEvent, Candidate, RoutingDecision, executed
from learnlab.models import ExecutionRecord
from learnlab.store.adoption import adopt
from learnlab.store.connection import fetch, lent
from learnlab.store.forgotten import drop_forgotten

_SIDES = pl.Schema(
    {
        "attempt_id": pl.String(),
        "side": pl.String(),
        "task_id": pl.String(),
        "timestamp": pl.Datetime("us"),
        "known": pl.String(),
    }
)
"""The columns of a frame of sides; `known` is a JSON object."""


@dataclass(frozen=True)
class Captured:
    """What live capture gives besides executions: frames with the columns of their tables, times as naive UTC.

    `sides` are to wait in open_attempts, `met` the attempts (attempt_id) that wait no longer.
    """

    decisions: pl.DataFrame
    pools: pl.DataFrame
    dead_letters: pl.DataFrame
    sides: pl.DataFrame
    met: list[str] = field(default_factory=list)


def sides_of(decisions: pl.DataFrame, attempts: pl.DataFrame) -> pl.DataFrame:
    """Return decisions, and the starts and outcomes of attempts, as one frame of sides.

    What a decision knows is its task and, as the fields of an execution, what it chose.
    """
    known = [
        _known(task, chosen) for task, chosen in zip(decisions["task"], decisions["chosen"], strict=True)
    ]
    of_decisions = decisions.select(
        attempt_id="decision_id", side=pl.lit("decision"), task_id="task_id", timestamp="timestamp"
    ).with_columns(known=pl.Series(known, dtype=pl.String))
    return pl.concat([of_decisions, attempts.select(*_SIDES)]).cast(_SIDES)


def _known(task: str | None, chosen: str) -> str:
    """Return what a decision knows of the execution, as JSON."""
    choice = Candidate.model_validate_json(chosen)
    return json.dumps(json.loads(task or "{}") | choice.known(), ensure_ascii=False)


def meet(
    connection: duckdb.DuckDBPyConnection, sides: pl.DataFrame, keys: pl.Series
) -> tuple[pl.DataFrame, list[ExecutionRecord], list[str]]:
    """Return the sides that have to wait, the executions of those that meet, and the attempts that wait no longer.

    `keys` are the record_keys of executions that come together with the sides. Sides of an attempt that is
    executed already do not wait. A side meets those of the same attempt, and else of the same task, in the
    order of their times: the first decision the first outcome. Meeting needs an outcome and a side from
    before it that knows the task.
    """
    sides = sides.unique(["attempt_id", "side"], keep="last", maintain_order=True)
    sides = sides.filter(~pl.col("attempt_id").is_in(keys.implode()))
    if not len(sides):
        return sides, [], []
    with lent(connection, coming=sides.select("attempt_id", "task_id")):
        closed = fetch(
            connection,
            "select attempt_id from coming "
            "where cast(attempt_id as uuid) in (select record_key from executions)",
        )["attempt_id"]
        waiting = fetch(
            connection,
            "select attempt_id::varchar as attempt_id, side, task_id::varchar as task_id, timestamp, "
            "cast(known as varchar) as known from open_attempts "
            "where task_id in (select cast(task_id as uuid) from coming)",
        )
    sides = sides.filter(~pl.col("attempt_id").is_in(closed.implode()))
    waiting = waiting.filter(~pl.col("attempt_id").is_in(keys.implode())).cast(_SIDES)
    everything = pl.concat([waiting, sides]).unique(["attempt_id", "side"], keep="last", maintain_order=True)
    with_outcome = everything.filter((pl.col("side") == "outcome").any().over("task_id"))
    records, met = [], []
    for (_,), rows in with_outcome.group_by("task_id", maintain_order=True):
        for attempt in _paired(rows.sort("timestamp", maintain_order=True).to_dicts()):
            records.append(_executed(attempt))
            met += [row["attempt_id"] for row in attempt.values()]
    return sides.filter(~pl.col("attempt_id").is_in(met)), records, met


def _paired(rows: Sequence[dict[str, Any]]) -> Iterable[dict[str, dict[str, Any]]]:
    """Yield the attempts of one task whose sides meet, each as side → row."""
    attempts: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        attempts.setdefault(row["attempt_id"], {})[row["side"]] = row
    for side in ("start", "outcome"):
        alone = [key for key, sides in attempts.items() if list(sides) == [side]]
        hosts = [
            key
            for key, sides in attempts.items()
            if side not in sides and ("decision" in sides or (side == "outcome" and "start" in sides))
        ]
        hosts.sort(key=lambda key: "decision" not in attempts[key])
        for key, host in zip(alone, hosts, strict=False):
            attempts[host][side] = attempts.pop(key)[side]
    for sides in attempts.values():
        before = sides.get("decision") or sides.get("start")
        if "outcome" in sides and before and _knows_the_task(sides):
            yield sides


def _knows_the_task(sides: dict[str, dict[str, Any]]) -> bool:
    return "decision" in sides or any("task_type" in json.loads(row["known"]) for row in sides.values())


def _executed(attempt: dict[str, dict[str, Any]]) -> ExecutionRecord:
    """Return the execution of an attempt whose sides stand in rows."""
    sides = {side: row | {"known": json.loads(row["known"])} for side, row in attempt.items()}
    start, outcome = (AttemptEvent(**sides[one]) if one in sides else None for one in ("start", "outcome"))
    decision = None
    if decided := sides.get("decision"):
        decision = RoutingDecision(
            decision_id=decided["attempt_id"],
            task_id=decided["task_id"],
            timestamp=decided["timestamp"],
            chosen=Candidate(),
            task=decided["known"],
        )
    return executed(decision, start, outcome)


def keep(
    connection: duckdb.DuckDBPyConnection, captured: Captured, fresh: pl.DataFrame, moment: datetime
) -> None:
    """Write down what was captured; sides whose attempt is executed now wait no longer.

    `fresh` are the executions that have just been stored, by their record_key. A decision follows its
    execution to the task_id that it was given. What was written down before is not written twice, and what
    somebody wanted forgotten does not stay.
    """
    met = pl.DataFrame({"attempt_id": captured.met}, schema={"attempt_id": pl.String})
    gone = pl.concat([met, fresh.select(attempt_id="record_key")])
    with lent(connection, gone=gone, sides=captured.sides):
        connection.execute(
            "delete from open_attempts where attempt_id in (select cast(attempt_id as uuid) from gone)"
        )
        connection.execute(
            "insert into open_attempts "
            "select cast(s.attempt_id as uuid), s.side, cast(s.task_id as uuid), s.timestamp, s.known, $now "
            "from sides s anti join open_attempts o "
            "on o.attempt_id = cast(s.attempt_id as uuid) and o.side = s.side",
            {"now": moment},
        )
    for table, frame in (
        ("routing_decisions", captured.decisions.drop("task")),
        ("pool_events", captured.pools),
        ("dead_letters", captured.dead_letters),
    ):
        if len(frame):
            with lent(connection, events=frame):
                names = ", ".join(frame.columns)
                connection.execute(f"insert or ignore into {table} ({names}) select {names} from events")
    with lent(connection, executed=fresh.select("record_key")):
        connection.execute(
            "update routing_decisions d set task_id = e.task_id from executions e "
            "where d.decision_id in (select cast(record_key as uuid) from executed) "
            "and e.record_key = d.decision_id and e.task_id <> d.task_id"
        )
    adopt(connection, fresh["record_key"])
    drop_forgotten(connection, moment)
