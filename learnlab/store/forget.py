"""Forgetting: what a person wants gone leaves every table and archive file, and does not come back."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from learnlab.errors import StoreError
from learnlab.models import now
from learnlab.store import archive, forget_captured, ledger, thinning
from learnlab.store.connection import fetch, transaction
from learnlab.store.forgotten import NAMES_IT, remember
from learnlab.store.masking import name_as_stored
from learnlab.store.public import republish
from learnlab.store.views import MATERIALISED


@dataclass(frozen=True)
class Forgotten:
    """What was removed, and which copies of the store stand beside it and still hold it.

    Executions and steps are those of the store, archived ones those of its archive files; `n_waiting` are
    attempts that waited for their other side. `n_others` are rows about them: feedback, routing decisions,
    solutions, verdicts, messages that nobody could take. `routers` are those that had learned from the store.

    >>> print(Forgotten(n_executions=3, n_steps=40, n_texts=2).summary())
    removed 3 executions, 40 steps, 2 texts
    """

    n_executions: int = 0
    n_steps: int = 0
    n_archived: int = 0
    n_archived_steps: int = 0
    n_texts: int = 0
    n_rejected: int = 0
    n_others: int = 0
    n_waiting: int = 0
    routers: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return what was removed as text, a line for routers that are gone with it and one for copies that hold it."""
        named = {
            "executions": self.n_executions,
            "steps": self.n_steps,
            "archived executions": self.n_archived,
            "archived steps": self.n_archived_steps,
            "texts": self.n_texts,
            "rejected rows": self.n_rejected,
            "rows about them": self.n_others,
            "attempts that waited for their other side": self.n_waiting,
        }
        removed = ", ".join(f"{n:,} {noun}" for noun, n in named.items() if n)
        lines = [f"removed {removed}" if removed else "nothing of it is in the store"]
        if self.routers:
            lines.append(f"gone with it: {', '.join(self.routers)}, which had learned from it; train again")
        if self.copies:
            lines.append(f"what may still hold it: {', '.join(self.copies)}; delete that yourself")
        return "\n".join(lines)


_KNOWN = """
select record_key, task_id, parent_task_id, external_id, task_group, session_id, repo, source, timestamp,
    time_source, solution_summary
from {table}
"""

_WITH_WHAT_WORKED_FOR_IT = """
create or replace temp table doomed as
with recursive picked as (
    select record_key, task_id from known where {which}
    union
    select k.record_key, k.task_id from known k join picked p on k.parent_task_id = p.task_id
)
select distinct record_key, task_id from picked
"""

_ALONE = "create or replace temp table doomed as select distinct record_key, task_id from known where {which}"

_SPLIT = """
create or replace temp table {name} as
select * from known where record_key {which} (select record_key from doomed)
"""

_FEEDBACK = """
select cast(unnest([feedback_id, feedback_key]) as varchar) as value
from people.events
where task_id in (select task_id from doomed)
"""

_OTHERS = (
    "delete from people.events where task_id in (select task_id from doomed)",
    "delete from solutions where solution_summary in (select solution_summary from going) "
    "and solution_summary not in (select solution_summary from staying where solution_summary is not null)",
    "delete from verdicts where joined_by = 'session' and value in (select session_id from going) "
    "and value not in (select session_id from staying where session_id is not null)",
    "delete from verdicts v where v.joined_by = 'task' "
    "and exists (select 1 from going k where v.value in (k.external_id, k.task_group, cast(k.task_id as varchar))) "
    "and not exists (select 1 from staying k where v.value in (k.external_id, k.task_group, cast(k.task_id as varchar)))",
)

_MINED = ("delete from solutions where cluster_id is not null", "delete from clusters")
"""Names, repos and figures of patterns stem from many executions: all go, until mining makes them again."""

_ROUTERS = "delete from routers returning router_version"
"""What a router learned cannot be told apart by where it learned it: all go that may have learned from what goes."""

_REJECTED = """
from rejected
where {which}
    or source in (select source from going) and source not in (select source from staying where source is not null)
"""


