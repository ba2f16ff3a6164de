-- How many executions of each source and model carry tokens that are no measurements, and what cost hangs on them.
-- grain: source, model, flag
-- reads: token_flags
select
    coalesce(source, 'unknown') as source,  -- reader and file
    model,  -- the exact model name, or unknown
    flag,  -- missing or repeated
    count(*) as n_flagged,  -- executions
    count(distinct case when flag = 'repeated' then (input_tokens, output_tokens) end) as n_constants,  -- different pairs of counts among them
    max(n_alike) as n_alike,  -- executions that share the commonest pair, null where tokens are missing
    sum(cost_usd) as cost_usd_total,  -- the cost made from them, US dollars
from token_flags
group by coalesce(source, 'unknown'), model, flag
order by n_flagged desc, source, model, flag
