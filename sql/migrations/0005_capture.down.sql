-- Loses decisions, starts and outcomes that wait for their other side, and messages that no subscriber could take.
drop table dead_letters;
drop table open_attempts;
