"""The figure of live capture: where the time of a captured execution goes."""

from __future__ import annotations

import polars as pl

from learnlab.reports import marks
from learnlab.reports.marks import Figure

TIMES = {
    "the work itself": "spent in the pool",
    "added by capture": "what the caller waits beside the work, until the record is safe",
    "into the store": "from the end of the call to the drain",
}
"""The parts of an execution's time, in the order in which they pass, and what each is."""


def times(medians: pl.DataFrame, tails: pl.DataFrame) -> Figure:
    """Return how long each part of an execution takes: median and 95th percentile, on a log axis.

    The frames are `estimates.quantiles` of `live_sentences.times`, by `part`.
    """
    both = marks.two_quantiles(medians, tails, "part", "seconds")
    order = [f"{part}, {kind}" for part in TIMES for kind in ("median", "95th percentile")]
    chart = marks.dots(both, "figure", marks.SECONDS, "n", order=order)
    says = "Seconds that each part of an execution takes, median and 95th percentile, with 95 % intervals."
    subtitle = (
        "added by capture: what the caller waits beside the work · line: 95 % interval (order statistics)"
    )
    return marks.finished(chart, "Where the time of a captured execution goes", subtitle, says)
