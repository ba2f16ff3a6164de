-- Executions with a recorded time, as the rules of prompting see them, and whether somebody rated them.
-- grain: task_id
-- reads: executions, task_feedback
-- parameters: repo
-- A rating that nobody shared with whoever looks is none here.
select
    cast(e.task_id as varchar) as task_id,  -- the execution
    e.timestamp,  -- when it began (UTC)
    e.task_type,  -- normalised task type
    e.success,  -- true, false, or null for unknown
    e.error_type,  -- what went wrong, null for nothing known
    e.duration_seconds,  -- seconds, null for unknown
    e.propensity,  -- probability with which it was chosen, null where nobody logged it
    e.swarm_topology,  -- how a swarm was laid out, null for none
    coalesce(f.n_ratings, 0) > 0 as is_rated,  -- whether somebody rated it
from executions e
left join task_feedback f on f.task_id = e.task_id
where e.time_source = 'recorded' and ($repo is null or e.repo = $repo)
order by e.timestamp, e.task_id
