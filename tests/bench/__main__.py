"""`python tests/bench [ROWS …]`: measure at 20,000, 100,000 and 1,000,000 executions, or at the sizes given."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import capture, indexes, ingestion, logs, reading, records
from bench.figures import Figure, keep, say, table
from bench.fleets import make_fleet

SIZES = (20_000, 100_000, 1_000_000)
RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results.json"


def run(sizes: list[int], folder: Path) -> list[Figure]:
    """Return the figures of fleets of these sizes."""
    figures: list[Figure] = []
    for n in sizes:
        say(f"{n:,}: simulating")
        fleet = make_fleet(n, folder)
        for topic in (ingestion, reading, indexes, records, logs, capture):
            figures += topic.measure(fleet)
    return figures


def main() -> None:
    """Measure, print the table and keep the figures."""
    sizes = [int(size.replace(",", "").replace("_", "")) for size in sys.argv[1:]] or list(SIZES)
    with tempfile.TemporaryDirectory(prefix="learnlab-bench-") as folder:
        os.environ["LEARNLAB_HOME"] = folder
        figures = run(sizes, Path(folder))
    print(table(figures))
    keep(figures, RESULTS)
    say(f"kept in {RESULTS}")


if __name__ == "__main__":
    main()
