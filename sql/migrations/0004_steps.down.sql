-- Loses every step, how far each log was read, verdicts from elsewhere and the list of what was forgotten.
alter table ledger drop column kinds;
alter table ledger drop column n_lines;
alter table ledger drop column n_masked;
alter table archives drop column n_steps;
alter table executions drop column duration_source;
drop table forgotten;
drop table verdicts;
drop table positions;
drop table archived_steps;
drop table steps;
