"""How long a labeller waits for the next item, whoever holds the store meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import next_fact, start

from bench.figures import Figure, say, seconds
from bench.fleets import Fleet
from learnlab.feedback.labelling.queues import open_queue
from learnlab.feedback.labelling.session import LabelingSession
from learnlab.store import Store

LABELLING = "labelling: from an answer to the next item in hand, the answer safe (limit: 100 ms)"
BEGINNING = "labelling: a queue opened, and a session on it begun"
_LABELS = 200
_PAUSE = 0.05
"""Seconds between two labels: somebody with quick fingers."""

_READING = "600"
"""Seconds after which a report that nobody stopped ends."""


def measure(fleet: Fleet) -> Iterator[Figure]:
    """Yield what a label costs while nobody, reports or a writer hold the store, beside a bare write of its line."""
    say(f"{fleet.n:,}: labelling")
    folder = fleet.folder / f"feedback-{fleet.n}"
    folder.mkdir()
    try:
        store = Store(shutil.copy(fleet.store.path, folder))
        opening = seconds(lambda: open_queue("warm", store, n=1))
        yield Figure(BEGINNING, "open_queue, 1 item", fleet.n, 1000 * opening, "ms", *_bare_read(store))
        for what, holding in (
            ("the store is free", _nobody),
            ("reports read it", _reports),
            ("a writer holds it", _writer),
        ):
            queue = open_queue(what, store, n=min(_LABELS, fleet.n))
            session = LabelingSession(queue, author="bench")
            with holding(store), session:
                ours, bare = _labelled(session, folder / "bare.jsonl")
            for percent, limit in ((50, None), (99, 100)):
                named = f"{what}, p{percent}"
                peer = percentile(bare, percent)
                yield Figure(
                    LABELLING, named, fleet.n, percentile(ours, percent), "ms", "write, fsync", peer, limit
                )
            said = store.sql("select count(*) from feedback where queue = $queue", {"queue": what}).item()
            if said != len(ours):
                raise RuntimeError(f"{len(ours)} labels were acknowledged and {said} are in the store")
    finally:
        shutil.rmtree(folder)


def percentile(values: Iterable[float], percent: int) -> float:
    """Return the smallest value that so many in a hundred do not exceed.

    >>> percentile(range(1, 101), 99), percentile([3], 50)
    (99, 3)
    """
    ordered = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _labelled(session: LabelingSession, path: Path) -> tuple[list[float], list[float]]:
    """Return the milliseconds that each label took, and those of a bare write of such a line after it."""
    line = json.dumps({"kind": "feedback", "text": "x" * 600}).encode() + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    ours, bare, n_ready = [], [], 0

    def write() -> None:
        os.write(descriptor, line)
        os.fsync(descriptor)

    try:
        while (item := session.item) is not None:
            n_ready += item.is_ready
            ours.append(1000 * seconds(lambda: session.label({"success": "yes"})))
            bare.append(1000 * seconds(write))
            time.sleep(_PAUSE)
    finally:
        os.close(descriptor)
    say(f"{session.queue.name}: {n_ready} of {len(ours)} items had their details at once")
    return ours, bare


def _bare_read(store: Store) -> tuple[str, float]:
    return "one read of the store", 1000 * seconds(lambda: store.sql("select count(*) from executions"))


@contextmanager
def _nobody(store: Store) -> Iterator[None]:
    yield


@contextmanager
def _reports(store: Store) -> Iterator[None]:
    """Have a process read a view again and again, and drain what waits, as a report does."""
    process = start("read", store.path, "0", _READING)
    try:
        yield
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _writer(store: Store) -> Iterator[None]:
    """Have a process hold the store alone."""
    process = start("hold", store.path, "exclusive")
    next_fact(process)
    try:
        yield
    finally:
        process.communicate()
