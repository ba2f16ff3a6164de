-- What people gave each day, of which kind, as far as who looks may see it.
-- grain: day, feedback_type
-- reads: feedback, outcomes
-- parameters: repo
select
    cast(f.given_at as date) as day,  -- UTC
    f.feedback_type,  -- rating, label, adjudication, skip or note
    count(*) as n_given,  -- pieces that count
    count(f.correction) as n_corrections,  -- of them with what it should have been
    count(f.comment) as n_comments,  -- of them with a comment
from feedback f
left join outcomes o on o.task_id = f.task_id
where f.is_current and ($repo is null or o.repo = $repo)
group by day, f.feedback_type
order by day, f.feedback_type
