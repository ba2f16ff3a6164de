"""What tests run in processes of their own: each function is a program, `python tests/workers.py NAME ARG …`."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import polars as pl

from learnlab.models import ExecutionRecord
from learnlab.store import Store
from learnlab.store.frames import conform
from learnlab.store.lock import held
from learnlab.store.spool import SpoolWriter


def say(**facts: object) -> None:
    """Tell the test something: one line of JSON."""
    print(json.dumps(facts), flush=True)


def frame(worker: int, first: int, n: int) -> pl.DataFrame:
    """Return n executions of one worker, each with an id of its own."""
    ids = range(first, first + n)
    return conform(
        pl.DataFrame(
            {
                "task_id": [f"{worker:08d}-0000-4000-8000-{i:012d}" for i in ids],
                "timestamp": ["2026-05-01T00:00:00"] * n,
                "task_type": ["docs"] * n,
                "task_description": [f"Describe part {i}" for i in ids],
                "repo": ["shop"] * n,
                "model_tier": ["small"] * n,
                "pool_type": ["local"] * n,
                "success": [True] * n,
            }
        )
    )[0]


def hold(store: str, mode: str) -> None:
    """Hold a store's lock until standard input closes."""
    with held(Path(store), exclusive=mode == "exclusive", timeout=10):
        say(held=True, pid=os.getpid())
        sys.stdin.read()


def read(store: str, worker: str, seconds: str) -> None:
    """Read a view again and again, and say the longest wait."""
    end = time.monotonic() + float(seconds)
    longest, n = 0.0, 0
    while time.monotonic() < end:
        began = time.monotonic()
        Store(store).view("tier_performance")
        longest, n = max(longest, time.monotonic() - began), n + 1
    say(kind="reader", longest=longest, n=n)


def bulk(store: str, worker: str, seconds: str, size: str = "500") -> None:
    """Add frames again and again; say each one's first id before it begins and once it is in."""
    end = time.monotonic() + float(seconds)
    longest, n, duplicates = 0.0, 0, 0
    while time.monotonic() < end:
        rows = frame(int(worker), n, int(size))
        began = time.monotonic()
        counts = Store(store).add(rows, source=f"worker {worker}")
        longest = max(longest, time.monotonic() - began)
        n, duplicates = n + counts.n_accepted, duplicates + counts.n_duplicates
        say(acknowledged=n)
    say(kind="ingester", longest=longest, n=n, n_duplicates=duplicates)


def single(store: str, worker: str, seconds: str) -> None:
    """Store single records through the spool; say each that was acknowledged."""
    end = time.monotonic() + float(seconds)
    writer = SpoolWriter(Store(store).path)
    longest, n = 0.0, 0
    while time.monotonic() < end:
        record = ExecutionRecord(
            task_id=f"{int(worker):08d}-0000-4000-8000-{n:012d}",
            task_type="docs",
            task_description=f"Describe part {n}",
            repo="shop",
            model_tier="small",
            pool_type="local",
        )
        began = time.monotonic()
        writer.append([record])
        longest, n = max(longest, time.monotonic() - began), n + 1
        say(acknowledged=n)
    say(kind="single", longest=longest, n=n)


def encode(store: str, piece: str) -> None:
    """Encode what waits in pieces of a size, saying when each begins, and what was done in the end."""
    from encoders import WordEncoder

    from learnlab.search.index import backlog

    class Telling(WordEncoder):
        def encode(self, texts: list[str]) -> object:
            say(n=len(texts))
            return super().encode(texts)

    backlog.PIECE = int(piece)
    done = backlog.encode_waiting(Store(store), Telling())
    say(n_texts=done.n_texts, n_left=done.n_left)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
