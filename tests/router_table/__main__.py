"""`python tests/router_table [SECTION …]`: measures all sections and writes docs/router-table.md.

Sections that are named are measured and printed alone, and nothing is written.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from router_table import sections, sources

PAGE = sections.ROOT / "docs" / "router-table.md"

TITLE = """# Routers beside each other

Made by `make router-table`: all of it in one run, from public outcomes and from the simulated fleet. Every router was
given the same tasks and the same knowledge of them. "by lot", "cheapest", "best_single" and "lookup" are the simple
rules that a learned router has to beat; "oracle" knows the outcomes, and nobody can be better. What each figure means is
said in `learnlab/routing/evaluate`.
"""


def main(wanted: Sequence[str]) -> None:
    """Make all sections, two at a time where there are two cores, and write the page; print those that are named."""
    if not sources.DATA.exists():
        sys.exit(f"no real outcomes in {sources.DATA}")
    if unknown := set(wanted) - sections.SECTIONS.keys():
        sys.exit(f"no section {', '.join(sorted(unknown))}; there are {', '.join(sections.SECTIONS)}")
    os.environ["OMP_NUM_THREADS"] = "1"
    for benchmark in ("mmlu", "gsm8k"):
        sources.routellm(benchmark, sections.encode, with_type=False)
    names = list(wanted or sections.SECTIONS)
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), get_context("spawn")) as pool:
        found = []
        for name, (text, seconds) in zip(names, pool.map(sections.timed, names), strict=True):
            print(f"{text}\n{name}: {seconds:.0f} s of processor time\n", flush=True)
            found.append(text)
    if not wanted:
        PAGE.write_text("\n".join([TITLE, *found]), encoding="utf-8")
        print(f"written: {PAGE.relative_to(sections.ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
