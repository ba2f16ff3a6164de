-- Attempts that wait for their other side: a decision or a start without its outcome, an outcome without its decision.
-- grain: attempt_id
-- reads: open_attempts, executions
-- present: the caller's as_of, else the moment of asking (asked_at, which the reader sets), else the last arrival.
-- window: with as_of, attempts that began after it are left out; with days_back, those that began before that many days.
-- since: the time that the first side tells, or that of its arrival where a clock was ahead.
-- overdue: more than an hour. A start is then of a process that was killed, or of work that still goes on.
-- left out: rows of routing_decisions that nothing waits for; their executions may have moved to the archive.
with told as (
    select
        attempt_id,
        task_id,
        side,
        known,
        case when timestamp < arrived_at then timestamp else arrived_at end as since_at,
        case side when 'outcome' then 1 when 'start' then 2 else 3 end as place,
    from open_attempts
),
attempts as (
    select
        attempt_id,
        min_by(task_id, place) as task_id,
        min(since_at) as since_at,
        max(case when side = 'decision' then 1 else 0 end) = 1 as is_decided,
        max(case when side = 'start' then 1 else 0 end) = 1 as is_started,
        max(case when side = 'outcome' then 1 else 0 end) = 1 as is_ended,
        min_by(known ->> 'external_id', place) as external_id,
        min_by(known ->> 'repo', place) as repo,
        min_by(known ->> 'session_id', place) as session_id,
        min_by(known ->> 'task_type', place) as task_type,
        min_by(known ->> 'model_tier', place) as model_tier,
        min_by(known ->> 'pool_type', place) as pool_type,
        min_by(try_cast(known ->> 'success' as boolean), place) as success,
        min_by(try_cast(known ->> 'duration_seconds' as double), place) as duration_seconds,
    from told
    group by attempt_id
),
present as (
    select
        coalesce(
            cast(getvariable('as_of') as timestamp),
            cast(getvariable('asked_at') as timestamp),
            (select max(arrived_at) from open_attempts)
        ) as asked_at,
        cast(getvariable('as_of') as timestamp) as as_of,
        cast(getvariable('days_back') as integer) as days_back,
),
executed as (
    select distinct task_id
    from executions
    where task_id in (select task_id from open_attempts where side = 'outcome')
),
waiting as (
    select
        a.*,
        x.task_id is not null as is_executed,
        case when p.asked_at > a.since_at then extract(epoch from p.asked_at - a.since_at) else 0 end as seconds,
    from attempts a
    cross join present p
    left join executed x on x.task_id = a.task_id
    where (p.as_of is null or a.since_at <= p.as_of)
        and (p.days_back is null or a.since_at > p.asked_at - p.days_back * interval '1' day)
)
select
    attempt_id,  -- the attempt
    task_id,  -- the task that it is an attempt at
    external_id,  -- the id that its caller gave it, null where that was a UUID or none
    case
        when is_ended and is_executed then 'outcome told again'
        when is_ended then 'outcome without decision'
        when is_started then 'start without outcome'
        else 'decision without outcome'
    end as kind,  -- what is missing; told again where an execution of that task is there already
    is_decided,  -- whether a router's decision began it
    coalesce(repo, 'unknown') as repo,  -- repository, or unknown
    session_id,  -- the session, null for unknown
    coalesce(task_type, 'unknown') as task_type,  -- task type, or unknown
    coalesce(model_tier, 'unknown') as model_tier,  -- small, medium, large or unknown
    coalesce(pool_type, 'unknown') as pool_type,  -- the pool that it went to, or unknown
    success,  -- what its outcome says: true, false, or null for unknown
    case when duration_seconds >= 0 and duration_seconds < 1e9 then duration_seconds end as duration_seconds,  -- what its outcome says, seconds, null for unknown
    since_at as waiting_since_at,  -- when its first side was told (UTC)
    seconds as waiting_seconds,  -- how long it has waited, seconds, 0 where a clock went backwards
    seconds > 3600 as is_overdue,  -- whether it has waited for more than an hour
from waiting
