"""How firmly EWC and EWC++ hold: chosen on tasks that are set apart for it and never judged by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import polars as pl

from learnlab.routing.continual.comparing import matrices
from learnlab.routing.continual.learning import PLAIN, Training, learn
from learnlab.routing.continual.memory import EWC, EWC_PLUS, Way
from learnlab.routing.continual.scores import log_score
from learnlab.routing.continual.stream import Rows, split
from learnlab.routing.continual.transfer import average, backward

STRENGTHS = (30.0, 100.0, 300.0, 1000.0)
"""What λ is chosen from."""

DECAYS = (0.9, 0.99)
"""What the decay of EWC++'s running average is chosen from."""

SET_APART = 0.25
"""The share of the groups of tasks that is set apart to choose by."""

Found = list[tuple[str, Rows]]


def apart(found: Found, seed: int = 0) -> tuple[Found, Found]:
    """Return the domains in two parts with no group in common: to choose settings by, and to judge by."""
    groups = np.unique(np.concatenate([rows.group for _, rows in found]))
    mine = groups[np.random.default_rng([seed, 4]).random(len(groups)) < SET_APART]
    flags = [(name, rows, np.isin(rows.group, mine)) for name, rows in found]
    return [(n, r.take(f)) for n, r, f in flags], [(n, r.take(~f)) for n, r, f in flags]


def choose(
    found: Found, seeds: Sequence[int], training: Training = PLAIN
) -> tuple[dict[str, Way], pl.DataFrame]:
    """Return EWC and EWC++ as they do best on the average log score at the end of the stream, and all that was tried.

    Grain of the frame: method, strength, decay. Columns: those, average, backward (log score), is_chosen, n_runs.
    Not by backward transfer: a network that is held so firmly that it learns nothing forgets nothing.
    """
    ways = [Way(EWC, strength) for strength in STRENGTHS]
    ways += [Way(EWC_PLUS, strength, decay) for strength, decay in product(STRENGTHS, DECAYS)]
    rows = []
    for way in ways:
        figures = []
        for seed in seeds:
            order = np.random.default_rng([seed, 5]).permutation(len(found))
            learned = learn(split([found[place] for place in order], seed), way, seed, training)
            matrix = matrices(learned, log_score)[0]
            figures.append((float(average(matrix)), float(backward(matrix))))
        means = np.mean(figures, axis=0)
        rows.append((way.method, way.strength, way.decay, *means, len(figures)))
    tried = pl.DataFrame(
        rows, schema=["method", "strength", "decay", "average", "backward", "n_runs"], orient="row"
    )
    best = {
        method: max(
            (row for row in zip(rows, ways, strict=True) if row[0][0] == method), key=lambda r: r[0][3]
        )[1]
        for method in (EWC, EWC_PLUS)
    }
    is_chosen = [way in best.values() for way in ways]
    return best, tried.with_columns(pl.Series("is_chosen", is_chosen))
