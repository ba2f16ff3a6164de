-- Outcomes inside the window, one row an execution: what estimates with intervals are made from.
-- grain: task_id
-- reads: outcomes, time_window
-- window: 30 days back from as_of unless days_back says otherwise; executions without a recorded time are always in.
select
    o.task_id,  -- the attempt
    o.task_group,  -- the problem that several attempts share
    o.is_retry,  -- whether an earlier attempt at the problem came before
    case when o.is_timed then o.started_at end as started_at,  -- UTC, null without a recorded time
    o.repo,  -- repository, or unknown
    o.task_type,  -- normalised task type
    coalesce(o.model, 'unknown') as model,  -- the exact model name, or unknown
    o.model_tier,  -- small, medium, large or unknown
    o.pool_type,  -- the pool that ran it
    o.success,  -- true, false, or null for unknown
    o.duration_seconds,  -- seconds, null for unknown
    o.quality_score,  -- 0-100, null for unknown
    o.cost_usd,  -- US dollars spent, null for unknown
from outcomes o
cross join time_window w
where not o.is_timed
    or (o.started_at <= w.as_of and o.started_at > w.as_of - coalesce(w.days_back, 30) * interval '1' day)
