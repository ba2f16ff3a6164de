"""Routing: how long reading, training, deciding and judging take, on a simulated fleet whose texts have vectors."""

from __future__ import annotations

from collections.abc import Iterator

from bench import routing_deciding, routing_judging, routing_training
from bench.figures import Figure, say
from bench.fleets import Fleet
from bench.routing_world import KEY, with_vectors
from learnlab.routing.extra import extra
from learnlab.routing.reading import read_tries

MOST = 100_000
"""Executions up to which routers are trained; of more, tries are read and no more."""


def measure(fleet: Fleet) -> Iterator[Figure]:
    """Yield the figures of routing on a copy of the fleet's store, whose texts get vectors."""
    say(f"{fleet.n:,}: giving texts vectors (perturbed random ones of length 1)")
    with with_vectors(fleet) as store:
        yield from routing_training.reading(fleet.n, store)
        if fleet.n > MOST:
            say(f"{fleet.n:,}: routers are trained on {MOST:,} executions at most")
            return
        for module in ("torch", "sklearn.ensemble"):
            extra(module)
        for key in ("", KEY):
            tries = read_tries(store, encoder_key=key)
            trained = routing_training.trained(fleet.n, tries, "with texts" if key else "without texts")
            yield from trained.figures
        yield from routing_deciding.measure(fleet.n, store, trained.router, tries)
        yield from routing_judging.measure(fleet.n, tries)
