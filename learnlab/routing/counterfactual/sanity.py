"""Whether logged propensities can be true: over many tries, each candidate's inverse propensities average 1."""

from __future__ import annotations

import numpy as np

from learnlab.intervals import Interval
from learnlab.routing.counterfactual.estimators import Log
from learnlab.routing.counterfactual.ratios import ratio


def inverse_means(log: Log, n_candidates: int) -> list[Interval]:
    """Return for each candidate the mean over all tries of 1/propensity where it was chosen, 0 elsewhere.

    If propensities are true and the candidate could be chosen on every task, it tends to 1: an interval that leaves 1
    out says that what was logged is not what was drawn from, or that the candidate was not always to be had.

    >>> log = Log(np.zeros(4), np.array([0, 1, 0, 1]), np.full(4, 0.5), np.arange(4))
    >>> [mean.estimate for mean in inverse_means(log, 2)]
    [1.0, 1.0]
    """
    ones = np.ones(len(log))
    return [
        ratio((log.chosen == place) / log.propensity, ones, log.group).interval()
        for place in range(n_candidates)
    ]
