"""What people said of executions, given to whoever reads executions without the view `outcomes`, which is dearer."""

from __future__ import annotations

from hashlib import sha256

import duckdb
import polars as pl

from learnlab.store.connection import fetch

COLUMNS = ("success", "success_source", "user_rating", "user_accepted")
"""The columns of an execution that people's word may change."""

_IS_SAID = """
select exists (from people.events where task_id in (select cast(unnest($ids) as uuid)))
"""

_OUTCOMES = f"""
select task_id, {", ".join(COLUMNS)}
from outcomes
where task_id in (select cast(unnest($ids) as uuid))
"""

_IS_JUDGED = "select exists (from people.events where success is not null)"

_JUDGED = """
create or replace temp table {name} as
select o.task_id, o.success
from outcomes o
join executions e on e.task_id = o.task_id
where o.success is distinct from e.success
"""


def with_what_people_said(connection: duckdb.DuckDBPyConnection, executions: pl.DataFrame) -> pl.DataFrame:
    """Return executions with outcomes and ratings as the view `outcomes` has them for whoever looks.

    Only where somebody said anything of one of them is the view asked.
    """
    ids = {"ids": executions["task_id"].cast(pl.String).to_list()}
    if not ids["ids"] or not connection.execute(_IS_SAID, ids).fetchall()[0][0]:
        return executions
    said = fetch(connection, _OUTCOMES, ids)
    joined = executions.drop(COLUMNS).join(said, on="task_id", how="left", maintain_order="left")
    return joined.select(executions.columns)


def judged(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return the name of a temporary table of the executions whose outcome people's word changes; None for none at all.

    Columns: task_id and success, as whoever looks sees it.
    """
    if not connection.execute(_IS_JUDGED).fetchall()[0][0]:
        return None
    name = f"judged_{sha256(str(viewer(connection)).encode()).hexdigest()[:12]}"
    connection.execute(_JUDGED.format(name=name))
    return name


def viewer(connection: duckdb.DuckDBPyConnection) -> tuple[str | None, bool | None]:
    """Return who looks through a connection: the variables `viewer` and `is_public`."""
    ((name, is_public),) = connection.execute(
        "select getvariable('viewer'), getvariable('is_public')"
    ).fetchall()
    return name, is_public
