-- What a router could choose from, what it chose, and the pools it chose among.

create table routing_decisions (
    decision_id uuid primary key,
    task_id uuid not null,
    timestamp timestamp not null,
    candidates json not null,
    chosen json not null,
    context json not null,
    router_version varchar
);
comment on table routing_decisions is 'One row a routing decision; a candidate is {model, tier, pool, propensity}.';

create table pool_events (
    event_id uuid primary key,
    timestamp timestamp not null,
    event varchar not null,
    pool_id varchar not null,
    pool_type varchar,
    metadata json
);
comment on table pool_events is 'Pools that were created and closed.';
