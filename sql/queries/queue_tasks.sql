-- Executions named by their task_id as a labelling page lists them: of what kind they are, and how their text begins.
-- grain: task_id
-- reads: outcomes, executions, texts
-- parameters: tasks
select
    cast(o.task_id as varchar) as task_id,  -- the execution
    o.task_type,  -- normalised task type
    o.model_tier,  -- small, medium, large or unknown
    o.repo,  -- repository, or unknown
    substr(t.text, 1, 300) as description,  -- what was asked for, the beginning
from outcomes o
join executions e on e.task_id = o.task_id
join texts t on t.text_hash = e.description_hash
where o.task_id in (select cast(unnest(cast($tasks as varchar[])) as uuid))
order by o.task_id
