-- What the executions of each source say: how many have a verdict, a cost, a time.
-- grain: source
-- reads: outcomes
select
    coalesce(source, 'unknown') as source,  -- reader and file
    count(*) as n_executions,  -- executions in the store
    count(success) as n_verdicts,  -- with success true or false
    count(cost_usd) as n_costs,  -- with a known cost
    count(cost_estimate_usd) as n_estimates,  -- with an estimate made before the run
    count(case when is_timed then 1 end) as n_times,  -- with a time that the source recorded
    count(duration_seconds) as n_durations,  -- with a known duration
    count(quality_score) as n_qualities,  -- with a known quality
    count(input_tokens) as n_tokens,  -- with counted tokens
from outcomes
group by coalesce(source, 'unknown')
order by n_executions desc, source
