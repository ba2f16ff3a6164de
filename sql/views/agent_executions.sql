-- Executions that have steps, each with the request on whose behalf it ran.
-- grain: task_id
-- reads: executions, outcomes, steps, time_window
-- window: 30 days back from as_of unless days_back says otherwise, by the time of the request; what has no recorded time
-- is always in.
-- request: the execution at the top of the chain of parent_task_id, at most 8 levels up, whether it is in the store or not.
with recursive chain as (
    select task_id, parent_task_id as request_id, 1 as n_levels
    from executions
    where parent_task_id <> task_id
    union all
    select c.task_id, e.parent_task_id, c.n_levels + 1
    from chain c
    join executions e on e.task_id = c.request_id
    where e.parent_task_id <> e.task_id and c.n_levels < 8
),
tops as (
    select task_id, request_id
    from (select task_id, request_id, row_number() over (partition by task_id order by n_levels desc) as place from chain)
    where place = 1
),
with_steps as (
    select distinct record_key
    from steps
),
stated as (
    select e.record_key, try_cast(e.metadata ->> 'wall_seconds' as double) as wall_seconds
    from executions e
    join with_steps k on k.record_key = e.record_key
)
select
    e.task_id,  -- the execution
    e.record_key,  -- its identity, by which its steps are found
    coalesce(t.request_id, e.task_id) as request_id,  -- the request that it is or works for
    case
        when e.agent like '%/compaction' then 'compaction'
        when t.request_id is not null then 'subagents'
        else 'own work'
    end as part,  -- own work, subagents or compaction
    e.session_id,  -- the session, null for unknown
    coalesce(e.task_group, e.session_id) as task_group,  -- what its likes share: a session, or a problem attempted several times; null for unknown
    e.repo,  -- repository, or unknown
    e.agent,  -- who did it, null for unknown
    coalesce(e.model, 'unknown') as model,  -- the model that wrote the most, or unknown
    case when e.time_source = 'recorded' then e.timestamp end as started_at,  -- UTC, null without a recorded time
    e.duration_seconds,  -- seconds, null for unknown
    e.duration_source,  -- what the duration measures: work, gaps, wall or unknown
    case
        when s.wall_seconds >= 0 and s.wall_seconds < 1e9 then s.wall_seconds
        when e.duration_source = 'wall' then e.duration_seconds
    end as wall_seconds,  -- from the first to the last event with every pause, seconds, null for unknown
    o.success,  -- true, false, or null for unknown
    e.input_tokens,  -- tokens in, null for unknown
    e.cached_tokens,  -- of them read from a cache, null for unknown
    e.output_tokens,  -- tokens out, null for unknown
    e.actual_cost as cost_usd,  -- US dollars, null where any part of it is unknown
    e.cost_source,  -- reported, list_price or unknown
from executions e
join with_steps k on k.record_key = e.record_key
left join tops t on t.task_id = e.task_id
left join stated s on s.record_key = e.record_key
left join executions r on r.task_id = t.request_id
left join outcomes o on o.task_id = e.task_id
cross join time_window w
where coalesce(r.time_source, e.time_source) <> 'recorded'
    or (
        coalesce(r.timestamp, e.timestamp) <= w.as_of
        and coalesce(r.timestamp, e.timestamp) > w.as_of - coalesce(w.days_back, 30) * interval '1' day
    )
