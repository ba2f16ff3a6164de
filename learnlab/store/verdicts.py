"""Verdicts from elsewhere: kept, and joined to executions by task, session or branch, now and later."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import polars as pl

from learnlab.errors import StoreError
from learnlab.models import SuccessSource, now
from learnlab.secrets import mask_frame
from learnlab.store import ledger
from learnlab.store.connection import fetch, lent

JOINED_BY = ("task", "session", "branch")
"""What a verdict can be joined by, the most particular first."""

RANKS = tuple(
    source.value
    for source in (
        SuccessSource.UNKNOWN,
        SuccessSource.HEURISTIC,
        SuccessSource.HARNESS,
        SuccessSource.USER,
        SuccessSource.CI,
        SuccessSource.VERIFIER,
    )
)
"""Who is believed, the least first: a verdict never overwrites one that stands higher."""

_COLUMNS = ("joined_by", "value", "success", "success_source", "quality_score", "source")


@dataclass(frozen=True)
class VerdictReport:
    """What verdicts met: those of `n_verdicts` that matched, how many executions, and the values that met none.

    >>> print(VerdictReport(3, 2, 5, (("branch", "fix-3"),)).summary())
    3 verdicts: 2 match 5 executions; without an execution: branch fix-3
    """

    n_verdicts: int
    n_matched: int
    n_executions: int
    unmatched: tuple[tuple[str, str], ...] = ()

    def summary(self) -> str:
        """Return the report as one line of text; of the values that met none, the first ten."""
        missing = ", ".join(f"{joined_by} {value[:80]}" for joined_by, value in self.unmatched[:10])
        more = f" and {len(self.unmatched) - 10:,} more" if len(self.unmatched) > 10 else ""
        words = f"{self.n_verdicts:,} verdicts: {self.n_matched:,} match {self.n_executions:,} executions"
        return words + (f"; without an execution: {missing}{more}" if missing else "")


_MATCHED = """
with looked_at as (
    select record_key, task_id, external_id, task_group,
        case when parent_task_id is null then session_id end as session_id,
        case when parent_task_id is null then metadata ->> 'branch' end as branch,
    from executions
    where {scope}
),
known as (
    select record_key, 'task' as joined_by, external_id as value from looked_at
    union
    select record_key, 'task', task_group from looked_at
    union
    select record_key, 'task', cast(task_id as varchar) from looked_at
    union
    select record_key, 'session', session_id from looked_at
    union
    select record_key, 'branch', branch from looked_at
),
matched as (
    select k.record_key, v.* from known k join verdicts v using (joined_by, value)
)
"""

_APPLY = """
, best as (
    select record_key, success, success_source, quality_score
    from matched
    qualify row_number() over (
        partition by record_key
        order by list_position($ranks, success_source) desc, list_position($joined_by, joined_by), given_at desc, value
    ) = 1
)
update executions e set
    success = b.success,
    success_source = b.success_source,
    quality_score = coalesce(b.quality_score, e.quality_score)
from best b
where e.record_key = b.record_key
    and (e.success is null or list_position($ranks, b.success_source) >= list_position($ranks, e.success_source))
"""

_MET = """
select g.joined_by, g.value, m.record_key is not null as is_matched, m.record_key
from given_verdicts g left join matched m using (joined_by, value)
order by g.joined_by, g.value
"""


def _apply(connection: duckdb.DuckDBPyConnection, scope: str) -> None:
    connection.execute(
        _MATCHED.format(scope=scope) + _APPLY, {"ranks": list(RANKS), "joined_by": list(JOINED_BY)}
    )


def apply_to(connection: duckdb.DuckDBPyConnection, fresh: pl.DataFrame) -> None:
    """Give fresh executions (by record_key) the verdicts that the store knows for them."""
    if connection.execute("select 1 from verdicts limit 1").fetchall():
        with lent(connection, fresh_keys=fresh.select("record_key")):
            _apply(connection, "record_key in (select cast(record_key as uuid) from fresh_keys)")


def _is_in(name: str, words: tuple[str, ...]) -> pl.Expr:
    return pl.col(name).is_in(words).fill_null(False)


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    absent = [name for name in _COLUMNS if name not in frame.columns]
    if absent:
        raise StoreError(f"verdicts need the columns {', '.join(_COLUMNS)}: {', '.join(absent)} is missing")
    wrong = {
        f"joined_by is none of {', '.join(JOINED_BY)}": ~_is_in("joined_by", JOINED_BY),
        f"success_source is none of {', '.join(RANKS)}": ~_is_in("success_source", RANKS),
        "success is neither true nor false": pl.col("success").is_null(),
        "quality_score is not from 0 to 100": ~pl.col("quality_score").is_between(0, 100).fill_null(True),
        "value or source is missing": pl.any_horizontal(pl.col("value", "source").is_null()),
    }
    for reason, is_wrong in wrong.items():
        if n_wrong := frame.select(is_wrong.sum()).item():
            raise StoreError(f"{n_wrong:,} of {len(frame):,} verdicts cannot be kept: {reason}")
    stored = frame.select(_COLUMNS).with_columns(
        value=pl.when(pl.col("joined_by") == "branch")
        .then(mask_frame(frame, ["value"])[0]["value"])
        .otherwise(mask_frame(frame.select(external_id="value"), ["external_id"])[0]["external_id"]),
        source=mask_frame(frame, ["source"])[0]["source"],
    )
    return stored.unique(["joined_by", "value"], keep="last", maintain_order=True)


def add(connection: duckdb.DuckDBPyConnection, verdicts: pl.DataFrame) -> VerdictReport:
    """Keep verdicts, newer ones in the place of older on the same thing, and give them to executions.

    `verdicts` has the columns joined_by, value, success, success_source, quality_score, source. A `task` is an
    external_id, a task_id or a task_group; a `session` or `branch` judges the requests of people in it, not the
    subagents that worked for them. A verdict never overwrites one of a source that is believed more (`RANKS`);
    of several on one execution the one that is believed most holds, of equals the most particular.

    Raises:
        StoreError: when a column is missing or a verdict is none.
    """
    given = _checked(verdicts)
    moment = now().replace(tzinfo=None)
    with lent(connection, given_verdicts=given):
        connection.execute(
            f"insert or replace into verdicts select {', '.join(_COLUMNS)}, $now from given_verdicts",
            {"now": moment},
        )
        met = fetch(connection, _MATCHED.format(scope="true") + _MET)
    _apply(connection, "true")
    connection.execute("delete from view_refreshes")
    sources = given["source"].unique()
    ledger.note(connection, "verdicts", moment, {}, source=sources[0] if len(sources) == 1 else None)
    values = met.select("joined_by", "value", "is_matched").unique(maintain_order=True)
    return VerdictReport(
        n_verdicts=len(given),
        n_matched=len(values.filter("is_matched")),
        n_executions=met["record_key"].drop_nulls().n_unique(),
        unmatched=tuple(values.filter(~pl.col("is_matched")).select("joined_by", "value").rows()),
    )
