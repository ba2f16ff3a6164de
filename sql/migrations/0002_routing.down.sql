-- Loses every routing decision and pool event.
drop table pool_events;
drop table routing_decisions;
