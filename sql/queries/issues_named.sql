-- How often each issue was named among the ratings of each tier, as far as who looks may see them.
-- grain: model_tier, issue
-- reads: feedback, outcomes
-- parameters: repo
with rated as (
    select o.model_tier, f.issues
    from feedback f
    join outcomes o on o.task_id = f.task_id
    where f.is_current and f.feedback_type = 'rating' and ($repo is null or o.repo = $repo)
),
named as (
    select model_tier, issue, count(*) as n_named
    from (select model_tier, unnest(issues) as issue from rated)
    group by model_tier, issue
),
tiers as (
    select model_tier, count(*) as n_ratings
    from rated
    group by model_tier
)
select
    t.model_tier,  -- small, medium, large or unknown
    n.issue,  -- wrong_model, too_slow, poor_quality or other
    n.n_named,  -- ratings that name it
    t.n_ratings,  -- ratings of the tier
from tiers t
join named n on n.model_tier = t.model_tier
order by t.model_tier, n.issue
