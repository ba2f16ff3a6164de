"""What was mined, made ready for a page: mined or read, the patterns to show, and the clusters on a plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.errors import SearchError
from learnlab.patterns import Mined, mine_patterns, mined_patterns
from learnlab.patterns.solutions import ANTI_PATTERN, TOO_FEW_TO_TELL, WORKS
from learnlab.reports.publish import stop
from learnlab.reports.search_estimates import Map, plane
from learnlab.reports.tables import shortened

VERDICTS = (WORKS, ANTI_PATTERN, TOO_FEW_TO_TELL)
"""What a page says of a pattern."""

HOLDS = ("works", "anti-pattern", "both", "neither")
"""What patterns a cluster holds that can be told."""


def patterns(db: str | Path = "", *, seed: int = 0, anew: bool = True) -> Mined:
    """Return what mining a store finds, or what the last mining kept of it.

    Where nothing can be mined, the notebook stops with the reason.

    Raises:
        StoreError: when there is no such store, or it cannot be written.
    """
    try:
        found = mine_patterns(db, seed=seed) if anew else mined_patterns(db)
    except SearchError as error:
        stop(f"No patterns here: {error}")
    if found.note:
        stop(f"No patterns here: {found.note}.")
    if found.clusters.is_empty():
        stop("No patterns here: no tasks are alike enough to be a cluster.")
    return found


def strongest(found: pl.DataFrame, n: int = 10) -> pl.DataFrame:
    """Return the patterns that a figure shows: of each verdict at most `n`, those of which most can be said.

    Those that work come first, by the lower end of their lift; then those of which too little is known, the most
    judged first; then anti-patterns, the least bad first. `row` names each: the solution, cut where it is long, then
    the cluster.
    """
    known = found.drop_nulls("lift")
    works = known.filter(verdict=WORKS).sort("lift_low", "pattern_id", descending=[True, False]).head(n)
    worst = known.filter(verdict=ANTI_PATTERN).sort("lift_high", "pattern_id").head(n)
    unknown = known.filter(verdict=TOO_FEW_TO_TELL)
    unknown = unknown.sort("n_compared", "pattern_id", descending=[True, False]).head(n)
    rows = pl.concat([works, unknown.sort("lift", "pattern_id", descending=[True, False]), worst.reverse()])
    short = pl.Series([shortened(text) for text in rows["solution_summary"]], dtype=pl.String)
    named = pl.format("{} · {}", short, pl.col("task_context").fill_null("?"))
    again = pl.int_range(pl.len()).over(named)
    label = pl.when(again > 0).then(pl.format("{} ({})", named, again + 1)).otherwise(named)
    return rows.with_columns(row=label)


def _apart(places: NDArray[np.float64]) -> list[bool]:
    """Return which points may bear a name: of those so near that names would run together, the first alone."""
    span = np.ptp(places, axis=0) if len(places) else np.ones(2)
    shares = places / np.where(span > 0, span, 1.0)
    named: list[int] = []
    for i, (x, y) in enumerate(shares):
        if not any(abs(x - shares[j][0]) < 0.3 and abs(y - shares[j][1]) < 0.06 for j in named):
            named.append(i)
    return [i in named for i in range(len(places))]


def clusters_on_a_plane(found: Mined) -> Map:
    """Return the map of clusters: two principal components of their centres, a row a cluster.

    Columns: x, y, name, terms, n_texts, n_executions, repos, and `holds` (whether a pattern in it works, is an
    anti-pattern, both or neither), `is_named` (false where a larger one is so near that names would run together).
    """
    told = found.patterns.group_by("cluster_id").agg(
        works=(pl.col("verdict") == WORKS).any(), fails=(pl.col("verdict") == ANTI_PATTERN).any()
    )
    rows = found.clusters.join(told, on="cluster_id", how="left", maintain_order="left")
    works, fails = pl.col("works").fill_null(False), pl.col("fails").fill_null(False)
    holds = (
        pl.when(works & fails)
        .then(pl.lit("both"))
        .when(works)
        .then(pl.lit("works"))
        .when(fails)
        .then(pl.lit("anti-pattern"))
        .otherwise(pl.lit("neither"))
    )
    places, shares = plane(np.asarray(rows["embedding"].to_list(), dtype=np.float64))
    points = rows.select(
        pl.Series("x", places[:, 0]),
        pl.Series("y", places[:, 1]),
        pl.col("name").fill_null("?"),
        pl.col("terms").list.head(8).list.join(", "),
        "n_texts",
        "n_executions",
        pl.col("repos").list.join(", "),
        holds=holds,
        is_named=pl.Series(_apart(places), dtype=pl.Boolean),
    )
    return Map(points, shares)
