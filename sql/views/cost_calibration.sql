-- What each execution was expected to cost beside what it cost, where both are known.
-- grain: task_id
-- reads: outcomes, time_window
-- window: 30 days back from as_of unless days_back says otherwise; executions without a recorded time are always in.
with both_known as (
    select
        o.*
    from outcomes o
    cross join time_window w
    where o.cost_estimate_usd is not null
        and o.cost_usd is not null
        and (not o.is_timed or o.started_at <= w.as_of and o.started_at > w.as_of - coalesce(w.days_back, 30) * interval '1' day)
)
select
    task_id,  -- the attempt
    task_group,  -- the problem that several attempts share
    case when is_timed then cast(started_at as date) end as day,  -- UTC day, null without a recorded time
    repo,  -- repository, or unknown
    task_type,  -- normalised task type
    coalesce(model, 'unknown') as model,  -- the exact model name, or unknown
    model_tier,  -- small, medium, large or unknown
    cost_source,  -- where the actual cost comes from: reported, list_price or unknown
    cost_estimate_usd,  -- US dollars expected before the run
    cost_usd,  -- US dollars spent
    cost_usd - cost_estimate_usd as cost_error_usd,  -- signed error, actual - estimate: above 0 it cost more than expected
    abs(cost_usd - cost_estimate_usd) as cost_error_absolute_usd,  -- its size, US dollars
    (cost_usd - cost_estimate_usd) / nullif(cost_estimate_usd, 0) as cost_error_relative,  -- error in parts of the estimate, null where that is 0
from both_known
