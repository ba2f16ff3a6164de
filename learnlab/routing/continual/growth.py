"""What it takes to take in new tasks as a store grows: learning everything anew, or the new tasks alone by EWC++."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from learnlab.routing.continual.learning import PLAIN, Training, learn
from learnlab.routing.continual.memory import EWC_PLUS, JOINT, Way
from learnlab.routing.continual.stream import Domain, Rows

SIZES = (1_000, 3_000, 10_000, 30_000)
"""How many tasks a store is taken to hold when learning from it is timed."""

REPEATS = 2


def timed(
    found: list[tuple[str, Rows]],
    sizes: Sequence[int] = SIZES,
    training: Training = PLAIN,
    seed: int = 0,
) -> pl.DataFrame:
    """Return how long learning takes on this machine when a domain comes to a store of so many tasks.

    Grain: method (joint retraining, EWC++), n_tasks in the store with the new domain. Columns: those, n_new (tasks of
    the new domain: the median domain's, at most the store's), seconds (wall clock, the mean of `REPEATS`), low,
    high (the quickest and the slowest of them), n_repeats. Tasks are drawn from the domains again and again until
    there are as many: how long it takes depends on their number alone.
    """
    every = sum((rows for _, rows in found[1:]), found[0][1])
    n_domain = int(np.median([len(rows) for _, rows in found]))
    rng, few, rows = np.random.default_rng([seed, 6]), every.take(np.arange(1)), []
    for size in sizes:
        n_new = min(n_domain, size)
        for method, n in ((JOINT, size), (EWC_PLUS, n_new)):
            first, drawn = (
                Domain("drawn", every.take(rng.integers(0, len(every), count)), few) for count in (1, n)
            )
            stream = [first, drawn]
            seconds = [learn(stream, Way(method), seed, training).seconds[1] for _ in range(REPEATS)]
            rows.append((method, size, n_new, float(np.mean(seconds)), min(seconds), max(seconds), REPEATS))
    names = ["method", "n_tasks", "n_new", "seconds", "seconds_low", "seconds_high", "n_repeats"]
    return pl.DataFrame(rows, schema=names, orient="row")
