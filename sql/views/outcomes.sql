-- Executions as the statistics see them: tier looked up where none was recorded, time kept apart where none was.
-- grain: task_id
-- reads: executions, model_tiers, task_feedback
-- verdict: what people say holds where nobody is believed more: a verifier or CI.
select
    e.task_id,  -- the attempt
    coalesce(e.task_group, cast(e.task_id as varchar)) as task_group,  -- the problem that several attempts share
    coalesce(e.attempt, 1) > 1 as is_retry,  -- whether an earlier attempt at the problem came before
    e.timestamp as started_at,  -- UTC; the time of ingestion where is_timed is false
    e.time_source = 'recorded' as is_timed,  -- whether the source recorded a time
    e.repo,  -- repository, or unknown
    e.task_type,  -- normalised task type
    e.agent,  -- who did it
    e.model,  -- the exact model name, null for unknown
    case when e.model_tier = 'unknown' then coalesce(t.tier, 'unknown') else e.model_tier end as model_tier,  -- small, medium, large or unknown
    e.pool_type,  -- the pool that ran it
    case when f.user_success is not null and (e.success is null or e.success_source not in ('verifier', 'ci')) then f.user_success else e.success end as success,  -- true, false, or null for unknown
    case when f.user_success is not null and (e.success is null or e.success_source not in ('verifier', 'ci')) then 'user' else e.success_source end as success_source,  -- who says so
    e.duration_seconds,  -- seconds, null for unknown
    e.quality_score,  -- 0-100, null for unknown
    e.cost_estimate as cost_estimate_usd,  -- US dollars expected before the run, null for unknown
    e.actual_cost as cost_usd,  -- US dollars spent, null for unknown
    e.cost_source,  -- reported, list_price or unknown
    e.input_tokens,  -- tokens in, null for unknown
    e.output_tokens,  -- tokens out, null for unknown
    e.solution_summary,  -- what solved it
    coalesce(f.user_rating, e.user_rating) as user_rating,  -- mean over those who rated it, 2-5, else what the source recorded; null for none
    coalesce(f.user_accepted, e.user_accepted) as user_accepted,  -- whether people took the result, else what the source recorded
    e.source,  -- reader and file
from executions e
left join model_tiers t on t.model = e.model
left join task_feedback f on f.task_id = e.task_id
