-- The repos of a store, the one with the most executions first.
-- grain: repo
-- reads: executions
-- parameters: n
select
    repo,  -- repository, or unknown
    count(*) as n_executions,  -- executions in it
from executions
group by repo
order by n_executions desc, repo
limit $n
