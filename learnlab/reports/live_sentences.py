"""Sentences about a captured run: what came of it, how soon it could be read, and what capturing it cost."""

from __future__ import annotations

import polars as pl

from learnlab.intervals import TOO_FEW
from learnlab.reports.live_charts import TIMES
from learnlab.reports.sentences import estimated, shown


def times(seen: pl.DataFrame, captured: pl.DataFrame) -> pl.DataFrame:
    """Return the seconds of each part of each execution: a row an execution and part, as `live_charts.TIMES` has them.

    `seen` is what the orchestrator saw (`Run.executions`), `captured` what the store holds (`queries/captured`);
    they meet by the id that the orchestrator gave.
    """
    both = seen.join(captured.select("external_id", "stored_at"), left_on="task_id", right_on="external_id")
    stored = pl.col("stored_at").dt.replace_time_zone("UTC") - pl.col("finished_at")
    seconds = (
        pl.col("own_seconds"),
        (pl.col("seconds") - pl.col("own_seconds")).clip(lower_bound=0),
        stored.dt.total_microseconds().clip(lower_bound=0) / 1e6,
    )
    named = [
        both.select(pl.lit(part).alias("part"), one.alias("seconds"))
        for part, one in zip(TIMES, seconds, strict=True)
    ]
    return pl.concat(named)


def carried_out(n_decided: int, n_started: int, n_captured: int, n_open: int) -> str:
    """Return how many of the decisions were carried out and captured, and what stands open.

    >>> print(carried_out(120, 118, 118, 2))
    Of 120 tasks that were routed, 118 were started, and all of them are in the store; 2 decisions were not carried
    out before time was up, and stand there as open.
    """
    told = (
        f"Of {n_decided:,} tasks that were routed, {n_started:,} were started, and "
        f"{'all' if n_captured == n_started else f'{n_captured:,}'} of them are in the store"
    )
    if not n_open:
        return f"{told}; nothing stands open."
    many = n_open != 1
    return (
        f"{told}; {n_open:,} decision{'s' if many else ''} {'were' if many else 'was'} not carried out before time was "
        f"up, and {'stand' if many else 'stands'} there as open."
    )


def ended(ends: pl.DataFrame) -> str:
    """Return how executions ended (`Run.executions`), the most frequent first.

    >>> ended(pl.DataFrame({"ended": ["cancelled", "succeeded", "succeeded"]}))
    'Of 3 executions 2 succeeded, 1 was cancelled.'
    """
    counts = ends.group_by("ended").len().sort("len", "ended", descending=[True, False])
    told = ", ".join(
        f"{n:,} {_passive(n) if how == 'cancelled' else ''}{how}" for how, n in counts.iter_rows()
    )
    return f"Of {ends.height:,} executions {told or 'none ended'}."


def _passive(n: int) -> str:
    return "was " if n == 1 else "were "


def took(part: str, medians: pl.DataFrame, tails: pl.DataFrame, what: str) -> str:
    """Return how long a part of an execution took: median and 95th percentile (`estimates.quantiles` by `part`).

    >>> frame = pl.DataFrame({"part": ["p"], "n": [3], "seconds_p50": [0.1]})
    >>> took("p", frame, frame, "The wait")
    'The wait: too few executions to tell how long it took.'
    """
    middle, tail = (frame.filter(part=part).to_dicts() for frame in (medians, tails))
    if not middle or middle[0]["n"] < TOO_FEW:
        return f"{what}: too few executions to tell how long it took."
    usual, rare = estimated(middle[0], "seconds_p50", "seconds", "n"), tail[0]
    if rare["seconds_p95_low"] is None or rare["seconds_p95_high"] is None:
        late = f"{shown(rare['seconds_p95'], 'seconds')}, on too few for an interval"
    else:
        late = estimated(rare, "seconds_p95", "seconds", "n")
    return f"{what} took {usual} at the median; the 95th percentile is {late}."
