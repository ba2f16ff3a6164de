-- Why rows were refused, with the first example of each reason: quoted texts and figures in a reason are set aside.
-- grain: source, why
-- reads: rejected
select
    coalesce(source, 'unknown') as source,  -- the file
    regexp_replace(regexp_replace(reason, '''.*''', '…', 's'), '-?[0-9]+([.][0-9]+)?', '#', 'g') as why,  -- the reason without its particulars
    count(*) as n_rejected,  -- rows refused for it
    min(source_position) as first_position,  -- the line or row of the first of them
    substr(min_by(reason, source_position), 1, 200) as first_reason,  -- its reason in full
    substr(min_by(content, source_position), 1, 200) as first_content,  -- what it said, its beginning
from rejected
group by coalesce(source, 'unknown'), regexp_replace(regexp_replace(reason, '''.*''', '…', 's'), '-?[0-9]+([.][0-9]+)?', '#', 'g')
order by n_rejected desc, source, why
limit 200
