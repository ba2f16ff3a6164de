"""What a router expects, seen through the candidates that there are to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from learnlab.events import Candidate
from learnlab.routing.router import Expected, Fitted
from learnlab.routing.tries import Floats, Tasks, Tries

Identity = tuple[str | None, str | None, str | None]
"""Model, tier and pool of a candidate: what makes it another than the others."""


def identity(candidate: Candidate) -> Identity:
    """Return what makes a candidate another than the others, whatever its propensity.

    >>> identity(Candidate(tier="small", propensity=0.5))
    (None, 'small', None)
    """
    return candidate.model, candidate.tier and candidate.tier.value, candidate.pool


def expectations(fitted: Fitted, tasks: Tasks, candidates: Sequence[Candidate]) -> Expected:
    """Return what a router expects of these candidates, in their order; NaN for those that it does not know."""
    return narrowed(fitted.expect(tasks), fitted.candidates, candidates)


def narrowed(expected: Expected, known: Sequence[Candidate], wanted: Sequence[Candidate]) -> Expected:
    """Return expectations of the candidates `known` as those of the candidates `wanted`.

    >>> small, medium, large = (Candidate(tier=name) for name in ("small", "medium", "large"))
    >>> figures = np.array([[0.5, 0.9]])
    >>> narrowed(Expected(figures, figures, figures, figures), [small, large], [large, medium]).quality
    array([[0.9, nan]])
    """
    if tuple(known) == tuple(wanted):
        return expected
    places = {identity(candidate): place for place, candidate in enumerate(known)}
    columns = np.array([places.get(identity(candidate), -1) for candidate in wanted], dtype=np.int64)

    def of(figures: Floats) -> Floats:
        with_unknown = np.concatenate([figures, np.full((len(figures), 1), np.nan)], axis=1)
        return np.asarray(with_unknown[:, columns])

    return Expected(
        of(expected.quality), of(expected.quality_error), of(expected.cost), of(expected.cost_error)
    )


def tries_of(tries: Tries, candidates: tuple[Candidate, ...]) -> Tries:
    """Return the tries of these candidates, numbered as they are here; tries of others are left out."""
    if tries.candidates == candidates:
        return tries
    places = {identity(candidate): place for place, candidate in enumerate(candidates)}
    place = np.array([places.get(identity(candidate), -1) for candidate in tries.candidates], dtype=np.int64)
    kept = tries.take(place[tries.candidate] >= 0)
    return replace(kept, candidates=candidates, candidate=place[kept.candidate])
