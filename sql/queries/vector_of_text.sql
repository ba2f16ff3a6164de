-- The vector that a text has under one model, if a store holds that very text.
-- grain: model_key
-- reads: embeddings, texts
-- parameters: model_key, text
select
    v.model_key,  -- the model as name@revision
    v.embedding,  -- the text's vector, as floats
from texts t
join search.embeddings v on v.text_hash = t.text_hash
where t.text = $text and v.model_key = $model_key and v.is_searchable
