"""How well probabilities of success foretold what came: the log score and the area under the ROC curve, with weights.

Both take `chances` and `quality` (tasks, candidates; NaN: not known) and `weights` (resamples, tasks), and give a
figure a resample, the higher the better; NaN where a resample holds nothing to score. A quality between 0 and 1
counts as so much of a success and the rest of a failure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from learnlab.routing.tries import Floats

LEAST_CHANCE = 1e-6
"""What a probability is held from 0 and 1 by before its logarithm is taken."""


def log_score(chances: Floats, quality: Floats, weights: Floats) -> Floats:
    """Return the mean logarithm of the probability given to what came, in nats a verdict: 0 at best.

    Source: I. J. Good, "Rational decisions", Journal of the Royal Statistical Society B 14 (1952), 107-114.

    >>> log_score(np.array([[0.5], [0.5]]), np.array([[1.0], [0.0]]), np.ones((1, 2))).round(4)
    array([-0.6931])
    """
    p = np.clip(chances, LEAST_CHANCE, 1 - LEAST_CHANCE)
    known = np.isfinite(quality)
    told = np.where(known, quality * np.log(p) + (1 - quality) * np.log1p(-p), 0.0).sum(axis=1)
    return _ratio(weights @ told, weights @ known.sum(axis=1))


def auc(chances: Floats, quality: Floats, weights: Floats) -> Floats:
    """Return the probability that a success was given a higher chance than a failure of the same candidate.

    Ties count half; the candidates' areas are averaged by their verdicts, so that knowing which candidate is the
    better one says nothing. Source: J. A. Hanley and B. J. McNeil, Radiology 143 (1982), 29-36.

    >>> auc(np.array([[0.9], [0.2], [0.9]]), np.array([[1.0], [0.0], [0.0]]), np.ones((1, 3)))
    array([0.75])
    """
    area, verdicts = np.zeros(len(weights)), np.zeros(len(weights))
    for p, y in zip(chances.T, quality.T, strict=True):
        known = np.flatnonzero(np.isfinite(y))
        order = known[np.argsort(p[known], kind="stable")]
        if not len(order):
            continue
        begins = np.flatnonzero(np.diff(p[order], prepend=-1.0))
        won, lost = (
            np.add.reduceat(weights[:, order] * share, begins, axis=1) for share in (y[order], 1 - y[order])
        )
        below = np.cumsum(lost, axis=1) - lost / 2
        n = (won + lost).sum(axis=1)
        found = _ratio((won * below).sum(axis=1), won.sum(axis=1) * lost.sum(axis=1))
        area += np.where(np.isfinite(found), found * n, 0.0)
        verdicts += np.where(np.isfinite(found), n, 0.0)
    return _ratio(area, verdicts)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


Score = Callable[[Floats, Floats, Floats], Floats]
"""A way to score probabilities."""
