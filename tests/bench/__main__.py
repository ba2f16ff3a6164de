"""`python tests/bench [TOPIC …] [ROWS …]`: measure all topics or those named, at their sizes or at those given."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import (
    capture,
    feedback,
    indexes,
    ingestion,
    logs,
    reading,
    records,
    retrieval,
    routing,
    search,
    storage,
)
from bench.figures import Figure, keep, say, table
from bench.fleets import make_fleet
from learnlab.errors import SearchError
from learnlab.search.encoders import encoder

SIZES = (20_000, 100_000, 1_000_000)
VECTORS = (1_000, 100_000, 1_000_000)
"""The sizes at which search is measured."""

OF_FLEETS = {
    "ingestion": ingestion, "reading": reading, "indexes": indexes, "records": records, "logs": logs,
    "capture": capture, "storage": storage, "routing": routing, "feedback": feedback,
}  # fmt: skip
"""The topics that are measured on a simulated fleet; all need the store that ingestion fills."""

BESIDE = ("search", "retrieval")
"""The topics with input of their own: vectors at their own sizes, real texts at their own number."""

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results.json"


def run(topics: Sequence[str], sizes: Sequence[int], folder: Path) -> list[Figure]:
    """Return the figures of these topics, all if none is named, at these sizes, their own if none is given."""
    figures: list[Figure] = []
    wanted = [name for name in OF_FLEETS if name in topics or not topics]
    for n in (sizes or SIZES) if wanted else ():
        say(f"{n:,}: simulating")
        fleet = make_fleet(n, folder)
        for name in dict.fromkeys(["ingestion", *wanted]):
            figures += OF_FLEETS[name].measure(fleet)
    if not topics or "search" in topics:
        figures += _search(sizes or VECTORS, folder)
    if not topics or "retrieval" in topics:
        figures += retrieval.measure()
    return figures


def _search(sizes: Sequence[int], folder: Path) -> list[Figure]:
    try:
        given = search.real(encoder())
    except SearchError as error:
        say(f"search is left out: {error}")
        return []
    if given is None:
        say(f"search is left out: no real texts in {search.DATA}")
        return []
    return [figure for n in sizes for figure in search.measure(n, folder, given, search.chosen(n))]


def main() -> None:
    """Measure, print the table and keep the figures."""
    words = [word.replace(",", "").replace("_", "") for word in sys.argv[1:]]
    topics = [word for word in words if not word.isdigit()]
    if wrong := sorted({*topics} - {*OF_FLEETS, *BESIDE}):
        sys.exit(f"no topic {', '.join(wrong)}: there are {', '.join([*OF_FLEETS, *BESIDE])}")
    with tempfile.TemporaryDirectory(prefix="learnlab-bench-") as folder:
        os.environ["LEARNLAB_HOME"] = folder
        figures = run(topics, [int(word) for word in words if word.isdigit()], Path(folder))
    print(table(figures))
    keep(figures, RESULTS)
    say(f"kept in {RESULTS}")


if __name__ == "__main__":
    main()
