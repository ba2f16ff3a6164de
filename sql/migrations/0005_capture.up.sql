-- What live capture keeps beside executions: attempts that wait for their other side, messages nobody could take.

create table open_attempts (
    attempt_id uuid not null,
    side varchar not null,
    task_id uuid not null,
    timestamp timestamp not null,
    known json not null,
    arrived_at timestamp not null
);
comment on table open_attempts is 'One row a decision, start or outcome whose execution is not complete; it goes when the sides meet.';

create table dead_letters (
    letter_id uuid primary key,
    timestamp timestamp not null,
    message_type varchar not null,
    subscriber varchar not null,
    error varchar not null,
    payload json not null
);
comment on table dead_letters is 'Messages that a subscriber of the bus could not take, and why.';
