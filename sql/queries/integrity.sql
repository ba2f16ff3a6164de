-- What must be 0 in a sound store: a name and a count each.
-- reads: executions, texts, ledger
select 'executions beyond what the ledger accounts for' as what,
    abs((select count(*) from executions)
        - (select coalesce(sum(n_accepted - n_replaced - n_removed), 0) from ledger)) as n
union all
select 'ledger rows whose counts do not add up to the rows read',
    (select count(*) from ledger where n_rows_read <> n_accepted + n_duplicates + n_rejected)
union all
select 'task_ids that stand twice',
    (select count(*) - count(distinct task_id) from executions)
union all
select 'record_keys that stand twice',
    (select count(*) - count(distinct record_key) from executions)
union all
select 'contents that stand twice',
    (select count(*) - count(distinct content_hash) from executions)
union all
select 'texts that stand twice',
    (select count(*) - count(distinct text_hash) from texts)
union all
select 'executions without their text',
    (select count(*) from executions e where not exists (select 1 from texts t where t.text_hash = e.description_hash))
