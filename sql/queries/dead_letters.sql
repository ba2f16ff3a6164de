-- What subscribers of the bus could not take, by kind of error: quoted texts and figures in an error are set aside.
-- grain: subscriber, message_type, why
-- reads: dead_letters
select
    substr(subscriber, 1, 200) as subscriber,  -- who could not take them
    substr(message_type, 1, 100) as message_type,  -- what they were about
    substr(regexp_replace(regexp_replace(error, '''.*''', '…', 's'), '-?[0-9]+([.][0-9]+)?', '#', 'g'), 1, 200) as why,  -- the error without its particulars
    count(*) as n_messages,  -- messages, kept whole in the table dead_letters
    min(timestamp) as first_at,  -- the first of them (UTC)
    max(timestamp) as last_at,  -- the last of them (UTC)
    substr(min_by(error, timestamp), 1, 200) as first_error,  -- the error of the first
from dead_letters
group by 1, 2, 3
order by n_messages desc, subscriber, message_type, why
limit 200
