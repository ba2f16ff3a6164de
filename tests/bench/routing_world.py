"""A fleet's store whose texts have vectors, and how the time of a work is taken: on the clock, and of the processor."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import NamedTuple, TypeVar

import numpy as np

from bench.fleets import Fleet
from learnlab.search.encoder import Vectors
from learnlab.search.index.backlog import encode_waiting
from learnlab.store import Store

T = TypeVar("T")
KEY = "perturbed@1"
DIMENSION, N_CENTRES, NOISE = 384, 200, 0.7
"""Numbers of a vector, directions that texts lie around, and how far: as far as real texts of a kind do."""


class Perturbed:
    """An encoder that draws each text's vector around one of some directions by the text's hash: good for times alone."""

    key = KEY
    dimension = DIMENSION
    runs_on = "numpy, for times alone"

    def __init__(self) -> None:
        self._centres = np.random.default_rng(0).standard_normal((N_CENTRES, DIMENSION), dtype=np.float32)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return a vector of length 1 for each text."""
        vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
        for at, text in enumerate(texts):
            rng = np.random.default_rng(int.from_bytes(blake2b(text.encode(), digest_size=8).digest()))
            noise = NOISE * rng.standard_normal(DIMENSION, dtype=np.float32)
            vectors[at] = self._centres[rng.integers(N_CENTRES)] + noise
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@contextmanager
def with_vectors(fleet: Fleet) -> Iterator[Store]:
    """Lend a copy of the fleet's store in which every text has a vector; it goes afterwards."""
    folder = fleet.folder / f"routing-{fleet.n}"
    folder.mkdir()
    try:
        shutil.copy(fleet.store.path, folder)
        store = Store(folder / fleet.store.path.name)
        encode_waiting(store, Perturbed())
        yield store
    finally:
        shutil.rmtree(folder)


class Spent(NamedTuple):
    """Seconds on the clock, and of the processor's cores: a busy machine lengthens the first."""

    wall: float
    cpu: float


def spent(work: Callable[[], T]) -> tuple[T, Spent]:
    """Return what a work returns, and what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, Spent(time.perf_counter() - wall, time.process_time() - cpu)


def load() -> str:
    """Return in words how busy the machine is: processes that want to run, of the last minute, and cores."""
    return f"{os.getloadavg()[0]:.1f} processes on {os.cpu_count()} cores"
