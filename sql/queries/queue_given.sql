-- The labels and skips of a queue that count, as far as whoever looks may see them; of one's own, how long each took.
-- grain: feedback_key
-- reads: feedback
-- parameters: queue
select
    cast(feedback_key as varchar) as feedback_key,  -- the label or skip
    cast(task_id as varchar) as task_id,  -- the execution that it is about
    feedback_type,  -- label or skip
    is_own,  -- whether whoever looks gave it
    cast(answers as varchar) as answers,  -- the answers as JSON, null for a skip
    seconds,  -- seconds that the item was looked at; null unless it is one's own
    saw_suggestion,  -- whether a suggestion was seen before the answer, null for unknown
from feedback
where is_current and feedback_type in ('label', 'skip') and queue = $queue
order by task_id, feedback_key
