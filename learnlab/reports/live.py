"""Live capture in a notebook: how tiers and pools do while the work goes on, refreshed in place, then left standing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import polars as pl

from learnlab.models import now
from learnlab.reports import estimates
from learnlab.reports.marks import TIER_COLOURS
from learnlab.reports.sentences import shown
from learnlab.reports.tables import ABSENT, escape, formatted, table_html, table_text
from learnlab.store import Store, spool

T = TypeVar("T")
_log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks at the store."""

_UNREAD = "The store cannot be read just now."
_WIDTH = 150
_HEADS = (
    "tier",
    "pool",
    "executions",
    "verdicts",
    "success rate",
    "95 % interval",
    "median s",
    "95th percentile s",
)


@dataclass(frozen=True)
class Look:
    """What a store knew of one session at a moment: its executions, and how many attempts had no other side.

    `n_waiting` events of all sessions waited in the spool until this look drained them.
    """

    at: datetime
    captured: pl.DataFrame
    n_waiting: int
    n_open: int

    def status(self) -> str:
        """Return the counts in words.

        >>> Look(now(), pl.DataFrame({"stored_at": []}), 3, 1).status()
        '0 executions captured, 3 events waited in the spool, nothing drained yet, 1 attempt open'
        """
        last = self.captured["stored_at"].max()
        drained = "nothing drained yet"
        if isinstance(last, datetime):
            seconds = max(0.0, (self.at.replace(tzinfo=None) - last).total_seconds())
            drained = f"last drained {shown(round(seconds, 1), 'seconds')} ago"
        parts = (
            _n(self.captured.height, "execution") + " captured",
            _n(self.n_waiting, "event") + " waited in the spool",
            drained,
            _n(self.n_open, "attempt") + " open",
        )
        return ", ".join(parts)

    def performance(self) -> pl.DataFrame:
        """Return a row a tier and pool: counts, the success rate with its Wilson bounds, and durations in seconds."""
        by = ("model_tier", "pool_type")
        rates = estimates.success_rates(estimates.counted(self.captured), *by)
        for percent in (50, 95):
            tail = estimates.quantiles(self.captured, "duration_seconds", percent, *by)
            rates = rates.join(tail.drop("n"), on=by, how="left")
        tiers = pl.col("model_tier").replace_strict({t: i for i, t in enumerate(TIER_COLOURS)}, default=9)
        return rates.sort(tiers, "pool_type")


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def look(db: str | Path, session_id: str) -> Look:
    """Return what a store knows of one session now; looking drains what waits, as every read does.

    Raises:
        StoreError: when there is no such store, or it cannot be read.
    """
    store = Store(db)
    n_waiting = sum(map(_n_lines, spool.waiting(store.path)))
    with store.reading():
        captured = store.query("captured", {"session_id": session_id})
        n_open = store.view("orphans").filter(session_id=session_id).height
    return Look(now(), captured, n_waiting, n_open)


def _n_lines(segment: Path) -> int:
    try:
        return segment.read_bytes().count(b"\n")
    except FileNotFoundError:  # drained meanwhile
        return 0


def _bar(tier: str, rate: float | None, low: float | None, high: float | None) -> str:
    """Return a success rate as a dot on a line from 0 to 1, with its interval, in the tier's colour."""
    if rate is None or low is None or high is None:
        return ABSENT
    colour = TIER_COLOURS.get(tier, TIER_COLOURS["unknown"])
    label = f"{shown(rate, 'rate')}, 95 % interval {shown(low, 'rate')} to {shown(high, 'rate')}"
    ends = [8 + (_WIDTH - 16) * share for share in (low, high, rate)]
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{_WIDTH}" height="16">'
        f'<line x1="8" x2="{_WIDTH - 8}" y1="8" y2="8" stroke="currentColor" stroke-opacity="0.25"/>'
        f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="8" y2="8" stroke="{colour}" stroke-width="4"/>'
        f'<circle cx="{ends[2]:.1f}" cy="8" r="5.5" fill="{colour}"/></svg>'
    )


