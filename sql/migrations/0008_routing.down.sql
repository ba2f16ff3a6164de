-- Loses every router that was kept and the decisions on which is in use; `learnlab train` fits new ones.
drop table promotions;
drop sequence promotion_order;
drop table routers;
