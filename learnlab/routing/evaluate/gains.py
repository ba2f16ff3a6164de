"""Two candidates, a weak one and a strong one: how much quality is kept at which share of strong calls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from learnlab.errors import RoutingError
from learnlab.intervals import Counts
from learnlab.routing.evaluate.resampling import Statistic
from learnlab.routing.tries import Floats, Ints

LEVELS = (0.5, 0.8)
_NO_GAP = 1e-12


class Recovered(NamedTuple):
    """What a gain score recovers of the gap between two candidates; None with the reason where there is no gap.

    `apgr` is 0.5 for random calls and may pass 1; `cpt_50` and `cpt_80` are shares of strong calls (0-1).
    """

    apgr: float | None
    cpt_50: float | None
    cpt_80: float | None
    reason: str = ""


def recovered_by(gain: Floats, weak: Floats, strong: Floats) -> Statistic:
    """Return the statistic of APGR, CPT(50 %) and CPT(80 %) of a gain score (tasks,), given both qualities (tasks,).

    Tasks are called strong in order of their gain, the highest first. The performance gap recovered (PGR) is the
    quality above the weak candidate's, divided by how much the strong one's is above it. APGR is the area under PGR
    over the share of strong calls from 0 to 1, here the exact area under the line through all shares; CPT(x) is the
    smallest share at which PGR reaches x. Tasks of equal gain are called in random order: between the ends of a tie
    the expected quality is a straight line. NaN where the strong candidate is no better than the weak one.
    Source: I. Ong et al., "RouteLLM: Learning to Route LLMs with Preference Data" (2024), section 2.

    Raises:
        RoutingError: when lengths differ, or a gain is not known.
    """
    order, starts = _ranked(gain, weak, strong)
    gap = (strong - weak)[order]

    def of(drawn: Counts) -> Floats:
        calls = drawn[:, order]
        won = calls * gap
        if len(starts) < len(order):
            calls, won = np.add.reduceat(calls, starts, axis=1), np.add.reduceat(won, starts, axis=1)
        so_far = np.cumsum(won, axis=1)
        n, total = calls.sum(axis=1), so_far[:, -1]
        is_gap = total > _NO_GAP
        total = np.where(is_gap, total, np.nan)
        area = (calls * (so_far - won / 2)).sum(axis=1) / total
        asked = [_calls_for(level * total, so_far, won, calls) for level in LEVELS]
        return np.where(is_gap[:, None], np.column_stack([area, *asked]) / n[:, None], np.nan)

    return of


def recovered(gain: Floats, weak: Floats, strong: Floats) -> Recovered:
    """Return APGR, CPT(50 %) and CPT(80 %) of a gain score: see `recovered_by`.

    Raises:
        RoutingError: when lengths differ, or a gain is not known.

    >>> right_order = recovered(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    >>> right_order.apgr, right_order.cpt_50, right_order.cpt_80
    (0.75, 0.25, 0.4)
    >>> recovered(np.array([1.0]), np.array([0.5]), np.array([0.5])).reason
    'the strong candidate is no better than the weak one (0.500 against 0.500): there is no gap to recover'
    """
    if not len(gain):
        return Recovered(None, None, None, "there is no task")
    apgr, *thresholds = recovered_by(gain, weak, strong)(np.ones((1, len(gain))))[0]
    if not np.isfinite(apgr):
        means = f"{strong.mean():.3f} against {weak.mean():.3f}"
        reason = f"the strong candidate is no better than the weak one ({means}): there is no gap to recover"
        return Recovered(None, None, None, reason)
    cpt_50, cpt_80 = (float(share) for share in thresholds)
    return Recovered(float(apgr), cpt_50, cpt_80)


def kept_at(share: Floats, gain: Floats, weak: Floats, strong: Floats) -> Statistic:
    """Return the statistic of the quality kept at some shares of strong calls (0-1), called as in `recovered_by`.

    Raises:
        RoutingError: when lengths differ, or a gain is not known.

    >>> kept_at(np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.ones(2))(np.ones((1, 2)))
    array([[0.5, 1. , 1. ]])
    """
    order, starts = _ranked(gain, weak, strong)
    gap = (strong - weak)[order]
    ends = np.append(starts[1:], len(order)) - 1

    def of(drawn: Counts) -> Floats:
        calls = drawn[:, order]
        n = calls.sum(axis=1, keepdims=True)
        called, won = np.cumsum(calls, axis=1)[:, ends] / n, np.cumsum(calls * gap, axis=1)[:, ends] / n
        lines = zip(called, won, strict=True)
        rise = np.array([np.interp(share, np.append(0, x), np.append(0, y)) for x, y in lines])
        return np.asarray((drawn @ weak)[:, None] / n + rise)

    return of


def _ranked(gain: Floats, weak: Floats, strong: Floats) -> tuple[Ints, Ints]:
    """Return the order of the tasks, the highest gain first, and where in it each run of equal gains starts."""
    if not gain.shape == weak.shape == strong.shape:
        raise RoutingError(
            f"{gain.shape} gains come with qualities {weak.shape} and {strong.shape}: one a task each"
        )
    if unknown := int((~np.isfinite(gain)).sum()):
        raise RoutingError(
            f"the gain of {unknown} of {len(gain)} tasks is not known: they cannot be put in order"
        )
    order = np.argsort(-gain, kind="stable")
    ranked = gain[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])[: len(order)])
    return order, np.asarray(starts, dtype=np.int64)


def _calls_for(level: Floats, so_far: Floats, won: Floats, calls: Floats) -> Floats:
    """Return after how many calls the line through what is won so far reaches a level (resamples,)."""
    rows = np.arange(len(so_far))
    first = (so_far >= level[:, None] - _NO_GAP).argmax(axis=1)
    step = won[rows, first]
    missing = level - (so_far[rows, first] - step)
    part = np.divide(missing, step, out=np.ones_like(step), where=step > _NO_GAP)
    before = np.array([row[:until].sum() for row, until in zip(calls, first, strict=True)])
    return np.asarray(before + calls[rows, first] * np.clip(part, 0, 1))
