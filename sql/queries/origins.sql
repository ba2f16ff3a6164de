-- Where the costs and durations of executions come from, by reader.
-- grain: reader
-- reads: executions
-- reader: what stands before the first colon of a source.
select
    case
        when position(':' in source) > 1 then substr(source, 1, position(':' in source) - 1)
        else coalesce(source, 'unknown')
    end as reader,  -- the kind of log or table
    count(*) as n_executions,  -- executions in the store
    count(parent_task_id) as n_for_others,  -- of them subagents and compactions, which work for another
    count(case when actual_cost is not null and cost_source = 'reported' then 1 end) as n_cost_reported,  -- with a cost that the source states
    count(case when actual_cost is not null and cost_source = 'list_price' then 1 end) as n_cost_list_price,  -- with a cost from tokens and list prices
    count(case when actual_cost is null or cost_source = 'unknown' then 1 end) as n_cost_unknown,  -- with no cost, or one of unknown origin
    count(case when duration_source = 'work' then 1 end) as n_time_work,  -- with a duration that the log states as work
    count(case when duration_source = 'gaps' then 1 end) as n_time_gaps,  -- with the time between events, without long pauses
    count(case when duration_source = 'wall' then 1 end) as n_time_wall,  -- with the wall clock, every pause in it
    count(case when duration_source not in ('work', 'gaps', 'wall') then 1 end) as n_time_unknown,  -- with a duration that does not say what it measures, or none
from executions
group by 1
order by n_executions desc, reader
