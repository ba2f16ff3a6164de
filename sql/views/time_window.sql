-- What a caller asked of the views: the end of the window, its length, and how often a pattern must occur.
-- grain: one row
-- reads: executions
select
    coalesce(
        cast(getvariable('as_of') as timestamp),
        (select max(timestamp) from executions where time_source = 'recorded')
    ) as as_of,  -- the end of the window (UTC), itself inside: the caller's, else the newest recorded time
    cast(getvariable('days_back') as integer) as days_back,  -- days that the caller asks for, null for a view's own
    cast(getvariable('min_uses') as integer) as min_uses,  -- uses that the caller asks of a pattern, null for the view's own
