"""What a service has loaded: the router in use, or the best single candidate where there is none to be used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.routing.baselines import best_single
from learnlab.routing.keeping import registry
from learnlab.routing.keeping.kept import Abstaining, WithHistory
from learnlab.routing.narrowing import tries_of
from learnlab.routing.reading import Reads
from learnlab.routing.router import Expected, Fitted
from learnlab.routing.textvectors import vector_table, vectors_of
from learnlab.routing.tries import Tasks
from learnlab.search.tasks import Task
from learnlab.store import Store

_PATIENCE = 0.2
"""Seconds that a look at the store may wait for a writer: whoever routes does not wait for long."""


@dataclass(frozen=True)
class InUse:
    """The router that chooses, and what it needs to know: how its tries were read, what a success is worth.

    `trouble` says why it is a baseline, in words. `mark` is when the file had last been written to.
    """

    router: Fitted
    version: str
    reads: Reads
    dimension: int
    worth_usd: float
    mark: int
    promoted: str | None = None
    trouble: str = ""

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """What it can choose from."""
        return self.router.candidates

    @property
    def called(self) -> str:
        """How to speak of it in a reason."""
        return self.router.name

    @cached_property
    def abstaining(self) -> Abstaining | None:
        """The router, where it is one that says which tasks are unlike what it learned from."""
        return self.router if isinstance(self.router, Abstaining) else None

    def vector_of(self, store: Store, text: str) -> NDArray[np.float32] | None:
        """Return the vector that the store has of a text, if it has one.

        Raises:
            StoreError: when the store cannot be read.
        """
        with store.reading() as connection:
            table = vector_table(connection, self.reads.encoder_key)
            (vector,) = vectors_of(connection, table, pl.Series([Task(text).text_hash]))
        return vector if len(vector) == self.dimension and vector.any() else None


def in_use_of(store: Store) -> InUse:
    """Return the router in use of a store, loaded; the best single candidate by the store's tries where none is.

    A router whose file cannot be used is none: the reason is told.

    Raises:
        StoreError: when the store cannot be read.
    """
    if not store.exists():
        return _baseline(store, None, f"there is no store {store.name} yet")
    with store.reading() as connection:
        mark, version = _mark(store), registry.in_use(connection)
        if version is None:
            return _baseline(store, None, "no router is in use")
        try:
            found = registry.load(connection, version)
        except RoutingError as error:
            return _baseline(store, version, str(error))
        worth = registry.worth_of(connection, version)
        router: Fitted = found.router
        if isinstance(router, WithHistory):
            router = router.with_history(tries_of(found.reads.tries(store), router.candidates))
    return InUse(router, version, found.reads, found.dimension, worth, mark, version)


def changed(store: Store, known: InUse) -> bool:
    """Return whether another router is in use of a store than is known; the file is opened only if it was written to.

    Raises:
        StoreError: when the store cannot be read at once.
    """
    if not store.exists() or _mark(store) == known.mark:
        return False
    with Store(store.path, timeout=_PATIENCE).reading() as connection:
        return registry.in_use(connection) != known.promoted


@dataclass(frozen=True)
class _Nothing:
    """A router that knows of nothing to choose from."""

    name: str = "no router"
    candidates: tuple[Candidate, ...] = ()

    def expect(self, tasks: Tasks) -> Expected:
        """Return what it expects of no candidate."""
        none = np.zeros((len(tasks), 0))
        return Expected(none, none, none, none)


def _mark(store: Store) -> int:
    return store.path.stat().st_mtime_ns if store.path.exists() else 0


def _baseline(store: Store, promoted: str | None, why: str) -> InUse:
    reads, mark = Reads(), _mark(store)
    tries = reads.tries(store) if store.exists() else None
    router: Fitted = best_single().fit(tries) if tries is not None and len(tries) else _Nothing()
    return InUse(router, router.name, reads, 0, registry.WORTH_USD, mark, promoted, why)
