"""How SONA chooses its own size: each method learns from a part of the tries and is judged by the rest."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from learnlab.routing.sona.lessons import lesson_of
from learnlab.routing.sona.network import Shape, Singles, outputs
from learnlab.routing.sona.past import Past, folds
from learnlab.routing.sona.platt import Platt
from learnlab.routing.sona.surface import Surface
from learnlab.routing.sona.training import Lesson, Method, train
from learnlab.routing.tries import Floats

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

FOLDS, MOST_TASKS = 3, 5_000
"""Parts that take turns in being judged, and tasks (the newest) that methods are tried on."""


@dataclass(frozen=True)
class Tuned:
    """A method as it was tried: its mean loss a try on tasks not learned from, and the calibration they ask for."""

    method: Method
    loss: float
    calibration: Platt
    losses: Floats = field(repr=False, compare=False)
    """The loss of each task, all its tries together."""


def tuned(past: Past, seed: int) -> tuple[Tuned, ...]:
    """Return the methods as they were tried: first the chosen one, then the others by their loss.

    Chosen is the simplest whose loss is not above the least by more than one standard error of their difference
    (L. Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3). The loss is that of
    `training.train`. Folds keep groups together; whatever a fold is told of itself comes from others.
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
    best = min(found, key=lambda one: one.loss)
    chosen = next(one for one in found if one.loss - best.loss <= _error(one.losses - best.losses, lesson))
    return chosen, *sorted((one for one in found if one is not chosen), key=lambda one: one.loss)


def _error(apart: Floats, lesson: Lesson) -> float:
    """Return the standard error of the mean loss a try, from how far the tasks' losses lie apart."""
    if not len(apart):
        return 0.0
    n = max(1.0, float(lesson.n_quality.sum()))
    return float(apart.std() * np.sqrt(len(apart)) / n)


def _tried(lesson: Lesson, fold: np.ndarray, method: Method, seed: int) -> Tuned:
    k = lesson.quality.shape[1]
    shape = Shape(lesson.inputs.shape[1] - 2 * k, k, method.n_hidden)
    said = np.zeros((len(fold), 2 * k), dtype=np.float32)
    for one in range(FOLDS):
        learned, judged = np.flatnonzero(fold != one), np.flatnonzero(fold == one)
        weights = train(lesson.take(learned), shape, method, seed)
        said[judged] = outputs(weights, lesson.inputs[judged])
    calibration = Platt.fitted(
        said[:, :k].astype(float), lesson.quality.astype(float), lesson.n_quality.astype(float)
    )
    losses = _losses(lesson, said)
    n = max(1.0, float(lesson.n_quality.sum()))
    return Tuned(method, float(losses.sum() / n), calibration, losses)


def _losses(lesson: Lesson, said: Singles) -> Floats:
    """Return the loss of each task: cross-entropy of quality, and half the squared error of log cost in its spread."""
    k = lesson.quality.shape[1]
    odds = said[:, :k].astype(np.float64)
    entropy = (np.logaddexp(0, odds) - lesson.quality * odds) * lesson.n_quality
    apart = ((said[:, k:] - lesson.log_cost) / lesson.cost_spread) ** 2 / 2 * lesson.n_cost
    return np.asarray(entropy.sum(axis=1) + apart.sum(axis=1), dtype=np.float64)
