-- Routers that the store keeps, newest first.
-- grain: router_version
-- reads: routers, promotions
select
    r.router_version,  -- its name and 12 hex digits of what it learned
    r.name,  -- what kind of router it is
    coalesce(r.router_version = (select p.in_use from promotions p order by p.promotion_no desc limit 1), false) as is_in_use,  -- whether it is the one that chooses
    r.fitted_at,  -- when it was fitted (UTC)
    r.learned_until,  -- time of the newest try that it learned from (UTC), null for unknown
    r.n_tries,  -- tries that it learned from
    json_array_length(r.candidates) as n_candidates,  -- what it can choose from
    octet_length(r.weights) as n_bytes,  -- size of what it learned
    r.data_hash,  -- SHA-256 of the tries that it learned from
from routers r
order by r.fitted_at desc, r.router_version
