-- Who says that executions of each source succeeded or failed.
-- grain: source, success_source
-- reads: outcomes
select
    coalesce(source, 'unknown') as source,  -- reader and file
    case when success is null then 'nobody' else success_source end as success_source,  -- verifier, user, ci, harness, heuristic, unknown; nobody without a verdict
    count(*) as n_executions,  -- executions
    count(case when success then 1 end) as n_successes,  -- of them successes
    min(case when is_timed then started_at end) as first_at,  -- the first with a recorded time (UTC)
    max(case when is_timed then started_at end) as last_at,  -- the last with a recorded time (UTC)
from outcomes
group by coalesce(source, 'unknown'), case when success is null then 'nobody' else success_source end
order by source, n_executions desc, success_source
