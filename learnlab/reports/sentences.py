"""Sentences about estimates, computed: every figure with its interval and n, and "too few to tell" when it is so."""

from __future__ import annotations

from typing import Any

import polars as pl

from learnlab.intervals import TOO_FEW

Row = dict[str, Any]
_UNITS = {
    "rate": ("", " %"),
    "usd": ("$", ""),
    "seconds": ("", " s"),
    "quality": ("", " points"),
    "plain": ("", ""),
}


def _digits(value: float, unit: str) -> str:
    if unit == "rate":
        return f"{100 * value:.1f}"
    if unit == "quality":
        return f"{value:.1f}"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{float(f'{value:.3g}'):,.10f}".rstrip("0").rstrip(".")


def shown(value: float, unit: str) -> str:
    """Return a figure with its unit: rate (0-1, shown in percent), usd, seconds, quality (points) or plain.

    >>> shown(0.6213, "rate"), shown(0.012345, "usd"), shown(-1234.5, "usd"), shown(1.5, "seconds")
    ('62.1 %', '$0.0123', '−$1,234', '1.5 s')
    """
    before, after = _UNITS[unit]
    sign = "−" if value < 0 else ""
    return f"{sign}{before}{_digits(abs(value), unit)}{after}"


def estimated(row: Row, value: str, unit: str, n: str) -> str:
    """Return an estimate of a row with its 95 % interval and n.

    >>> estimated({"rate": 0.5, "rate_low": 0.4, "rate_high": 0.6, "n": 1000}, "rate", "rate", "n")
    '50.0 % (95 % interval 40.0 % to 60.0 %, n = 1,000)'
    """
    low, high = (row[f"{value}_{end}"] for end in ("low", "high"))
    ends = [shown(end, unit) if end is not None else "no bound" for end in (low, high)]
    return f"{shown(row[value], unit)} (95 % interval {ends[0]} to {ends[1]}, n = {row[n]:,})"


def _apart(first: Row, second: Row, value: str) -> bool:
    ends = [(row[f"{value}_low"], row[f"{value}_high"]) for row in (first, second)]
    if any(end is None for pair in ends for end in pair):
        return False
    (low, high), (other_low, other_high) = ends
    return bool(high < other_low or other_high < low)


def first_of(
    frame: pl.DataFrame, names: str, value: str, unit: str, n: str, what: str, *, least: bool = False
) -> str:
    """Return which row has the highest (or least) estimate, which comes next, and whether they can be told apart.

    Rows with fewer than `TOO_FEW` behind them do not compete. `what` names the figure: "success rate".

    >>> frame = pl.DataFrame({"tier": ["a", "b"], "rate": [0.9, 0.5], "rate_low": [0.8, 0.4],
    ...     "rate_high": [0.95, 0.6], "n": [50, 60]})
    >>> print(first_of(frame, "tier", "rate", "rate", "n", "success rate"))
    The highest success rate has a: 90.0 % (95 % interval 80.0 % to 95.0 %, n = 50). Next comes b: 50.0 % (95 %
    interval 40.0 % to 60.0 %, n = 60). The intervals do not overlap.
    """
    enough = frame.filter(pl.col(n) >= TOO_FEW).drop_nulls(value)
    rows = enough.sort(value, names, descending=[not least, False]).to_dicts()
    if not rows:
        return f"Too few to tell about the {what}: nothing has {TOO_FEW} observations behind it."
    word = "lowest" if least else "highest"
    best = f"The {word} {what} has {rows[0][names]}: {estimated(rows[0], value, unit, n)}."
    if len(rows) == 1:
        return f"{best} Nothing else has the {TOO_FEW} observations that a comparison takes."
    verdict = "do not overlap" if _apart(rows[0], rows[1], value) else "overlap: too close to call"
    return (
        f"{best} Next comes {rows[1][names]}: {estimated(rows[1], value, unit, n)}. The intervals {verdict}."
    )


def changes(halves: pl.DataFrame, names: str, value: str, unit: str, n: str, what: str) -> str:
    """Return what differs between the earlier and the later half of the window (`estimates.halves`).

    Only changes whose two intervals do not overlap are told, each name on its own.
    """
    enough = halves.filter(pl.col(n) >= TOO_FEW).drop_nulls(value)
    told, compared = [], 0
    for (name,), part in enough.group_by([names], maintain_order=True):
        rows = {row["half"]: row for row in part.to_dicts()}
        if len(rows) < 2:
            continue
        compared += 1
        before, after = rows["earlier"], rows["later"]
        if _apart(before, after, value):
            went = "rose" if after[value] > before[value] else "fell"
            told.append(
                f"{name} {went} from {estimated(before, value, unit, n)} to {estimated(after, value, unit, n)}"
            )
    if not compared:
        return f"Too few to tell whether the {what} changed over time."
    if not told:
        return f"No {what} changed between the two halves of the window by more than its intervals allow for."
    return f"Between the two halves of the window the {what} changed: {'; '.join(told)}."


def timed(n_timed: int, n: int) -> str:
    """Return how many executions have a recorded time; pages over time leave the others out.

    >>> timed(0, 1408)
    'The source records no time: none of the 1,408 executions can be shown over time.'
    """
    if n_timed == 0:
        return f"The source records no time: none of the {n:,} executions can be shown over time."
    if n_timed == n:
        return f"All {n:,} executions have a recorded time."
    return f"{n - n_timed:,} of {n:,} executions have no recorded time: figures over time leave them out."


def flagged(n_flagged: int, n: int) -> str:
    """Return how many executions carry token counts that are no measurements, and what that means for costs.

    >>> flagged(0, 20000)
    'None of the 20,000 executions has token counts that are missing or a repeated constant.'
    """
    if not n_flagged:
        return f"None of the {n:,} executions has token counts that are missing or a repeated constant."
    return (
        f"{n_flagged:,} of {n:,} executions ({n_flagged / n:.1%}) carry token counts that are missing or a repeated"
        " constant: costs made from them are as doubtful, see the ingestion page."
    )
