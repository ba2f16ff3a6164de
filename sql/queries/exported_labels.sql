-- The labels that count and whoever looks may see, whole, of one queue or of all: what a file of labels holds.
-- grain: feedback_key
-- reads: feedback
-- parameters: queue
select
    cast(feedback_key as varchar) as feedback_key,  -- stands for the label, also in other stores
    cast(feedback_id as varchar) as feedback_id,  -- its id; null unless it is one's own
    cast(task_id as varchar) as task_id,  -- the execution that it is about
    given_at,  -- UTC; of others the day
    feedback_type,  -- label, or adjudication where it ends a disagreement
    annotator,  -- a number in place of who gave it
    author,  -- who gave it; null unless it is one's own
    visibility,  -- private, team or public
    success,  -- whether the task succeeded, in the author's word
    queue,  -- the labelling queue
    label_schema,  -- what was asked
    cast(answers as varchar) as answers,  -- the answers as JSON
    comment,  -- in the author's words
    seconds,  -- seconds that the item was looked at; null unless it is one's own
    saw_suggestion,  -- whether a suggestion was shown before the answer
    via,  -- through what it was given
from feedback
where is_current and feedback_type in ('label', 'adjudication') and ($queue is null or queue = $queue)
order by feedback_key
