"""What a network learns from, made of tries and what was told of their tasks."""

from __future__ import annotations

import numpy as np

from learnlab.routing.shrinkage import tally
from learnlab.routing.sona.past import LEAST_COST, Told
from learnlab.routing.sona.training import Lesson
from learnlab.routing.tries import Floats, Tries


def lesson_of(tries: Tries, told: Told) -> Lesson:
    """Return the lesson that tries give, a row a task: mean quality, and the logarithm of the mean cost.

    Where nothing was told of a candidate there is nothing to correct, and its tries teach nothing.
    """
    quality, cost = tries.matrix()
    n_quality = counts(tries, tries.quality) * np.isfinite(told.quality.mean)
    n_cost = counts(tries, np.where(tries.cost > 0, tries.cost, np.nan)) * (told.cost.mean > 0)
    log_cost = np.log(np.maximum(np.nan_to_num(cost), LEAST_COST))
    looked_up = np.log(np.maximum(np.nan_to_num(told.cost.mean, nan=1.0), LEAST_COST))
    apart = (log_cost - looked_up)[n_cost > 0]
    spread = float(np.clip(apart.std(), 0.1, 5.0)) if len(apart) > 1 else 1.0
    return Lesson(
        told.inputs,
        np.nan_to_num(quality).astype(np.float32),
        n_quality.astype(np.float32),
        log_cost.astype(np.float32),
        n_cost.astype(np.float32),
        spread,
    )


def counts(tries: Tries, figure: Floats) -> Floats:
    """Return how many tries of each candidate on each task have a known figure: (tasks, candidates)."""
    return tally(tries.task, tries.candidate, figure, (len(tries.tasks), len(tries.candidates))).n
