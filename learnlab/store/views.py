"""The views of a store: read live through a caller's window, or materialised while that is exact."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import polars as pl

from learnlab.errors import StoreError
from learnlab.models import now
from learnlab.people import Viewer
from learnlab.store import sqlfiles
from learnlab.store.connection import fetch, transaction
from learnlab.store.words import times_of

MATERIALISED = {
    "tier_performance": timedelta(minutes=5),
    "model_performance": timedelta(minutes=5),
    "pool_performance": timedelta(minutes=10),
    "solution_patterns": timedelta(hours=1),
}
"""The views kept as tables `<name>_mv`, and the age at which a writer refreshes each."""

_FRESHNESS = """
select m.view_name, r.refreshed_at,
    coalesce(r.ledger_seq = (select coalesce(max(seq), 0) from ledger), false) as is_exact,
from (select unnest($names) as view_name) m
left join view_refreshes r on r.view_name = m.view_name
order by m.view_name
"""


def freshness(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Return for each materialised view when it was refreshed (UTC) and whether nothing came in since.

    Columns: view_name, refreshed_at (null when never), is_exact.
    """
    return fetch(connection, _FRESHNESS, {"names": list(MATERIALISED)})


def refresh(connection: duckdb.DuckDBPyConnection, *, only_due: bool = False) -> list[str]:
    """Refresh the materialised views that are not exact, each in one transaction; return their names.

    With `only_due`, leave alone those that are younger than their age in `MATERIALISED`.
    """
    moment = now().replace(tzinfo=None)
    done = []
    for name, refreshed_at, is_exact in freshness(connection).rows():
        too_young = refreshed_at is not None and moment - refreshed_at < MATERIALISED[name]
        if is_exact or (only_due and too_young):
            continue
        with transaction(connection):
            connection.execute(f'create or replace table "{name}_mv" as select * from "{name}"')
            connection.execute(
                "insert or replace into view_refreshes "
                "values (?, ?, (select coalesce(max(seq), 0) from ledger))",
                [name, moment],
            )
        done.append(name)
    return done


def moment(as_of: str | datetime | None) -> datetime | None:
    """Return a caller's time as naive UTC."""
    if not as_of:
        return None
    if isinstance(as_of, datetime):
        return as_of.astimezone(UTC).replace(tzinfo=None) if as_of.tzinfo else as_of
    found: datetime | None = times_of(pl.Series([str(as_of)]))[0]
    if found is None:
        raise StoreError(f"as_of {as_of!r} is no time: write it like 2026-06-30 or 2026-06-30T12:00:00Z")
    return found


@contextmanager
def told(connection: duckdb.DuckDBPyConnection, viewer: Viewer) -> Iterator[None]:
    """Tell the views, while the block runs, when they are asked (`asked_at`, UTC) and who looks.

    What waits is measured from that moment, and no view asks the clock. Before and after the block whoever looked
    before looks again.
    """
    connection.execute("set variable asked_at = $now", {"now": now().replace(tzinfo=None)})
    before = connection.execute("select getvariable('viewer'), getvariable('is_public')").fetchall()[0]
    _look_as(connection, viewer.name, viewer.is_public)
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # closed, or in a transaction that failed
            _look_as(connection, *before)


def _is_the_team(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether nobody in particular looks, as when a materialised view is refreshed."""
    ((name, is_public),) = connection.execute(
        "select getvariable('viewer'), getvariable('is_public')"
    ).fetchall()
    return name is None and not is_public


def _look_as(connection: duckdb.DuckDBPyConnection, name: str | None, is_public: bool | None) -> None:
    for variable, value in (("viewer", name), ("is_public", is_public)):
        if value is None:
            connection.execute(f"reset variable {variable}")
        else:
            connection.execute(f"set variable {variable} = $value", {"value": value})


def read(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    *,
    repo: str | None = None,
    days_back: int | None = None,
    as_of: str | datetime | None = None,
    min_uses: int | None = None,
) -> pl.DataFrame:
    """Return a view's rows, through the caller's window when one is given.

    The table `<name>_mv` is read when it is exact, the window is the view's own and nobody in particular looks; else
    the live view.

    Raises:
        StoreError: when there is no such view, or `as_of` is no time.
    """
    if name not in {file.name for file in sqlfiles.views()}:
        raise StoreError(f"no view {name!r}; there are {', '.join(sorted(f.name for f in sqlfiles.views()))}")
    for name_of, value in (("days_back", days_back), ("min_uses", min_uses)):
        if value is not None and (not isinstance(value, int) or not 0 <= value <= 1_000_000):
            raise StoreError(f"{name_of} is {value!r}, not a whole number from 0 to 1,000,000")
    window: dict[str, Any] = {"as_of": moment(as_of), "days_back": days_back, "min_uses": min_uses}
    own_window = all(value is None for value in window.values())
    table = name
    if own_window and name in MATERIALISED and _is_the_team(connection):
        exact = freshness(connection).filter(pl.col("view_name") == name, "is_exact")
        table = f"{name}_mv" if len(exact) else name
    for variable, value in window.items():
        if value is None:
            connection.execute(f"reset variable {variable}")
        else:
            connection.execute(f"set variable {variable} = $value", {"value": value})
    if repo:
        return fetch(connection, f'select * from "{table}" where repo = $repo', {"repo": repo})
    return fetch(connection, f'select * from "{table}"')
