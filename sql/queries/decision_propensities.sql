-- Whether routing decisions list the probabilities of all their candidates, and whether these add up to 1.
-- grain: router_version
-- reads: routing_decisions, executions
-- parameters: repo, days_back, as_of
-- window: as_of (by default the newest recorded time of an execution) and days_back days before it; all time where days_back is null.
with ends as (
    select coalesce(
        cast($as_of as timestamp),
        (select max(timestamp) from executions where time_source = 'recorded')
    ) as as_of
),
listed as (
    select
        coalesce(d.router_version, 'unknown') as router_version,
        json_array_length(d.candidates) as n_candidates,
        list_filter(
            list_transform(json_extract_string(d.candidates, '$[*].propensity'), lambda p: try_cast(p as double)),
            lambda p: p is not null
        ) as chances,
        try_cast(json_extract_string(d.chosen, '$.propensity') as double) as chance_of_chosen,
        e.propensity,
    from routing_decisions d
    join executions e on e.task_id = d.task_id
    cross join ends w
    where (coalesce($repo, '') = '' or e.repo = $repo)
        and d.timestamp <= w.as_of
        and ($days_back is null or d.timestamp > w.as_of - cast($days_back as integer) * interval '1' day)
)
select
    router_version,  -- which router decided, or unknown
    count(*) as n_decisions,  -- decisions whose execution is known
    count(chance_of_chosen) as n_with_propensity,  -- of them with the probability of what was chosen
    count(case when n_candidates > 0 and len(chances) = n_candidates then 1 end) as n_complete,  -- with that of every candidate
    count(
        case when n_candidates > 0 and len(chances) = n_candidates and abs(list_sum(chances) - 1) < 0.001 then 1 end
    ) as n_adding_up,  -- of these, how many add up to 1 (to a thousandth)
    count(case when abs(chance_of_chosen - propensity) > 0.000001 then 1 end) as n_differing,  -- whose execution says another probability
from listed
group by router_version
order by n_decisions desc, router_version
