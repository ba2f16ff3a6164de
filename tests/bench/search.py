"""Search by meaning beside its peers: all on the same vectors and filters, each in a process of its own, in turns."""

from __future__ import annotations

import csv
import gzip
import os
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench import peers, peers_world
from bench.figures import Figure, p95, say
from bench.peers import Process, SearcherError
from bench.peers_figures import Both, Result, figures, overview
from bench.peers_world import Real
from learnlab.search.encoder import Encoder

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "routellm_mmlu_gsm8k"
KEPT = peers.ROOT / "build" / "bench"
"""Where the real vectors stay, so that the next run need not encode them again."""

N_TEXTS, N_QUESTIONS = 4_000, 100
ENOUGH = 0.99
"""The recall up to which a searcher's effort is raised."""

OURS = ("ours", "ours, opened anew")
TEXT_IN = ("ours, text in", "the encoder alone")
PEERS = (
    "sqlite-vec", "LanceDB", "LanceDB, IVF_RQ", "chroma", "numpy", "faiss, flat", "faiss, binary", "faiss, HNSW",
)  # fmt: skip
SLOW = ("sqlite-vec", "LanceDB", "chroma", "faiss, HNSW")
"""Peers that take many minutes to build or seconds to ask at a million records: measured there with BENCH_FULL=1."""

_TURN = 10
_PATIENCE_MS = 300.0
"""A searcher that needs longer for a query is asked a fifth of them."""

_STARTS = 3
_PROCESSES = 4


def real(encoder: Encoder) -> Real | None:
    """Return real questions with their vectors, kept from the last run or encoded now; None without the data."""
    path = KEPT / f"{encoder.key.replace('/', '-')}-{N_TEXTS}.npy"
    found = next(DATA.glob("*.csv.gz"), None)
    if found is None:
        return None
    csv.field_size_limit(sys.maxsize)
    with gzip.open(found, "rt", encoding="utf-8", newline="") as stream:
        texts = sorted({row["prompt"] for row in csv.DictReader(stream)})
    chosen = random.Random(0).sample(texts, N_TEXTS + N_QUESTIONS)
    if not path.is_file():
        say(f"encoding {len(chosen):,} real texts, once: {encoder.runs_on}")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path.with_suffix(".part.npy"), encoder.encode(chosen))
        path.with_suffix(".part.npy").replace(path)
    vectors = np.load(path)
    return Real(encoder.key, chosen[:N_TEXTS], vectors[:N_TEXTS], chosen[N_TEXTS:], vectors[N_TEXTS:])


def measure(n: int, folder: Path, given: Real, names: Sequence[str]) -> Iterator[Figure]:
    """Yield the figures of searchers on n records made of real vectors, and print what each comes to."""
    say(f"{n:,} vectors, {'perturbed' if n > len(given.vectors) else 'real'}: making them")
    world = peers_world.make(n, given, folder / f"search-{n}")
    true = Both(*(peers_world.neighbours(world, is_filtered=is_filtered) for is_filtered in (False, True)))
    share = statistics.mean(world.kept(at).mean() for at in range(len(world.queries)))
    results = measured(names, folder / f"search-{n}", true)
    print(overview(n, share, n > len(given.vectors), results), end="\n\n", flush=True)
    yield from figures(n, results)


def chosen(n: int) -> tuple[str, ...]:
    """Return the searchers for n records, and say which are left out and why."""
    left_out: tuple[str, ...] = ()
    if reason := peers.install():
        say(f"the peers of search cannot be installed, numpy alone is left: {reason}")
        left_out = tuple(name for name in PEERS if name != "numpy")
    elif n >= 1_000_000 and not os.environ.get("BENCH_FULL"):
        left_out = SLOW
        say(f"{n:,}: left out but under BENCH_FULL=1: {'; '.join(left_out)}")
    return (*OURS, *TEXT_IN, *(name for name in PEERS if name not in left_out))


def measured(names: Sequence[str], folder: Path, true: Both) -> list[Result]:
    """Return what each searcher comes to; one that fails is left out, and its last words are said."""
    results = []
    with ExitStack() as stack:
        open_ones: dict[str, Process] = {}
        for name in names:
            try:
                result, process = _started(name, folder, results)
                stack.callback(process.close)
                _tune(result, process, true)
            except SearcherError as error:
                say(f"left out: {error}")
                continue
            results.append(result)
            open_ones[name] = process
        for is_filtered in (False, True):
            _take_turns(results, open_ones, is_filtered, true[is_filtered])
        for result in results:
            if result.is_on_disk and result.name not in TEXT_IN:
                _together(result, open_ones[result.name], folder, len(true[0]))
    return results


