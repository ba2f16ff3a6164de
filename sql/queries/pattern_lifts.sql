-- What mining found of each solution in each repo: the pattern of the cluster where it was used most.
-- grain: solution_summary, repo
-- reads: solutions
with used as (
    select *, unnest(repos_used_in) as repo
    from solutions
    where cluster_id is not null
)
select
    solution_summary,  -- what was done, in its most usual wording
    repo,  -- repository, or unknown
    task_context,  -- name of the cluster of tasks
    lift,  -- success rate with the pattern minus that without it in the same repos and task types, -1 to 1
    lift_low,  -- lower bound of the lift, 95 %
    lift_high,  -- upper bound of the lift, 95 %
    lift_shrunk,  -- the lift drawn towards 0, the more so the fewer verdicts it has
    verdict,  -- works, anti-pattern or too few to tell
    is_universal,  -- whether it was used in three repos or more
    trend,  -- dying, drifting, steady or too few to tell
from used
qualify row_number() over (partition by solution_summary, repo order by usage_count desc, pattern_id) = 1
