-- The texts of executions with their vectors under one model, one row an execution that has both.
-- grain: task_id
-- reads: execution_embeddings, texts
-- parameters: model_key, task_ids
select
    v.task_id,  -- the attempt
    v.text_hash,  -- which text; executions of one text share it
    left(t.text, 1000) as text,  -- the task's description, its first thousand characters
    v.embedding,  -- its vector, as floats
from execution_embeddings v
join texts t on t.text_hash = v.text_hash
where v.model_key = $model_key and v.task_id in (select cast(unnest($task_ids) as uuid))
order by v.task_id
