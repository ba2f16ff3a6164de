"""How SONA chooses its own size: each method learns from a part of the tries and is judged by the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learnlab.routing.sona.calibration import Calibration
from learnlab.routing.sona.lessons import lesson_of
from learnlab.routing.sona.network import Shape, Singles, outputs
from learnlab.routing.sona.past import Past, folds
from learnlab.routing.sona.surface import Surface
from learnlab.routing.sona.training import Lesson, Method, train

METHODS = (
    Method(n_hidden=0, epochs=0),
    Method(n_hidden=0, weight_decay=1.0),
    Method(n_hidden=0, weight_decay=0.1),
    Method(n_hidden=32, weight_decay=1.0),
    Method(n_hidden=32, weight_decay=0.3),
)
"""What is tried: to correct nothing, a regression, a network; the simplest first."""

DIRECTIONS = 32
"""Directions of the text that a method may use besides the nearest texts, where there are texts."""

FOLDS, MOST_TASKS = 3, 8_000
"""Parts that take turns in being judged, and tasks (the newest) that methods are tried on."""


@dataclass(frozen=True)
class Tuned:
    """A method as it was tried: its mean loss a try on tasks not learned from, and the calibration they ask for."""

    method: Method
    loss: float
    calibration: Calibration


def tuned(past: Past, seed: int) -> tuple[Tuned, ...]:
    """Return the methods as they were tried, the best first; among equals the simplest.

    The loss is that of `training.train`. Folds keep groups together; whatever a fold is told of itself comes from
    others.
    """
    tries = past.tries
    newest = np.unique(tries.task[::-1], return_index=True)
    rows = np.sort(newest[0][np.argsort(newest[1])][:MOST_TASKS])
    has_texts = bool(tries.tasks.vectors.any())
    found = []
    for n_directions in (0, DIRECTIONS) if has_texts else (0,):
        surface = Surface.of(tries.tasks, n_directions)
        told = past.tell_its_own(surface)
        lesson = lesson_of(tries, told).take(rows)
        fold = folds(tries.tasks.group, FOLDS, seed + 1)[rows]
        found += [
            _tried(lesson, fold, method.with_directions(n_directions), seed)
            for method in METHODS
            if method.epochs or not n_directions
        ]
    return tuple(sorted(found, key=lambda one: round(one.loss, 6)))


def _tried(lesson: Lesson, fold: np.ndarray, method: Method, seed: int) -> Tuned:
    k = lesson.quality.shape[1]
    shape = Shape(lesson.inputs.shape[1] - 2 * k, k, method.n_hidden)
    said = np.zeros((len(fold), 2 * k), dtype=np.float32)
    for one in range(FOLDS):
        learned, judged = np.flatnonzero(fold != one), np.flatnonzero(fold == one)
        weights = train(lesson.take(learned), shape, method, seed)
        said[judged] = outputs(weights, lesson.inputs[judged])
    calibration = Calibration.fitted(
        said[:, :k].astype(float), lesson.quality.astype(float), lesson.n_quality.astype(float)
    )
    return Tuned(method, _loss(lesson, said), calibration)


def _loss(lesson: Lesson, said: Singles) -> float:
    k = lesson.quality.shape[1]
    odds = said[:, :k].astype(np.float64)
    entropy = (np.logaddexp(0, odds) - lesson.quality * odds) * lesson.n_quality
    apart = ((said[:, k:] - lesson.log_cost) / lesson.cost_spread) ** 2 / 2 * lesson.n_cost
    return float((entropy.sum() + apart.sum()) / max(1.0, float(lesson.n_quality.sum())))
