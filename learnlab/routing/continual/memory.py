"""What keeps a network from forgetting: nothing, EWC, EWC++, a buffer of what was, or learning everything anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from learnlab.errors import RoutingError
from learnlab.routing.continual.stream import Rows
from learnlab.routing.sona.ewc import Anchors, Elastic, bernoulli, fisher

NAIVE, EWC, EWC_PLUS, REPLAY, JOINT = "naive", "EWC", "EWC++", "replay", "joint retraining"
METHODS = (NAIVE, EWC, EWC_PLUS, REPLAY, JOINT)
"""The ways to learn one domain after another, in the order of tables and charts."""


@dataclass(frozen=True)
class Way:
    """A way to learn a stream: its method and what it is set to, as far as that method takes it.

    `strength` is λ of EWC and EWC++, `decay` the share of EWC++'s running average that a batch leaves, `n_kept` the
    tasks that replay keeps.

    Raises:
        RoutingError: for a method that is none of `METHODS`.
    """

    method: str
    strength: float = 0.0
    decay: float = 0.9
    n_kept: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise RoutingError(
                f"{self.method!r} is no way to learn a stream: it is one of {', '.join(METHODS)}"
            )


class Memory:
    """Fine-tuning alone: each domain is learned from where the last one ended. The others add to this."""

    is_anew = False
    """Whether the network begins anew with each domain."""

    def __init__(self, way: Way, seed: int) -> None:
        self.way, self.rng = way, np.random.default_rng([seed, 2])

    def material(self, learn: Rows) -> Rows:
        """Return what is learned from when a domain comes."""
        return learn

    def again(self, n: int) -> Rows | None:
        """Return n tasks of earlier domains to learn beside a batch, if any are kept."""
        return None

    def penalty(self, parameters: dict[str, Any]) -> Any:
        """Return what is added to the loss."""
        return 0.0

    def observe(self, network: Any, inputs: Any, is_known: Any) -> None:
        """Take note of a batch that was just learned."""

    def end(self, network: Any, learn: Rows, tensors: tuple[Any, Any]) -> None:
        """Take note that a domain was learned: its rows, and its inputs and known flags as tensors."""


class _Ewc(Memory):
    def __init__(self, way: Way, seed: int) -> None:
        super().__init__(way, seed)
        self.held = Anchors(way.strength)

    def penalty(self, parameters: dict[str, Any]) -> Any:
        return self.held.penalty(parameters)

    def end(self, network: Any, learn: Rows, tensors: tuple[Any, Any]) -> None:
        inputs, is_known = tensors
        information = fisher(network, inputs, lambda outputs: bernoulli(outputs, is_known))
        self.held.anchor(dict(network.named_parameters()), information)


class _EwcPlus(Memory):
    def __init__(self, way: Way, seed: int) -> None:
        super().__init__(way, seed)
        self.held = Elastic(way.strength, way.decay)

    def penalty(self, parameters: dict[str, Any]) -> Any:
        return self.held.penalty(parameters)

    def observe(self, network: Any, inputs: Any, is_known: Any) -> None:
        self.held.observe(fisher(network, inputs, lambda outputs: bernoulli(outputs, is_known)))

    def end(self, network: Any, learn: Rows, tensors: tuple[Any, Any]) -> None:
        self.held.anchor(dict(network.named_parameters()))


class _Replay(Memory):
    """A reservoir: of all tasks so far each is kept with the same probability (J. Vitter, ACM TOMS 11, 1985)."""

    def __init__(self, way: Way, seed: int) -> None:
        super().__init__(way, seed)
        self.kept: Rows | None = None
        self.n_seen = 0

    def again(self, n: int) -> Rows | None:
        return self.kept and self.kept.take(self.rng.integers(0, len(self.kept), n))

    def end(self, network: Any, learn: Rows, tensors: tuple[Any, Any]) -> None:
        every = self.kept + learn if self.kept else learn
        n_before, self.n_seen = self.n_seen, self.n_seen + len(learn)
        if len(every) > self.way.n_kept:
            # Of a sample of all tasks so far, as many are of the new domain as chance makes it.
            n_new = int(self.rng.hypergeometric(len(learn), n_before, self.way.n_kept))
            n_old = self.way.n_kept - n_new
            old = self.rng.choice(len(every) - len(learn), n_old, replace=False)
            new = len(every) - len(learn) + self.rng.choice(len(learn), n_new, replace=False)
            every = every.take(np.concatenate([old, new]))
        self.kept = every


class _Joint(Memory):
    is_anew = True

    def __init__(self, way: Way, seed: int) -> None:
        super().__init__(way, seed)
        self.all: Rows | None = None

    def material(self, learn: Rows) -> Rows:
        self.all = self.all + learn if self.all else learn
        return self.all


_MEMORIES = {NAIVE: Memory, EWC: _Ewc, EWC_PLUS: _EwcPlus, REPLAY: _Replay, JOINT: _Joint}


def memory(way: Way, seed: int) -> Memory:
    """Return what a way to learn begins a stream with."""
    return _MEMORIES[way.method](way, seed)
