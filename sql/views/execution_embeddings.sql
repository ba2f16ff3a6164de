-- What each execution's task means: the vector of its text, from every model that has encoded it.
-- grain: task_id, model_key
-- reads: executions, embeddings
select
    e.task_id,  -- the attempt
    e.repo,  -- repository, or unknown
    e.description_hash as text_hash,  -- its text
    v.model_key,  -- the model as name@revision: vectors of two models are not to be compared
    v.embedding,  -- the vector, of length 1 but for its rounding to 12 bits a dimension
from executions e
join search.embeddings v on v.text_hash = e.description_hash
where v.is_searchable
