-- Where the time of requests went: each model, each tool, compactions, waiting, and what no log tells.
-- grain: repo, what, name
-- reads: agent_executions, agent_work
-- own time: only the requests' own steps, because a subagent works while the tool that started it runs.
-- asking: tools that put a question to a person (the names that Claude Code, Codex, Gemini CLI and opencode give theirs)
-- last as long as the person takes: that is waiting, under the tool's name.
-- waiting: else, of requests whose wall clock is known and whose messages are all timed, what no step accounts for: people,
-- permissions, pauses. Where a message is not timed, the rest holds the model's time as well and is called untold. Steps that
-- ran side by side are counted each, so the waiting may be more than this and never less.
with timed as (
    select
        request_id,
        repo,
        case
            when kind = 'message' then 'model'
            when kind = 'compaction' then 'compaction'
            when name in ('AskUserQuestion', 'ExitPlanMode', 'request_user_input', 'ask_user', 'question') then 'waiting'
            else 'tool'
        end as what,
        case kind when 'message' then model when 'tool_call' then coalesce(name, 'unknown') else 'compaction' end as name,
        duration_seconds,
        is_error,
    from agent_work
    where part = 'own work' and kind <> 'total'
),
accounted as (
    select
        request_id,
        sum(duration_seconds) as seconds,
        count(case when what = 'model' and duration_seconds is null then 1 end) as n_untimed,
    from timed
    group by request_id
    having sum(duration_seconds) is not null
),
rest as (
    select
        e.repo,
        case when a.n_untimed > 0 then 'untold' else 'waiting' end as what,
        greatest(0, e.wall_seconds - a.seconds) as seconds,
    from agent_executions e
    join accounted a on a.request_id = e.task_id
    where e.part = 'own work' and e.wall_seconds is not null
)
select
    repo,  -- repository, or unknown
    what,  -- model, tool, compaction, waiting or untold
    name,  -- the model or tool, also one that asks a person; the others for themselves
    count(*) as n_steps,  -- messages or calls; requests for waiting and untold
    count(duration_seconds) as n_timed,  -- of them with a known duration
    count(case when is_error then 1 end) as n_errors,  -- of them that failed
    sum(duration_seconds) as seconds,  -- seconds, of what has a known duration; null where nothing has
from timed
group by repo, what, name
union all
select repo, what, what, count(*), count(*), 0, sum(seconds),
from rest
group by repo, what
