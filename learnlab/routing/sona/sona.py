"""SONA, the self-optimising router: looked-up means, corrected by a network that chose its own size on the store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.events import Candidate
from learnlab.routing.router import Expected
from learnlab.routing.sona.drift import Change
from learnlab.routing.sona.ewc import Elastic
from learnlab.routing.sona.familiar import REASONS, Familiar
from learnlab.routing.sona.lessons import counts, lesson_of
from learnlab.routing.sona.network import Shape, Singles, outputs
from learnlab.routing.sona.past import Past, Told
from learnlab.routing.sona.platt import Platt
from learnlab.routing.sona.surface import Surface
from learnlab.routing.sona.training import DECAY, STRENGTH, Method, train
from learnlab.routing.sona.tuning import Tuned, tuned
from learnlab.routing.tries import Flags, Tasks, Tries

MEMBERS = 3
"""Networks that are trained alike from other beginnings and orders; how much they differ is part of the error."""

_HIGHEST = 25.0


@dataclass(frozen=True)
class FittedSona:
    """A SONA that has learned; see `Sona`.

    `past` are the tries it looks at: those it learned from, or later ones (`with_history`).
    """

    candidates: tuple[Candidate, ...]
    method: Method
    surface: Surface
    members: tuple[dict[str, Singles], ...]
    elastic: tuple[dict[str, Singles], ...]
    calibration: Platt
    smear: NDArray[np.float32]
    familiar: Familiar
    until: np.datetime64
    past: Past | None = None
    name: str = "sona"
    tried: tuple[Tuned, ...] = field(default=(), compare=False)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes since which older tries are left out."""
        return self.past.changes if self.past else ()

    def expect(self, tasks: Tasks) -> Expected:
        """Return what to expect of each candidate; of an unfamiliar task each candidate's mean over all tasks.

        The errors are those of the means of the task's kind and of how the networks differ. What its text would say
        and too few tries have taught is not in them: where that is much, they are too small.

        Raises:
            RoutingError: when it was loaded and not given a history yet.
        """
        past = self._past()
        told = past.tell(tasks, self.surface)
        quality, spread, cost = self._corrected(told)
        error = np.hypot(told.quality.error, spread)
        is_new = self.unlike(tasks).any(axis=1)
        if is_new.any():
            everywhere = np.zeros(int(is_new.sum()), dtype=np.int64)
            of_quality, of_cost = past.quality.candidates.at(everywhere), past.cost.candidates.at(everywhere)
            quality[is_new] = of_quality.mean * past.quality.scale
            cost[is_new] = of_cost.mean * past.cost.scale
            error[is_new] = np.hypot(error, quality - told.quality.mean)[is_new]
        told_cost = np.where(told.cost.mean > 0, told.cost.mean, np.nan)
        cost_error = told.cost.error * np.where(np.isnan(told_cost), 1, cost / told_cost)
        return Expected(quality, error, cost, cost_error)

    def unlike(self, tasks: Tasks) -> Flags:
        """Return which reasons make each task unfamiliar: (tasks, reasons), in the order of `familiar.REASONS`."""
        return self.familiar.unlike(tasks)

    def why_unfamiliar(self, tasks: Tasks) -> list[str]:
        """Return for each task why it is unfamiliar, in words; empty where it is not."""
        return ["; ".join(compress(REASONS, flags)) for flags in self.unlike(tasks)]

    def with_history(self, past: Tries) -> FittedSona:
        """Return the same network with these tries to look at.

        Raises:
            RoutingError: when they are of other candidates.
        """
        if past.candidates != self.candidates:
            raise RoutingError("the history is of other candidates than the router chooses from")
        return replace(self, past=Past.of(past))

    def describe(self) -> dict[str, Any]:
        """Return what it is, as plain JSON."""
        return {
            "n_hidden": self.method.n_hidden,
            "weight_decay": self.method.weight_decay,
            "epochs": self.method.epochs,
            "n_directions": self.method.n_directions,
            "n_members": len(self.members),
            "until": None if np.isnat(self.until) else str(self.until),
            "surface": self.surface.describe(),
            "familiar": self.familiar.describe(),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all numbers that it learned."""
        found: dict[str, NDArray[Any]] = {**self.surface.arrays(), **self.calibration.arrays()}
        found |= {**self.familiar.arrays(), "smear": self.smear}
        for place, (weights, held) in enumerate(zip(self.members, self.elastic, strict=True)):
            found |= {f"member.{place}.{name}": value for name, value in weights.items()}
            found |= {f"elastic.{place}.{name}": value for name, value in held.items()}
        return found

    def _past(self) -> Past:
        if self.past is None:
            raise RoutingError("the router was loaded without a history: give it one by `with_history`")
        return self.past

    def _corrected(self, told: Told) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return quality, how much the members differ in it, and cost: (tasks, candidates) each."""
        k = len(self.candidates)
        said = np.array([outputs(weights, told.inputs) for weights in self.members], dtype=np.float64)
        log_odds = np.minimum(np.maximum(self.calibration.of(said[:, :, :k]), -_HIGHEST), _HIGHEST)
        chances = 1 / (1 + np.exp(-log_odds))
        mean = chances.sum(axis=0) / len(chances)
        cost = np.exp(np.minimum(np.maximum(said[:, :, k:].mean(axis=0), -60), _HIGHEST)) * self.smear
        known = np.isfinite(told.quality.mean)
        return (
            np.where(known, mean, np.nan),
            np.sqrt(((chances - mean) ** 2).sum(axis=0) / len(chances)),
            np.where(told.cost.mean > 0, cost, told.cost.mean),
        )


@dataclass(frozen=True)
class Sona:
    """The self-optimising router.

    What is expected of a candidate begins with its shrunk mean on the task's kind and repo, from tries since the
    last change there (`drift`). A network corrects it by the task's sizes, kind, repo and text and by how each
    candidate did on the nearest texts; its size, regularisation and use of the text are chosen by cross-validation
    on the tries themselves, where correcting nothing is one of the choices (`tuning`). What it says of quality is
    calibrated on tasks that it had not learned from. An unfamiliar task gets the candidates' means (`familiar`).
    `learn` goes on from there with EWC++ (`ewc`).

    Everything follows from the seed.
    """

    seed: int = 0
    name: str = "sona"

    def fit(self, tries: Tries) -> FittedSona:
        """Return the router that tries make.

        Raises:
            RoutingError: when there is no candidate, or torch is not installed.
        """
        if not tries.candidates:
            raise RoutingError("there is no candidate to learn of: nothing has been tried yet")
        return self.fit_to(Past.of(tries))

    def fit_to(self, past: Past) -> FittedSona:
        """Return the router that a past makes; what the past has told of its own tasks before is not looked up again.

        Raises:
            RoutingError: when torch is not installed.
        """
        known = past.tries
        best = tuned(past, self.seed)
        method = best[0].method
        surface = Surface.of(known.tasks, method.n_directions)
        told = past.tell_its_own(surface)
        lesson = lesson_of(known, told)
        k = len(known.candidates)
        shape = Shape(told.inputs.shape[1] - 2 * k, k, method.n_hidden)
        members, held = [], []
        for place in range(MEMBERS if method.epochs else 1):
            elastic = Elastic(STRENGTH, DECAY)
            members.append(train(lesson, shape, method, self.seed * 100 + place, elastic))
            held.append(elastic.arrays())
        said = np.mean([outputs(weights, told.inputs) for weights in members], axis=0)
        times = known.started_at[~np.isnat(known.started_at)]
        return FittedSona(
            candidates=known.candidates,
            method=method,
            surface=surface,
            members=tuple(members),
            elastic=tuple(held),
            calibration=best[0].calibration,
            smear=_smear(known, told, said[:, k:]),
            familiar=Familiar.with_tasks(known.tasks.take(np.unique(known.task))),
            until=times.max() if len(times) else np.datetime64("NaT", "us"),
            past=past,
            tried=best,
        )

    def learn(self, router: FittedSona, tries: Tries) -> FittedSona:
        """Return the router after learning the tries that came since it last learned, held by EWC++.

        `tries` are all there are, in order of time: the tables and neighbours are made of all of them, the networks
        see the new ones alone. Without new ones only the history is renewed; to a router that learned from none
        with a time all that have one are new.

        Raises:
            RoutingError: when they are of other candidates, or torch is not installed.
        """
        renewed = router.with_history(tries)
        past = renewed._past()
        moment = past.tries.started_at
        is_new = ~np.isnat(moment) if np.isnat(router.until) else moment > router.until
        if not is_new.any():
            return renewed
        rows = np.unique(past.tries.task[is_new])
        told = past.tell_its_own(router.surface)
        lesson = lesson_of(past.tries.take(is_new), told).take(rows)
        k = len(tries.candidates)
        shape = Shape(told.inputs.shape[1] - 2 * k, k, router.method.n_hidden)
        members, held = [], []
        for place, (weights, arrays) in enumerate(zip(router.members, router.elastic, strict=True)):
            elastic = Elastic(STRENGTH, DECAY)
            elastic.restore(arrays)
            seed = self.seed * 100 + place
            members.append(train(lesson, shape, router.method, seed, elastic, start=weights))
            held.append(elastic.arrays())
        return replace(
            renewed,
            members=tuple(members),
            elastic=tuple(held),
            familiar=Familiar.with_tasks(past.tries.tasks.take(np.unique(past.tries.task))),
            until=past.tries.started_at[is_new].max(),
        )


def _smear(tries: Tries, told: Told, said: Singles) -> NDArray[np.float32]:
    """Return by what to multiply the exponential of an expected log cost so that it is the mean cost: (candidates,).

    Source: N. Duan, "Smearing estimate: a nonparametric retransformation method", JASA 78 (1983), here as the ratio
    of the sums, which large costs decide and costs of 0, which have no logarithm, lower.
    """
    n = counts(tries, tries.cost) * (told.cost.mean > 0)
    spent = (np.nan_to_num(tries.matrix()[1]) * n).sum(axis=0)
    expected = (np.exp(np.clip(said.astype(np.float64), -60, _HIGHEST)) * n).sum(axis=0)
    ratio = np.where((spent > 0) & (expected > 0), spent / np.where(expected > 0, expected, 1), 1.0)
    return ratio.astype(np.float32)
