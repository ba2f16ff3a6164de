"""Programs that capture, killed for real or held up: what was acknowledged is in the store exactly once."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from capturing import AT_ONCE, record

from learnlab.capture import draining
from learnlab.capture.recorder import Recorder
from learnlab.store import Store, spool
from learnlab.store.lock import held
from learnlab.store.migrations import validate

PROGRAMS = Path(__file__).with_name("capturing.py")


class Program:
    """One of the programs of capturing.py, what it says kept in a file that its death leaves whole."""

    def __init__(self, folder: Path, name: str, store: Store, worker: int, *arguments: object) -> None:
        self.worker, self.said = worker, folder / f"{worker}.said"
        command = [sys.executable, PROGRAMS, name, store.path, worker, *arguments]
        with self.said.open("wb") as file:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdout=file, stderr=subprocess.PIPE, text=True
            )

    def facts(self) -> list:
        """Return what it has said in whole lines."""
        *lines, _ = self.said.read_bytes().split(b"\n")
        return [json.loads(line)["acknowledged"] for line in lines]

    def wait_for(self, n: int) -> None:
        """Wait until it has said so many things; the test fails with its error when it ends before."""
        while len(self.facts()) < n:
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.01)

    def kill(self) -> set[tuple[int, int]]:
        """Kill it with -9 and return its tasks that were acknowledged."""
        self.process.kill()
        self.process.communicate()
        return {(self.worker, n) for n in self.facts()}


def stored(store: Store) -> list[tuple[int, int]]:
    ids = store.sql("select task_id::varchar from executions").to_series()
    return [(int(text[:8]), int(text[-12:])) for text in ids]


@pytest.mark.soak
def test_what_four_killed_processes_acknowledged_is_there_exactly_once(tmp_path, soak):
    rng = random.Random(0)
    store = Store(tmp_path / "s.duckdb")
    n_kills = 100 if soak else 4
    alive = [Program(tmp_path, "work", store, worker) for worker in range(4)]
    acknowledged: set[tuple[int, int]] = set()
    for killed in range(n_kills):
        victim = alive.pop(rng.randrange(len(alive)))
        victim.wait_for(rng.randrange(1, 200 if soak else 60))
        acknowledged |= victim.kill()
        if killed + 4 < n_kills:
            alive.append(Program(tmp_path, "work", store, killed + 4))
        if soak and rng.random() < 0.2:
            assert acknowledged <= set(stored(store))
            assert validate(store.path) == []
    store.ensure().drain(60)
    found = stored(store)
    assert acknowledged <= set(found)
    assert len(found) == len(set(found))
    assert len(found) <= len(acknowledged) + AT_ONCE * n_kills
    assert {worker for worker, _ in found} == set(range(n_kills))
    assert spool.waiting(store.path) == []
    assert validate(store.path) == []
    print(
        f"{n_kills} kills of capturing processes: {len(acknowledged):,} acknowledged, nothing lost or twice"
    )


@pytest.mark.soak
def test_nobody_who_captures_waits_for_a_report_that_holds_the_store(store, soak, monkeypatch):
    monkeypatch.setattr(draining, "_TURN", 60.0)  # the drain waits to the end, and so would who waited for it
    recorder, longest, n = Recorder(store.path), 0.0, 0

    async def capture_until(end: float) -> None:
        nonlocal longest, n
        while time.monotonic() < end or n <= draining.ENOUGH:
            began = time.monotonic()
            results = await asyncio.gather(*(recorder.arecord(record(1, n + i)) for i in range(20)))
            longest, n = max(longest, time.monotonic() - began), n + len(results)
            assert all(results)
            await asyncio.sleep(0.01)

    seconds = 20 if soak else 0.3
    with held(store.path, exclusive=False, timeout=1):
        asyncio.run(capture_until(time.monotonic() + seconds))
        assert spool.waiting(store.path)
    assert longest < 30
    assert recorder.flush(10)
    recorder.close()
    assert len(stored(store)) == len(set(stored(store))) == n
    print(
        f"{n:,} executions captured while a report held the store for {seconds} s; at most {longest:.3f} s for 20"
    )


def test_a_program_that_ends_drains_what_it_captured_or_leaves_it_in_the_spool(store, tmp_path, empty):
    other = Store(shutil.copy(empty, tmp_path / "held.duckdb"))
    with held(other.path, exclusive=False, timeout=1):
        program = Program(tmp_path, "leave", store, 1, other.path)
        assert program.process.communicate(timeout=120) == (None, "")
        assert program.process.returncode == 0
        assert program.facts() == [[True] * 6]
        assert spool.waiting(other.path)
    assert spool.waiting(store.path) == []
    for one in (store, other):
        assert sorted(stored(one)) == [(1, n) for n in range(3)]
