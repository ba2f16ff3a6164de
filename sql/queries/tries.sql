-- Attempts as routers learn from them: what was known of the task before, what was tried, what came of it.
-- grain: task_id
-- reads: outcomes, executions, texts
-- parameters: days_back, as_of
-- window: as_of (by default the newest recorded time) and days_back days before it; all time where days_back is null.
-- What has no recorded time is always in.
with ends as (
    select coalesce(
        cast($as_of as timestamp),
        (select max(timestamp) from executions where time_source = 'recorded')
    ) as as_of
)
select
    o.task_id,  -- the attempt
    o.task_group,  -- the problem that several attempts share
    cast(e.description_hash as varchar) as text_hash,  -- which text
    trim(t.text) = '' as is_blank,  -- whether the text says nothing
    o.task_type,  -- normalised task type
    o.repo,  -- repository, or unknown
    e.file_count,  -- files
    e.estimated_tokens,  -- tokens that were expected
    e.complexity_score,  -- 0-100, null for unknown
    length(t.text) as n_characters,  -- characters of the text
    o.model,  -- the exact model name, null for unknown
    nullif(o.model_tier, 'unknown') as model_tier,  -- small, medium or large, null for unknown
    nullif(o.pool_type, 'unknown') as pool_type,  -- the pool that ran it, null for unknown
    case
        when o.success_source in ('verifier', 'user', 'ci', 'harness') then cast(o.success as double)
    end as success,  -- 1 or 0 where a trusted verdict says so, else null
    o.quality_score / 100 as score,  -- 0-1, null for unknown
    o.cost_usd,  -- US dollars, null for unknown
    e.propensity,  -- probability with which it was chosen, null where nobody logged it
    case when o.is_timed then o.started_at end as started_at,  -- UTC, null without a recorded time
from outcomes o
join executions e on e.task_id = o.task_id
left join texts t on t.text_hash = e.description_hash
cross join ends w
where not o.is_timed
    or (
        o.started_at <= w.as_of
        and ($days_back is null or o.started_at > w.as_of - cast($days_back as integer) * interval '1' day)
    )
order by started_at nulls first, o.task_id
