-- How much the store holds, from when, and how far its ledger goes.
-- grain: one row
-- reads: executions, ledger
select
    (select count(*) from executions) as n_executions,  -- attempts in the store
    (select min(timestamp) from executions where time_source = 'recorded') as first_at,  -- oldest recorded time (UTC)
    (select max(timestamp) from executions where time_source = 'recorded') as last_at,  -- newest recorded time (UTC)
    (select max(committed_at) from ledger) as last_ingested_at,  -- last time that something was taken in or out (UTC)
    (select coalesce(max(seq), 0) from ledger) as ledger_seq,  -- last row of the ledger
    (select coalesce(max(seq), 0) from ledger where n_accepted + n_removed > 0 or kind = 'verdicts') as changed_seq,  -- last that changed an execution
