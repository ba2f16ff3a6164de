"""What people wanted gone does not come back."""

from __future__ import annotations

from datetime import datetime

import duckdb
import polars as pl

from learnlab.store.connection import fetch, lent

_FORGOTTEN = """
with forgotten_records as (
    select cast(value as uuid) as record_key from forgotten where joined_by = 'record'
)
select record_key
from coming
where cast(record_key as uuid) in (select record_key from forgotten_records)
    or cast(parent_task_id as uuid) in (select record_key from forgotten_records)
    or session_id in (select value from forgotten where joined_by = 'session')
"""


NAMES_IT = "regexp_matches({text}, '(^|[^0-9A-Za-z_-])' || regexp_escape({value}) || '($|[^0-9A-Za-z_-])')"
"""The condition under which a text names a value as a word of its own."""

REJECTED_IS_WANTED = f"""
    cast(r.content_hash as varchar) not in (select value from forgotten where joined_by = 'rejected')
    and not exists (
        select 1 from forgotten f
        where f.joined_by = 'session' and ({NAMES_IT.format(text="r.content", value="f.value")}
            or {NAMES_IT.format(text="r.source", value="f.value")})
    )
"""
"""The condition under which a rejected row `r` may be kept: nobody wanted it, or the session it names, gone."""


def without_forgotten(
    connection: duckdb.DuckDBPyConnection, executions: pl.DataFrame, moment: datetime
) -> pl.DataFrame:
    """Return the executions that nobody wanted gone: neither they, nor their session, nor what they worked for.

    What is left out is forgotten itself from then on.
    """
    if not len(executions) or not connection.execute("select 1 from forgotten limit 1").fetchall():
        return executions
    with lent(connection, coming=executions.select("record_key", "parent_task_id", "session_id")):
        gone = fetch(connection, _FORGOTTEN)
    remember(connection, "record", gone["record_key"], moment)
    return executions.join(gone, on="record_key", how="anti", maintain_order="left")


_WAITING_GONE = """
select distinct cast(attempt_id as varchar) as attempt_id
from open_attempts
where cast(attempt_id as varchar) in (select value from forgotten where joined_by = 'record')
    or known ->> 'session_id' in (select value from forgotten where joined_by = 'session')
"""


def drop_forgotten(connection: duckdb.DuckDBPyConnection, moment: datetime) -> None:
    """Let no attempt wait, and no decision stand, that nobody wanted: neither they nor their session.

    What goes for its session is forgotten itself from then on.
    """
    if not connection.execute("select 1 from forgotten limit 1").fetchall():
        return
    gone = fetch(connection, _WAITING_GONE)["attempt_id"]
    remember(connection, "record", gone, moment)
    with lent(connection, gone=gone.to_frame()):
        connection.execute(
            "delete from open_attempts where attempt_id in (select cast(attempt_id as uuid) from gone)"
        )
    connection.execute(
        "delete from routing_decisions where cast(decision_id as varchar) in "
        "(select value from forgotten where joined_by = 'record')"
    )


def remember(
    connection: duckdb.DuckDBPyConnection, joined_by: str, values: pl.Series, moment: datetime
) -> None:
    """Write down that records (by record_key), rejected rows (by content_hash) or sessions are not to come back."""
    with lent(connection, gone=values.unique().to_frame("value")):
        connection.execute(
            "insert or ignore into forgotten select $joined_by, value, $now from gone",
            {"joined_by": joined_by, "now": moment},
        )
