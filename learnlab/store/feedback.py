"""What people gave, kept as it came: once, and never again where its author deleted it."""

from __future__ import annotations

from datetime import datetime

import duckdb
import polars as pl

from learnlab.people import COLUMNS
from learnlab.store.connection import lent

_CAST = {
    "feedback_id": "uuid",
    "task_id": "uuid",
    "timestamp": "timestamp",
    "rating": "bigint",
    "seconds": "double",
    "undoes": "uuid",
    "answers": "json",
    **dict.fromkeys(
        (
            "model_appropriate",
            "speed_acceptable",
            "expectations_met",
            "success",
            "accepted",
            "saw_suggestion",
        ),
        "boolean",
    ),
}
"""The columns that are no text, and what they are."""

_ISSUES = """try(from_json(issues, '["VARCHAR"]'))"""


def _as_stored(name: str) -> str:
    if name == "issues":
        return _ISSUES
    return f"try_cast({name} as {_CAST[name]})" if name in _CAST else name


_KEEP = f"""
insert or ignore into people.events ({", ".join(COLUMNS)}, arrived_at)
select {", ".join(map(_as_stored, COLUMNS))}, $now
from given
where feedback_id not in (select value from forgotten where joined_by = 'feedback')
"""


def keep(connection: duckdb.DuckDBPyConnection, given: pl.DataFrame, moment: datetime) -> None:
    """Keep pieces of feedback, a frame with the columns of `people.COLUMNS`; what is there already changes nothing.

    Values are text as a line of the spool has them, or of the column's own type; `issues` and `answers` are JSON.
    What its author has deleted stays away.
    """
    if len(given):
        with lent(connection, given=given):
            connection.execute(_KEEP, {"now": moment})
