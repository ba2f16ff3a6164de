-- What a store holds: one row of counts and times.
-- reads: executions, steps, rejected, archives, ledger, open_attempts, dead_letters
select
    count(*) as n_executions,  -- executions in the store
    count(*) filter (where time_source <> 'recorded') as n_untimed,  -- those without a recorded time
    min(timestamp) filter (where time_source = 'recorded') as first_at,  -- oldest recorded time (UTC)
    max(timestamp) filter (where time_source = 'recorded') as last_at,  -- newest recorded time (UTC)
    (select count(*) from steps) as n_steps,  -- messages, tool calls and compactions inside them
    (select cast(coalesce(sum(n_masked), 0) as bigint) from ledger) as n_masked,  -- secrets masked before anything was stored
    (select count(*) from rejected) as n_rejected,  -- rows that were refused
    (select coalesce(sum(n_rows), 0) from archives) as n_archived,  -- executions moved to Parquet
    (select count(distinct attempt_id) from open_attempts) as n_open_attempts,  -- attempts that wait for another side
    (select count(*) from dead_letters) as n_dead_letters,  -- messages that a subscriber could not take
from executions
