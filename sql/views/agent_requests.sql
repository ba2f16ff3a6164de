-- Requests to agents: what each asked, took and cost, with the work of its subagents and compactions.
-- grain: request_id
-- reads: agent_executions, agent_work, executions, texts
with worked as (
    select
        request_id,
        min(repo) as repo,
        min(session_id) as session_id,
        min(started_at) as started_at,
        count(distinct case when part = 'subagents' then task_id end) as n_subagents,
        count(case when kind = 'message' then 1 end) as n_messages,
        count(case when kind = 'tool_call' then 1 end) as n_tool_calls,
        count(case when kind = 'tool_call' and is_error then 1 end) as n_tool_errors,
        count(case when is_unpriced then 1 end) as n_unpriced,
        count(case when is_partial then 1 end) as n_partial,
        sum(case when part = 'own work' then cost_usd end) as own_cost_usd,
        sum(case when part = 'subagents' then cost_usd end) as subagents_cost_usd,
        sum(case when part = 'compaction' then cost_usd end) as compaction_cost_usd,
        sum(cost_usd) as cost_usd,
    from agent_work
    group by request_id
)
select
    w.request_id,  -- the request
    coalesce(e.session_id, w.session_id) as session_id,  -- the session, null for unknown
    coalesce(e.task_group, w.session_id, cast(w.request_id as varchar)) as task_group,  -- what its likes share: a session, or a problem attempted several times; else itself
    coalesce(e.repo, w.repo) as repo,  -- repository, or unknown
    coalesce(e.started_at, w.started_at) as started_at,  -- UTC, null without a recorded time
    substr(t.text, 1, 200) as request,  -- the beginning of what was asked; null where the request is not in the store
    e.model,  -- the model that wrote the most, or unknown
    e.success,  -- true, false, or null for unknown
    w.n_subagents,  -- subagents that worked for it
    w.n_messages,  -- answers of models, its subagents' among them
    w.n_tool_calls,  -- calls of tools, its subagents' among them
    w.n_tool_errors,  -- of them that failed
    w.n_unpriced,  -- messages with tokens whose price is unknown
    w.n_partial,  -- messages with more usage than the log tells
    w.own_cost_usd,  -- US dollars of its own messages, null for unknown
    w.subagents_cost_usd,  -- US dollars of its subagents, null without any
    w.compaction_cost_usd,  -- US dollars of compactions, null without any
    w.cost_usd,  -- US dollars together, of what has a known cost; null where nothing has
    case when w.n_unpriced = 0 then w.cost_usd end as whole_cost_usd,  -- the same, null where any part is unknown
    e.duration_seconds,  -- seconds, null for unknown
    coalesce(e.duration_source, 'unknown') as duration_source,  -- what the duration measures: work, gaps, wall or unknown
    e.wall_seconds,  -- from the first to the last event with every pause, seconds, null for unknown
from worked w
left join agent_executions e on e.task_id = w.request_id
left join executions x on x.task_id = w.request_id
left join texts t on t.text_hash = x.description_hash
