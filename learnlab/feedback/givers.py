"""How many people give feedback, and how much of it one alone gives: counts, never who."""

from __future__ import annotations

import polars as pl

from learnlab.store import Store
from learnlab.store.connection import fetch
from learnlab.store.public import LEAST_PEOPLE

_GIVERS = """
with mine as (
    select e.feedback_type, e.author, count(*) as n
    from feedback f
    join people.events e using (feedback_key)
    left join outcomes o on o.task_id = f.task_id
    where f.is_current and ($repo is null or o.repo = $repo)
    group by e.feedback_type, e.author
)
select
    feedback_type,
    cast(sum(n) as bigint) as n_given,
    case when count(*) >= $least then count(*) end as n_people,
    case when count(*) >= $least then cast(max(n) as bigint) end as n_most,
from mine
group by feedback_type
order by feedback_type
"""
"""The one place beside the view `feedback` that matches what it shows with who gave it, to count them."""


def givers(store: Store, repo: str | None = None) -> pl.DataFrame:
    """Return how many people gave what the store's viewer may see, and how much the most active one: a row a kind.

    Columns: feedback_type, n_given (pieces that count), n_people, n_most (pieces of whoever gave most of them); the
    last two are null where fewer than `LEAST_PEOPLE` gave any.

    Raises:
        StoreError: when there is no such store.
    """
    with store.reading() as connection:
        return fetch(connection, _GIVERS, {"repo": repo or None, "least": LEAST_PEOPLE})
