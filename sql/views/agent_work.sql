-- Steps of agents' work: answers of models, calls of tools, compactions; and the totals that a log states without them.
-- grain: step_key
-- reads: agent_executions, steps
-- counted: a message carries tokens and cost where the execution's are the sum over its messages; where the log states the
-- execution's own, they stand once, in a row of the kind total, and the messages carry none.
-- split: input_tokens are all that went in; the three parts are known only where the log tells what the cache read.
with counted as (
    select distinct record_key
    from steps
    where kind = 'message' and is_counted
),
used as (
    select
        s.step_key,
        s.record_key,
        s.kind,
        s.name,
        s.model,
        s.started_at,
        s.duration_seconds,
        case when s.kind = 'message' and s.is_counted then s.input_tokens end as input_tokens,
        case when s.kind = 'message' and s.is_counted then s.cache_read_tokens end as cache_read_tokens,
        case when s.kind = 'message' and s.is_counted then s.cache_write_tokens end as cache_write_tokens,
        case when s.kind = 'message' and s.is_counted then s.output_tokens end as output_tokens,
        case when s.kind = 'message' and s.is_counted then s.cost_usd end as cost_usd,
        case when s.kind = 'message' and s.is_counted then s.cost_source else 'unknown' end as cost_source,
        s.is_error,
        s.is_partial,
        s.kind = 'message' and s.is_counted as is_counted,
    from steps s
    union all
    select
        e.record_key, e.record_key, 'total', null, e.model, e.started_at, null, e.input_tokens, e.cached_tokens, null,
        e.output_tokens, e.cost_usd, e.cost_source, null, false, true,
    from agent_executions e
    left join counted c on c.record_key = e.record_key
    where c.record_key is null
)
select
    u.step_key,  -- the step; the execution's record_key for a total
    e.task_id,  -- the execution
    e.request_id,  -- the request that it is or works for
    e.part,  -- own work, subagents or compaction
    e.session_id,  -- the session, null for unknown
    e.repo,  -- repository, or unknown
    cast(coalesce(u.started_at, e.started_at) as date) as day,  -- UTC day, null without a recorded time
    coalesce(u.started_at, e.started_at) as started_at,  -- UTC, the execution's where the step has none
    u.kind,  -- message, tool_call, compaction or total
    u.name,  -- the tool, null for anything else
    case when u.kind in ('message', 'total') then coalesce(u.model, 'unknown') end as model,  -- the model that answered, or unknown; null for tools
    u.duration_seconds,  -- seconds, null for unknown
    u.input_tokens,  -- tokens in, those read from and written to a cache among them, null for unknown
    u.cache_read_tokens,  -- of them read from a cache, null for unknown
    u.cache_write_tokens,  -- of them written to a cache, null for unknown
    greatest(0, u.input_tokens - u.cache_read_tokens - coalesce(u.cache_write_tokens, 0)) as uncached_tokens,  -- of them neither, null where the log tells nothing of a cache
    u.output_tokens,  -- tokens out, null for unknown
    u.cost_usd,  -- US dollars, null for unknown
    u.cost_source,  -- reported, list_price or unknown
    u.cost_usd is null and coalesce(u.input_tokens, 0) + coalesce(u.output_tokens, 0) > 0 as is_unpriced,  -- whether it used tokens whose price is unknown
    u.is_error,  -- whether it failed, null for unknown
    u.is_partial,  -- whether it used more than the log tells
    u.is_counted,  -- whether it carries the tokens and the cost: a message that counts, or a total
from used u
join agent_executions e on e.record_key = u.record_key
