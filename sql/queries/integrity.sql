-- What must be 0 in a sound store: a name and a count each.
-- reads: executions, texts, steps, ledger, open_attempts, embeddings, words, worded
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
union all
select 'steps that stand twice',
    (select count(*) - count(distinct step_key) from steps)
union all
select 'steps without their execution',
    (select count(*) from steps s where not exists (select 1 from executions e where e.record_key = s.record_key))
union all
select 'executions whose totals differ from their counted steps',
    (
        select count(*)
        from executions e
        join (
            select record_key, sum(input_tokens) as tokens_in, sum(cache_read_tokens) as tokens_cached,
                sum(output_tokens) as tokens_out, sum(cost_usd) as usd,
            from steps
            where is_counted and kind = 'message'
            group by record_key
        ) s on s.record_key = e.record_key
        where e.input_tokens is distinct from s.tokens_in
            or e.cached_tokens is distinct from s.tokens_cached
            or e.output_tokens is distinct from s.tokens_out
            or abs(e.actual_cost - s.usd) > 1e-9 * (1 + s.usd)
    )
union all
select 'attempts that are executed and still wait for a side',
    (select count(*) from open_attempts o where exists (select 1 from executions e where e.record_key = o.attempt_id))
union all
select 'texts without a number of their own',
    (select count(*) - count(distinct text_no) from texts)
union all
select 'vectors that stand twice',
    (select count(*) - count(distinct (model_key, text_hash)) from search.embeddings)
union all
select 'vectors without their text',
    (select count(*) from search.embeddings v where not exists (select 1 from texts t where t.text_hash = v.text_hash))
union all
select 'indexed texts that stand twice',
    (select count(*) - count(distinct text_no) from search.worded)
union all
select 'indexed texts without their text',
    (select count(*) from search.worded w where not exists (select 1 from texts t where t.text_no = w.text_no))
union all
select 'words of texts that are not indexed',
    (select count(*) from search.words w where not exists (select 1 from search.worded i where i.text_no = w.text_no))
