"""How long tries take to be read, SONA to learn from them and peers to learn from the same, and in what memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.figures import Figure, say
from bench.routing_world import KEY, Spent, T, load, spent
from learnlab.routing.baselines import Logistic
from learnlab.routing.extra import extra
from learnlab.routing.reading import read_tries
from learnlab.routing.sona.past import Past
from learnlab.routing.sona.sona import FittedSona, Sona
from learnlab.routing.sona.surface import Surface
from learnlab.routing.sona.tuning import DIRECTIONS
from learnlab.routing.tries import Tries
from learnlab.store import Store

READING = "reading tries from a store"
TRAINING = "training SONA: cross-validation and 3 networks, once its features are made (limit: 120 s)"
MEMORY = "peak memory while features are made and SONA is trained, above what was held before"
_TREES = 100
_STATM = Path("/proc/self/statm")


class Trained(NamedTuple):
    """What training came to, and the router that it made."""

    figures: list[Figure]
    router: FittedSona


def reading(n: int, store: Store) -> Iterator[Figure]:
    """Yield how long tries take to be read, with vectors and without, beside a bare select of the same columns."""
    columns = (
        "task_group, task_type, repo, file_count, estimated_tokens, complexity_score, model_tier, success, "
    )
    bare = f"select {columns} actual_cost, propensity, timestamp from executions order by timestamp"
    say(f"{n:,}: reading tries; {load()}")
    for what, key in (("without texts", ""), ("with vectors of 384", KEY)):
        work, peer = partial(read_tries, store, encoder_key=key), partial(store.sql, bare)
        peer()
        (_, ours), (_, plain) = spent(work), spent(peer)
        yield from _both(READING, what, n, ours, "bare select", plain)


def trained(n: int, tries: Tries, what: str) -> Trained:
    """Return what it takes to make features, choose a size and train, beside two learners of the same tries."""
    say(f"{n:,}: training {what}; {load()}")
    figures: list[Figure] = []

    def learn() -> tuple[FittedSona, Spent, Spent]:
        past, features = spent(partial(_told, tries))
        router, training = spent(partial(Sona().fit_to, past))
        return router, features, training

    (router, features, training), peak = watched(learn)
    _, logistic = spent(partial(Logistic().fit, tries))
    _, boosted = spent(partial(_boosted, router))
    figures += _both(TRAINING, f"{what}: its features", n, features, "logistic regression", logistic)
    figures += _both(TRAINING, f"{what}: all", n, training, "logistic regression", logistic, 120)
    figures += _both(TRAINING, f"{what}: all, beside trees", n, training, "gradient boosting", boosted)
    if peak is not None:
        held = sum(getattr(tries, name).nbytes for name in ("task", "quality", "cost", "propensity"))
        held += tries.tasks.vectors.nbytes
        figures.append(Figure(MEMORY, what, n, peak, "MB", "the tries themselves", held / 1e6))
    return Trained(figures, router)


def _told(tries: Tries) -> Past:
    """Return the past that tries make, which has told of its own tasks."""
    past = Past.of(tries)
    past.tell_its_own(Surface.of(tries.tasks, DIRECTIONS))
    return past


def _boosted(router: FittedSona) -> list[Any]:
    """Return scikit-learn's gradient boosting of success, one a candidate, on the features that SONA has learned from."""
    past = router.past
    assert past
    inputs, tries = past.tell_its_own(router.surface).inputs, past.tries
    made = extra("sklearn.ensemble").HistGradientBoostingClassifier
    known = np.isfinite(tries.quality)
    found = []
    for place in range(len(tries.candidates)):
        rows = known & (tries.candidate == place)
        found.append(
            made(max_iter=_TREES, random_state=0).fit(inputs[tries.task[rows]], tries.quality[rows] > 0.5)
        )
    return found


def _both(
    topic: str, what: str, n: int, ours: Spent, peer: str, theirs: Spent, limit: float | None = None
) -> Iterator[Figure]:
    """Yield a time on the clock and the processor's, each beside the peer's of the same kind."""
    for kind, value, other in (
        ("on the clock", ours.wall, theirs.wall),
        ("of the processor", ours.cpu, theirs.cpu),
    ):
        yield Figure(topic, f"{what}, {kind}", n, value, "s", peer, max(other, 1e-6), limit)


def watched(work: Callable[[], T]) -> tuple[T, float | None]:
    """Return what a work returns, and by how many MB it raised the memory of this process; None where nobody tells."""
    if not _STATM.is_file():
        return work(), None
    before, seen, done = _held(), [0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            seen[0] = max(seen[0], _held() - before)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        return work(), max(seen[0], _held() - before)
    finally:
        done.set()
        watcher.join()


def _held() -> float:
    """Return the MB of memory that this process holds."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
