-- Executions, their texts, what was read and what was refused.

create table texts (
    text_hash uuid not null,
    text varchar not null
);
comment on table texts is 'Each distinct task description once; text_hash is its SHA-256, cut to 128 bits.';

create table executions (
    task_id uuid not null,
    external_id varchar,
    task_group varchar,
    attempt bigint,
    session_id varchar,
    parent_task_id uuid,
    timestamp timestamp not null,
    time_source varchar not null,
    uploaded_at timestamp not null,
    task_type varchar not null,
    description_hash uuid not null,
    repo varchar not null,
    file_count bigint not null,
    estimated_tokens bigint not null,
    agent varchar,
    model varchar,
    model_tier varchar not null,
    pool_type varchar not null,
    swarm_topology varchar,
    routing_confidence double,
    propensity double,
    complexity_score double,
    success boolean,
    success_source varchar not null,
    duration_seconds double,
    quality_score double,
    cost_estimate double,
    actual_cost double,
    cost_source varchar not null,
    price_version varchar,
    input_tokens bigint,
    output_tokens bigint,
    cached_tokens bigint,
    error_type varchar,
    error_message varchar,
    user_accepted boolean,
    user_rating bigint,
    peak_memory_mb double,
    cpu_time_seconds double,
    solution_summary varchar,
    metadata json,
    source varchar,
    source_position bigint,
    record_key uuid not null,
    content_hash uuid not null
);
comment on table executions is 'One row an attempt at a task; its text stands in texts.';

create table superseded (
    content_hash uuid not null
);
comment on table superseded is 'Versions that newer content of the same record_key replaced: they never come back.';

create sequence ledger_order;
create table ledger (
    seq bigint not null default nextval('ledger_order'),
    ingest_id uuid not null,
    kind varchar not null,
    source varchar,
    mapping varchar,
    n_rows_read bigint not null,
    n_accepted bigint not null,
    n_replaced bigint not null,
    n_duplicates bigint not null,
    n_rejected bigint not null,
    n_removed bigint not null,
    committed_at timestamp not null
);
comment on table ledger is 'One row a transaction that changed executions; accepted − replaced − removed adds up to the rows.';

create table rejected (
    ingest_id uuid not null,
    source varchar,
    source_position bigint,
    reason varchar not null,
    content varchar,
    content_hash uuid not null,
    rejected_at timestamp not null
);
comment on table rejected is 'Rows that were refused, with the reason and what they said; each content of a source once.';

create table model_tiers (
    model varchar primary key,
    tier varchar not null
);
comment on table model_tiers is 'The tier of a model, joined when read; a tier recorded with an execution wins.';

create table archives (
    file_name varchar primary key,
    n_rows bigint not null,
    first_at timestamp not null,
    last_at timestamp not null,
    archived_at timestamp not null
);
comment on table archives is 'Parquet files beside the store that hold what retention took out of it.';

create table view_refreshes (
    view_name varchar primary key,
    refreshed_at timestamp not null,
    ledger_seq bigint not null
);
comment on table view_refreshes is 'When each materialised view was last refreshed, and the last ledger row it has seen.';
