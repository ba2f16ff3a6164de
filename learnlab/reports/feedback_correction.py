"""What people would say if all had answered, as far as that can be told: ratings weighted by whose they stand for.

Who is asked about a failure answers more often than who is asked about a success, so the plain mean of the answers
speaks of failures more than of tasks. What is known of every task is its tier, its type and, of most, how it went.
Within one tier, outcome and type (a stratum) the answers are taken to be like those that nobody gave; that is an
assumption, and no figure here can test it. Each stratum's mean then counts as much as it has tasks.

Source: D. Holt and T. M. F. Smith, "Post Stratification", Journal of the Royal Statistical Society A 142 (1979), 33-46;
small strata are collapsed as in W. G. Cochran, "Sampling Techniques" (1977), section 5A.9.
"""

from __future__ import annotations

import polars as pl

from learnlab.intervals import Z_95

LEAST = 5
"""Answers that a stratum has at the least."""

MOST_LEFT_OUT = 0.1
"""Share of a tier's tasks with a known outcome that may be in strata with too few answers; beyond it nothing is told."""

KINDS = ("as answered", "corrected")
"""The two figures of each tier."""

_COUNTS = ("n_executions", "n", "total", "squares")


def corrected(strata: pl.DataFrame, low: float, high: float) -> pl.DataFrame:
    """Return the mean answer of each tier, plain and corrected for who answers, with 95 % intervals.

    `strata` has a row a model_tier, outcome and task_type: n_executions, n (tasks with an answer), and total and
    squares, the sums of the answers and of their squares. `low` and `high` are the least and most an answer can be.
    Task types of a tier and outcome with fewer than `LEAST` answers are taken together. Answers are taken as
    independent: where a few people give most of them the intervals are too narrow.

    Columns: model_tier, kind (of `KINDS`), n (answers it is made of), n_executions, n_known (with a known outcome),
    n_covered (in a stratum with enough answers), mean and its bounds (null where it cannot be told), reason (why not,
    else null).
    """
    every = strata.group_by("model_tier").agg(pl.col(_COUNTS).sum())
    known = strata.filter(pl.col("outcome") != "unknown")
    sizes = known.group_by("model_tier").agg(n_known=pl.col("n_executions").sum())
    tiers = every.join(sizes, on="model_tier", how="left").with_columns(pl.col("n_known").fill_null(0))
    enough = _collapsed(known, low, high).filter(pl.col("n") >= LEAST)
    covered = enough.group_by("model_tier").agg(
        n_covered=pl.col("n_executions").sum(), n_used=pl.col("n").sum()
    )
    tiers = tiers.join(covered, on="model_tier", how="left").join(
        _missing(known), on="model_tier", how="left"
    )
    tiers = tiers.with_columns(pl.col("n_covered", "n_used").fill_null(0))
    figures = {
        KINDS[0]: tiers.with_columns(**_plain()),
        KINDS[1]: tiers.join(_weighted(enough), on="model_tier", how="left"),
    }
    reasons = _reasons()
    rows = []
    for kind, frame in figures.items():
        reason = reasons[kind]
        told = pl.when(reason.is_null())
        reach = Z_95 * pl.col("error")
        rows.append(
            frame.select(
                "model_tier",
                pl.lit(kind).alias("kind"),
                pl.col("n" if kind == KINDS[0] else "n_used").alias("n"),
                "n_executions",
                "n_known",
                "n_covered",
                mean=told.then("centre"),
                mean_low=told.then((pl.col("centre") - reach).clip(low, high)),
                mean_high=told.then((pl.col("centre") + reach).clip(low, high)),
                reason=reason,
            )
        )
    return pl.concat(rows).sort("model_tier", "kind")


def _plain() -> dict[str, pl.Expr]:
    n, mean = pl.col("n"), pl.col("total") / pl.col("n")
    spread = ((pl.col("squares") - n * mean**2) / (n - 1)).clip(0)
    return {"centre": mean, "error": (spread / n).sqrt()}


def _collapsed(known: pl.DataFrame, low: float, high: float) -> pl.DataFrame:
    """Return the strata with `spread`, the variance of answers in their tier and outcome, so few that each has enough.

    Types with too few answers are taken together; where these are too few as well, all types of the tier and outcome.
    For the spread one answer at either end is added: a few that are alike are no proof that all are. After A. Agresti
    and B. A. Coull, "Approximate is Better than Exact", The American Statistician 52 (1998), 119-126.
    """
    cell = ("model_tier", "outcome")
    few = pl.col("n") < LEAST
    rest = pl.col("n").filter(few).sum().over(cell)
    kind = pl.when(~few & ((rest >= LEAST) | (few.sum().over(cell) == 0))).then("task_type")
    n, total, squares = (pl.col(name).sum().over(cell) for name in ("n", "total", "squares"))
    centre = (total + low + high) / (n + 2)
    spread = (squares + low**2 + high**2) / (n + 2) - centre**2
    grouped = known.with_columns(kind=kind, spread=spread).group_by(*cell, "kind")
    return grouped.agg(pl.col(_COUNTS).sum(), pl.col("spread").first())


def _missing(known: pl.DataFrame) -> pl.DataFrame:
    """Return which outcomes of each tier have too few answers, in words."""
    outcomes = known.group_by("model_tier", "outcome").agg(pl.col("n").sum()).filter(pl.col("n") < LEAST)
    return outcomes.group_by("model_tier").agg(missing=pl.col("outcome").sort().str.join(" or "))


def _weighted(enough: pl.DataFrame) -> pl.DataFrame:
    """Return each tier's mean over strata, each counting as much as it has tasks, with its standard error."""
    share = pl.col("n_executions") / pl.col("n_executions").sum().over("model_tier")
    shares = enough.with_columns(share=share, own=pl.col("total") / pl.col("n"))
    return shares.group_by("model_tier").agg(
        centre=(pl.col("share") * pl.col("own")).sum(),
        error=(pl.col("share") ** 2 * pl.col("spread") / pl.col("n")).sum().sqrt(),
    )


def _reasons() -> dict[str, pl.Expr]:
    few = pl.when(pl.col("n") < LEAST).then(pl.lit("there are too few answers"))
    unknown = pl.when(pl.col("n_known") == 0).then(pl.lit("of no task it is known how it went"))
    left_out = pl.col("n_known") - pl.col("n_covered")
    sparse = pl.when(left_out > MOST_LEFT_OUT * pl.col("n_known")).then(
        pl.format("of the {} tasks that {} fewer than {} were answered", left_out, "missing", pl.lit(LEAST))
    )
    return {KINDS[0]: few, KINDS[1]: pl.coalesce(few, unknown, sparse)}
