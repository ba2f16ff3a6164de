-- Models whose tokens have no known price: what they did is missing in every sum of costs.
-- grain: model
-- reads: executions, steps
with counted as (
    select distinct record_key
    from steps
    where kind = 'message' and is_counted
),
used as (
    select s.record_key, s.model, s.input_tokens, s.output_tokens
    from steps s
    where s.kind = 'message' and s.is_counted and s.cost_usd is null
    union all
    select e.record_key, e.model, e.input_tokens, e.output_tokens
    from executions e
    left join counted c on c.record_key = e.record_key
    where c.record_key is null and e.actual_cost is null
)
select
    coalesce(model, 'unknown') as model,  -- the exact model name, or unknown
    count(distinct record_key) as n_executions,  -- executions that used it
    count(*) as n_uses,  -- messages, or executions whose messages are not known
    cast(sum(coalesce(input_tokens, 0)) as bigint) as input_tokens,  -- tokens in
    cast(sum(coalesce(output_tokens, 0)) as bigint) as output_tokens,  -- tokens out
from used
where coalesce(input_tokens, 0) + coalesce(output_tokens, 0) > 0
group by coalesce(model, 'unknown')
order by n_uses desc, model
limit 200
