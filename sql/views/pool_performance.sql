-- Outcomes of each worker pool by repo and hour.
-- grain: hour, pool_type, repo
-- reads: outcomes, time_window
-- window: 7 days back from as_of unless days_back says otherwise; executions without a recorded time are always in.
-- bounds: Wilson (1927) at 95 %, z = 1.959963984540054, written with z²/2 and z²/4 so that it is one root.
with counted as (
    select
        case when o.is_timed then date_trunc('hour', o.started_at) end as hour,
        o.pool_type,
        o.repo,
        count(*) as n_executions,
        count(success) as n_verdicts,
        count(case when success then 1 end) as n_successes,
        count(duration_seconds) as n_durations,
        avg(duration_seconds) as duration_seconds_mean,
        percentile_cont(0.95) within group (order by duration_seconds) as duration_seconds_p95,
        count(cost_usd) as n_costs,
        avg(cost_usd) as cost_usd_mean,
        sum(cost_usd) as cost_usd_total,
        count(quality_score) as n_qualities,
        avg(quality_score) as quality_mean,
    from outcomes o
    cross join time_window w
    where not o.is_timed
        or (o.started_at <= w.as_of and o.started_at > w.as_of - coalesce(w.days_back, 7) * interval '1' day)
    group by 1, 2, 3
)
select
    hour,  -- start of the UTC hour, null for executions without a recorded time
    pool_type,  -- the pool that ran it
    repo,  -- repository, or unknown
    n_executions,  -- attempts in this group
    n_verdicts,  -- executions with a known verdict
    n_successes,  -- verdicts that are success
    n_successes / nullif(n_verdicts, 0) as success_rate,  -- successes in verdicts, 0-1, null without a verdict
    case when n_verdicts > 0 then greatest(0.0, (n_successes + 1.920729410347062 - 1.959963984540054 * sqrt(
        n_successes * (n_verdicts - n_successes) / n_verdicts + 0.960364705173531
    )) / (n_verdicts + 3.841458820694124)) end as success_rate_low,  -- lower Wilson bound of the rate, 95 %
    case when n_verdicts > 0 then least(1.0, (n_successes + 1.920729410347062 + 1.959963984540054 * sqrt(
        n_successes * (n_verdicts - n_successes) / n_verdicts + 0.960364705173531
    )) / (n_verdicts + 3.841458820694124)) end as success_rate_high,  -- upper Wilson bound of the rate, 95 %
    n_durations,  -- executions with a known duration
    duration_seconds_mean,  -- mean of the known durations, seconds
    duration_seconds_p95,  -- 95 in 100 of the known durations are no longer, seconds (interpolated)
    n_costs,  -- executions with a known cost
    cost_usd_mean,  -- mean of the known costs, US dollars
    cost_usd_total,  -- sum of the known costs, US dollars
    n_qualities,  -- executions with a known quality
    quality_mean,  -- mean of the known qualities, 0-100
from counted
