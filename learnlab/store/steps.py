"""The steps inside executions: each once, with its largest usage, in the execution that had it first."""

from __future__ import annotations

import duckdb
import polars as pl

from learnlab.store.connection import fetch, lent

_CONTENT = (
    "kind, name, model, started_at, duration_seconds, input_tokens, cache_read_tokens, cache_write_tokens, "
    "output_tokens, cost_usd, cost_source, price_version, is_error, error, is_counted"
)

_MERGED = f"""
with versions as (
    select false as is_new, 0 as row, step_key, record_key, source_position, is_partial, {_CONTENT}
    from steps
    where step_key in (select cast(step_key as uuid) from new_steps)
    union all
    select true, row, cast(step_key as uuid), cast(record_key as uuid), source_position, is_partial, {_CONTENT}
    from new_steps
    where cast(step_key as uuid) not in (select step_key from archived_steps)
),
ranked as (
    select * replace (
            first_value(record_key) over arrival as record_key,
            first_value(source_position) over arrival as source_position,
            bool_and(is_partial) over (partition by step_key) as is_partial
        ),
        is_partial as was_partial,
        row_number() over (
            partition by step_key
            order by coalesce(input_tokens, 0) + coalesce(output_tokens, 0) desc,
                duration_seconds is not null desc, is_new desc, row desc
        ) as place,
    from versions
    window arrival as (partition by step_key order by is_new, row)
)
select step_key, record_key, source_position, is_partial, {_CONTENT}
from ranked
where place = 1 and (is_new or was_partial <> is_partial)
"""
"""What changes: new steps, and known ones of which a version with more usage came."""

_TOTALS = """
with used as (
    select s.*, coalesce(s.input_tokens, 0) + coalesce(s.output_tokens, 0) > 0 as is_used,
    from steps s
    where s.record_key in (select cast(record_key as uuid) from touched) and s.is_counted and s.kind = 'message'
),
summed as (
    select record_key,
        cast(sum(input_tokens) as bigint) as input_tokens,
        cast(sum(cache_read_tokens) as bigint) as cached_tokens,
        cast(sum(output_tokens) as bigint) as output_tokens,
        sum(cost_usd order by step_key) as cost_usd,
        max(price_version) as price_version,
        count(cost_usd) as n_costs,
        count(case when cost_source = 'reported' then cost_usd end) as n_reported,
        count(case when is_used then 1 end) as n_used,
        count(case when is_used and cost_usd is null then 1 end) as n_unpriced,
    from used
    group by record_key
),
priced as (
    select *, n_costs > 0 and n_unpriced = 0 and (n_used > 0 or n_reported > 0) as is_priced from summed
)
update executions e set
    input_tokens = p.input_tokens,
    cached_tokens = p.cached_tokens,
    output_tokens = p.output_tokens,
    actual_cost = case when p.is_priced then p.cost_usd end,
    cost_source = case
        when not p.is_priced then 'unknown' when p.n_reported = p.n_costs then 'reported' else 'list_price'
    end,
    price_version = case when p.is_priced then p.price_version end
from priced p
where e.record_key = p.record_key
"""


def merge_steps(
    connection: duckdb.DuckDBPyConnection, fresh: pl.DataFrame, steps: pl.DataFrame | None
) -> None:
    """Merge the steps of fresh executions and make the totals of every execution concerned their sums.

    A step that comes again counts once: with the largest usage (tokens in and out), of equals the one with
    a duration, then the newest; in the execution that had it first. It is partial only while every version
    of it is. An execution with counted messages has the sums of their tokens and costs, and no cost where a
    message that used tokens has none; any other execution keeps its own. `steps` has the columns of
    `ingest.batch.STEPS_SCHEMA` and `part`, the order in which sources came; without any, the sums are made of
    those that the store has.
    """
    touched = fresh.select("record_key")
    if steps is not None:
        ordered = steps.sort("part", "source_position", maintain_order=True).with_row_index("row")
        with lent(connection, new_steps=ordered):
            merged = fetch(connection, _MERGED)
        with lent(connection, merged=merged):
            connection.execute(
                "delete from steps where step_key in (select cast(step_key as uuid) from merged)"
            )
            connection.execute("insert into steps by name from merged")
        touched = pl.concat([touched, merged.select("record_key")])
    with lent(connection, touched=touched.unique()):
        connection.execute(_TOTALS)


def has_steps(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether a store holds any steps."""
    return bool(connection.execute("select 1 from steps limit 1").fetchall())
