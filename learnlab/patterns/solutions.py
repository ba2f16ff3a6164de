"""Solutions in their clusters: each pattern with its uses, verdicts, lift, verdict in words and trend."""

from __future__ import annotations

import numpy as np
import polars as pl

from learnlab.intervals import TOO_FEW
from learnlab.patterns.lift import discoveries, lifts, shrunk, wilson_bounds
from learnlab.patterns.material import LEAST_USES, OTHER
from learnlab.patterns.trends import trends

UNIVERSAL = 3
"""Repos in which a pattern was used to be universal; uses in no known repo count for none."""

WORKS, ANTI_PATTERN, TOO_FEW_TO_TELL = "works", "anti-pattern", "too few to tell"

_KEY = ("cluster", "solution")
_STRATUM = ("repo", "task_type")


def patterns(uses: pl.DataFrame) -> pl.DataFrame:
    """Return what each solution is worth in each cluster, a row a pattern of 5 uses or more, by cluster and solution.

    `uses` is `Material.uses` with the cluster of each text (-1 for none). A pattern is compared with the
    executions of the same repo and task type that name a solution and do not use this one in this cluster;
    those that name none may have used it, and where only successes name theirs nothing would be left to
    compare. The verdict is "works" or "anti-pattern" where the lift is believed at a false discovery rate of
    5 % over all patterns with 10 compared verdicts or more, and its 95 % interval then leaves 0 out. Success
    is an association: what else differs between executions within a repo and task type is not held equal.
    """
    named = uses.drop_nulls("solution")
    found = _counted(named)
    lifted = lifts(_strata(named, found))
    enough = pl.when(pl.col("n_compared") >= TOO_FEW).then("p_value")
    lifted = lifted.with_columns(
        p_value=enough,
        lift_shrunk=pl.Series(
            shrunk(*(lifted[name].to_numpy() for name in ("lift", "lift_low", "lift_high")))
        ),
    )
    told = found.join(lifted, on="pattern", how="left", maintain_order="left")
    told = told.with_columns(pl.col("n_compared").fill_null(0))
    believed = discoveries(told["p_value"].fill_null(np.nan).to_numpy())
    is_above = pl.col("lift") > 0
    told = told.with_columns(
        verdict=pl.when(~pl.Series(believed))
        .then(pl.lit(TOO_FEW_TO_TELL))
        .otherwise(pl.when(is_above).then(pl.lit(WORKS)).otherwise(pl.lit(ANTI_PATTERN)))
    )
    recent, before = (
        int(named.filter(is_recent)["n_uses"].sum()) for is_recent in ("is_recent", ~pl.col("is_recent"))
    )
    return trends(told, recent, before).sort(_KEY)


def _counted(named: pl.DataFrame) -> pl.DataFrame:
    """Return the uses, verdicts and times of each pattern, numbered by `pattern`."""
    used = named.filter(pl.col("cluster") >= 0, pl.col("solution") != OTHER)
    recent, before = pl.col("is_recent"), ~pl.col("is_recent")
    of_time = {
        f"{short}_{name}": pl.col(column).filter(when).sum()
        for name, when in (("recent", recent), ("before", before))
        for short, column in (("u", "n_uses"), ("n", "n_verdicts"), ("x", "n_successes"))
    }
    repos = pl.col("repo").unique().sort()
    found = (
        used.group_by(_KEY)
        .agg(
            pl.col("n_uses", "n_verdicts", "n_successes").sum(),
            repos=repos,
            task_types=pl.col("task_type").unique().sort(),
            n_repos=pl.col("repo").filter(pl.col("repo") != "unknown").n_unique(),
            first_seen_at=pl.col("first_seen_at").min(),
            last_seen_at=pl.col("last_seen_at").max(),
            **of_time,
        )
        .filter(pl.col("n_uses") >= LEAST_USES)
        .sort(_KEY)
        .with_row_index("pattern")
    )
    n, x = (found[name].cast(pl.Float64).to_numpy() for name in ("n_verdicts", "n_successes"))
    low, high = wilson_bounds(x / np.maximum(n, 1), np.maximum(n, 1))
    has_verdict = pl.col("n_verdicts") > 0
    return found.with_columns(
        success_rate=pl.when(has_verdict).then(pl.col("n_successes") / pl.col("n_verdicts")),
        success_rate_low=pl.when(has_verdict).then(pl.Series(low)),
        success_rate_high=pl.when(has_verdict).then(pl.Series(high)),
        is_universal=pl.col("n_repos") >= UNIVERSAL,
    )


def _strata(named: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Return the verdicts with and without each pattern in each repo and task type, as `lifts` takes them."""
    sums = (pl.col("n_verdicts").sum(), pl.col("n_successes").sum())
    whole = named.group_by(_STRATUM).agg(*sums)
    with_it = named.group_by(*_KEY, *_STRATUM).agg(*sums).join(found.select("pattern", *_KEY), on=_KEY)
    both = with_it.join(whole, on=_STRATUM, suffix="_whole")
    return both.select(
        "pattern",
        n_with="n_verdicts",
        x_with="n_successes",
        n_without=pl.col("n_verdicts_whole").cast(pl.Int64) - pl.col("n_verdicts"),
        x_without=pl.col("n_successes_whole").cast(pl.Int64) - pl.col("n_successes"),
    ).sort("pattern", "n_with", "x_with", "n_without", "x_without")
