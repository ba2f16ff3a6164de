"""What people gave, kept as it came: once, and never again where its author deleted it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import duckdb
import polars as pl

from learnlab.people import COLUMNS, Viewer
from learnlab.store import views
from learnlab.store.connection import fetch, lent
from learnlab.store.forgotten import remember
from learnlab.store.public import republish

_CAST = {
    "feedback_id": "uuid",
    "task_id": "uuid",
    "timestamp": "timestamp",
    "rating": "bigint",
    "seconds": "double",
    "undoes": "uuid",
    "answers": "json",
    **dict.fromkeys(
        (
            "model_appropriate",
            "speed_acceptable",
            "expectations_met",
            "success",
            "accepted",
            "saw_suggestion",
        ),
        "boolean",
    ),
}
"""The columns that are no text, and what they are."""

_ISSUES = """try(from_json(issues, '["VARCHAR"]'))"""


def _as_stored(name: str) -> str:
    if name == "issues":
        return _ISSUES
    return f"try_cast({name} as {_CAST[name]})" if name in _CAST else name


_KEEP = f"""
insert or ignore into people.events ({", ".join(COLUMNS)}, arrived_at)
select {", ".join(map(_as_stored, COLUMNS))}, $now
from given
where feedback_id not in (select value from forgotten where joined_by = 'feedback')
"""


_CONCERNS_THE_PUBLIC = """
select exists (
    from people.events e
    join given g on e.author = g.author and e.task_id = cast(g.task_id as uuid)
    where e.feedback_type = 'rating' and e.visibility = 'public'
)
"""
"""Whether somebody who gave something has a public rating of the same task: it is new, or may be taken back."""


def keep(connection: duckdb.DuckDBPyConnection, given: pl.DataFrame, moment: datetime) -> None:
    """Keep pieces of feedback, a frame with the columns of `people.COLUMNS`; what is there already changes nothing.

    Values are text as a line of the spool has them, or of the column's own type; `issues` and `answers` are JSON.
    What its author has deleted stays away. Public figures follow, in the caller's transaction.
    """
    if not len(given):
        return
    with lent(connection, given=given):
        connection.execute(_KEEP, {"now": moment})
        ((concerns_the_public,),) = connection.execute(_CONCERNS_THE_PUBLIC).fetchall()
    if concerns_the_public:
        republish(connection, moment)


_GOING = """
create or replace temp table going as
with own as (
    select
        *,
        case
            when feedback_type in ('rating', 'label', 'adjudication') then feedback_type || coalesce(label_schema, '')
        end as part,
        success is not null and visibility in ('team', 'public') as is_shared_word,
    from feedback
    where is_own
),
named as (
    select * from own where $ids is null or feedback_id in (select cast(unnest($ids) as uuid))
),
with_what_it_replaced as (
    select * from named
    union
    select o.*
    from own o
    join named n on o.task_id = n.task_id and o.part = n.part and o.given_at <= n.given_at
    where not n.is_undone and not o.is_undone
),
with_undos as (
    select feedback_id from with_what_it_replaced
    union
    select o.feedback_id from own o join with_what_it_replaced w on o.undoes = w.feedback_id
    union
    select o.feedback_id from own o join named n on n.undoes = o.feedback_id
)
select o.feedback_id, o.feedback_key, o.task_id, o.is_shared_word, e.arrived_at,
from own o
join with_undos using (feedback_id)
join people.events e using (feedback_id)
"""
"""What goes: with a piece what it had replaced, which would count again else, and an undo with what it undid."""

_EXPORTS = """
select file_name, exported_at
from people.exports
where list_has_any(feedback_ids, (select list(feedback_id) from going))
order by exported_at
"""

_ROUTERS = """
select distinct router_version
from routers r
join going g on g.is_shared_word and g.arrived_at <= r.fitted_at
left join executions e on e.task_id = g.task_id
where r.learned_until is null or e.timestamp is null or e.time_source <> 'recorded' or e.timestamp <= r.learned_until
order by router_version
"""

_MINED = "select max(mined_at) from clusters where mined_at >= (select min(arrived_at) from going where is_shared_word)"


@dataclass(frozen=True)
class Used:
    """Pieces of feedback that somebody wants gone, by their ids, and what had used them.

    `exports` are the names of files that they were written to, `routers` those that may have learned from a verdict
    among them, `mined_at` when patterns were last mined with one (UTC), null for never.

    >>> print(Used((UUID(int=1), UUID(int=2)), ("labels.csv",)).summary())
    2 pieces of feedback
    in a file that was exported: labels.csv; it is not changed
    """

    feedback_ids: tuple[UUID, ...] = ()
    exports: tuple[str, ...] = ()
    routers: tuple[str, ...] = ()
    mined_at: datetime | None = None

    def summary(self) -> str:
        """Return that as text, a line for each kind of thing that had used it."""
        n = len(self.feedback_ids)
        lines = [f"{n:,} piece{'s' * (n != 1)} of feedback"]
        if self.exports:
            lines.append(f"in a file that was exported: {', '.join(self.exports)}; it is not changed")
        if self.routers:
            lines.append(f"routers that may have learned from it: {', '.join(self.routers)}; train again")
        if self.mined_at:
            lines.append(f"patterns mined on {self.mined_at:%Y-%m-%d} may count it; mine again")
        return "\n".join(lines)


def used(connection: duckdb.DuckDBPyConnection, author: str, feedback_ids: Sequence[UUID] | None) -> Used:
    """Return how much goes with some pieces of an author, or with all of them (None), and what had used it.

    What a piece had replaced goes with it, for it would count again; an undo goes with what it undid.
    """
    ids = None if feedback_ids is None else [str(one) for one in feedback_ids]
    with views.told(connection, Viewer(author)):
        connection.execute(_GOING, {"ids": ids})
    found = connection.execute("select feedback_id from going order by feedback_id").fetchall()
    exports = [name for name, _ in connection.execute(_EXPORTS).fetchall()] if found else []
    routers = connection.execute(_ROUTERS).fetchall()
    ((mined_at,),) = connection.execute(_MINED).fetchall()
    names = tuple(dict.fromkeys(exports))
    return Used(tuple(one for (one,) in found), names, tuple(version for (version,) in routers), mined_at)


def delete(
    connection: duckdb.DuckDBPyConnection,
    author: str,
    feedback_ids: Sequence[UUID] | None,
    moment: datetime,
) -> Used:
    """Delete some pieces of feedback of an author, or all (None), for good, in the caller's transaction: `used`.

    They are remembered as forgotten, by their ids and keys, so that no spool and no file brings them back; public
    figures follow. Their bytes stay in the file until it is written anew.
    """
    done = used(connection, author, feedback_ids)
    if done.feedback_ids:
        ids = fetch(
            connection, "select cast(unnest([feedback_id, feedback_key]) as varchar) as id from going"
        )["id"]
        connection.execute("delete from people.events where feedback_id in (select feedback_id from going)")
        remember(connection, "feedback", ids, moment)
        connection.execute("delete from view_refreshes")
        republish(connection, moment, forgets=True)
    return done
