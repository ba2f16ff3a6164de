-- Loses every label, queue and export note, and of each rating all but the number and the comment.
create table feedback (
    feedback_id uuid primary key,
    task_id uuid not null,
    timestamp timestamp not null,
    feedback_type varchar,
    rating bigint,
    comment varchar,
    user_id varchar
);
comment on table feedback is 'What people said of an execution; append-only, the latest event of an author counts.';
insert into feedback
select feedback_id, task_id, timestamp, feedback_type, rating, comment, author from people.events where feedback_type = 'rating';
drop schema people cascade;