def _started(name: str, folder: Path, earlier: Sequence[Result]) -> tuple[Result, Process]:
    """Build a searcher, time the first answer of fresh processes, and return the last of these."""
    ours = next((result for result in earlier if result.name == OURS[0]), None)
    say(f"{name}: building" if name not in (*OURS[1:], *TEXT_IN) else name)
    took = ours.built if ours and name in (*OURS, *TEXT_IN) else peers.build(name, folder)
    result = Result(name, took, kinds=(False,) if name in TEXT_IN else (False, True))
    firsts: list[float] = []
    while True:
        process = Process("serve", name, folder)
        try:
            hello = process.hear()
            result.efforts, result.is_on_disk = hello["efforts"], hello["is_on_disk"]
            process.ask([len(firsts)], is_filtered=False, effort=max(result.efforts, default=0))
        except SearcherError:
            process.close()
            raise
        firsts.append(process.age())
        if len(firsts) == _STARTS:
            result.first_ms = statistics.median(firsts)
            return result, process
        process.close()


def _tune(result: Result, process: Process, true: Both) -> None:
    """Raise the effort of a searcher until it finds enough, with and without a filter, and warm it up so."""
    for is_filtered in result.kinds:
        # An effort that enough is found with is looked for with all queries; elsewhere a few warm up.
        some = range(0, len(true[0]), 1 if result.efforts else 5)
        for effort in result.efforts or [0]:
            result.effort[is_filtered] = effort
            replied = process.ask(some, is_filtered=is_filtered, effort=effort)
            result.p50[is_filtered] = statistics.median(replied["ms"])
            if peers_world.recall(replied["ids"], [true[is_filtered][query] for query in some]) >= ENOUGH:
                break


def _take_turns(
    results: Sequence[Result], processes: dict[str, Process], is_filtered: bool, true: list[list[int]]
) -> None:
    """Ask all searchers the same queries, ten each in turn, so that all meet the same machine."""
    spent: dict[str, list[float]] = {name: [] for name in processes}
    worked: dict[str, list[float]] = {name: [] for name in processes}
    found: dict[str, list[list[int]]] = {name: [] for name in processes}
    asked: dict[str, list[int]] = {name: [] for name in processes}
    for begin in range(0, len(true), _TURN):
        for result in results:
            if is_filtered not in result.kinds:
                continue
            n = _TURN if result.p50[is_filtered] < _PATIENCE_MS else _TURN // 5
            queries = range(begin, min(begin + n, len(true)))
            effort = result.effort[is_filtered]
            replied = processes[result.name].ask(queries, is_filtered=is_filtered, effort=effort)
            spent[result.name] += replied["ms"]
            worked[result.name] += replied["cpu_ms"]
            found[result.name] += replied["ids"]
            asked[result.name] += queries
            result.memory_mb = replied["mb"]
    for result in results:
        name = result.name
        if not spent[name]:
            continue
        result.p50[is_filtered], result.p95[is_filtered] = statistics.median(spent[name]), p95(spent[name])
        result.cpu[is_filtered] = statistics.median(worked[name])
        result.recall[is_filtered] = peers_world.recall(found[name], [true[query] for query in asked[name]])


def _together(result: Result, first: Process, folder: Path, n_queries: int) -> None:
    """Note the 95th percentile of the milliseconds of a query when four processes ask at once."""
    n = min(25 if max(result.p50.values()) < _PATIENCE_MS else 5, n_queries)
    with ExitStack() as stack:
        others = [Process("serve", result.name, folder) for _ in range(_PROCESSES - 1)]
        for process in others:
            stack.callback(process.close)
        for process in others:
            process.hear()
        processes = [first, *others]
        for is_filtered, effort in result.effort.items():
            for process in processes:
                process.ask([0], is_filtered=is_filtered, effort=effort)
            for at, process in enumerate(processes):
                own = [(at * n + turn) % n_queries for turn in range(n)]
                process.tell(own, is_filtered=is_filtered, effort=effort)
            result.together[is_filtered] = p95(
                spent for process in processes for spent in process.hear()["ms"]
            )
