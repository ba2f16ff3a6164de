-- How many executions of each kind people rated, how well, and whether they took the result, as far as who looks may see.
-- grain: model_tier, outcome, task_type
-- reads: outcomes, executions, task_feedback
-- parameters: repo
-- outcome: by a verifier, CI or the harness, never by people: who rates must not say how the task went as well.
-- A rating is the mean over those who rated the execution; a rating that nobody shared is none here.
select
    o.model_tier,  -- small, medium, large or unknown
    case
        when e.success is null or e.success_source not in ('verifier', 'ci', 'harness') then 'unknown'
        when e.success then 'succeeded'
        else 'failed'
    end as outcome,  -- succeeded, failed, or unknown
    o.task_type,  -- normalised task type
    count(*) as n_executions,  -- executions
    count(f.user_rating) as n_rated,  -- with a rating
    coalesce(sum(f.user_rating), 0) as rating_sum,  -- sum of their ratings, 2-5 each
    coalesce(sum(f.user_rating * f.user_rating), 0) as rating_squares,  -- sum of the squares of their ratings
    count(f.user_accepted) as n_told,  -- with a word on whether the result was taken
    count(case when f.user_accepted then 1 end) as n_accepted,  -- of them taken
from outcomes o
join executions e on e.task_id = o.task_id
left join task_feedback f on f.task_id = o.task_id
where $repo is null or o.repo = $repo
group by o.model_tier, outcome, o.task_type
order by o.model_tier, outcome, o.task_type
