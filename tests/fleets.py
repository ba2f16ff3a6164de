"""What the tests of the simulated fleet share: its seeds, its phases, and how far off chance may go."""

from __future__ import annotations

from statistics import NormalDist

import polars as pl

from learnlab.ingest.simulation.simulator import Fleet

SEEDS = (0, 1, 2, 3)


def z_limit(n_comparisons: int) -> float:
    """How many standard errors all of n comparisons stay within, with probability 99.99 %."""
    return NormalDist().inv_cdf(1 - 1e-4 / (2 * n_comparisons))


def with_phase(fleet: Fleet, frame: pl.DataFrame) -> pl.DataFrame:
    drift = pl.lit(fleet.truth.drift_at.replace(tzinfo=None), dtype=pl.Datetime("us"))
    after = pl.col("timestamp") >= drift
    return frame.with_columns(phase=pl.when(after).then(pl.lit("after")).otherwise(pl.lit("before")))
