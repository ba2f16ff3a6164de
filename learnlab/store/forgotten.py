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


def remember(
    connection: duckdb.DuckDBPyConnection, joined_by: str, values: pl.Series, moment: datetime
) -> None:
    """Write down that records (by record_key), rejected rows (by content_hash) or sessions are not to come back."""
    with lent(connection, gone=values.unique().to_frame("value")):
        connection.execute(
            "insert or ignore into forgotten select $joined_by, value, $now from gone",
            {"joined_by": joined_by, "now": moment},
        )
