"""From ranked texts to executions: those that a filter keeps, best first, the whole record of the winners alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from learnlab.search.filters import Where
from learnlab.search.twostage import Ranking
from learnlab.store.connection import fetch
from learnlab.store.said import with_what_people_said

_MET = """
with {ctes},
met as (
    select
        e.rowid as row_no,
        e.description_hash,
        e.task_id,
        case when e.time_source = 'recorded' then e.timestamp end as recorded_at,
        r.similarity,
        r.score,
    from executions e
    join ranked r on r.text_hash = e.description_hash
    where {where}
),
won as (
    select * from met order by score desc, recorded_at desc nulls last, task_id limit {limit}
)
"""
_RECORDS = """
select
    e.* exclude (description_hash, record_key, content_hash) replace (
        case when e.model_tier = 'unknown' then coalesce(m.tier, 'unknown') else e.model_tier end as model_tier
    ),
    t.text as task_description,
    w.similarity,
    w.score,
    {n_texts} as n_texts,
from won w
join executions e on e.rowid = w.row_no
join texts t on t.text_hash = w.description_hash
left join model_tiers m on m.model = e.model
order by w.score desc, w.recorded_at desc nulls last, w.task_id
"""


@dataclass(frozen=True)
class Won:
    """Executions that won, best first, one row each, and how many ranked texts had an execution that was kept."""

    rows: pl.DataFrame
    n_texts: int


def winners(
    connection: duckdb.DuckDBPyConnection,
    ranking: Ranking,
    where: Where,
    limit: int,
    *,
    excluded: str | None = None,
    counts_texts: bool = False,
) -> Won:
    """Return the first `limit` executions of the ranked texts, newest first among equals, then by task_id.

    Their outcomes and ratings are those of the view `outcomes`, as whoever looks sees it.
    `excluded` is a task_id to leave out. `n_texts` is 0 unless it is to be counted.
    """
    condition, params = where.sql, ranking.params | where.params
    if excluded:
        condition, params = f"{condition} and e.task_id <> $excluded", params | {"excluded": excluded}
    n_texts = "(select count(distinct description_hash) from met)" if counts_texts else "0"
    query = _MET.format(ctes=ranking.ctes, where=condition, limit=f"{limit:d}") + _RECORDS.format(
        n_texts=n_texts
    )
    rows = fetch(connection, query, params)
    n: Any = rows["n_texts"][0] if len(rows) else 0
    rows = with_what_people_said(connection, rows)
    return Won(rows.drop("n_texts").with_columns(pl.col("similarity").clip(-1, 1)), int(n))
