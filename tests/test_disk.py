"""Disks that are full or cannot be written, for real: a small file system of its own, mounted for the test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from learnlab.cli import main
from learnlab.errors import StoreError
from learnlab.ingest import ingest
from learnlab.ingest.simulation.simulator import simulate
from learnlab.store import Store
from learnlab.store.frames import conform
from learnlab.store.migrations import validate
from learnlab.store.spool import SpoolWriter


def mount(*words: object) -> bool:
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of 5 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=5m", "tmpfs", folder):
        pytest.skip("this user may not mount a file system to fill")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("log") / "runs.csv"
    simulate(30_000, seed=5).executions.drop("record_key", "content_hash", "source").write_csv(path)
    return path


def test_a_full_disk_stops_an_ingestion_and_leaves_the_store_sound(disk, log, make_frame):
    store = Store(disk / "s.duckdb").ensure()
    store.add(conform(make_frame(50))[0])
    result = CliRunner().invoke(main, ["ingest", str(log), "--db", str(store.path)])
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert "no space left" in line
    assert validate(store.path) == []
    assert store.sql("select count(*) from executions where repo = 'shop'").item() == 50
    assert mount("-o", "remount,size=200m", disk)
    report = ingest(log, store)
    assert report.counts.n_rows_read == 30_000
    assert store.sql("select count(*) from executions").item() == 30_050
    assert validate(store.path) == []


def test_a_full_disk_refuses_a_single_record_and_keeps_the_others(disk, make_record):
    store = Store(disk / "s.duckdb").ensure()
    writer = SpoolWriter(store.path)
    writer.append([make_record()])
    with (disk / "rest").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(StoreError, match="No space left on device; the record is not stored"):
        for _ in range(200):
            writer.append([make_record(task_description="x" * 5000)])
    (disk / "rest").unlink()
    before = store.sql("select count(*) from executions").item()
    writer.append([make_record()])
    assert store.sql("select count(*) from executions").item() == before + 1
    assert validate(store.path) == []


def test_a_folder_that_cannot_be_written_still_lets_people_read(disk, make_frame, make_record, log):
    store = Store(disk / "s.duckdb").ensure()
    store.add(conform(make_frame(50))[0])
    assert mount("-o", "remount,ro", disk)
    assert store.sql("select count(*) from executions").item() == 50
    assert store.view("tier_performance")["n_executions"].sum() == 50
    for write in (
        lambda: store.add(conform(make_frame(1, first=60))[0]),
        lambda: SpoolWriter(store.path).append([make_record()]),
        lambda: ingest(log, store),
        lambda: Store(disk / "new" / "s.duckdb").ensure(),
        store.refresh,
    ):
        with pytest.raises(StoreError, match=r"[Rr]ead-only file system") as caught:
            write()
        assert len(str(caught.value).splitlines()) == 1
    assert store.sql("select count(*) from executions").item() == 50