def forget(
    connection: duckdb.DuckDBPyConnection,
    store: Path,
    *,
    repo: str | None = None,
    session: str | None = None,
    before: date | None = None,
) -> Forgotten:
    """Remove the executions of a repo, of a session, or recorded before a time (UTC), with all that hangs on them.

    That is their steps, texts that nobody else has, feedback, decisions and verdicts on them, dead letters
    that name them, and the executions that worked for those of the repo or session. Attempts that wait for
    their other side go as executions do. They leave archive files too, which are written anew. Rejected rows
    go when all executions of their file do; for a session those that name it as well, for a time those
    refused before it. Mined patterns go, all of them, until `learnlab mine` makes them again, and so do routers
    where executions go, until `learnlab train` fits another. Removed records, and for a session all that it may
    still bring, are remembered as forgotten. How far a log was read stays, and so does the ledger, which names
    files.

    All tables change in one transaction. A run that is killed leaves at most archive files that nothing
    refers to; the next run removes them.

    Raises:
        StoreError: when not exactly one of the three is given, or an archive file cannot be read or written;
            then nothing was removed.
    """
    by, which, refused, value = _choice(repo, session, before)
    given = {"value": value}
    moment = now().replace(tzinfo=None)
    _pick(connection, store, which, given, with_workers=before is None)
    written = thinning.write_anew(connection, store)
    with transaction(connection):
        n_steps = _delete(connection, "steps")
        n_executions = _delete(connection, "executions")
        n_waiting = forget_captured.delete_waiting(connection)
        remember(connection, "feedback", fetch(connection, _FEEDBACK)["value"], moment)
        n_others = sum(_changed(connection, statement) for statement in _OTHERS)
        republish(connection, moment, forgets=True)
        n_others += forget_captured.delete_others(connection, by, given)
        rejected = _REJECTED.format(which=refused)
        refused_hashes = fetch(connection, f"select cast(content_hash as varchar) as value {rejected}", given)
        n_rejected = _changed(connection, f"delete {rejected}", given)
        n_texts = archive.delete_unused_texts(connection)
        n_archived, n_archived_steps = thinning.note(connection, written)
        gone = fetch(connection, "select cast(record_key as varchar) as record_key from doomed")["record_key"]
        remember(connection, "record", gone, moment)
        remember(connection, "rejected", refused_hashes["value"], moment)
        if session is not None:
            remember(connection, "session", pl.Series([value]), moment)
        learned = connection.execute(_ROUTERS).fetchall() if n_executions or n_archived else []
        for statement in _MINED:
            connection.execute(statement)
        for view in MATERIALISED:
            connection.execute(f'drop table if exists "{view}_mv"')
        connection.execute("delete from view_refreshes")
        ledger.note(connection, "forget", moment, {"n_removed": n_executions})
    thinning.sweep(connection, store)
    return Forgotten(
        n_executions,
        n_steps,
        n_archived,
        n_archived_steps,
        n_texts,
        n_rejected,
        n_others,
        n_waiting,
        tuple(sorted(version for (version,) in learned)),
        _copies(store),
    )


def _choice(repo: str | None, session: str | None, before: date | None) -> tuple[str, str, str, Any]:
    """Return by what is forgotten, which executions and rejected rows go (conditions on `$value`), and the value."""
    if sum(bool(one) for one in (repo, session, before)) != 1:
        raise StoreError("say what to forget by exactly one of a repo, a session and a time")
    if repo:
        return "repo", "repo = $value", "$value is null", name_as_stored(repo)
    if session:
        named = " or ".join(NAMES_IT.format(text=text, value="$value") for text in ("content", "source"))
        return "session", "session_id = $value", named, name_as_stored(session)
    assert before is not None
    moment = before if isinstance(before, datetime) else datetime.combine(before, time())
    moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return "before", "time_source = 'recorded' and timestamp < $value", "rejected_at < $value", moment


def _pick(
    connection: duckdb.DuckDBPyConnection,
    store: Path,
    which: str,
    given: dict[str, Any],
    *,
    with_workers: bool,
) -> None:
    """Make the temporary tables `known` (store, what waits, archive), `doomed` (keys), `going` and `staying`."""
    known = f"{_KNOWN.format(table='executions')} union all {forget_captured.WAITING}"
    if connection.execute("select 1 from archives limit 1").fetchall():
        archive.show(connection, store)
        known += "union all" + _KNOWN.format(table=archive.ARCHIVE_VIEW)
    connection.execute(f"create or replace temp table known as {known}")
    connection.execute((_WITH_WHAT_WORKED_FOR_IT if with_workers else _ALONE).format(which=which), given)
    if with_workers:
        forget_captured.doom_those_of_the_same_tasks(connection)
    connection.execute(_SPLIT.format(name="going", which="in"))
    connection.execute(_SPLIT.format(name="staying", which="not in"))


def _changed(
    connection: duckdb.DuckDBPyConnection, statement: str, given: dict[str, Any] | None = None
) -> int:
    ((n_rows,),) = connection.execute(statement, given).fetchall()
    return int(n_rows)


def _delete(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return _changed(connection, f"delete from {table} where record_key in (select record_key from doomed)")


def _copies(store: Path) -> tuple[str, ...]:
    """Return what beside a store may still hold it: copies of downgrades and resets, what capture left."""
    names = sorted(os.listdir(store.parent))
    copies = tuple(name for name in names if name.startswith(f"{store.name}.") and name.endswith(".copy"))
    return copies + forget_captured.left(store)
