"""What searchers come to: every figure of ours beside each peer's, and one table of all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.figures import Figure

SEEDS = {1_000: 5, 100_000: 50, 1_000_000: 200}
"""The original documents' projection for a search, in ms."""

HELD = "search by meaning, store held open, vector given, p50 (limit: the seeds' 5, 50, 200 ms)"
ANEW = "search by meaning, the store opened for each, vector given, p50"
RECALL = "true neighbours missed of 1,000 (limit: 10)"
DISK = "search beside peers that keep their data on disk, p50 (limit, filtered: a peer that finds 99 %)"
MEMORY = "search beside peers in memory, p50 (limit: three times faiss that finds 99 %)"
FIRST = "first answer of a fresh process, imports and opening included"
TOGETHER = "four processes search at once, p95 (limit: 200 ms up to 100,000 records)"
COSTS = "what searching needs: building, disk, memory above bare Python with numpy"
TEXT = "search by meaning, store held open, text in, p50"


class Both(NamedTuple):
    """Something without a filter and with one: `both[is_filtered]`."""

    of_all: list[list[int]]
    filtered: list[list[int]]


def _pair() -> dict[bool, float]:
    return {False: 0.0, True: 0.0}


@dataclass
class Result:
    """What a searcher comes to: times in ms, sizes in MB; by whether there is a filter, `kinds` where that is asked."""

    name: str
    built: dict[str, float]
    kinds: tuple[bool, ...] = (False, True)
    is_on_disk: bool = False
    efforts: list[int] = field(default_factory=list)
    first_ms: float = 0.0
    memory_mb: float = 0.0
    effort: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})
    p50: dict[bool, float] = field(default_factory=_pair)
    p95: dict[bool, float] = field(default_factory=_pair)
    cpu: dict[bool, float] = field(default_factory=_pair)
    recall: dict[bool, float] = field(default_factory=_pair)
    together: dict[bool, float] = field(default_factory=_pair)

    def finds_enough(self, is_filtered: bool) -> bool:
        """Return whether it finds 99 of 100 true neighbours."""
        return self.recall[is_filtered] >= 0.99


_KINDS = {False: "any record", True: "one repo, some days"}


def figures(n: int, results: Sequence[Result]) -> Iterator[Figure]:
    """Yield every figure of ours beside each peer's."""
    by_name = {result.name: result for result in results}
    ours, anew = by_name["ours"], by_name["ours, opened anew"]
    others = [result for result in results if not result.name.startswith(("ours", "the encoder"))]
    on_disk = [result for result in others if result.is_on_disk] or others
    seeds = next((ms for size, ms in SEEDS.items() if size >= n), None)
    for is_filtered, kind in _KINDS.items():
        able = [result for result in on_disk if result.finds_enough(is_filtered)] or on_disk
        best = min(able, key=lambda result: result.p50[is_filtered])
        for topic, mine, limit in ((HELD, ours, seeds), (ANEW, anew, None)):
            yield _beside(topic, kind, n, mine.p50, best, best.p50, is_filtered, limit)
        missed = 1000 * (1 - ours.recall[is_filtered])
        yield Figure(RECALL, kind, n, missed, "", "allowed", 10, 10)
        for peer in others:
            topic, limit = (DISK if peer.is_on_disk else MEMORY), None
            if peer.finds_enough(is_filtered) and (is_filtered or not peer.is_on_disk):
                limit = peer.p50[is_filtered] * (1 if peer.is_on_disk else 3)
            limit = limit if peer.is_on_disk or peer.name.startswith("faiss") else None
            yield _beside(
                topic, f"{kind}: beside {peer.name}", n, ours.p50, peer, peer.p50, is_filtered, limit
            )
        for mine in (ours, anew) if best.together[is_filtered] else ():
            limit = 200 if n <= 100_000 else None
            its = best.together
            yield _beside(TOGETHER, f"{kind}: {mine.name}", n, mine.together, best, its, is_filtered, limit)
    for peer in on_disk:
        yield Figure(FIRST, f"beside {peer.name}", n, anew.first_ms, "ms", peer.name, peer.first_ms)
        for what, unit, mine, its in (
            ("building", "s", ours.built["seconds"], peer.built["seconds"]),
            ("on disk", "MB", ours.built["mb"], peer.built["mb"]),
            ("memory", "MB", ours.memory_mb, peer.memory_mb),
        ):
            yield Figure(COSTS, f"{what}: beside {peer.name}", n, mine, unit, peer.name, its)
    if {"ours, text in", "the encoder alone"} <= set(by_name):
        text, alone = by_name["ours, text in"], by_name["the encoder alone"]
        yield Figure(TEXT, "any record", n, text.p50[False], "ms", alone.name, alone.p50[False])
        yield Figure(
            TEXT, "first answer of a fresh process", n, text.first_ms, "ms", alone.name, alone.first_ms
        )


def _beside(
    topic: str,
    what: str,
    n: int,
    mine: dict[bool, float],
    peer: Result,
    its: dict[bool, float],
    at: bool,
    limit: Any,
) -> Figure:
    found = f"{peer.name} ({peer.recall[at]:.3f} found)"
    return Figure(topic, what, n, mine[at], "ms", found, its[at], limit)


def overview(n: int, share: float, is_perturbed: bool, results: Sequence[Result]) -> str:
    """Return all that was measured of every searcher as a table in Markdown."""
    kind = "perturbed real vectors" if is_perturbed else "real vectors"
    head = (
        "searcher", "p50 ms", "p95 ms", "CPU ms", "found", "filtered p50 ms", "p95 ms", "CPU ms", "found", "effort",
        "first answer ms", "four at once, p95 ms", "filtered", "build s", "disk MB", "memory MB",
    )  # fmt: skip
    busy = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    lines = [
        f"{n:,} records of {kind}; a filter keeps {share:.1%} of them; {busy}",
        "",
        _line(head),
        _line(["---"] * len(head)),
    ]
    for of in results:
        effort = f"{of.effort[False]} / {of.effort[True]}" if of.efforts else "–"
        cells = [of.name]
        for at in (False, True):
            found = f"{of.recall[at]:.3f}" if of.recall[at] else "–"
            cells += [_ms(of.p50[at]), _ms(of.p95[at]), _ms(of.cpu[at]), found]
        together = [_ms(of.together[at]) for at in (False, True)]
        costs = [f"{of.built['seconds']:,.1f}", f"{of.built['mb']:,.0f}", f"{of.memory_mb:,.0f}"]
        lines.append(_line([*cells, effort, _ms(of.first_ms), *together, *costs]))
    return "\n".join(lines)


def _ms(value: float) -> str:
    if not value:
        return "–"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
