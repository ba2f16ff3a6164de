"""A decision on which router is in use: what was compared, what came of it, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from learnlab.intervals import Interval
from learnlab.routing.keeping.registry import PROMOTED
from learnlab.routing.promoting.judge import Compared


@dataclass(frozen=True)
class Promotion:
    """A decision on which router is in use, and what it was made on.

    `challenger` and `in_use` are versions of routers, `champion` one or the name of a baseline; `in_use` is None
    where none is. `gain` is what a task gains by the challenger (US dollars), with its interval; None where nothing
    was judged.
    """

    decision: str
    reason: str
    challenger: str | None = None
    champion: str | None = None
    in_use: str | None = None
    judged_by: str | None = None
    worth_usd: float | None = None
    gain: Interval | None = None

    @property
    def is_promoted(self) -> bool:
        """Whether the challenger is in use now."""
        return self.decision == PROMOTED

    def summary(self) -> str:
        """Return the decision as text, one fact a line.

        >>> print(Promotion("not promoted", "too few to tell", in_use="sona-0123456789ab").summary())
        not promoted: too few to tell
        in use: sona-0123456789ab
        """
        return (
            f"{self.decision}: {self.reason}\nin use: {self.in_use or 'no router: the best single candidate'}"
        )

    def row(self) -> dict[str, Any]:
        """Return the decision as a row of the table promotions."""
        names = ("decision", "challenger", "champion", "in_use", "judged_by", "worth_usd", "reason")
        gain = self.gain
        bounds = (None, None) if gain is None else (_finite(gain.low), _finite(gain.high))
        return {name: getattr(self, name) for name in names} | {
            "n_tasks": gain.n if gain else None,
            "gain_usd": _finite(gain.estimate) if gain else None,
            "gain_usd_low": bounds[0],
            "gain_usd_high": bounds[1],
        }


def why(challenger: str, champion: str, found: Compared) -> str:
    """Return why, in words."""
    note = f"; {found.note}" if found.note else ""
    if found.gain is None:
        return f"{challenger} could not be judged against {champion}: {found.note}"
    gain = found.gain
    return (
        f"{challenger} against {champion} on {gain.n:,} later groups of tasks: {found.verdict}, {gain.estimate:+.4f} "
        f"US dollars a task (95 % from {gain.low:+.4f} to {gain.high:+.4f}); judged by {found.judged_by}{note}"
    )


def _finite(figure: float) -> float | None:
    return figure if np.isfinite(figure) else None
