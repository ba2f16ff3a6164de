"""The baseline that a learned router has to beat, chosen without what it is judged by."""

from __future__ import annotations

import numpy as np

from learnlab.errors import RoutingError
from learnlab.routing.baselines import Lookup, baselines
from learnlab.routing.preference import PriceOfQuality
from learnlab.routing.promoting.judge import judge
from learnlab.routing.router import Router
from learnlab.routing.splits import Split, by_group, by_time
from learnlab.routing.tries import Tries


def best_baseline(learned: Tries, preference: PriceOfQuality, but: str = "") -> Router:
    """Return the baseline, other than the one named, that did best on a part of what is learned from: the later one.

    Without times it is a part by lot.
    """
    routers = [one for one in baselines() if one.name != but]
    reference = next((one for one in routers if one.name == "best_single"), routers[0])
    try:
        inner = _inner(learned)
    except RoutingError:
        return reference
    to = reference.fit(inner.learned)
    gains = {}
    for at, one in enumerate(routers):
        found = judge(inner.judged, one.fit(inner.learned), to, preference, Lookup())
        if found.gain is not None and np.isfinite(found.gain.estimate):
            gains[at] = found.gain.estimate
    return routers[max(gains, key=lambda at: gains[at])] if gains else reference


def _inner(learned: Tries) -> Split:
    try:
        return by_time(learned)
    except RoutingError:
        return by_group(learned)
