-- What agents' work cost: tokens and US dollars of each model by day, repo and part of the work.
-- grain: day, repo, part, model
-- reads: agent_work
-- known: sums run over what is known; n_unpriced and n_partial say of how many messages the cost or the usage is not.
select
    day,  -- UTC day, null without a recorded time
    repo,  -- repository, or unknown
    part,  -- own work, subagents or compaction
    model,  -- the model that answered, or unknown
    count(distinct request_id) as n_requests,  -- requests that it worked for
    count(*) as n_messages,  -- its messages, or totals that stand for them
    count(cost_usd) as n_costs,  -- of them with a known cost
    count(case when is_unpriced then 1 end) as n_unpriced,  -- of them with tokens whose price is unknown
    count(case when is_partial then 1 end) as n_partial,  -- of them with more usage than the log tells
    count(case when cost_source = 'reported' then cost_usd end) as n_reported,  -- of them with a cost that the log states
    cast(coalesce(sum(input_tokens), 0) as bigint) as input_tokens,  -- tokens in, the cache's among them
    cast(coalesce(sum(case when uncached_tokens is not null then cache_read_tokens end), 0) as bigint) as cache_read_tokens,  -- of them read from a cache
    cast(coalesce(sum(case when uncached_tokens is not null then cache_write_tokens end), 0) as bigint) as cache_write_tokens,  -- of them written to a cache
    cast(coalesce(sum(uncached_tokens), 0) as bigint) as uncached_tokens,  -- of them neither; what is left of input_tokens is not told apart
    cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens,  -- tokens out
    sum(cost_usd) as cost_usd,  -- US dollars, of what has a known cost; null where nothing has
from agent_work
where is_counted
group by day, repo, part, model
