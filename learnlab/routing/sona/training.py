"""How SONA's network learns: from what is known of each candidate's outcomes, holding what it learned before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnlab.routing.extra import extra
from learnlab.routing.sona.ewc import Elastic, bernoulli, fisher
from learnlab.routing.sona.network import Shape, Singles, network

BATCH = 256
RATE = 0.003
DECAY = 0.95
"""How much of EWC++'s running average of the Fisher information stays at each batch."""

REMEMBERED = 150
"""Batches before the end of training that EWC++ observes: of earlier ones that average would keep 1 part in 2,000."""

STRENGTH = 100.0
"""EWC++'s λ, as it was chosen on a part of real questions that nothing is judged by, for the network and the decay of
docs/decisions/0026-continual-learning.md; for SONA's own network and `DECAY` no other was tried."""


@dataclass(frozen=True)
class Lesson:
    """What a network learns from, a row a task.

    `inputs` as in `network.Shape`; `quality` (0-1) and `log_cost`, each with how many tries stand behind it (0
    where nothing is known): (tasks, candidates). `cost_spread` is the standard deviation of a log cost.
    """

    inputs: Singles
    quality: Singles
    n_quality: Singles
    log_cost: Singles
    n_cost: Singles
    cost_spread: float

    def take(self, rows: NDArray[np.int64]) -> Lesson:
        """Return the lesson of some rows."""
        return Lesson(
            self.inputs[rows],
            self.quality[rows],
            self.n_quality[rows],
            self.log_cost[rows],
            self.n_cost[rows],
            self.cost_spread,
        )


@dataclass(frozen=True)
class Method:
    """How a network is trained: hidden units, weight decay, how often it sees each task, directions of the texts."""

    n_hidden: int = 32
    weight_decay: float = 0.3
    epochs: int = 12
    n_directions: int = 0

    def with_directions(self, n: int) -> Method:
        """Return the same method with so many directions of the texts."""
        return replace(self, n_directions=n)


def train(
    lesson: Lesson,
    shape: Shape,
    method: Method,
    seed: int,
    elastic: Elastic | None = None,
    start: dict[str, Singles] | None = None,
) -> dict[str, Singles]:
    """Return the weights of a network trained on a lesson, by the names of its parameters; the seed fixes all.

    It begins with `start` where given, else anew. `elastic` holds what was learned before (EWC++), and observes;
    afterwards its anchor stands here.

    The loss is the cross-entropy of quality and half the squared error of log cost in units of its spread, added up
    over the tries of a batch and divided by `BATCH`, which is a mean over tasks. Optimiser: AdamW (I. Loshchilov and
    F. Hutter, "Decoupled weight decay regularization", 2019) with a rate that rises and falls once.

    Raises:
        RoutingError: when torch is not installed.
    """
    with one_thread():
        return _trained(lesson, shape, method, seed, elastic, start)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread: batches this small are slower on two, and much slower on busy ones."""
    torch = extra("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _trained(
    lesson: Lesson,
    shape: Shape,
    method: Method,
    seed: int,
    elastic: Elastic | None,
    start: dict[str, Singles] | None,
) -> dict[str, Singles]:
    torch = extra("torch")
    where = "cuda" if torch.cuda.is_available() else "cpu"
    made = network(shape, seed).to(where)
    if start is not None:
        made.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in start.items()})
    parameters = dict(made.named_parameters())
    given = [
        torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32)).to(where)
        for part in (lesson.inputs, lesson.quality, lesson.n_quality, lesson.log_cost, lesson.n_cost)
    ]
    n = len(lesson.inputs)
    steps = -(-n // BATCH) * method.epochs
    optimiser = torch.optim.AdamW(
        made.parameters(), lr=RATE, weight_decay=method.weight_decay, fused=False, foreach=False
    )
    rise = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE * 3, total_steps=max(2, steps))
    drawn = torch.Generator().manual_seed(seed)
    k = shape.n_candidates
    entropy = torch.nn.functional.binary_cross_entropy_with_logits

    def told(outputs: Any, n_quality: Any, n_cost: Any) -> Any:
        of_quality = bernoulli(outputs[:, :k], n_quality)
        return torch.cat([of_quality, n_cost / lesson.cost_spread**2], dim=1)

    for _ in range(method.epochs if n else 0):
        order = torch.randperm(n, generator=drawn).to(where)
        for inputs, quality, n_quality, log_cost, n_cost in zip(
            *(part[order].split(BATCH) for part in given), strict=True
        ):
            optimiser.zero_grad(set_to_none=True)
            said = made(inputs)
            loss = (entropy(said[:, :k], quality, reduction="none") * n_quality).sum() / BATCH
            apart = (said[:, k:] - log_cost) / lesson.cost_spread
            loss = loss + (apart.square() * n_cost).sum() / (2 * BATCH)
            if elastic is not None:
                loss = loss + elastic.penalty(parameters)
            loss.backward()
            optimiser.step()
            rise.step()
            steps -= 1
            if elastic is not None and steps < REMEMBERED:
                elastic.observe(fisher(made, inputs, partial(told, n_quality=n_quality, n_cost=n_cost)))
    if elastic is not None and n and method.epochs:
        elastic.anchor(parameters)
    return {
        name: value.detach().cpu().numpy().astype(np.float32).copy() for name, value in parameters.items()
    }
