-- Executions whose token counts are no measurements: missing, or one constant that stands for many problems.
-- grain: task_id
-- reads: outcomes, time_window
-- missing: tokens and cost are unknown although other executions of the same source have tokens.
-- repeated: the same input and output tokens of one model of one source stand on at least 10 different problems, and on
-- at least 1 in 1,000 of that model's counted executions there: real counts almost never coincide that often.
-- window: everything up to as_of, or the last days_back days; what is a constant is decided on the whole store.
with counted as (
    select
        source,
        model,
        input_tokens,
        output_tokens,
        count(*) as n_alike,
        count(distinct task_group) as n_problems,
    from outcomes
    where input_tokens is not null and output_tokens is not null
    group by source, model, input_tokens, output_tokens
),
totals as (
    select source, model, sum(n_alike) as n_counted
    from counted
    group by source, model
),
constants as (
    select c.source, c.model, c.input_tokens, c.output_tokens, c.n_alike
    from counted c
    join totals t on t.source is not distinct from c.source and t.model is not distinct from c.model
    where c.n_problems >= 10 and c.n_alike * 1000 >= t.n_counted
),
with_tokens as (
    select distinct source
    from counted
)
select
    o.task_id,  -- the attempt
    o.repo,  -- repository, or unknown
    coalesce(o.model, 'unknown') as model,  -- the exact model name, or unknown
    o.model_tier,  -- small, medium, large or unknown
    o.source,  -- reader and file
    case when k.n_alike is null then 'missing' else 'repeated' end as flag,  -- missing or repeated
    o.input_tokens,  -- tokens in, as the source says
    o.output_tokens,  -- tokens out, as the source says
    k.n_alike,  -- executions that share these very counts, null where they are missing
    o.cost_usd,  -- US dollars, as doubtful as the tokens where they were made from them
from outcomes o
cross join time_window w
left join constants k
    on k.source is not distinct from o.source
    and k.model is not distinct from o.model
    and k.input_tokens = o.input_tokens
    and k.output_tokens = o.output_tokens
left join with_tokens s on s.source is not distinct from o.source and o.source is not null
where (
        k.n_alike is not null
        or (o.input_tokens is null and o.output_tokens is null and o.cost_usd is null and s.source is not null)
    )
    and (
        not o.is_timed
        or (o.started_at <= w.as_of and (w.days_back is null or o.started_at > w.as_of - w.days_back * interval '1' day))
    )
