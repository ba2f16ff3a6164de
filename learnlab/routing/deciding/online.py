"""Routing a task: the router in use, kept loaded, chooses, and the decision is logged with its propensity."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from math import sqrt
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import RoutingError, SearchError, StoreError
from learnlab.events import Candidate
from learnlab.routing.deciding.choosing import EXPLORE, Drawn, as_candidates, draw, policy_of
from learnlab.routing.deciding.decision import Decision, ToRoute
from learnlab.routing.deciding.inuse import InUse, changed, in_use_of
from learnlab.routing.narrowing import expectations
from learnlab.routing.preference import Preference, PriceOfQuality
from learnlab.routing.router import Expected
from learnlab.routing.tries import Tasks
from learnlab.search.chosen import Chosen
from learnlab.search.encoder import Encoder
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter

_log = logging.getLogger("learnlab.routing")

LOOK_SECONDS = 30.0
"""Seconds after which a router that is kept loaded looks whether another came into use."""


class RoutingService:
    """The router in use of a store, kept loaded: threads may share it, and it sees within seconds what is promoted.

    `preference` is what is wanted of a choice unless a call says otherwise: by default a price of quality, that at
    which the router was promoted. `explore` is the share of choices drawn by lot (0-1) so that there is something to
    learn from, or `thompson`. Where no router is in use, or the one that is cannot be read, the choice is the best
    single candidate by the store's own tries, and the reason says so. Tries are read when the router is loaded;
    `refresh` reads them anew. A forked child goes on with what was loaded before the fork.

    Raises:
        RoutingError: when `explore` is no way to explore.
        StoreError: when the store cannot be read.

    >>> service = RoutingService("sample")  # doctest: +SKIP
    >>> print(service.route("Explain the cache").summary())  # doctest: +SKIP
    """

    def __init__(
        self,
        db: str | Path | Store = "",
        *,
        preference: Preference | None = None,
        explore: float | str = EXPLORE,
        encoder: Encoder | str | None = None,
        seed: int | None = None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        policy_of(explore, PriceOfQuality(1.0))
        self.store = Store(db.path if isinstance(db, Store) else db)  # its log is for all to see
        self._preference, self._explore = preference, explore
        self._chosen = Chosen(encoder)
        self._seed, self._look_seconds = seed, look_seconds
        self._spool = SpoolWriter(self.store.path)
        self._home = os.getpid()
        self._begin()
        self.refresh()

    def _begin(self) -> None:
        self._pid, self._lock = os.getpid(), threading.Lock()
        self._rng = np.random.default_rng(self._seed)

    @property
    def router_version(self) -> str:
        """The version of the router in use, or the name of the baseline that stands in for one."""
        return self._in_use.version

    def refresh(self) -> None:
        """Load the router in use, and the store's tries, anew.

        Raises:
            RoutingError: in a child that was forked since it was loaded, where a store cannot be read.
            StoreError: when the store cannot be read.
        """
        if self._is_forked():
            raise RoutingError(
                f"{self.store.name} cannot be read after a fork: make another service before forking, or spawn"
            )
        self._in_use = in_use_of(self.store)
        self._looked_at = time.monotonic()

    def _is_forked(self) -> bool:
        """Return whether this is a child of the process that loaded it: the threads that read a store outlive no fork."""
        return os.getpid() != self._home

    def route(
        self,
        task: str | Mapping[str, Any],
        *,
        candidates: Iterable[Candidate | Mapping[str, Any] | str] | None = None,
        preference: Preference | None = None,
        explore: float | str | None = None,
        vector: NDArray[np.float32] | None = None,
    ) -> Decision:
        """Return the decision on a task, and log it: its outcome, told under its task_id, meets its propensity.

        `task` is a description, or what is known by the names of an execution's fields; `candidates` are those
        there are just now, by default all that the router knows. `vector` is that of the text, of length 1, where
        somebody has it; else it is made. Without a vector, or with one of another model than the router has learned
        from, the choice goes without the text, and the reason says so. A decision that cannot be written is made and
        a warning logged. It survives a kill once this returns; an fsync is not waited for.

        Raises:
            RoutingError: when there is nothing to choose from, or something cannot be asked so.
        """
        self._look()
        now = self._in_use
        asked = ToRoute.of(task)
        there = now.candidates if candidates is None else as_candidates(candidates)
        if not there:
            raise RoutingError(
                f"{self.store.name} holds no tries to choose by: name the candidates there are (`candidates`)"
            )
        wanted = preference or self._preference or PriceOfQuality(now.worth_usd)
        text, said = self._vector(asked.task_description, now, vector)
        tasks = asked.as_tasks(text)
        expected, unlike = _expected(now, tasks, there)
        explore = self._explore if explore is None else explore
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            drawn = draw(expected, there, wanted, explore, self._rng, who=now.called, what=now.reads.quality)
        unsure = f"it abstains, and expects of this task what holds for all: {unlike}" if unlike else ""
        notes = [now.trouble, said, unsure]
        decision = _decision(asked, there, expected, drawn, notes, now.version, bool(unlike))
        self._write(decision)
        return decision

    def close(self) -> None:
        """Make sure that what was decided is on the disk."""
        self._spool.close()

    def __enter__(self) -> RoutingService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look(self) -> None:
        """See whether another router came into use, at most every so many seconds; a store that is busy can wait."""
        if self._is_forked() or time.monotonic() - self._looked_at < self._look_seconds:
            return
        self._looked_at = time.monotonic()
        try:
            if changed(self.store, self._in_use):
                self._in_use = in_use_of(self.store)
        except (StoreError, RoutingError) as error:
            _log.warning("%s goes on with %s: %s", self.store.name, self.router_version, error)

    def _vector(
        self, text: str, now: InUse, given: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.float32], str]:
        """Return the vector of a text as the router takes it, zeros where there is none, and why there is none."""
        if given is not None:
            try:
                vector = np.asarray(given, dtype=np.float32)
            except (TypeError, ValueError) as error:
                raise RoutingError(f"the vector of a text is numbers: {error}") from error
            if vector.ndim != 1 or not abs(sqrt(vector @ vector) - 1) <= 0.01:
                raise RoutingError(f"the vector of a text is finite and of length 1, not {vector.shape}")
            if now.dimension and len(vector) != now.dimension:
                raise RoutingError(
                    f"the vector has {len(vector)} numbers, and {now.version} has learned from {now.dimension}"
                )
            return vector[: now.dimension], ""
        none = np.zeros(now.dimension, dtype=np.float32)
        if not now.dimension or not text.strip():
            return none, ""
        try:
            if self._chosen.key != now.reads.encoder_key:
                return none, f"the text was left out: {now.version} has learned from {now.reads.encoder_key}"
            is_made = self._chosen.is_loaded or self._is_forked()
            known = None if is_made else now.vector_of(self.store, text)
            return (self._chosen.encode([text])[0] if known is None else known), ""
        except (SearchError, StoreError) as error:
            return none, f"the text was left out: {error}"

    def _write(self, decision: Decision) -> None:
        try:
            self._spool.write([decision.logged()])
        except StoreError as error:
            _log.warning("the decision on task %s is not logged: %s", decision.task_id, error)


def route(task: str | Mapping[str, Any], db: str | Path | Store = "", **asked: Any) -> Decision:
    """Return the decision on one task, and log it; who routes many keeps a `RoutingService`, which takes the same.

    Raises:
        RoutingError: as `RoutingService.route` does.
        StoreError: when the store cannot be read.

    >>> print(route("Explain the cache", "sample").summary())  # doctest: +SKIP
    """
    of_call = {name: asked.pop(name) for name in ("candidates", "vector") if name in asked}
    with RoutingService(db, **asked) as service:
        return service.route(task, **of_call)


def _expected(now: InUse, tasks: Tasks, there: tuple[Candidate, ...]) -> tuple[Expected, str]:
    """Return what is expected of the candidates, and why the router abstains, if it does."""
    why = now.abstaining.why_unfamiliar(tasks)[0] if now.abstaining else ""
    return expectations(now.router, tasks, there), why


def _decision(
    asked: ToRoute,
    there: tuple[Candidate, ...],
    expected: Expected,
    drawn: Drawn,
    notes: list[str],
    version: str,
    is_abstaining: bool,
) -> Decision:
    told = [
        Candidate(model=one.model, tier=one.tier, pool=one.pool, propensity=float(p))
        for one, p in zip(there, drawn.probabilities, strict=True)
    ]
    quality, cost = float(expected.quality[0, drawn.place]), float(expected.cost[0, drawn.place])
    return Decision(
        decision_id=uuid4(),
        task=asked,
        chosen=told[drawn.place],
        candidates=tuple(told),
        confidence=drawn.confidence,
        expected_quality=quality if np.isfinite(quality) else None,
        expected_cost_usd=max(cost, 0.0) if np.isfinite(cost) else None,
        reason="; ".join(one for one in (drawn.reason, *notes) if one),
        router_version=version,
        is_exploring=drawn.is_exploring,
        is_abstaining=is_abstaining,
    )
