"""SONA as it is kept: its weights as arrays, its method and the names it knows in the description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.routing.keeping.kept import Arrays, taken
from learnlab.routing.sona.ewc import Elastic
from learnlab.routing.sona.familiar import Familiar
from learnlab.routing.sona.neighbours import WIDTHS
from learnlab.routing.sona.network import Shape, Singles, weights_of
from learnlab.routing.sona.platt import Platt
from learnlab.routing.sona.sona import MEMBERS, FittedSona, Sona
from learnlab.routing.sona.surface import Surface
from learnlab.routing.sona.training import DECAY, STRENGTH, Method


def restore(
    name: str, candidates: tuple[Candidate, ...], description: Mapping[str, Any], arrays: Arrays
) -> FittedSona:
    """Return the SONA that was kept; it needs a history before it expects anything.

    Raises:
        RoutingError: when what is given does not make one.
    """
    if name != "sona":
        raise RoutingError(f"{name[:100]!r} is no SONA")
    method = Method(
        int(description["n_hidden"]),
        float(description["weight_decay"]),
        int(description["epochs"]),
        int(description["n_directions"]),
    )
    k = len(candidates)
    surface = Surface.restored(description["surface"], arrays)
    shape = Shape(surface.n_columns + WIDTHS * k, k, method.n_hidden)
    n_members = int(description["n_members"])
    if not 1 <= n_members <= MEMBERS:
        raise RoutingError(f"a SONA has 1 to {MEMBERS} networks, not {n_members}")
    members, held = [], []
    for place in range(n_members):
        members.append(weights_of(_under(f"member.{place}.", arrays), shape))
        held.append(_under(f"elastic.{place}.", arrays))
        for part in {name.partition(".")[0] for name in held[-1]}:
            weights_of(_under(f"{part}.", held[-1]), shape)
        Elastic(STRENGTH, DECAY).restore(held[-1])
    until = description["until"]
    return FittedSona(
        candidates=candidates,
        method=method,
        surface=surface,
        members=tuple(members),
        elastic=tuple(held),
        calibration=Platt.restored(arrays, k),
        smear=taken(arrays, "smear", (k,)),
        familiar=Familiar.restored(description["familiar"], arrays),
        until=np.datetime64("NaT" if until is None else str(until), "us"),
    )


def _under(prefix: str, arrays: Arrays) -> dict[str, Singles]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def new(name: str) -> Sona:
    """Return a SONA that has learned nothing yet."""
    return Sona(name=name)
