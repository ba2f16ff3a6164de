-- Routers that learned from the store, and why each came into use or did not.

create table routers (
    router_version varchar not null,
    name varchar not null,
    fitted_at timestamp not null,
    learned_until timestamp,
    data_hash varchar not null,
    n_tries bigint not null,
    candidates json not null,
    reads json not null,
    weights blob not null,
    weights_hash varchar not null
);
comment on table routers is 'Routers that came into use, with what they learned; gone when something is forgotten.';
comment on column routers.router_version is 'Its name and 12 hex digits of the SHA-256 of what it learned: the same fit has the same version.';
comment on column routers.learned_until is 'Time of the newest try that it was fitted on (UTC); null where none had a recorded time.';
comment on column routers.data_hash is 'SHA-256 of the tries that it was fitted on.';
comment on column routers.candidates is 'What it can choose from: a list of {model, tier, pool}.';
comment on column routers.reads is 'How its tries were read: the fields of a candidate, the quality, the model of the vectors and their dimension.';
comment on column routers.weights is 'A safetensors file: arrays of numbers, and JSON in its header.';
comment on column routers.weights_hash is 'SHA-256 of the weights.';

create sequence promotion_order;
create table promotions (
    promotion_no bigint not null default nextval('promotion_order'),
    decided_at timestamp not null,
    decision varchar not null,
    challenger varchar,
    champion varchar,
    in_use varchar,
    judged_by varchar,
    worth_usd double,
    n_tasks bigint,
    gain_usd double,
    gain_usd_low double,
    gain_usd_high double,
    reason varchar not null
);
comment on table promotions is 'One row a decision on which router is in use, in order; none is ever changed.';
comment on column promotions.decision is 'promoted, not promoted or rolled back.';
comment on column promotions.challenger is 'Version of the router that was to come into use.';
comment on column promotions.champion is 'Version of the router that it was compared with, or the name of a baseline.';
comment on column promotions.in_use is 'Version of the router in use from then on; null for none.';
comment on column promotions.judged_by is 'How the two were compared: every candidate tried on every task, or an estimate from logged probabilities.';
comment on column promotions.worth_usd is 'What a success is worth (US dollars) in the comparison, and in choices of the router unless told otherwise.';
comment on column promotions.n_tasks is 'Held-out tasks, later than all that either had learned from.';
comment on column promotions.gain_usd is 'Mean of worth times quality less cost a task, challenger minus champion (US dollars), with its 95 % interval.';
