"""What a fitted router must say of itself to be kept, and how each kind is made again from what it said."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.routing.router import Fitted, Router
from learnlab.routing.tries import Tasks, Tries

Arrays = Mapping[str, NDArray[Any]]
"""Numbers by their names: float32, float64 or int64, all of them finite."""

DTYPES = ("float32", "float64", "int64")

_LOOKUPS = "learnlab.routing.baselines.kept"

_HOMES = {
    "sona": "learnlab.routing.sona.kept",
    "best_single": _LOOKUPS,
    "lookup": _LOOKUPS,
    "lookup_by_repo": _LOOKUPS,
}
"""Which module makes a kind of router, by its functions `new(name)`, a `Router` as it is before it learned, and
`restore(name, candidates, description, arrays)`, a `Kept`; nothing else is ever imported."""


_UNFIT = (
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    OverflowError,
    pl.exceptions.PolarsError,
)
"""What a `restore` raises that is given what was not kept by its kind."""


@runtime_checkable
class Kept(Fitted, Protocol):
    """A fitted router that can be kept: what it learned are arrays, and the rest fits in JSON."""

    def describe(self) -> dict[str, Any]:
        """Return what `restore` needs besides the arrays, as plain JSON; the candidates are kept beside it."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what it learned: arrays of float32, float64 or int64, by names of letters, digits, `_` and `.`."""
        ...


@runtime_checkable
class WithHistory(Protocol):
    """A router that looks at what came of similar tasks: the store's tries are given to it when it is loaded."""

    def with_history(self, past: Tries) -> Fitted:
        """Return the router with these tries to look at, in place of those that it was fitted on."""
        ...


@runtime_checkable
class Abstaining(Protocol):
    """A router that knows which tasks are unlike all that it learned from; of those it expects what a baseline does."""

    def why_unfamiliar(self, tasks: Tasks) -> list[str]:
        """Return for each task why it is unfamiliar, in words; empty where it is not."""
        ...


def kinds() -> tuple[str, ...]:
    """Return the names of the kinds of routers that can be kept.

    >>> "sona" in kinds()
    True
    """
    return tuple(_HOMES)


def new(name: str) -> Router:
    """Return the router of a kind that can be kept, before it has learned anything.

    Raises:
        RoutingError: when there is no such kind.

    >>> new("lookup").name
    'lookup'
    """
    made: Router = _home(name).new(name)
    return made


def restore(
    name: str, candidates: tuple[Candidate, ...], description: Mapping[str, Any], arrays: Arrays
) -> Kept:
    """Return the router of a kind that chose from these candidates, gave this description and these arrays.

    Raises:
        RoutingError: when there is no such kind, or what is given does not make one.

    >>> restore("no such", (), {}, {})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    learnlab.errors.RoutingError: no kind of router is called 'no such'; there are sona, ...
    """
    home = _home(name)
    try:
        made: Kept = home.restore(name, candidates, description, arrays)
    except _UNFIT as error:
        raise RoutingError(f"what was kept makes no router of the kind {name}: {error!r:.200}") from error
    return made


def _home(name: str) -> Any:
    if name not in _HOMES:
        raise RoutingError(f"no kind of router is called {name[:100]!r}; there are {', '.join(_HOMES)}")
    return import_module(_HOMES[name])


def taken(arrays: Arrays, name: str, shape: tuple[int | None, ...], dtype: str = "float32") -> NDArray[Any]:
    """Return one of the arrays after checking its shape (None fits any length) and its kind of numbers.

    Raises:
        RoutingError: when it is missing, or is another.

    >>> taken({"bias": np.zeros(3, dtype=np.float32)}, "bias", (2,))
    Traceback (most recent call last):
    learnlab.errors.RoutingError: the array 'bias' is float32 (3,), not float32 (2,)
    """
    if name not in arrays:
        raise RoutingError(f"the array {name!r} is missing")
    found = arrays[name]
    fits = len(found.shape) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, found.shape, strict=True)
    )
    if not fits or found.dtype != np.dtype(dtype):
        raise RoutingError(f"the array {name!r} is {found.dtype} {found.shape}, not {dtype} {shape}")
    return found
