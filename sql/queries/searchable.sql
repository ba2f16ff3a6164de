-- How far each model has come with the texts; one row with nulls where nothing was encoded yet.
-- grain: model_key
-- reads: models, embeddings, texts
with looked_at as (
    select
        model_key,
        count(*) as n_texts,
        count(*) filter (is_searchable) as n_searchable,
    from search.embeddings
    group by model_key
)
select
    m.model_key,  -- the model as name@revision
    coalesce(l.n_searchable, 0) as n_searchable,  -- texts that have a vector of it
    t.n_texts - coalesce(l.n_texts, 0) as n_waiting,  -- texts that it has not looked at yet
    t.n_texts,  -- texts in the store
from (select count(*) as n_texts from texts) t
left join search.models m on true
left join looked_at l on l.model_key = m.model_key
order by m.model_key
