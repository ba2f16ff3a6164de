"""Ingestion killed for real, at random moments: the store opens, the ledger equals the rows, a repeat completes it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from learnlab.ingest.simulation.simulator import simulate
from learnlab.store import Store
from learnlab.store.migrations import validate

_ROWS = 9_000 if os.environ.get("LEARNLAB_SOAK") else 3_000
_PROGRAM = """
import sys
from learnlab.ingest import ingest
from learnlab.store import Store
ingest(sys.argv[1], Store(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("log") / "runs"
    folder.mkdir()
    executions = simulate(_ROWS, seed=3).executions.drop("record_key", "content_hash", "source")
    for part in range(6):
        executions[part * _ROWS // 6 : (part + 1) * _ROWS // 6].write_csv(folder / f"part{part}.csv")
    return folder


def ingesting(log: Path, store: Store) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _PROGRAM, log, store.path], stderr=subprocess.DEVNULL)


@pytest.mark.soak
def test_a_killed_ingestion_loses_nothing_and_counts_nothing_twice(tmp_path, log, soak):
    rng = random.Random(0)
    whole = Store(tmp_path / "whole.duckdb").ensure()
    began = time.monotonic()
    assert ingesting(log, whole).wait() == 0
    seconds = time.monotonic() - began
    kills = 0
    while kills < (100 if soak else 2):
        store = Store(tmp_path / f"{kills}.duckdb").ensure()
        process = ingesting(log, store)
        try:
            process.wait(timeout=rng.uniform(0.2, 1.0) * seconds)
            continue
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        assert validate(store.path) == []
        stored = store.sql("select count(*) from executions").item()
        assert stored == store.sql("select coalesce(sum(n_accepted), 0) from ledger").item()
        assert ingesting(log, store).wait() == 0
        assert store.sql("select count(*) from executions").item() == _ROWS
        assert validate(store.path) == []
        keys = "select record_key, content_hash from executions order by 1"
        assert store.sql(keys).equals(whole.sql(keys))
        store.path.unlink()
    print(f"{kills} kills of an ingestion of {seconds:.1f} s: nothing lost, nothing twice")


@pytest.mark.soak
def test_the_same_file_twice_at_once_counts_once(tmp_path, log):
    store = Store(tmp_path / "s.duckdb").ensure()
    processes = [ingesting(log, store) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert store.sql("select count(*) from executions").item() == _ROWS
    totals = store.sql("select sum(n_accepted), sum(n_duplicates), sum(n_rows_read) from ledger").row(0)
    assert totals == (_ROWS, _ROWS, 2 * _ROWS)
    assert validate(store.path) == []