def panel_html(seen: Look) -> str:
    """Return a look as HTML for a widget: the counts in words, and a row a tier and pool.

    Whatever the store said is escaped.
    """
    rows = seen.performance()
    rate = "success_rate"
    columns = [
        [escape(value) for value in formatted(rows[name])]
        for name in ("model_tier", "pool_type", "n_executions", "n_verdicts")
    ]
    ends = rows.select("model_tier", rate, f"{rate}_low", f"{rate}_high").rows()
    columns.append([ABSENT if of is None else escape(shown(of, "rate")) for of in rows[rate]])
    columns.append([_bar(*row) for row in ends])
    columns += [formatted(rows[f"duration_seconds_p{percent}"]) for percent in (50, 95)]
    sides = ["left", "left", *["right"] * 3, "left", "right", "right"]
    styles = [f'style="padding:0.2em 0.7em;text-align:{side}"' for side in sides]
    head = "".join(f'<th scope="col" {style}>{name}</th>' for name, style in zip(_HEADS, styles, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td {style}>{value}</td>" for value, style in zip(row, styles, strict=True))
        + "</tr>"
        for row in zip(*columns, strict=True)
    )
    return (
        '<section aria-label="Live capture" style="line-height:1.5;font-variant-numeric:tabular-nums">'
        f"<p>{escape(seen.status())}</p>"
        '<table style="border-collapse:collapse"><caption style="text-align:left">By tier and pool</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        "</section>"
    )


def _left_standing(seen: Look) -> dict[str, str]:
    """Return a look as what a page keeps when nothing refreshes it any more."""
    durations = ("duration_seconds_p50", "duration_seconds_p95")
    ends = [f"{name}_{end}" for name in durations for end in ("low", "high")]
    rows, says = seen.performance().drop("n_successes", *ends), seen.status()
    return {
        "text/html": f"<p>{escape(says)}</p>{table_html(rows)}",
        "text/plain": f"{says}\n{table_text(rows)}",
    }


async def _looked(db: str | Path, session_id: str) -> Look | None:
    """Return a look made in a thread, or None, logged, when the store cannot be read: the work goes on."""
    try:
        return await asyncio.to_thread(look, db, session_id)
    except Exception as error:
        _log.warning("no look at the store: %s", error)
        return None


async def _refresh(show: Callable[[str], None], db: str | Path, session_id: str) -> None:
    """Look at the store again and again, and show what is seen."""
    while True:
        seen = await _looked(db, session_id)
        show(panel_html(seen) if seen else f"<p>{_UNREAD}</p>")
        await asyncio.sleep(EVERY)


async def watched(work: Callable[..., Awaitable[T]], db: str | Path, **given: Any) -> T:
    """Wait for work that is captured into a store, show in the notebook how it goes, and return what it returns.

    `work` is called with the store, a `session_id` of its own under which the store is looked at, and whatever
    else is given. What stands there in the end is a table, also in a report, which has no widgets.

    Raises:
        StoreError: when the store cannot be made.
        Exception: whatever the work raises; the last look stays all the same.
    """
    import ipywidgets  # type: ignore[import-untyped]
    from IPython.display import display

    await asyncio.to_thread(Store(db).ensure)
    session_id = str(uuid4())
    panel = ipywidgets.HTML(layout={"overflow": "auto"})
    handle = display(panel, display_id=True)  # type: ignore[no-untyped-call]
    refreshing = asyncio.create_task(_refresh(lambda html: setattr(panel, "value", html), db, session_id))
    try:
        return await work(db, session_id=session_id, **given)
    finally:
        refreshing.cancel()
        with suppress(asyncio.CancelledError):
            await refreshing
        last = await _looked(db, session_id)
        panel.close()
        if handle is not None:
            handle.update(_left_standing(last) if last else {"text/plain": _UNREAD}, raw=True)
