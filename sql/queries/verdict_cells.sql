-- How many executions of each kind there are, how many have a verdict to learn from, and how many of those succeeded.
-- grain: task_type, model_tier, repo
-- reads: outcomes
select
    task_type,  -- normalised task type
    model_tier,  -- small, medium, large or unknown
    repo,  -- repository, or unknown
    count(*) as n_executions,  -- executions
    count(case when success_source in ('verifier', 'user', 'ci', 'harness') then success end) as n_verdicts,  -- with a verdict to learn from
    count(case when success and success_source in ('verifier', 'user', 'ci', 'harness') then 1 end) as n_successes,  -- of them successes
from outcomes
group by task_type, model_tier, repo
order by task_type, model_tier, repo
