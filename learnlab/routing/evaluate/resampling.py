"""Intervals of any figure, over tasks in groups and over several splits, paired because all figures share the draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from learnlab.errors import RoutingError
from learnlab.intervals import TOO_FEW, Counts, Interval, percentile, resampled
from learnlab.routing.tries import Floats, Ints

Statistic = Callable[[Counts], Floats]
"""Figures of judged tasks: from how often each task was drawn (resamples, tasks) to (resamples, figures)."""

RESAMPLES = 1_000
_AT_ONCE = 500_000


def means(*values: Floats) -> Statistic:
    """Return the statistic of the mean of each of some values a task (tasks,), over the tasks where it is known.

    >>> means(np.array([1.0, 3.0, np.nan]))(np.array([[1.0, 1.0, 1.0], [3.0, 1.0, 0.0]])).tolist()
    [[2.0], [1.5]]
    """
    table = np.column_stack(values).astype(np.float64)
    known = np.isfinite(table)
    filled = np.where(known, table, 0.0)

    def of(drawn: Counts) -> Floats:
        n = drawn @ known
        return np.asarray(np.divide(drawn @ filled, n, out=np.full(n.shape, np.nan), where=n > 0))

    return of


def gaps(statistic: Statistic, reference: Statistic) -> Statistic:
    """Return the statistic of the differences of two statistics' figures, the first less the reference."""
    return lambda drawn: np.asarray(statistic(drawn) - reference(drawn))


def together(*statistics: Statistic) -> Statistic:
    """Return the statistic of all figures of several statistics, in their order."""
    return lambda drawn: np.hstack([statistic(drawn) for statistic in statistics])


def estimates(
    splits: Sequence[tuple[Ints, Statistic]], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Interval]:
    """Return an interval (95 %) for each figure, averaged over splits: each is the groups of its judged tasks, and
    the statistic on them.

    Groups of tasks are drawn with replacement, the same in every split; and of several splits, splits are drawn too,
    so that the interval speaks of which tasks were judged and of which others were learned from (A. Owen, "The
    pigeonhole bootstrap", Annals of Applied Statistics 1 (2007), 386-411). Groups alone would be too narrow (C. Nadeau
    and Y. Bengio, "Inference for the generalization error", Machine Learning 52 (2003), 239-281): `make soak` tests how
    often either holds the truth. The folds of one cross-validation judge each task once: they are one
    split. n are the groups; the bounds are NaN where they cannot be told: one group, or a figure that is not defined in
    more than one resample in a hundred.

    Raises:
        RoutingError: when no task is judged.

    >>> mean, = estimates([(np.arange(20), means(np.ones(20))), (np.arange(10, 30), means(np.zeros(20)))])
    >>> mean
    Interval(estimate=0.5, low=0.0, high=1.0, n=30)
    """
    if not splits or not all(len(group) for group, _ in splits):
        raise RoutingError("a split judges no task: there is nothing to evaluate")
    names, own = np.unique(np.concatenate([group for group, _ in splits]), return_inverse=True)
    parts = np.split(own, np.cumsum([len(group) for group, _ in splits])[:-1])

    def averaged(groups: Counts, of_splits: Counts) -> Floats:
        figures = np.stack([of(groups[:, part]) for part, (_, of) in zip(parts, splits, strict=True)], axis=2)
        weight = of_splits[:, None, :]
        return np.asarray(np.where(weight > 0, weight * figures, 0.0).sum(axis=2) / len(splits))

    best = averaged(np.ones((1, len(names))), np.ones((1, len(splits))))[0]
    rng = np.random.default_rng(seed)
    at_once = max(1, min(resamples, _AT_ONCE // len(own)))
    drawn = []
    for done in range(0, resamples if len(names) > 1 else 0, at_once):
        n = min(at_once, resamples - done)
        drawn.append(averaged(resampled(len(names), n, rng), resampled(len(splits), n, rng)))
    figures = np.concatenate(drawn).T if drawn else np.full((len(best), 1), np.nan)
    return [
        percentile(estimate, figure, len(names)) or Interval(float(estimate), np.nan, np.nan, len(names))
        for estimate, figure in zip(best, figures, strict=True)
    ]


def verdict(gain: Interval) -> str:
    """Return in words what the interval of a difference says, more being better.

    >>> verdict(Interval(0.2, 0.1, 0.3, 50)), verdict(Interval(0.2, -0.1, 0.3, 50)), verdict(Interval(0.2, 0.1, 0.3, 4))
    ('better', 'too close to tell', 'too few to tell')
    """
    if gain.n < TOO_FEW:
        return "too few to tell"
    if not np.isfinite(gain.low):
        return "cannot be told"
    return "better" if gain.low > 0 else "worse" if gain.high < 0 else "too close to tell"
