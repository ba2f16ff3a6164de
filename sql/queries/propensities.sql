-- Which sources log the probability with which a tier was chosen, and which do not.
-- grain: source
-- reads: outcomes, executions
-- parameters: repo, days_back, as_of
-- window: as_of (by default the newest recorded time) and days_back days before it; all time where days_back is null.
-- What has no recorded time is always in; what names no tier is not.
with ends as (
    select coalesce(
        cast($as_of as timestamp),
        (select max(timestamp) from executions where time_source = 'recorded')
    ) as as_of
)
select
    coalesce(o.source, 'unknown') as source,  -- reader and file
    count(*) as n_executions,  -- attempts of a known tier
    count(e.propensity) as n_with_propensity,  -- of them with the probability of their choice
    count(case when e.propensity is null and o.is_retry then 1 end) as n_retries_without,  -- retries that lack it
    count(case when e.propensity is null and not o.is_retry then 1 end) as n_first_without,  -- first attempts that lack it
from outcomes o
join executions e on e.task_id = o.task_id
cross join ends w
where o.model_tier <> 'unknown'
    and (coalesce($repo, '') = '' or o.repo = $repo)
    and (
        not o.is_timed
        or (
            o.started_at <= w.as_of
            and ($days_back is null or o.started_at > w.as_of - cast($days_back as integer) * interval '1' day)
        )
    )
group by coalesce(o.source, 'unknown')
order by n_executions desc, source
