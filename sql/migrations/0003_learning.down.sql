-- Loses every solution, feedback event and quality policy.
drop table quality_policies;
drop table feedback;
drop table solutions;
