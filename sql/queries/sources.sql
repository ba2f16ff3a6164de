-- What came in from each source, with which mapping: the rows of the ledger added up.
-- grain: source, mapping
-- reads: ledger
select
    coalesce(source, kind) as source,  -- the file, or how records came in without one
    coalesce(mapping, 'none') as mapping,  -- the mapping used
    count(distinct ingest_id) as n_ingests,  -- times that it was read
    cast(sum(n_rows_read) as bigint) as n_rows_read,  -- rows read
    cast(sum(n_accepted) as bigint) as n_accepted,  -- rows taken as executions
    cast(sum(n_replaced) as bigint) as n_replaced,  -- accepted rows that replaced an earlier version
    cast(sum(n_duplicates) as bigint) as n_duplicates,  -- rows that were in the store already
    cast(sum(n_rejected) as bigint) as n_rejected,  -- rows refused
    cast(sum(coalesce(n_masked, 0)) as bigint) as n_masked,  -- secrets masked before anything was stored
    min(committed_at) as first_read_at,  -- when it was first read (UTC)
    max(committed_at) as last_read_at,  -- when it was last read (UTC)
from ledger
where n_rows_read > 0
group by coalesce(source, kind), coalesce(mapping, 'none')
order by n_rows_read desc, source, mapping
