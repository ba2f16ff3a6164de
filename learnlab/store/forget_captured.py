"""Forgetting what live capture keeps beside executions: attempts that wait, decisions, pools, dead letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from learnlab.store import spool
from learnlab.store.forgotten import NAMES_IT
from learnlab.store.lock import beside

WAITING = """
select attempt_id as record_key, task_id, try_cast(known ->> 'parent_task_id' as uuid) as parent_task_id,
    known ->> 'external_id' as external_id, known ->> 'task_group' as task_group,
    known ->> 'session_id' as session_id, coalesce(known ->> 'repo', 'unknown') as repo,
    known ->> 'source' as source, timestamp, 'recorded' as time_source,
    known ->> 'solution_summary' as solution_summary
from open_attempts
"""
"""The sides of attempts that wait, as executions are looked at when they are to be forgotten."""

_OF_THE_SAME_TASKS = """
insert into doomed
select distinct attempt_id, task_id
from open_attempts
where task_id in (select task_id from doomed) and attempt_id not in (select record_key from doomed)
"""

_DECISIONS = """
delete from routing_decisions
where decision_id in (select record_key from doomed)
    or decision_id not in (select record_key from staying)
        and (
            task_id in (select task_id from doomed)
            or task_id not in (select task_id from staying) and {named}
        )
"""

_LETTERS = """
delete from dead_letters
where {named}
    or letter_id in (
        select l.letter_id
        from dead_letters l, json_tree(l.payload) as said
        where lower(said.key) like '%id'
            and lower(said.atom ->> '$') in ({ids_of_going} except {ids_of_staying})
    )
"""

_IDS = "select lower(unnest([task_id::varchar, record_key::varchar, external_id])) from {table}"

_NAMED = {
    "repo": ("context ->> 'repo' = $value", "list_contains(json_extract_string(payload, '$..repo'), $value)"),
    "session": (
        "context ->> 'session_id' = $value",
        " or ".join(NAMES_IT.format(text=text, value="$value") for text in ("payload::varchar", "error")),
    ),
    "before": ("timestamp < $value", "timestamp < $value"),
}
"""What is forgotten → which decisions nobody acted on, and which dead letters, go with it."""


def doom_those_of_the_same_tasks(connection: duckdb.DuckDBPyConnection) -> None:
    """Add to the temporary table `doomed` the attempts that wait at tasks which are doomed already."""
    connection.execute(_OF_THE_SAME_TASKS)


def delete_waiting(connection: duckdb.DuckDBPyConnection) -> int:
    """Delete every side of doomed attempts that wait, and return how many attempts that were."""
    doomed = "from open_attempts where attempt_id in (select record_key from doomed)"
    ((n_attempts,),) = connection.execute(f"select count(distinct attempt_id) {doomed}").fetchall()
    connection.execute(f"delete {doomed}")
    return int(n_attempts)


def delete_others(connection: duckdb.DuckDBPyConnection, by: str, given: dict[str, Any]) -> int:
    """Delete the decisions and dead letters that go with the doomed or name what is forgotten; return how many.

    `by` is repo, session or before. A decision of an execution that stays, stays. A dead letter goes when one
    of its ids is that of a doomed execution and of no other. What is forgotten by time takes pools along.
    """
    decisions, letters = _NAMED[by]
    ids = {f"ids_of_{table}": _IDS.format(table=table) for table in ("going", "staying")}
    statements = [_DECISIONS.format(named=decisions), _LETTERS.format(named=letters, **ids)]
    if by == "before":
        statements.append("delete from pool_events where timestamp < $value")
    return sum(int(connection.execute(one, given).fetchall()[0][0]) for one in statements)


def left(store: Path) -> tuple[str, ...]:
    """Return what capture left beside a store and no forgetting reaches, as paths from the store's folder.

    Those are segments of the spool that nobody could read or that wait on, and traces that wait to be read.
    """
    traces = sorted(beside(store, "spans").glob("*.jsonl"))
    paths = [*spool.quarantined(store), *spool.waiting(store), *traces]
    return tuple(f"{path.parent.name}/{path.name}" for path in paths)
