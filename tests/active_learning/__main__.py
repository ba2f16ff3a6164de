"""`python tests/active_learning`: is any order better than random? Writes what decision 0032 goes by, and prints it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["OMP_NUM_THREADS"] = "1"

import polars as pl

from active_learning.rule import compared, default
from active_learning.trial import JUDGED, spent, world

SEEDS, N, BATCH, N_BATCHES = range(100, 124), 4000, 40, 10
MEASURED = Path(__file__).with_name("measured.csv")


def main() -> None:
    """Run every order on every fleet, about a minute and a half on one core."""
    began, found = time.process_time(), []
    for seed in SEEDS:
        one = world(seed, N)
        found += [spent(one, seed, by, BATCH, N_BATCHES) for by in JUDGED]
    table = compared(pl.concat(found))
    table.with_columns(pl.selectors.float().round(6)).write_csv(MEASURED)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, float_precision=5):
        print(table)
    print(f"the default is {default(table)}; {time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
