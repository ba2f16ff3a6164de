"""How long one decision takes, and each part of it, in the process that holds the router in use."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from bench.figures import Figure, say, side_by_side
from bench.routing_world import KEY, Perturbed, load
from learnlab.errors import SearchError
from learnlab.routing.deciding.choosing import THOMPSON, draw
from learnlab.routing.deciding.decision import ToRoute
from learnlab.routing.deciding.online import RoutingService
from learnlab.routing.keeping import registry
from learnlab.routing.preference import PriceOfQuality
from learnlab.routing.promoting.promoted import Promotion
from learnlab.routing.reading import Reads
from learnlab.routing.sona.neighbours import Bank
from learnlab.routing.sona.network import outputs
from learnlab.routing.sona.sona import FittedSona
from learnlab.routing.tries import Floats, Tries
from learnlab.search.encoders import encoder
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter

DECIDING = (
    "one decision by SONA with the vector given, beside embedding and neighbour search (limit: 1 ms at p99)"
)
PARTS = "the parts of a decision, median of each alone"
BARE, LOOKUP = "a dict, json.dumps, write", "one SQL lookup in the open store"
_DECISIONS, _TIMES = 1_000, 100
_TEXT = "Explain why the cache of the billing module is stale after a deploy, and put it right"


def measure(n: int, store: Store, router: FittedSona, tries: Tries) -> Iterator[Figure]:
    """Yield what a decision takes, and its parts, once the router is the one in use of the store."""
    say(f"{n:,}: deciding; {load()}")
    fit = registry.fit_of(router, tries, Reads(encoder_key=KEY))
    with store.writing() as connection:
        registry.keep(connection, fit)
        version = fit.router_version
        chosen = Promotion(registry.PROMOTED, "for the benchmark", version, None, version, worth_usd=1.0)
        registry.note(connection, chosen.row())
    with (
        RoutingService(store, encoder=Perturbed(), seed=0) as service,
        _bare(store) as write,
        _lookup(store) as look,
    ):
        if service.router_version != version:
            raise RuntimeError(f"{service.router_version} decides, and not {version}")
        for explore, what in ((0.05, "5 % by lot"), (THOMPSON, "Thompson sampling")):
            yield from _decisions(n, partial(service.route, explore=explore), what, write, look)
    yield from _parts(n, store, router, write_to=store)


def _tasks(n: int) -> list[tuple[dict[str, Any], Any]]:
    texts = [f"{_TEXT}, case {at}" for at in range(n)]
    vectors = Perturbed().encode(texts)
    kinds = ("bugfix", "feature", "refactor", "docs")
    known = [
        {
            "task_description": text,
            "task_type": kinds[at % 4],
            "repo": "api",
            "file_count": at % 9,
            "estimated_tokens": 500,
        }
        for at, text in enumerate(texts)
    ]
    return list(zip(known, vectors, strict=True))


def _decisions(
    n: int, route: Callable[..., Any], what: str, write: Callable[[], None], look: Callable[[], None]
) -> Iterator[Figure]:
    """Yield what decisions take but for the neighbour search, on the clock and of the thread, in turns with the peers."""
    rows, bare, looked = [], [], []
    with _searching() as searched:
        for at, (task, vector) in enumerate(_tasks(_DECISIONS + 50)):
            searched[:] = [0.0, 0.0]
            begin = time.perf_counter(), time.thread_time()
            route(task, vector=vector)
            took = time.perf_counter() - begin[0], time.thread_time() - begin[1]
            begin_bare = time.perf_counter()
            write()
            bare.append(time.perf_counter() - begin_bare)
            if at % 20 == 0:
                begin_bare = time.perf_counter()
                look()
                looked.append(time.perf_counter() - begin_bare)
            rows.append((*took, *searched))
    wall, own, search, search_own = 1000 * np.array(rows[50:]).T
    times: dict[str, Floats] = {"on the clock": wall - search, "of its thread": own - search_own}
    for kind, values in times.items():
        for share in (50, 99):
            figure = float(np.percentile(values, share))
            peer = 1000 * float(np.percentile(bare[50:], share))
            limit = 1.0 if share == 99 else None
            yield Figure(DECIDING, f"{what}, p{share} {kind}", n, figure, "ms", BARE, peer, limit)
    median = float(np.median(times["on the clock"]))
    yield Figure(DECIDING, f"{what}, p50", n, median, "ms", LOOKUP, 1000 * float(np.median(looked)))
    yield Figure(
        DECIDING,
        f"{what}, p50 with the search",
        n,
        float(np.median(wall)),
        "ms",
        LOOKUP,
        1000 * float(np.median(looked)),
    )


@contextmanager
def _searching() -> Iterator[list[float]]:
    """Lend the seconds that searching neighbours took since they were set to 0: on the clock, and of the thread."""
    taken, near = [0.0, 0.0], Bank.near

    def timed(*given: Any) -> Any:
        begin = time.perf_counter(), time.thread_time()
        found = near(*given)
        taken[0] += time.perf_counter() - begin[0]
        taken[1] += time.thread_time() - begin[1]
        return found

    Bank.near = timed  # type: ignore[method-assign]
    try:
        yield taken
    finally:
        Bank.near = near  # type: ignore[method-assign]


@contextmanager
def _bare(store: Store) -> Iterator[Callable[[], None]]:
    """Lend the least that a decision could be: a look into a dict, written to a file as JSON."""
    best = {"bugfix": "medium", "docs": "small"}
    descriptor = os.open(store.path.with_name("bare.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write() -> None:
        row = {"task_description": _TEXT, "task_type": "docs", "chosen": best["docs"], "propensity": 1.0}
        os.write(descriptor, json.dumps(row).encode() + b"\n")

    try:
        yield write
    finally:
        os.close(descriptor)


@contextmanager
def _lookup(store: Store) -> Iterator[Callable[[], None]]:
    """Lend one lookup of one row in the store, held open."""
    with store.reading() as connection:
        (task_id,) = connection.execute("select task_id from executions limit 1").fetchall()[0]
        query = "select model_tier from executions where task_id = $task_id"

        def look() -> None:
            connection.execute(query, {"task_id": task_id}).fetchall()

        yield look


def _parts(n: int, store: Store, router: FittedSona, write_to: Store) -> Iterator[Figure]:
    """Yield the median of each part of a decision, beside the bare one."""
    (known, vector), *_ = _tasks(1)
    asked = ToRoute.of(known)
    tasks = asked.as_tasks(vector)
    past, there = router.past, router.candidates
    assert past
    looked_up = past.quality.expect(tasks.known).mean
    alone = np.full(1, -1, dtype=np.int64)
    told, expected = past.tell(tasks, router.surface), router.expect(tasks)
    rng, wanted = np.random.default_rng(0), PriceOfQuality(1.0)
    spool = SpoolWriter(write_to.path)
    with RoutingService(store, encoder=Perturbed(), seed=0) as service:
        logged = service.route(known, vector=vector).logged()
    works: dict[str, Callable[[], object]] = {
        "the task, checked and as a row": lambda: ToRoute.of(known).as_tasks(vector),
        f"neighbours among {len(past.bank.vectors):,} texts": lambda: past.bank.near(
            tasks.vectors, alone, looked_up
        ),
        "looked-up means of its kind": lambda: (
            past.quality.expect(tasks.known),
            past.cost.expect(tasks.known),
        ),
        "its numbers": lambda: router.surface.of_tasks(tasks),
        f"{len(router.members)} networks": lambda: [outputs(one, told.inputs) for one in router.members],
        "choosing, 5 % by lot": lambda: draw(expected, there, wanted, 0.05, rng, who="sona"),
        "choosing, Thompson sampling": lambda: draw(expected, there, wanted, THOMPSON, rng, who="sona"),
        "writing to the spool": lambda: spool.write([logged]),
    } | _embedding()
    with _bare(store) as write:
        medians = side_by_side({BARE: write, **works}, times=_TIMES)
    spool.close()
    for what in works:
        yield Figure(PARTS, what, n, 1000 * medians[what], "µs", BARE, 1000 * medians[BARE])


def _embedding() -> dict[str, Callable[[], object]]:
    """Return the embedding of a text by the model that search takes; nothing where there is none."""
    try:
        real = encoder()
    except SearchError as error:
        say(f"embedding a text is left out: {error}")
        return {}
    return {f"embedding a text, {real.runs_on}": lambda: real.encode([_TEXT])}
