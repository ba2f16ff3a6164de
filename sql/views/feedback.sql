-- What people gave, as far as whoever looks may see it: one's own whole, of others what is shared and counts, without names.
-- grain: feedback_key
-- reads: events
-- viewer: the variables viewer (a name; none for the store's users) and is_public, which the reader sets.
-- The public sees nothing here. This is the one place that decides who sees what: nothing else reads people.events to show it.
-- current: not undone by its author, and the latest of its author on the task: of the ratings, and of the labels of one
-- schema. What was replaced or undone is shown to its author alone.
-- verdict: the latest current word of each author on whether the task succeeded, among those that are shown.
-- annotator: 1 for whoever gave the most labels; stands for a person among labels, and in no rating.
with told as (
    select
        e.*,
        coalesce(e.author = cast(getvariable('viewer') as varchar), false) as is_own,
        u.undoes is not null as is_undone,
        case feedback_type
            when 'rating' then 'rating'
            when 'label' then 'label ' || e.label_schema
            when 'adjudication' then 'adjudication ' || e.label_schema
            when 'skip' then 'skip ' || e.queue
            else cast(e.feedback_id as varchar)
        end as part,
    from people.events e
    left join (select distinct undoes, author from people.events where feedback_type = 'undo') u
        on u.undoes = e.feedback_id and u.author = e.author
),
counted as (
    select
        t.*,
        not is_undone and feedback_type <> 'undo' and row_number() over (
            partition by author, task_id, part, is_undone
            order by timestamp desc, arrived_at desc, feedback_id
        ) = 1 as is_current,
    from told t
),
annotators as (
    select author, row_number() over (order by count(*) desc, min(feedback_id)) as annotator
    from counted
    where is_current and feedback_type in ('label', 'adjudication') and (is_own or visibility in ('team', 'public'))
    group by author
),
judged as (
    select feedback_id
    from counted
    where is_current and success is not null and (is_own or visibility in ('team', 'public'))
    qualify row_number() over (
        partition by author, task_id order by feedback_type = 'adjudication' desc, timestamp desc, arrived_at desc, feedback_id
    ) = 1
)
select
    feedback_key,  -- stands for the piece of feedback, also where it came in by its key, and leads to nobody
    case when is_own then c.feedback_id end as feedback_id,  -- its id; null unless it is one's own
    task_id,  -- the execution it is about
    case when is_own then timestamp else date_trunc('day', timestamp) end as given_at,  -- UTC; of others the day
    feedback_type,  -- rating, label, adjudication, skip, note or undo
    is_own,  -- whether the viewer gave it
    case when is_own then c.author end as author,  -- who gave it; null unless it is one's own
    case when feedback_type in ('label', 'adjudication') then a.annotator end as annotator,  -- a number in place of who labelled it, from 1
    visibility,  -- private, team or public
    is_current,  -- whether it counts: not undone, and its author's latest on the task
    is_undone,  -- whether its author took it back
    j.feedback_id is not null as is_verdict,  -- whether it is its author's latest word on whether the task succeeded
    satisfaction,  -- excellent, good, fair or poor
    rating,  -- 5, 4, 3 or 2
    issues,  -- what was wrong
    comment,  -- in the author's words
    model_appropriate,  -- whether the model was right for it, null for unknown
    speed_acceptable,  -- whether it was quick enough, null for unknown
    expectations_met,  -- whether it did what was expected, null for unknown
    correction,  -- what it should have been
    success,  -- whether the task succeeded, in the author's word; null for no word
    accepted,  -- whether the result was taken, null for unknown
    queue,  -- the labelling queue
    label_schema,  -- what was asked
    answers,  -- the answers by the names of the questions
    case when is_own then seconds end as seconds,  -- seconds that the item was looked at; null unless it is one's own
    saw_suggestion,  -- whether a suggestion was shown before the answer
    case when is_own then undoes end as undoes,  -- what an undo takes back
    via,  -- through what it was given
from counted c
left join annotators a on a.author = c.author
left join judged j on j.feedback_id = c.feedback_id
where not coalesce(cast(getvariable('is_public') as boolean), false)
    and (is_own or is_current and visibility in ('team', 'public'))
