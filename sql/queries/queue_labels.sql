-- The labels of a queue that count, as far as whoever looks may see them, each with what the log itself says.
-- grain: feedback_key
-- reads: feedback, executions, texts
-- parameters: queue
-- logged: by a verifier, CI, the harness or a user whom the log names; a heuristic is no verdict here.
select
    cast(f.feedback_key as varchar) as feedback_key,  -- the label
    cast(f.task_id as varchar) as task_id,  -- the execution that it is about
    f.feedback_type,  -- label, or adjudication where it ends a disagreement
    f.annotator,  -- a number in place of who labelled it
    f.label_schema,  -- what was asked
    cast(f.answers as varchar) as answers,  -- the answers as JSON
    e.task_type,  -- normalised task type
    coalesce(e.repo, 'unknown') as repo,  -- repository, or unknown
    substr(t.text, 1, 300) as description,  -- what was asked for, the beginning
    case when e.success_source in ('verifier', 'ci', 'harness', 'user') then e.success end as logged,  -- whether it succeeded in the log's word
    case when e.success is not null and e.success_source in ('verifier', 'ci', 'harness', 'user') then e.success_source end as logged_source,  -- whose word that is
from feedback f
left join executions e on e.task_id = f.task_id
left join texts t on t.text_hash = e.description_hash
where f.is_current and f.feedback_type in ('label', 'adjudication') and f.queue = $queue
order by f.task_id, f.annotator, f.feedback_key
