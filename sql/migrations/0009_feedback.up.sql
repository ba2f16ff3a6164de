-- What people give: every piece of feedback and every act on a labelling queue, in one table that only the view feedback reads.

create schema people;

create table people.events (
    feedback_id uuid primary key,
    task_id uuid not null,
    timestamp timestamp not null,
    feedback_type varchar not null,
    author varchar not null,
    visibility varchar not null,
    satisfaction varchar,
    rating bigint,
    issues varchar[],
    comment varchar,
    model_appropriate boolean,
    speed_acceptable boolean,
    expectations_met boolean,
    correction varchar,
    success boolean,
    accepted boolean,
    queue varchar,
    label_schema varchar,
    answers json,
    seconds double,
    saw_suggestion boolean,
    undoes uuid,
    via varchar not null,
    arrived_at timestamp not null,
    feedback_key uuid generated always as (
        case
            when substr(cast(feedback_id as varchar), 15, 1) = 'f' then feedback_id
            else cast(
                sha256('learnlab:' || cast(feedback_id as varchar))[1:12] || 'f'
                || sha256('learnlab:' || cast(feedback_id as varchar))[14:32] as uuid
            )
        end
    )
);
comment on table people.events is 'What people gave, with their names: append-only; who may see what is decided by the view feedback alone.';
comment on column people.events.feedback_type is 'rating, label, adjudication, skip, note or undo.';
comment on column people.events.timestamp is 'When it was given (UTC); of several by one author on one thing the latest counts.';
comment on column people.events.label_schema is 'Name of the label schema and 12 hex digits of its hash.';
comment on column people.events.answers is 'The answers to the questions of the schema, by their names.';
comment on column people.events.seconds is 'Seconds that the item was looked at.';
comment on column people.events.saw_suggestion is 'Whether a suggestion was shown before the answer was given.';
comment on column people.events.undoes is 'The event, of the same author, that this one takes back.';
comment on column people.events.via is 'python, command_line, form, widget, mcp, import or simulator.';
comment on column people.events.feedback_key is 'Stands for the piece outside this store; its 13th digit is f, which no random id has: what came in by its key keeps it.';

insert into people.events (feedback_id, task_id, timestamp, feedback_type, author, visibility, rating, comment, via, arrived_at)
select feedback_id, task_id, timestamp, coalesce(feedback_type, 'rating'), coalesce(user_id, 'unknown'), 'private', rating, comment, 'import', timestamp
from feedback;
drop table feedback;

create table people.queues (
    queue varchar primary key,
    opened_at timestamp not null,
    label_schema varchar not null,
    schema json not null,
    labels_per_item bigint not null,
    ordered_by varchar not null
);
comment on table people.queues is 'Labelling queues: what is asked, how often each item, and how the items were ordered.';

create table people.queue_items (
    queue varchar not null,
    place bigint not null,
    task_id uuid not null,
    why varchar
);
comment on table people.queue_items is 'The items of each queue in their order, from 1 on, with why each is asked about.';

create table people.public_cells (
    quarter date not null,
    task_type varchar not null,
    model_tier varchar not null,
    figure varchar not null,
    n_ratings bigint not null,
    n_people bigint not null,
    changed_at timestamp not null
);
comment on table people.public_cells is 'What the public may know: a cell is there from 5 people on, and changes only when at least 5 people changed it.';
comment on column people.public_cells.quarter is 'First day of the quarter (UTC) in which the ratings were given.';
comment on column people.public_cells.figure is 'A satisfaction or an issue.';

create table people.public_shares (
    quarter date not null,
    task_type varchar not null,
    model_tier varchar not null,
    figure varchar not null,
    person varchar,
    n_ratings bigint not null
);
comment on table people.public_shares is 'Whose ratings each cell held when it was last changed: what tells how many people have changed it since.';
comment on column people.public_shares.person is 'Who; null for somebody who has deleted what they gave.';

create table people.exports (
    export_id uuid not null,
    exported_at timestamp not null,
    file_name varchar not null,
    feedback_ids uuid[] not null
);
comment on table people.exports is 'Files that labels were exported to, and which: what had used a piece of feedback that is deleted.';
