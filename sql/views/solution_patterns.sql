-- Solutions that were used again and again, with how often they worked: rank by success_rate_low, not by the raw rate.
-- grain: solution_summary, repo
-- reads: outcomes, time_window
-- window: 90 days back from as_of unless days_back says otherwise; executions without a recorded time are always in.
-- kept: what was used at least 5 times in the window, or as often as min_uses says.
-- bounds: Wilson (1927) at 95 %, z = 1.959963984540054, written with z²/2 and z²/4 so that it is one root.
with used as (
    select o.*, coalesce(w.min_uses, 5) as min_uses
    from outcomes o
    cross join time_window w
    where not o.is_timed
        or (o.started_at <= w.as_of and o.started_at > w.as_of - coalesce(w.days_back, 90) * interval '1' day)
),
counted as (
    select
        solution_summary,
        repo,
        array_agg(distinct task_type order by task_type) as task_types,
        count(*) as n_uses,
        count(success) as n_verdicts,
        count(case when success then 1 end) as n_successes,
        count(quality_score) as n_qualities,
        avg(quality_score) as quality_mean,
        min(case when is_timed then started_at end) as first_seen_at,
        max(case when is_timed then started_at end) as last_seen_at,
    from used
    where solution_summary <> ''
    group by solution_summary, repo
    having count(*) >= max(min_uses)
)
select
    solution_summary,  -- what was done, as the source words it
    repo,  -- repository, or unknown
    task_types,  -- the task types it was used on, in alphabetical order
    n_uses,  -- executions that used it
    n_verdicts,  -- executions with a known verdict
    n_successes,  -- verdicts that are success
    n_successes / nullif(n_verdicts, 0) as success_rate,  -- successes in verdicts, 0-1, null without a verdict
    case when n_verdicts > 0 then greatest(0.0, (n_successes + 1.920729410347062 - 1.959963984540054 * sqrt(
        n_successes * (n_verdicts - n_successes) / n_verdicts + 0.960364705173531
    )) / (n_verdicts + 3.841458820694124)) end as success_rate_low,  -- lower Wilson bound of the rate, 95 %
    case when n_verdicts > 0 then least(1.0, (n_successes + 1.920729410347062 + 1.959963984540054 * sqrt(
        n_successes * (n_verdicts - n_successes) / n_verdicts + 0.960364705173531
    )) / (n_verdicts + 3.841458820694124)) end as success_rate_high,  -- upper Wilson bound of the rate, 95 %
    n_qualities,  -- uses with a known quality
    quality_mean,  -- mean of the known qualities, 0-100
    first_seen_at,  -- first use with a recorded time (UTC)
    last_seen_at,  -- last use with a recorded time (UTC)
from counted
