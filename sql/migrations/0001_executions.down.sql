-- Loses every execution, text, ledger row and rejected row.
drop table view_refreshes;
drop table archives;
drop table model_tiers;
drop table rejected;
drop table ledger;
drop sequence ledger_order;
drop table superseded;
drop table executions;
drop table texts;
