-- Decisions on which router is in use, newest first.
-- grain: promotion_no
-- reads: promotions
select
    promotion_no,  -- their order
    decided_at,  -- when (UTC)
    decision,  -- promoted, not promoted or rolled back
    challenger,  -- version of the router that was to come into use, null for none
    champion,  -- version of the router that it was compared with, or the name of a baseline
    in_use,  -- version of the router in use from then on, null for none
    judged_by,  -- how the two were compared, null where they were not
    worth_usd,  -- what a success is worth in the comparison, US dollars
    n_tasks,  -- held-out tasks
    gain_usd,  -- mean gain a task of challenger over champion, US dollars
    gain_usd_low,  -- lower end of its 95 % interval
    gain_usd_high,  -- upper end of its 95 % interval
    reason,  -- why, in words
from promotions
order by promotion_no desc
