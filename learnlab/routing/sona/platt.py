"""Platt scaling: what the network says of quality, moved to how often it came true on tasks it had not learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnlab.routing.keeping.kept import Arrays, taken
from learnlab.routing.tries import Floats

_STEPS = 25
_PRIOR_SLOPE, _PRIOR_SHIFT = 20.0, 5.0
"""How firmly slope 1 and shift 0 are believed before anything is seen, as tries of chance ½ would tell it."""


@dataclass(frozen=True)
class Platt:
    """log odds → slope · log odds + shift, for each candidate: (candidates,) each."""

    slope: NDArray[np.float32]
    shift: NDArray[np.float32]

    @classmethod
    def fitted(cls, log_odds: Floats, quality: Floats, n: Floats) -> Platt:
        """Return the calibration that outcomes ask for; all are (tasks, candidates), n the tries behind a quality.

        Source: J. Platt, "Probabilistic outputs for support vector machines", 1999; drawn to slope 1 and shift 0,
        so that few tries change little. A candidate without tries keeps them.

        >>> odds = np.repeat([[2.0], [-2.0]], 500, axis=0)
        >>> said = Platt.fitted(odds, (odds > 0) * 0.5 + 0.25, np.ones_like(odds))
        >>> bool(0.5 < said.slope[0] < 0.6), bool(abs(said.shift[0]) < 0.001)
        (True, True)
        """
        pairs = [_newton(log_odds[:, a], quality[:, a], n[:, a]) for a in range(log_odds.shape[1])]
        slope, shift = np.array(pairs, dtype=np.float32).reshape(-1, 2).T
        return cls(np.maximum(slope, 0.05).astype(np.float32), shift.astype(np.float32))

    def of(self, log_odds: Floats) -> Floats:
        """Return calibrated log odds."""
        return np.asarray(self.slope * log_odds + self.shift, dtype=np.float64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return slope and shift by name."""
        return {"calibration.slope": self.slope, "calibration.shift": self.shift}

    @classmethod
    def restored(cls, arrays: Arrays, n_candidates: int) -> Platt:
        """Return the calibration that was kept.

        Raises:
            RoutingError: when an array is missing or of another shape.
        """
        parts: Mapping[str, NDArray[Any]] = {
            name: taken(arrays, f"calibration.{name}", (n_candidates,)) for name in ("slope", "shift")
        }
        return cls(parts["slope"], parts["shift"])


def _newton(x: Floats, quality: Floats, n: Floats) -> tuple[float, float]:
    """Return the slope and shift of highest posterior, by Newton's method with halved steps where it overshoots."""
    known = (n > 0) & np.isfinite(x) & np.isfinite(quality)
    x, quality, n = np.clip(x[known], -12, 12), quality[known], n[known]
    prior, mean = np.diag([_PRIOR_SLOPE, _PRIOR_SHIFT]), np.array([1.0, 0.0])
    columns = np.stack([x, np.ones_like(x)], axis=1)

    def loss(theta: Floats) -> float:
        z = columns @ theta
        apart = theta - mean
        return float((n * (np.logaddexp(0, z) - quality * z)).sum() + apart @ prior @ apart / 2)

    theta = mean.copy()
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-columns @ theta))
        slope = columns.T @ (n * (p - quality)) + prior @ (theta - mean)
        bend = (columns * (n * p * (1 - p))[:, None]).T @ columns + prior
        step = np.linalg.solve(bend, slope)
        size = 1.0
        while size > 1e-4 and loss(theta - size * step) > loss(theta):
            size /= 2
        theta = theta - size * step
        if np.abs(step).max() * size < 1e-7:
            break
    return float(theta[0]), float(theta[1])
