"""Decisions and captured executions of one task that different processes wrote: the execution takes the decision over."""

from __future__ import annotations

import duckdb
import polars as pl

from learnlab.store.connection import fetch, lent

_PAIRS = """
with decided as (
    select attempt_id, task_id, timestamp, known ->> 'model' as model, known ->> 'model_tier' as model_tier,
        coalesce(known ->> 'external_id', cast(task_id as varchar)) as given_id,
    from open_attempts
    where side = 'decision'
),
captured as (
    select e.record_key, e.task_id, e.timestamp, e.model, e.model_tier,
        coalesce(e.external_id, e.task_group) as given_id,
    from executions e
    anti join routing_decisions d on d.decision_id = e.record_key
    where e.source = 'capture' and e.timestamp >= (select min(timestamp) from decided)
),
same as (
    select d as decision, c as execution from decided d join captured c on c.task_id = d.task_id
    union all
    select d as decision, c as execution from decided d join captured c on c.given_id = d.given_id
),
latest as (
    select execution.record_key as record_key, any_value(execution.timestamp) as began_at,
        max_by(decision.attempt_id, decision.timestamp) as decision_id,
    from same
    where execution.timestamp >= decision.timestamp
        and coalesce(execution.model = decision.model, true)
        and coalesce(execution.model_tier in ('unknown', decision.model_tier), true)
    group by 1
)
select cast(decision_id as varchar) as decision_id, cast(min_by(record_key, began_at) as varchar) as record_key
from latest
group by decision_id
"""

_TAKEN_OVER = (
    """
    insert or ignore into routing_decisions
    select cast(p.record_key as uuid), e.task_id, d.timestamp, d.candidates, d.chosen, d.context, d.router_version
    from pairs p
    join routing_decisions d on d.decision_id = cast(p.decision_id as uuid)
    join executions e on e.record_key = cast(p.record_key as uuid)
    """,
    "delete from routing_decisions where decision_id in (select cast(decision_id as uuid) from pairs)",
    """
    update executions e set
        routing_confidence = coalesce(e.routing_confidence, o.routing_confidence),
        cost_estimate = coalesce(e.cost_estimate, o.cost_estimate),
        complexity_score = coalesce(e.complexity_score, o.complexity_score)
    from (
        select cast(p.record_key as uuid) as record_key,
            case when confidence between 0 and 1 then confidence end as routing_confidence,
            case when cost >= 0 and cost < 1e9 then cost end as cost_estimate,
            case when complexity between 0 and 100 then complexity end as complexity_score,
        from pairs p
        join (
            select attempt_id,
                try_cast(known ->> 'routing_confidence' as double) as confidence,
                try_cast(known ->> 'cost_estimate' as double) as cost,
                try_cast(known ->> 'complexity_score' as double) as complexity,
            from open_attempts
            where side = 'decision'
        ) k on k.attempt_id = cast(p.decision_id as uuid)
    ) o
    where e.record_key = o.record_key
    """,
    "delete from open_attempts where attempt_id in (select cast(decision_id as uuid) from pairs)",
)

_CHOSEN = """
update executions e set
    model = coalesce(e.model, d.chosen ->> 'model'),
    model_tier = case when e.model_tier = 'unknown' then coalesce(d.chosen ->> 'tier', 'unknown') else e.model_tier end,
    pool_type = case when e.pool_type = 'unknown' then coalesce(d.chosen ->> 'pool', 'unknown') else e.pool_type end,
    propensity = coalesce(e.propensity, cast(d.chosen ->> 'propensity' as double))
from routing_decisions d
where e.record_key in (select cast(record_key as uuid) from executed)
    and d.decision_id = e.record_key
    and e.source = 'capture'
"""


def adopt(connection: duckdb.DuckDBPyConnection, fresh: pl.Series) -> None:
    """Give captured executions the decisions on their tasks that wait; `fresh` are those just stored (record_key).

    A process that captured a task's execution whole, without its decision, and another one that made the
    decision know nothing of each other. Theirs is one attempt when the decision came first and its choice fits
    what the execution knows: of several decisions the latest, of several executions the first after it. It is
    known by the execution's record_key from then on, also when that execution is told again with more.
    """
    pairs = fetch(connection, _PAIRS) if _is_open(connection) else pl.DataFrame()
    if len(pairs):
        with lent(connection, pairs=pairs):
            for statement in _TAKEN_OVER:
                connection.execute(statement)
        fresh = pl.concat([fresh, pairs["record_key"]])
    if len(fresh):
        with lent(connection, executed=fresh.to_frame("record_key")):
            connection.execute(_CHOSEN)


def _is_open(connection: duckdb.DuckDBPyConnection) -> bool:
    return bool(connection.execute("select 1 from open_attempts where side = 'decision' limit 1").fetchall())
