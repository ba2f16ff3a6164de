-- The steps inside executions, how far each log was read, verdicts from elsewhere, what people wanted gone.

create table steps (
    step_key uuid not null,
    record_key uuid not null,
    kind varchar not null,
    name varchar,
    model varchar,
    started_at timestamp,
    duration_seconds double,
    input_tokens bigint,
    cache_read_tokens bigint,
    cache_write_tokens bigint,
    output_tokens bigint,
    cost_usd double,
    cost_source varchar not null,
    price_version varchar,
    is_error boolean,
    error varchar,
    is_partial boolean not null,
    is_counted boolean not null,
    source_position bigint
);
comment on table steps is 'One row a message, tool call or compaction inside an execution; input_tokens include what the cache read and wrote.';

create table archived_steps (
    step_key uuid not null
);
comment on table archived_steps is 'Steps that retention moved out: where they are repeated later they count no second time.';

create table positions (
    path varchar primary key,
    format varchar not null,
    version bigint not null,
    size bigint not null,
    changed_at_ns bigint not null,
    byte_offset bigint not null,
    prefix_hash varchar not null,
    state json not null,
    read_at timestamp not null
);
comment on table positions is 'How far each log was read: the byte to read on from, a hash of all before it, what its reader has to know.';

create table verdicts (
    joined_by varchar not null,
    value varchar not null,
    success boolean not null,
    success_source varchar not null,
    quality_score double,
    source varchar not null,
    given_at timestamp not null,
    primary key (joined_by, value)
);
comment on table verdicts is 'Verdicts from elsewhere, joined to executions by task, session or branch; they hold for what comes later too.';

create table forgotten (
    joined_by varchar not null,
    value varchar not null,
    forgotten_at timestamp not null,
    primary key (joined_by, value)
);
comment on table forgotten is 'Records and sessions that somebody wanted gone: they do not come back when their file is read again.';

alter table executions add column duration_source varchar default 'unknown';
alter table archives add column n_steps bigint default 0;
alter table ledger add column n_masked bigint default 0;
alter table ledger add column n_lines bigint default 0;
alter table ledger add column kinds json;
