-- What search keeps beside the texts: a number for each text, a table of vectors a model, and an index of words.

create schema search;

create sequence text_order;
alter table texts add column text_no bigint default nextval('text_order');

create table search.models (
    model_no bigint primary key,
    model_key varchar not null unique,
    dimension bigint not null,
    created_at timestamp not null
);
comment on table search.models is 'Encoders whose vectors are kept, each in a table search.vectors_<model_no> of its own; model_key is name@revision.';

create table search.words (
    word_hash ubigint not null,
    text_no bigint not null,
    n_times bigint not null,
    n_words bigint not null
);
comment on table search.words is 'One row a word (as its hash of 64 bits) and text that has it, how often, and how many words the text has; batches are sorted by word_hash, which packs them.';

create table search.worded (
    text_no bigint not null,
    n_words bigint not null
);
comment on table search.worded is 'Texts whose words are in search.words, with their length in words.';

create view search.embeddings as
select
    cast(null as uuid) as text_hash,
    cast(null as varchar) as model_key,
    cast(null as boolean) as is_searchable,
    cast(null as float[]) as embedding,
where false;
comment on view search.embeddings is 'Every vector of every model, as floats; null where a text has none. Made anew when a model is added.';
