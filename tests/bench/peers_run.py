"""One searcher in a process of its own: `python -m bench.peers_run build|serve NAME FOLDER`; JSON in, JSON out."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np  # noqa: F401  (every searcher needs it: its memory counts for none)

SEARCHERS = {
    "ours": ("bench.peers_ours", "Ours"),
    "ours, opened anew": ("bench.peers_ours", "OursAnew"),
    "ours, text in": ("bench.peers_ours", "OursText"),
    "the encoder alone": ("bench.peers_ours", "Encoding"),
    "sqlite-vec": ("bench.peers_disk", "SqliteVec"),
    "LanceDB": ("bench.peers_disk", "Lance"),
    "LanceDB, IVF_RQ": ("bench.peers_disk", "LanceRQ"),
    "chroma": ("bench.peers_disk", "Chroma"),
    "numpy": ("bench.peers_memory", "Numpy"),
    "faiss, flat": ("bench.peers_memory", "FaissFlat"),
    "faiss, binary": ("bench.peers_memory", "FaissBinary"),
    "faiss, HNSW": ("bench.peers_memory", "FaissHNSW"),
}
"""Module and class of each searcher."""


def peak_mb() -> float:
    """Return the most memory that this process has had, in millions of bytes."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def size_mb(paths: list[Path]) -> float:
    """Return the size of files and of whatever is in folders, in millions of bytes."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def build(searcher: Any) -> dict[str, float]:
    """Build, and return what it took and takes up."""
    began = perf_counter()
    own = searcher.build()
    took = {"seconds": perf_counter() - began, "mb": size_mb(searcher.files)}
    return {**took, "whole_mb": took["mb"], **(own or {})}


def answer(searcher: Any, queries: list[int], is_filtered: bool, effort: int) -> dict[str, Any]:
    """Search, and return for each query the milliseconds, those of all cores' work, and what was found."""
    spent, worked, found = [], [], []
    for query in queries:
        began, idle = perf_counter(), process_time()
        ids = searcher.search(query, is_filtered, effort)
        worked.append(1000 * (process_time() - idle))
        spent.append(1000 * (perf_counter() - began))
        found.append(ids)
    return {"ms": spent, "cpu_ms": worked, "ids": found}


def main() -> None:
    """Do what the arguments say; what a library prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    what, name, folder = sys.argv[1:]
    idle = peak_mb()
    module, kind = SEARCHERS[name]
    searcher = getattr(importlib.import_module(module), kind)(Path(folder))
    if what == "build":
        print(json.dumps(build(searcher)), file=out)
        return
    searcher.open()
    print(json.dumps({"efforts": searcher.efforts, "is_on_disk": searcher.is_on_disk}), file=out)
    for line in sys.stdin:
        print(json.dumps(answer(searcher, **json.loads(line)) | {"mb": peak_mb() - idle}), file=out)


if __name__ == "__main__":
    main()
