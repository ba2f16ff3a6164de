"""Baselines: simple routers that a learned one has to beat, and the oracle that none can."""

from learnlab.routing.baselines.knn import Neighbours
from learnlab.routing.baselines.logistic import Logistic
from learnlab.routing.baselines.lookup import Cheapest, Lookup, best_single, lookup_by_repo
from learnlab.routing.baselines.oracle import Oracle
from learnlab.routing.router import Router

__all__ = [
    "Cheapest",
    "Logistic",
    "Lookup",
    "Neighbours",
    "Oracle",
    "baselines",
    "best_single",
    "lookup_by_repo",
]


def baselines() -> tuple[Router, ...]:
    """Return the baselines that can learn, the simplest first.

    >>> [router.name for router in baselines()]
    ['cheapest', 'best_single', 'lookup', 'lookup_by_repo', 'knn', 'logistic']
    """
    return Cheapest(), best_single(), Lookup(), lookup_by_repo(), Neighbours(), Logistic()
