"""How fast agents' logs are read, beside a bare line-by-line `json.loads` of the same bytes, and in what memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bench.figures import Figure, say, seconds, side_by_side
from bench.fleets import Fleet
from learnlab.ingest.assemble import Part, assemble_all
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.registry import FORMATS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SOURCES = {
    "claude_code": "claude_code/*-*-*-*-*",
    "codex": "codex/as_large.jsonl",
    "otel": "otel/DERIVED_from_tempo_otlp_file_exporter.jsonl",
}
"""The real logs that are repeated with fresh ids, a glob below `../shared/data` for each format."""

READING = "reading logs, records and steps made and checked (limit: twice a bare json.loads of every line)"
STORING = "reading logs into a fresh store"
MEMORY = "peak memory of a process that reads transcripts into a store (limit: 1,000 MB, whatever their size)"
_ID = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b"
)
_NAMED_ID = re.compile(rb"\b(?:msg|req|toolu|call|fc)_[A-Za-z0-9]{8,}")


def repeated(form: str, folder: Path, n_bytes: int) -> Path | None:
    """Return a folder with about so many bytes of real logs, each copy with ids of its own; None without data."""
    files = [
        path
        for found in DATA.glob(SOURCES[form])
        for path in ([found] if found.is_file() else found.rglob("*.jsonl"))
    ]
    if not files:
        return None
    into = folder / f"{form}-{n_bytes}"
    written, copy = 0, 0
    while written < n_bytes:
        copy += 1
        for path in files:
            parts = [_fresh(part.encode(), copy).decode() for part in path.relative_to(DATA).parts[1:]]
            target = into.joinpath(str(copy), *parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            data = _fresh(path.read_bytes(), copy)
            target.write_bytes(data)
            written += len(data)
    return into


def _fresh(data: bytes, copy: int) -> bytes:
    """Return text with every id in it changed, the same id always to the same one."""
    mark = b"%08x" % copy
    changed = _ID.sub(lambda found: mark + found[0][8:], data)
    return _NAMED_ID.sub(lambda found: found[0] + mark, changed)


def measure(fleet: Fleet) -> Iterator[Figure]:
    """Yield how fast 20 MB of each kind of log are read, and how a MB a thousand rows of the fleet is stored."""
    n_bytes = fleet.n * 1000
    for form in SOURCES:
        folder = repeated(form, fleet.folder, min(n_bytes, 20_000_000))
        if folder is None:
            say(f"{form}: no real logs in {DATA}, left out")
            continue
        files = sorted(folder.rglob("*.jsonl"))
        size = sum(path.stat().st_size for path in files)
        say(f"{form}: reading {size / 1e6:,.0f} MB")
        works = {
            "ours": lambda files=files, form=form: read(files, form),
            "bare json.loads": lambda files=files: bare(files),
        }
        spent = side_by_side(works, times=3)
        peer = spent["bare json.loads"]
        what = f"{form}, {size / 1e6:,.0f} MB"
        yield Figure(READING, what, fleet.n, spent["ours"], "ms", "bare json.loads", peer, 2 * peer)
    yield from _stored(fleet, n_bytes)


def read(files: list[Path], form: str) -> int:
    """Read logs and make frames of them, fifty pieces at once as ingestion does; return how many steps there are."""
    reader = FORMATS[form]
    parts = (Part(piece, form, path.name) for path in files for piece in reader.read(path, Position()))
    n_steps = 0
    while group := list(islice(parts, 50)):
        n_steps += sum(len(batch.steps) for batch in assemble_all(group))
    return n_steps


def bare(files: list[Path]) -> None:
    """Parse every line and keep nothing."""
    for path in files:
        with path.open("rb") as stream:
            for line in stream:
                json.loads(line)


_CHILD = """
import resource, sys
from learnlab.ingest import ingest
from learnlab.store import Store
if sys.argv[1:]:
    ingest(sys.argv[1], Store(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


def _stored(fleet: Fleet, n_bytes: int) -> Iterator[Figure]:
    folder = repeated("claude_code", fleet.folder, n_bytes)
    if folder is None:
        return
    files = sorted(folder.rglob("*.jsonl"))
    size = sum(path.stat().st_size for path in files) / 1e6
    say(f"claude_code: storing {size:,.0f} MB")
    store = fleet.folder / f"logs-{fleet.n}.duckdb"
    peak = [0.0]

    def stored() -> None:
        peak[0] = _child(str(folder), str(store))

    took, parsing = seconds(stored), seconds(lambda: bare(files))
    yield Figure(STORING, f"claude_code, {size:,.0f} MB", fleet.n, took, "s", "bare json.loads", parsing)
    again = seconds(stored)
    yield Figure(STORING, "the same folder once more", fleet.n, again, "s", "bare json.loads", parsing)
    idle = _child()
    yield Figure(
        MEMORY, f"claude_code, {size:,.0f} MB", fleet.n, peak[0], "MB", "with nothing to read", idle, 1000
    )


def _child(*words: str) -> float:
    done = subprocess.run([sys.executable, "-c", _CHILD, *words], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
