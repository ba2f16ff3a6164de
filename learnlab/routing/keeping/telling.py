"""Says in words which routers a store keeps, and why one of them is in use."""

from __future__ import annotations

from pathlib import Path

from learnlab.routing.keeping import registry
from learnlab.secrets import showable
from learnlab.store import Store

_LAST = 5


def told(db: str | Path | Store = "") -> str:
    """Return the routers that a store keeps, newest first, and the last decisions on them: a fact a line.

    Raises:
        StoreError: when there is no such store.
    """
    store = db if isinstance(db, Store) else Store(db)
    with store.reading():
        kept, decided = registry.routers(store), registry.promotions(store).head(_LAST)
    lines = [_router(row) for row in kept.to_dicts()] or [
        "no router is kept: the best single candidate is chosen. `learnlab train` fits one"
    ]
    if len(decided):
        lines += ["", "decisions, newest first:"]
        lines += [
            f"{row['decided_at']:%Y-%m-%d %H:%M} UTC  {row['decision']}: {row['reason']}"
            for row in decided.to_dicts()
        ]
    return "\n".join(map(showable, lines))


def _router(row: dict[str, object]) -> str:
    mark = "in use" if row["is_in_use"] else "kept"
    until = f", up to {row['learned_until']:%Y-%m-%d %H:%M} UTC" if row["learned_until"] else ""
    return (
        f"{row['router_version']}  {mark}: learned from {row['n_tries']:,} tries{until}, "
        f"chooses among {row['n_candidates']}"
    )
