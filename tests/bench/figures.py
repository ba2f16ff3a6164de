"""Figures: how they are timed, what each stands beside, and how they are printed and kept."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb


@dataclass(frozen=True)
class Figure:
    """One measured figure in its unit, a peer measured beside it, and its limit; less is better.

    `limit` is in the same unit; None where nobody set one.
    """

    topic: str
    what: str
    n: int
    value: float
    unit: str
    peer: str
    peer_value: float
    limit: float | None = None

    @property
    def ratio(self) -> float:
        """The figure in parts of its peer."""
        return self.value / self.peer_value

    @property
    def verdict(self) -> str:
        """`within` or `over` the limit; empty where there is none."""
        if self.limit is None:
            return ""
        return "within" if self.value <= self.limit else "over"

    def cells(self) -> tuple[str, ...]:
        """Return the figure as the cells of a line."""
        limit = "-" if self.limit is None else amount(self.limit, self.unit)
        peer = f"{amount(self.peer_value, self.unit)} {self.peer}"
        value = amount(self.value, self.unit)
        return self.what, f"{self.n:,}", value, peer, f"{self.ratio:.2f}x", limit, self.verdict


def amount(value: float, unit: str) -> str:
    """Return a quantity with its unit and three digits or more.

    >>> amount(1234.5, "ms"), amount(0.456, "s")
    ('1,234 ms', '0.46 s')
    """
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} {unit}"


def say(text: str) -> None:
    """Tell whoever waits what is being measured."""
    print(text, file=sys.stderr, flush=True)


def seconds(work: Callable[[], object]) -> float:
    """Return how long one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def side_by_side(works: Mapping[str, Callable[[], object]], times: int = 9) -> dict[str, float]:
    """Return the median milliseconds of each work; they take turns, so that all meet the same machine.

    Each is called once beforehand to warm up.

    >>> sorted(side_by_side({"ours": list, "bare": list}, times=3))
    ['bare', 'ours']
    """
    spent: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(times + 1):
        for name, work in works.items():
            took = 1000 * seconds(work)
            if turn:
                spent[name].append(took)
    return {name: statistics.median(values) for name, values in spent.items()}


def p95(values: Iterable[float]) -> float:
    """Return the smallest value that 95 in 100 do not exceed.

    >>> p95(range(1, 101)), p95([3])
    (95, 3)
    """
    ordered = sorted(values)
    return ordered[-(-len(ordered) * 95 // 100) - 1]


def megabytes(path: Path) -> float:
    """Return the size of a file in millions of bytes."""
    return path.stat().st_size / 1e6


def table(figures: Iterable[Figure]) -> str:
    """Return figures as aligned text, one block a topic.

    >>> print(table([Figure("opening", "open and close", 20_000, 30, "ms", "bare", 20, 40)]))
    opening
      what              rows   figure          peer  ratio    limit  verdict
      open and close  20,000  30.0 ms  20.0 ms bare  1.50x  40.0 ms  within
    """
    figures = list(figures)
    head = ("what", "rows", "figure", "peer", "ratio", "limit", "verdict")
    width = [max(map(len, column)) for column in zip(head, *(f.cells() for f in figures), strict=True)]
    aligned = [f"{{:{'<' if at in (0, 6) else '>'}{wide}}}" for at, wide in enumerate(width)]

    def line(cells: tuple[str, ...]) -> str:
        return "  " + "  ".join(form.format(cell) for form, cell in zip(aligned, cells, strict=True)).rstrip()

    blocks = []
    for topic in dict.fromkeys(f.topic for f in figures):
        blocks.append("\n".join([topic, line(head), *(line(f.cells()) for f in figures if f.topic == topic)]))
    return "\n\n".join(blocks)


def keep(figures: Iterable[Figure], path: Path) -> None:
    """Write figures and the machine that they were measured on as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "duckdb": duckdb.__version__}
    rows = [asdict(f) | {"ratio": f.ratio, "verdict": f.verdict} for f in figures]
    path.write_text(json.dumps({"machine": machine, "figures": rows}, indent=1, ensure_ascii=False) + "\n")
