-- What was captured of one session, one row an execution.
-- grain: task_id
-- reads: outcomes, executions
-- parameters: session_id
select
    o.task_id,  -- the attempt
    e.external_id,  -- the id that its caller gave it, null where that was a UUID or none
    o.task_group,  -- the problem that several attempts share
    o.started_at,  -- UTC
    o.task_type,  -- normalised task type
    o.model_tier,  -- small, medium, large or unknown
    o.pool_type,  -- the pool that ran it
    e.propensity,  -- the probability with which the router chose it, null for unknown
    o.success,  -- true, false, or null for unknown
    e.error_type,  -- what kind of failure ended it
    e.error_message,  -- what was said of the failure
    o.duration_seconds,  -- seconds, null for unknown
    e.cpu_time_seconds,  -- seconds of CPU that the work took, null for unknown
    o.quality_score,  -- 0-100, null for unknown
    e.uploaded_at as stored_at,  -- when it came into the store (UTC)
from outcomes o
join executions e on e.task_id = o.task_id
where e.session_id = $session_id
order by o.started_at, o.task_id
