"""Sentences about what capture left open: attempts without their other side, messages nobody took, the spool."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from learnlab.reports.facts import minute
from learnlab.store import Store, spool


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _of_kind(kind: str, n: int) -> str:
    what, rest = kind.split(" ", 1)
    return f"{_n(n, what)} {rest}"


def unmet(orphans: pl.DataFrame) -> str:
    """Return how many attempts wait for their other side, of which kinds, and how many are overdue (the view orphans).

    >>> rows = {"kind": ["start without outcome"], "is_decided": [False], "is_overdue": [False]}
    >>> print(unmet(pl.DataFrame(rows)))
    Every decision has its outcome, but 1 other attempt waits for its other side: 1 start without outcome. None of
    them has waited for more than an hour.
    """
    if not orphans.height:
        return "Every decision has its outcome, and nothing else waits for its other side."
    kinds = orphans.group_by("kind").len().sort("len", "kind", descending=[True, False])
    named = ", ".join(_of_kind(kind, n) for kind, n in kinds.iter_rows())
    verb, whose = ("waits", "its") if orphans.height == 1 else ("wait", "their")
    n_decided = orphans["is_decided"].sum()
    if n_decided:
        told = f"{_n(orphans.height, 'attempt')} {verb} for {whose} other side: {named}."
    else:
        others = _n(orphans.height, "other attempt")
        told = f"Every decision has its outcome, but {others} {verb} for {whose} other side: {named}."
    late = orphans.filter("is_overdue")
    if not late.height:
        return f"{told} None of them has waited for more than an hour."
    since = minute(late["waiting_since_at"].min())  # type: ignore[arg-type]
    return f"{told} {late.height:,} of them for more than an hour, the first since {since}."


def undelivered(letters: pl.DataFrame) -> str:
    """Return how many messages subscribers of the bus could not take, and who most of them (`queries/dead_letters`).

    >>> undelivered(pl.DataFrame({"subscriber": ["mirror", "mail"], "n_messages": [3, 1]}))
    '4 messages could not be taken by a subscriber of the bus, most of them by mirror (3).'
    """
    n = int(letters["n_messages"].sum())
    if not n:
        return "No subscriber of the bus left a message that it could not take."
    worst = letters.group_by("subscriber").agg(pl.col("n_messages").sum()).sort("n_messages", "subscriber")
    name, most = worst.row(-1)
    whose = f"all of them by {name}" if most == n else f"most of them by {name} ({most:,})"
    return f"{_n(n, 'message')} could not be taken by a subscriber of the bus, {whose if n > 1 else f'by {name}'}."


def left_open(orphans: pl.DataFrame, letters: pl.DataFrame) -> str:
    """Return what `unmet` says of attempts, and what `undelivered` says of messages where there are any.

    >>> orphans = pl.DataFrame(schema={"kind": pl.String})
    >>> print(left_open(orphans, pl.DataFrame({"subscriber": ["mail"], "n_messages": [1]})))
    Every decision has its outcome, and nothing else waits for its other side. 1 message could not be taken by a
    subscriber of the bus, by mail.
    """
    return f"{unmet(orphans)} {undelivered(letters)}" if letters.height else unmet(orphans)


def spooled(db: str | Path) -> str:
    """Return what waits in the spool of a store, and what in it nobody could read.

    Raises:
        StoreError: when `db` is no name and no path of a store.
    """
    store = Store(db)
    waiting = [path.stat().st_size for path in spool.waiting(store.path) if path.exists()]
    broken = [path.stat().st_size for path in spool.quarantined(store.path)]
    told = (
        f"{_n(len(waiting), 'segment')} of the spool with {_n(sum(waiting), 'byte')} waited to be drained when this "
        "page was made"
        if waiting
        else "Nothing waited in the spool when this page was made"
    )
    if not broken:
        return f"{told}, and nothing in it was unreadable."
    verb = "is" if len(broken) == 1 else "are"
    return (
        f"{told}; {_n(len(broken), 'segment')} with {_n(sum(broken), 'byte')} could not be read and {verb} kept beside "
        "the store, set aside as quarantined."
    )
