-- What people said of each execution, one voice an author, as far as whoever looks may see it.
-- grain: task_id
-- reads: feedback
-- verdict: of those who say whether it succeeded, most; null where as many say yes as no, unless somebody settled it.
select
    task_id,  -- the execution
    avg(case when feedback_type = 'rating' then rating end) as user_rating,  -- mean over authors, 2-5, null without a rating
    count(case when feedback_type = 'rating' then rating end) as n_ratings,  -- authors who rated it
    case
        when count(case when accepted then 1 end) > count(case when not accepted then 1 end) then true
        when count(case when accepted then 1 end) < count(case when not accepted then 1 end) then false
    end as user_accepted,  -- whether most of those who say so took the result; null for a tie or no word
    case
        when count(case when is_verdict and feedback_type = 'adjudication' and success then 1 end)
            > count(case when is_verdict and feedback_type = 'adjudication' and not success then 1 end) then true
        when count(case when is_verdict and feedback_type = 'adjudication' and success then 1 end)
            < count(case when is_verdict and feedback_type = 'adjudication' and not success then 1 end) then false
        when count(case when is_verdict and success then 1 end) > count(case when is_verdict and not success then 1 end) then true
        when count(case when is_verdict and success then 1 end) < count(case when is_verdict and not success then 1 end) then false
    end as user_success,  -- whether it succeeded in people's word; null for a tie or no word
    count(case when is_verdict then 1 end) as n_user_verdicts,  -- authors who say whether it succeeded
from feedback
where is_current
group by task_id
