-- What stood in the lines (or entries) of the logs that were read: how many of each kind, by reader.
-- grain: reader, kind
-- reads: ledger
-- reader: what stands before the first colon of a source.
with read as (
    select
        coalesce(source, kind) as source,
        kinds,
    from ledger
    where kinds is not null
)
select
    case when position(':' in r.source) > 1 then substr(r.source, 1, position(':' in r.source) - 1) else r.source end as reader,  -- the kind of log
    substr(k.key, 1, 100) as kind,  -- what the line is; rejected and unfinished for those that could not be read
    cast(sum(coalesce(try_cast(k.value as bigint), 0)) as bigint) as n_lines,  -- lines of that kind, in all readings
    count(distinct r.source) as n_sources,  -- files that have any
from read r, json_each(r.kinds) k
group by 1, 2
order by reader, n_lines desc, kind
limit 500
