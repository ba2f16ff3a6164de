-- What people answered to each contextual question, among the ratings that count, as far as who looks may see them.
-- grain: question
-- reads: feedback, outcomes
-- parameters: repo
-- A question that was left open, or never asked, is unknown: it counts as no answer, and never as no.
with rated as (
    select f.model_appropriate, f.speed_acceptable, f.expectations_met
    from feedback f
    join outcomes o on o.task_id = f.task_id
    where f.is_current and f.feedback_type = 'rating' and ($repo is null or o.repo = $repo)
),
answered as (
    select
        unnest(['model_appropriate', 'speed_acceptable', 'expectations_met']) as question,
        unnest([model_appropriate, speed_acceptable, expectations_met]) as answer,
    from rated
)
select
    question,  -- model_appropriate, speed_acceptable or expectations_met
    count(*) as n_ratings,  -- ratings
    count(answer) as n_answered,  -- of them with an answer
    count(*) - count(answer) as n_open,  -- of them without one
    count(case when answer then 1 end) as n_yes,  -- of the answers yes
from answered
group by question
order by question
