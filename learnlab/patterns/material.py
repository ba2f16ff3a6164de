"""What patterns are mined from: the vectors of texts, and which solution was used on each, how often and how well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.models import SuccessSource
from learnlab.people import TEAM
from learnlab.search.index.vectors import VectorTable, table_of
from learnlab.store import Store, views
from learnlab.store.connection import fetch, lent

LEAST_USES = 5
"""Uses that a pattern has at least, as the view solution_patterns asks."""

RECENT_DAYS = 28
"""Days back from the newest recorded time that are recent."""

OTHER = "other"
"""Stands for a solution that was used fewer than `LEAST_USES` times in all."""

_TRUSTED = [source.value for source in SuccessSource][:4]

_WORDINGS = r"""
create or replace temp table wordings as
with counted as (
    select solution_summary, count(*) as n_uses
    from executions
    where solution_summary is not null
    group by solution_summary
),
worded as (
    select *, regexp_replace(lower(nfc_normalize(solution_summary)), '[^\p{L}\p{M}\p{N}]+', ' ', 'g') as words
    from counted
)
select solution_summary, n_uses, md5(trim(words)) as solution, sum(n_uses) over (partition by trim(words)) as n_alike,
from worded
where trim(words) <> ''
"""

_USES = """
with told as (
    select
        e.description_hash, e.repo, e.task_type,
        case when w.n_alike >= $least then w.solution when w.n_alike > 0 then $other end as solution,
        case when list_contains($trusted, o.success_source) then o.success end as success,
        case when e.time_source = 'recorded' then e.timestamp end as started_at,
    from executions e
    join outcomes o on o.task_id = e.task_id
    left join wordings w on w.solution_summary = e.solution_summary
)
select
    cast(description_hash as varchar) as text_hash, repo, task_type, solution,
    started_at > (select max(started_at) from told) - $days * interval '1' day as is_recent,
    count(*) as n_uses,
    count(success) as n_verdicts,
    count(case when success then 1 end) as n_successes,
    min(started_at) as first_seen_at,
    max(started_at) as last_seen_at,
from told
group by all
"""

_SUMMARIES = """
select solution, arg_min(solution_summary, (-n_uses, solution_summary)) as solution_summary
from wordings
where n_alike >= $least
group by solution
"""

_GONE = "select count(*) from ledger where kind in ('forget', 'retention')"

_TEXTS = """
select w.place, t.text
from wanted w
join texts t on t.text_hash = cast(w.text_hash as uuid)
order by w.place
"""


@dataclass(frozen=True)
class Material:
    """One state of the store, as mining sees it.

    `hashes` and `vectors` are the texts that have a vector, in the order of their hashes; vectors are whole
    numbers of any length. `uses` has a row for each text, repo, task type, solution (null where none was
    named) and whether it was recent (null without a recorded time), with n_uses, n_verdicts and n_successes
    (trusted ones), first and last time (UTC). `summaries` words each solution; `known` is the last mining:
    cluster_id (null for none), text_hash. `n_gone` grows when something is forgotten or archived.
    """

    model_key: str
    hashes: pl.Series
    vectors: NDArray[np.int16]
    uses: pl.DataFrame
    summaries: pl.DataFrame
    known: pl.DataFrame
    n_without_vector: int
    n_gone: int


def n_with_vector(connection: duckdb.DuckDBPyConnection, encoder_key: str | None = None) -> int:
    """Return how many texts have a vector of a model, by default of the one that has most."""
    table = _table(connection, encoder_key)
    return _n_vectors(connection, table) if table else 0


def n_gone(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many times something was forgotten or archived."""
    ((n,),) = connection.execute(_GONE).fetchall()
    return int(n)


def read(store: Store, encoder_key: str | None = None) -> Material:
    """Return what there is to mine, from one state of the store; vectors of the model that has most unless named.

    Wordings of a solution are one where they differ in case, spaces and punctuation alone. What is mined is kept for
    all of the store's users: people's verdicts count as far as they are shared with them, whoever mines.
    """
    given: dict[str, Any] = {"least": LEAST_USES}
    with store.reading() as connection, views.told(connection, TEAM):
        table = _table(connection, encoder_key)
        connection.execute(_WORDINGS)
        named = {**given, "other": OTHER, "trusted": _TRUSTED, "days": RECENT_DAYS}
        hashes, vectors = _vectors(connection, table)
        ((n_texts,),) = connection.execute("select count(*) from texts").fetchall()
        return Material(
            model_key=table.key if table else "",
            hashes=hashes,
            vectors=vectors,
            uses=fetch(connection, _USES, named),
            summaries=fetch(connection, _SUMMARIES, given),
            known=fetch(connection, "select cast(columns(*) as varchar) from cluster_texts"),
            n_without_vector=int(n_texts) - len(hashes),
            n_gone=n_gone(connection),
        )


def texts(store: Store, wanted: pl.DataFrame) -> pl.DataFrame:
    """Return the texts of some hashes: `wanted` has place and text_hash, the answer place and text."""
    with store.reading() as connection, lent(connection, wanted=wanted):
        return fetch(connection, _TEXTS)


def _table(connection: duckdb.DuckDBPyConnection, key: str | None) -> VectorTable | None:
    if key is not None:
        return table_of(connection, key)
    keys = connection.execute("select model_key from search.models order by model_no desc").fetchall()
    tables = [table for (one,) in keys if (table := table_of(connection, one))]
    return max(tables, key=lambda table: _n_vectors(connection, table), default=None)


def _n_vectors(connection: duckdb.DuckDBPyConnection, table: VectorTable) -> int:
    ((n,),) = connection.execute(f"select count(scale) from {table.name}").fetchall()
    return int(n)


def _vectors(
    connection: duckdb.DuckDBPyConnection, table: VectorTable | None
) -> tuple[pl.Series, NDArray[np.int16]]:
    if table is None:
        return pl.Series(dtype=pl.String), np.zeros((0, 0), dtype=np.int16)
    frame = fetch(
        connection,
        f"select cast(text_hash as varchar) as text_hash, v from {table.name} "
        "where scale is not null and text_hash in (select text_hash from texts) order by text_hash",
    )
    vectors = frame["v"].to_numpy() if len(frame) else np.zeros((0, table.dimension))
    return frame["text_hash"], np.asarray(vectors, dtype=np.int16)
