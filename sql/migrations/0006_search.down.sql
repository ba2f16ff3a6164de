-- Loses the vectors and the index of words; `learnlab encode` makes them again from the texts.
drop schema search cascade;
alter table texts drop column text_no;
drop sequence text_order;
