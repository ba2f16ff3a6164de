"""Public figures: one fixed table in which a cell changes only when at least five people changed it."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

import duckdb

from learnlab.errors import StoreError
from learnlab.store import archive

LEAST_PEOPLE = 5
"""People that a cell has at least, and that have changed it before it changes."""

_log = logging.getLogger("learnlab.store")

_CELL = "quarter, task_type, model_tier, figure"

_IS_THERE = """
select exists (from people.events where feedback_type = 'rating' and visibility = 'public')
    or exists (from people.public_shares)
"""

_LATEST = """
create or replace temp table public_ratings as
with latest as (
    select author, task_id, timestamp, satisfaction, issues, visibility
    from people.events e
    where feedback_type = 'rating'
        and not exists (
            from people.events u
            where u.feedback_type = 'undo' and u.undoes = e.feedback_id and u.author = e.author
        )
    qualify row_number() over (
        partition by author, task_id order by timestamp desc, arrived_at desc, feedback_id
    ) = 1
)
select * from latest where visibility = 'public'
"""
"""The public ratings that count, by the rule of the view feedback: not undone, each author's latest on each task."""

_IS_ARCHIVED = """
select exists (from archives)
    and exists (from public_ratings where task_id not in (select task_id from executions))
"""

_ARCHIVED = f"""
union all by name
select task_id, task_type, model, model_tier from {archive.ARCHIVE_VIEW}
"""

_SHARES = """
create or replace temp table shares as
with known as (
    select task_id, task_type, model, model_tier from executions
    {archived}
),
tasks as (
    select
        task_id,
        any_value(task_type) as task_type,
        any_value(coalesce(nullif(k.model_tier, 'unknown'), t.tier, 'unknown')) as model_tier,
    from known k
    left join model_tiers t on t.model = k.model
    where task_id in (select task_id from public_ratings)
    group by task_id
),
told as (
    select
        cast(date_trunc('quarter', r.timestamp) as date) as quarter, task_type, model_tier, author as person,
        unnest(list_prepend(r.satisfaction, coalesce(r.issues, []))) as figure,
    from public_ratings r
    join tasks using (task_id)
)
select quarter, task_type, model_tier, figure, person, count(*) as n_ratings
from told
where figure is not null
group by all
"""

_CHANGED = f"""
create or replace temp table changed as
select {_CELL}
from (select *, true as is_now from shares) n
full join (select *, true as was_then from people.public_shares) s using ({_CELL}, person)
where n.n_ratings is distinct from s.n_ratings
group by {_CELL}
having count(person) + greatest(
    0, count(*) - count(person) - count(case when is_now and was_then is null then 1 end)
) >= $least
"""
"""The cells that enough people changed. Who has deleted what they gave is nobody any more (person is null), and may
have come back: so each of those counts only where nobody new stands against them."""

_REPLACE = (
    f"delete from people.public_cells where ({_CELL}) in (select ({_CELL}) from changed)",
    f"delete from people.public_shares where ({_CELL}) in (select ({_CELL}) from changed)",
    f"insert into people.public_shares select {_CELL}, person, n_ratings from shares join changed using ({_CELL})",
)

_FIGURES = f"""
insert into people.public_cells
select {_CELL}, sum(n_ratings), count(*), $now
from shares
join changed using ({_CELL})
group by {_CELL}
having count(*) >= $least
"""

_NOBODY = """
update people.public_shares p set person = null
where not exists (
    from shares s
    where (s.quarter, s.task_type, s.model_tier, s.figure, s.person)
        = (p.quarter, p.task_type, p.model_tier, p.figure, p.person)
)
"""


def republish(connection: duckdb.DuckDBPyConnection, moment: datetime, *, forgets: bool = False) -> None:
    """Bring the table of public figures up to date, inside the caller's transaction.

    A cell is a quarter (UTC), task type, tier and figure: a satisfaction or an issue. It is replaced where at least
    `LEAST_PEOPLE` people count otherwise in it than when it was last replaced, and is gone then where fewer than that
    are left in it; else it stays as it was. So no two states of the table tell what fewer people did.

    With `forgets`, after feedback was deleted, the names of those of whom nothing counts any more in a cell leave the
    notes on it; each of them is still one person who changed it.
    """
    ((is_there,),) = connection.execute(_IS_THERE).fetchall()
    if not is_there:
        return
    connection.execute(_LATEST)
    try:
        connection.execute(_SHARES.format(archived=_archived(connection)))
    except StoreError as error:
        _log.warning("public figures stay as they were: %s", error)
        return
    if forgets:
        connection.execute(_NOBODY)
    ((n_changed,),) = connection.execute(_CHANGED, {"least": LEAST_PEOPLE}).fetchall()
    if not n_changed:
        return
    for statement in _REPLACE:
        connection.execute(statement)
    connection.execute(_FIGURES, {"now": moment, "least": LEAST_PEOPLE})


def _archived(connection: duckdb.DuckDBPyConnection) -> str:
    """Return what reads the executions that were archived, where a public rating is of one that the store lacks."""
    ((is_archived,),) = connection.execute(_IS_ARCHIVED).fetchall()
    if not is_archived:
        return ""
    ((path,),) = connection.execute(
        "select path from duckdb_databases() where database_name = current_database()"
    ).fetchall()
    archive.show(connection, Path(path))
    return _ARCHIVED
