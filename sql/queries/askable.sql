-- Executions that neither a verifier nor CI has judged and whose text says enough to judge them by, with what people say.
-- grain: task_id
-- reads: outcomes, executions, texts, feedback
-- parameters: repo, least_characters, seed
-- Of what people say, what the store's users may see counts, whoever asks; once somebody has settled it, none contradicts.
with told as (
    select
        task_id,
        count(case when is_verdict and success then 1 end) as n_yes,
        count(case when is_verdict and not success then 1 end) as n_no,
        count(case when is_verdict and feedback_type = 'adjudication' then 1 end) as n_settled,
        min(rating) as lowest_rating,
        max(rating) as highest_rating,
    from feedback
    where is_current
    group by task_id
)
select
    cast(o.task_id as varchar) as task_id,  -- the execution
    o.task_type,  -- normalised task type
    o.model_tier,  -- small, medium, large or unknown
    o.repo,  -- repository, or unknown
    case when o.is_timed then o.started_at end as started_at,  -- UTC, null without a recorded time
    coalesce(o.success_source = 'harness' and o.success is not null, false) as is_told,  -- whether its harness says how it went
    coalesce(o.success_source = 'user' and o.success is not null, false) as is_judged,  -- whether people have said how it went
    e.success as logged,  -- what the log says, null for nothing
    coalesce(f.n_yes, 0) as n_yes,  -- people who say that it succeeded
    coalesce(f.n_no, 0) as n_no,  -- people who say that it failed
    coalesce(f.n_settled, 0) > 0 as is_settled,  -- whether somebody ended a disagreement
    f.lowest_rating,  -- 2-5, null without a rating
    f.highest_rating,  -- 2-5, null without a rating
    md5(cast(o.task_id as varchar) || cast($seed as varchar)) as lot,  -- its lot: another seed draws others
from outcomes o
join executions e on e.task_id = o.task_id
join texts t on t.text_hash = e.description_hash
left join told f on f.task_id = o.task_id
where not coalesce(o.success is not null and o.success_source in ('verifier', 'ci'), false)
    and length(trim(t.text)) >= $least_characters
    and ($repo is null or o.repo = $repo)
order by lot, o.task_id
