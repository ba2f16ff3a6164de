"""What a matrix of forgetting says: how good a network is in the end, what it lost, and what it knew beforehand.

A matrix R is (…, domains + 1, domains): row i is how well each domain is foretold after learning i of them, in
their order; row 0 is the network before it learned anything. Sources: D. Lopez-Paz and M. Ranzato, "Gradient
Episodic Memory for Continual Learning", NeurIPS 2017 (average, backward and forward transfer); A. Chaudhry et al.,
"Riemannian Walk for Incremental Learning", ECCV 2018 (forgetting).
"""

from __future__ import annotations

import numpy as np

from learnlab.routing.tries import Floats


def average(matrix: Floats) -> Floats:
    """Return how well all domains are foretold once the last one is learned: the mean of the last row.

    >>> float(average(np.array([[0.5, 0.5], [0.8, 0.6], [0.7, 0.9]])))
    0.8
    """
    return np.asarray(matrix[..., -1, :].mean(axis=-1))


def when_learned(matrix: Floats) -> Floats:
    """Return how well each domain is foretold just after it was learned, a mean: the diagonal.

    >>> float(when_learned(np.array([[0.5, 0.5], [0.75, 0.6], [0.7, 1.0]])))
    0.875
    """
    return np.asarray(_diagonal(matrix).mean(axis=-1))


def backward(matrix: Floats) -> Floats:
    """Return the backward transfer: how much better the earlier domains are foretold at the end than when learned.

    Below 0 something was forgotten.

    >>> float(backward(np.array([[0.5, 0.5], [0.75, 0.6], [0.5, 0.9]])))
    -0.25
    """
    return np.asarray((matrix[..., -1, :-1] - _diagonal(matrix)[..., :-1]).mean(axis=-1))


def forward(matrix: Floats) -> Floats:
    """Return the forward transfer: how much better a domain is foretold before it is learned than by no learning.

    >>> float(forward(np.array([[0.5, 0.5], [0.75, 0.625], [0.5, 0.9]])))
    0.125
    """
    before = np.diagonal(matrix[..., 1:-1, 1:], axis1=-2, axis2=-1)
    return np.asarray((before - matrix[..., 0, 1:]).mean(axis=-1))


def forgetting(matrix: Floats) -> Floats:
    """Return how far the earlier domains are at the end below the best they ever were since learning began, a mean.

    >>> float(forgetting(np.array([[0.5, 0.5], [0.75, 0.6], [0.5, 0.9]])))
    0.25
    """
    best = matrix[..., 1:-1, :-1].max(axis=-2)
    return np.asarray((best - matrix[..., -1, :-1]).mean(axis=-1))


def _diagonal(matrix: Floats) -> Floats:
    return np.diagonal(matrix[..., 1:, :], axis1=-2, axis2=-1)


FIGURES = {
    "average": average,
    "backward transfer": backward,
    "forgetting": forgetting,
    "when learned": when_learned,
    "forward transfer": forward,
}
"""The figures of a matrix, by the names of tables and charts."""
