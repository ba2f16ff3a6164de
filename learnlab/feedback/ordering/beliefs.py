"""What is believed of each kind of task: its success rate, drawn towards that of its coarser kind, and how surely."""

from __future__ import annotations

import polars as pl

from learnlab.intervals import TOO_FEW

LEVELS = ((), ("task_type",), ("task_type", "model_tier"), ("task_type", "model_tier", "repo"))
"""The kinds of tasks, coarse to fine: all, by type, by tier within it, by repo within that."""

WEIGHT = float(TOO_FEW)
"""Verdicts that the coarser kind's rate is worth: with fewer of its own a kind is told by the coarser one."""


def beliefs(cells: pl.DataFrame) -> pl.DataFrame:
    """Return the cells (`queries/verdict_cells`) with the expected success `rate` and the verdicts behind it, `weight`.

    The success rate of a cell is believed to follow Beta(rate × weight, (1 − rate) × weight): its own verdicts, and
    `WEIGHT` more that went as those of the coarser kind did; nothing known is Beta(1, 1).
    Source: A. Gelman et al., "Bayesian Data Analysis" (2013), section 2.4, once a level.

    >>> kinds = {"task_type": ["docs"], "model_tier": ["small"], "repo": ["shop"]}
    >>> beliefs(pl.DataFrame(kinds | {"n_executions": 9, "n_verdicts": 0, "n_successes": 0}))["rate"].item()
    0.5
    """
    known = cells.with_columns(rate=pl.lit(0.5), weight=pl.lit(0.0))
    for level, by in enumerate(LEVELS):
        n, s = (pl.col(name).sum() for name in ("n_verdicts", "n_successes"))
        if by:
            n, s = n.over(by), s.over(by)
        prior = WEIGHT if level else 2.0
        known = known.with_columns(rate=(s + prior * pl.col("rate")) / (n + prior), weight=n + prior)
    return known


def gain(nth: pl.Expr) -> pl.Expr:
    """Return what the nth further label of a cell is expected to take from the squared error of all its executions.

    The variance of Beta(a, b) is p(1 − p) / (m + 1) with p = a / m and m = a + b; one more verdict takes the share
    1 / (m + 1) of it away on average. So it matters how even the odds are, how few verdicts there are, and how many
    executions the estimate is for; the labels that come before it in the queue are counted in.
    """
    odds = pl.col("rate") * (1 - pl.col("rate"))
    return pl.col("n_executions") * odds / (pl.col("weight") + nth) ** 2
