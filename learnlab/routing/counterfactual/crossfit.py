"""What a model expects of every candidate on each logged task, having learned from other groups of tasks alone."""

from __future__ import annotations

import numpy as np

from learnlab.routing.router import Router
from learnlab.routing.tries import Floats, Ints, Tries

FOLDS = 5


def folds(group: Ints, n: int = FOLDS, seed: int = 0) -> Ints:
    """Return a fold (0 to n − 1) for each row, the same for all rows of a group; folds hold about as many groups.

    >>> folds(np.array([7, 7, 9, 9]), 2).tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])
    True
    """
    numbers, place = np.unique(group, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(numbers))
    return np.asarray(order[place] % n, dtype=np.int64)


def expected(tries: Tries, model: Router, *, n_folds: int = FOLDS, seed: int = 0) -> tuple[Floats, Floats]:
    """Return the quality and the cost that a model expects on the task of each try: (tries, candidates).

    The model is fitted once a fold on the tries of the other folds: cross-fitting, so that no try says what is
    expected of it. What the model does not know is the mean of what is known of the candidate, or of all.
    Source: V. Chernozhukov et al., "Double/debiased machine learning for treatment and structural parameters",
    The Econometrics Journal 21 (2018), C1-C68.
    """
    fold = folds(tries.tasks.group, n_folds, seed)
    shape = len(tries.tasks), len(tries.candidates)
    quality, cost = np.full(shape, np.nan), np.full(shape, np.nan)
    of_try = fold[tries.task]
    for at in np.unique(of_try):
        others, own = tries.take(of_try != at), np.flatnonzero(fold == at)
        if not len(others):
            continue
        found = model.fit(others).expect(tries.tasks.take(own))
        quality[own], cost[own] = found.quality, found.cost
    return (
        _filled(quality[tries.task], tries, tries.quality),
        _filled(cost[tries.task], tries, tries.cost),
    )


def _filled(figures: Floats, tries: Tries, seen: Floats) -> Floats:
    """Return figures without gaps: the candidate's mean stands where nothing is expected, else the mean of all."""
    if np.isfinite(figures).all():
        return figures
    known = np.isfinite(seen)
    overall = float(seen[known].mean()) if known.any() else 0.0
    k = figures.shape[1]
    counts = np.bincount(tries.candidate[known], minlength=k)
    sums = np.bincount(tries.candidate[known], seen[known], minlength=k)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    return np.where(np.isfinite(figures), figures, means)
