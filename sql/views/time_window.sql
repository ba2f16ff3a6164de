-- The window that the views over time look through: its end, and its length when a caller sets one.
-- grain: one row
-- reads: executions
select
    coalesce(
        cast(getvariable('as_of') as timestamp),
        (select max(timestamp) from executions where time_source = 'recorded')
    ) as as_of,  -- the end of the window (UTC): the caller's, else the newest recorded time in the store
    cast(getvariable('days_back') as integer) as days_back,  -- days the caller asks for, null for a view's own
    cast(getvariable('min_uses') as integer) as min_uses,  -- the fewest uses of a pattern the caller asks for, null for a view's own
