"""One stream learned in one way: a small network fitted to a domain after another, asked about all after each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from learnlab.routing.continual.memory import Memory, Way, memory
from learnlab.routing.continual.stream import Domain, Rows
from learnlab.routing.extra import extra
from learnlab.routing.sona.training import one_thread
from learnlab.routing.tries import Floats


@dataclass(frozen=True)
class Training:
    """How the network is fitted: one hidden layer, Adam, so many passes over what is learned from."""

    hidden: int = 32
    epochs: int = 6
    batch: int = 512
    rate: float = 4e-3
    shrinkage: float = 1e-3


PLAIN = Training()
"""How the network is fitted unless told otherwise."""


@dataclass(frozen=True)
class Learned:
    """What a stream came to when it was learned in one way.

    `chances[i][j]` are the probabilities of success, (tasks, candidates), that the network gave the held-back tasks of
    domain j after learning i domains; i = 0 is before the first one. `seconds[i]` is what learning domain i took
    (wall clock, all that the way does for it).
    """

    way: Way
    domains: list[Domain]
    chances: list[list[Floats]]
    seconds: list[float]


def learn(stream: list[Domain], way: Way, seed: int, training: Training = PLAIN) -> Learned:
    """Return what a network expects of every domain's held-back tasks after each domain that it learned.

    The same seed begins with the same network, whichever the way.

    Raises:
        RoutingError: when torch is not installed.
    """
    with one_thread():
        return _learned(stream, way, seed, training)


def _learned(stream: list[Domain], way: Way, seed: int, training: Training) -> Learned:
    torch = extra("torch")
    network, held = _network(stream[0].learn, training, seed), memory(way, seed)
    judged = [torch.from_numpy(domain.judge.inputs) for domain in stream]
    chances, seconds = [_chances(network, judged)], []
    for place, domain in enumerate(stream):
        began = perf_counter()
        if held.is_anew:
            network = _network(domain.learn, training, seed)
        fit(network, held.material(domain.learn), held, training, seed * 1000 + place)
        held.end(network, domain.learn, _tensors(domain.learn)[::2])
        seconds.append(perf_counter() - began)
        chances.append(_chances(network, judged))
    return Learned(way, stream, chances, seconds)


def fit(network: Any, rows: Rows, held: Memory, training: Training, seed: int) -> None:
    """Fit a network to rows, with what the memory adds to each batch.

    Raises:
        RoutingError: when torch is not installed.
    """
    torch = extra("torch")
    parameters = dict(network.named_parameters())
    optimiser = torch.optim.Adam(
        parameters.values(), training.rate, weight_decay=training.shrinkage, fused=True
    )
    inputs, quality, is_known = _tensors(rows)
    for at in _batches(len(rows), training, seed):
        x, y, known = inputs[at], quality[at], is_known[at]
        loss = _loss(network(x), y, known)
        if again := held.again(len(at)):
            x_again, y_again, known_again = _tensors(again)
            loss = (loss + _loss(network(x_again), y_again, known_again)) / 2
        optimiser.zero_grad(set_to_none=True)
        (loss + held.penalty(parameters)).backward()
        optimiser.step()
        held.observe(network, x, known)


def _batches(n: int, training: Training, seed: int) -> Iterator[Any]:
    rng = np.random.default_rng([seed, 1])
    for _ in range(training.epochs):
        order = rng.permutation(n)
        yield from (order[at : at + training.batch] for at in range(0, n, training.batch))


def _network(like: Rows, training: Training, seed: int) -> Any:
    torch = extra("torch")
    wide, out = like.inputs.shape[1], like.quality.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Linear(wide, training.hidden), torch.nn.Tanh(), torch.nn.Linear(training.hidden, out)
        )


def _tensors(rows: Rows) -> tuple[Any, Any, Any]:
    torch = extra("torch")
    known = np.isfinite(rows.quality)
    quality = np.where(known, rows.quality, 0.0).astype(np.float32)
    return tuple(torch.from_numpy(part) for part in (rows.inputs, quality, known.astype(np.float32)))


def _loss(outputs: Any, quality: Any, is_known: Any) -> Any:
    each = extra("torch").nn.functional.binary_cross_entropy_with_logits(outputs, quality, reduction="none")
    return (each * is_known).sum() / is_known.sum().clamp(min=1)


def _chances(network: Any, judged: list[Any]) -> list[Floats]:
    with extra("torch").no_grad():
        return [network(inputs).sigmoid().numpy().astype(np.float64) for inputs in judged]
