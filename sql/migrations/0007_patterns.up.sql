-- Patterns as they are mined: clusters of similar tasks, the texts in them, and what each solution is worth there.

create table clusters (
    cluster_id uuid primary key,
    name varchar not null,
    terms varchar[] not null,
    n_texts bigint not null,
    n_executions bigint not null,
    repos varchar[] not null,
    task_types varchar[] not null,
    embedding float[] not null,
    model_key varchar not null,
    seed bigint not null,
    mined_at timestamp not null
);
comment on table clusters is 'Clusters of similar tasks, of the last mining; gone, with the patterns in them, when something is forgotten.';
comment on column clusters.terms is 'Words by which the tasks differ from those of other clusters, most telling first.';
comment on column clusters.embedding is 'Mean of the vectors of the texts, of length 1.';

create table cluster_texts (
    cluster_id uuid,
    text_hash uuid not null
);
comment on table cluster_texts is 'Texts that the last mining looked at, with their cluster (null for none): by them a cluster is known again.';

alter table solutions add column cluster_id uuid;
alter table solutions add column task_types varchar[];
alter table solutions add column n_repos bigint;
alter table solutions add column n_verdicts bigint;
alter table solutions add column n_successes bigint;
alter table solutions add column success_rate_low double;
alter table solutions add column success_rate_high double;
alter table solutions add column n_compared bigint;
alter table solutions add column base_rate double;
alter table solutions add column lift double;
alter table solutions add column lift_low double;
alter table solutions add column lift_high double;
alter table solutions add column lift_shrunk double;
alter table solutions add column p_value double;
alter table solutions add column verdict varchar;
alter table solutions add column is_universal boolean;
alter table solutions add column is_anti_pattern boolean;
alter table solutions add column trend varchar;
alter table solutions add column n_recent bigint;
alter table solutions add column rate_change double;
alter table solutions add column first_seen_at timestamp;
alter table solutions add column last_seen_at timestamp;
alter table solutions add column embedding float[];
comment on column solutions.task_context is 'Name of the cluster of tasks.';
comment on column solutions.solution_summary is 'What was done, in its most usual wording.';
comment on column solutions.success_rate is 'Successes in trusted verdicts, 0-1.';
comment on column solutions.usage_count is 'Executions in the cluster that used the solution.';
comment on column solutions.cluster_id is 'The cluster; null for a row that was not mined.';
comment on column solutions.n_compared is 'Verdicts in a repo and task type that has verdicts without the pattern to compare with.';
comment on column solutions.base_rate is 'Success rate without the pattern in the same repos and task types, weighted by where the pattern was used.';
comment on column solutions.lift is 'Success rate of the compared verdicts minus base_rate, -1 to 1.';
comment on column solutions.lift_low is 'Lower bound of the lift, 95 %, not shrunk.';
comment on column solutions.lift_high is 'Upper bound of the lift, 95 %, not shrunk.';
comment on column solutions.lift_shrunk is 'The lift drawn towards 0, the more so the fewer verdicts it has.';
comment on column solutions.p_value is 'Probability of a lift at least as far from 0 were there none; null below 10 verdicts.';
comment on column solutions.verdict is 'works, anti-pattern or too few to tell, with a false discovery rate of 5 % over all patterns.';
comment on column solutions.is_universal is 'Whether it was used in three repos or more.';
comment on column solutions.trend is 'dying, drifting, steady or too few to tell: the last four weeks against the time before.';
comment on column solutions.n_recent is 'Uses in the last four weeks.';
comment on column solutions.rate_change is 'Success rate of the last four weeks minus that of the time before.';
comment on column solutions.embedding is 'Mean of the vectors of the cluster, of length 1.';
