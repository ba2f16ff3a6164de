-- Solutions, feedback and quality policies: the tables of the learning documents.

create table solutions (
    pattern_id uuid primary key,
    extracted_at timestamp,
    task_context varchar,
    solution_summary varchar,
    success_rate double,
    usage_count bigint,
    repos_used_in varchar[]
);
comment on table solutions is 'Patterns: what solved what, and how often.';

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

create table quality_policies (
    policy_id uuid primary key,
    repo varchar not null,
    project_maturity varchar,
    coverage_threshold double,
    strictness_level varchar,
    last_adjusted timestamp,
    adjustment_reason varchar
);
comment on table quality_policies is 'The quality gate of each repo and why it stands where it stands.';
