-- How many attempts wait for their other side, by what is missing and for how long.
-- grain: kind, waiting
-- reads: orphans
select
    kind,  -- what is missing
    case
        when waiting_seconds <= 60 then 'up to a minute'
        when waiting_seconds <= 3600 then 'up to an hour'
        when waiting_seconds <= 86400 then 'up to a day'
        else 'longer'
    end as waiting,  -- how long they have waited; only up to an hour is in time
    count(*) as n_attempts,  -- attempts that wait
    count(case when is_decided then 1 end) as n_decided,  -- of them begun by a router's decision
    count(case when is_overdue then 1 end) as n_overdue,  -- of them waiting for more than an hour
    min(waiting_since_at) as first_since_at,  -- since when the first of them waits (UTC)
    max(waiting_since_at) as last_since_at,  -- since when the last of them waits (UTC)
from orphans
group by 1, 2
order by kind, first_since_at, waiting
