from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from pathlib import Path

import pytest
from processes import next_fact, start

from learnlab.errors import StoreError
from learnlab.store import Store, spool
from learnlab.store.lock import held
from learnlab.store.migrations import validate
from learnlab.store.spool import SpoolWriter


def test_a_record_is_read_once_it_is_acknowledged(store, make_record):
    record = make_record(metadata={"branch": "main"}, error_type="timeout", success=False)
    SpoolWriter(store.path).append([record])
    (row,) = store.sql("select * from executions").to_dicts()
    assert row["task_id"] == str(record.task_id)
    assert row["metadata"] == '{"branch": "main"}'
    assert (row["error_type"], row["success"], row["success_source"]) == ("timeout", False, "harness")
    assert spool.waiting(store.path) == []
    assert store.sql("select kind, n_accepted from ledger").rows() == [("spool", 1)]


def test_the_same_record_twice_counts_once_and_a_newer_one_replaces(store, make_record):
    writer = SpoolWriter(store.path)
    record = make_record()
    writer.append([record])
    writer.append([record])
    assert store.sql("select count(*) from executions").item() == 1
    writer.append([record.model_copy(update={"success": False})])
    assert store.sql("select success from executions").rows() == [(False,)]
    assert validate(store.path) == []


def test_nobody_waits_for_the_store_to_hand_a_record_in(store, make_record):
    with held(store.path, exclusive=True, timeout=1):
        SpoolWriter(store.path).append([make_record()])
    assert store.sql("select count(*) from executions").item() == 1


def test_a_segment_that_is_being_drained_gets_no_more_records(store, make_record):
    writer = SpoolWriter(store.path)
    writer.append([make_record()])
    first = spool.waiting(store.path)
    assert store.sql("select count(*) from executions").item() == 1
    writer.append([make_record()])
    assert spool.waiting(store.path) != first
    assert store.sql("select count(*) from executions").item() == 2


def test_a_drain_that_was_killed_after_its_commit_counts_nothing_twice(store, make_record):
    SpoolWriter(store.path).append([make_record(), make_record()])
    (segment,) = spool.waiting(store.path)
    lines = segment.read_bytes()
    assert store.sql("select count(*) from executions").item() == 2
    segment.with_suffix(".sealed").write_bytes(lines)
    assert store.sql("select count(*) from executions").item() == 2
    assert spool.waiting(store.path) == []
    assert validate(store.path) == []


def test_small_segments_go_in_together_and_what_cannot_be_had_now_waits(store, make_record, monkeypatch):
    monkeypatch.setattr(spool, "_SEAL_PATIENCE", 0.01)
    for _ in range(5):
        SpoolWriter(store.path).append([make_record()])
    *free, busy, refused = spool.waiting(store.path)
    texts = {path: path.read_bytes() for path in free}
    read = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.stem == refused.stem:
            raise OSError(errno.EMFILE, "Too many open files")
        return read(path)

    with busy.open("rb") as file, monkeypatch.context() as patched:
        fcntl.flock(file, fcntl.LOCK_EX)  # its writer was stopped in the middle of a line
        patched.setattr(Path, "read_bytes", read_bytes)
        assert store.sql("select count(*) from executions").item() == 3
        assert {path.stem for path in spool.waiting(store.path)} == {busy.stem, refused.stem}
    for path, text in texts.items():  # what a drain that was killed after its commit leaves
        path.with_suffix(".sealed").write_bytes(text)
    assert store.sql("select n_accepted from ledger order by seq").to_series().to_list() == [3, 0, 0, 2, 0]
    assert store.sql("select count(*) from executions").item() == 5
    assert spool.waiting(store.path) == spool.quarantined(store.path) == []
    assert validate(store.path) == []


def test_an_interrupt_leaves_no_half_line(store, make_record, monkeypatch):
    writer, write = SpoolWriter(store.path), os.write

    def interrupted(descriptor: int, data: memoryview) -> int:
        write(descriptor, data[:20])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "write", interrupted)
        writer.write([make_record()])
    writer.write([make_record()])
    (segment,) = spool.waiting(store.path)
    (line,) = segment.read_bytes().splitlines()
    assert json.loads(line)["repo"] == "shop"


def test_what_cannot_be_read_is_kept_with_its_reason(store, make_record):
    SpoolWriter(store.path).append([make_record()])
    (segment,) = spool.waiting(store.path)
    with segment.open("ab") as file:
        file.write(b'{"task_id": "cut short\n{"colour": "red"}\n{"task_type": "docs", "repo": "r"}\n')
    assert store.sql("select count(*) from executions").item() == 1
    reasons = store.sql("select source_position, reason from rejected order by 1").rows()
    assert [position for position, _ in reasons] == [2, 3, 4]
    assert "cut short" in reasons[0][1]
    assert "not an execution record" in reasons[1][1]
    assert "task_description is missing" in reasons[2][1]


def test_threads_share_a_writer(store, make_record):
    writer = SpoolWriter(store.path)

    def work() -> None:
        for _ in range(25):
            writer.append([make_record()])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        store.sql("select 1")
    for thread in threads:
        thread.join()
    assert store.sql("select count(*) from executions").item() == 100


def test_a_forked_child_writes_a_segment_of_its_own(store, make_record):
    writer = SpoolWriter(store.path)
    writer.append([make_record()])
    pid = os.fork()
    if not pid:
        writer.append([make_record()])
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    writer.append([make_record()])
    assert len(spool.waiting(store.path)) == 2
    assert store.sql("select count(*) from executions").item() == 3


def test_a_spool_that_cannot_be_written_is_an_error_and_leaves_nothing(store, make_record, monkeypatch):
    spool.folder(store.path).write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="the record is not stored"):
        SpoolWriter(store.path).append([make_record()])
    spool.folder(store.path).unlink()
    writer = SpoolWriter(store.path)
    writer.append([make_record()])
    (segment,) = spool.waiting(store.path)
    size = segment.stat().st_size
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 10:
            return write(descriptor, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match="No space left"):
        writer.append([make_record(task_id="x" * 5)])
    monkeypatch.undo()
    assert segment.stat().st_size == size
    assert store.sql("select count(*) from executions").item() == 1


@pytest.mark.soak
def test_acknowledged_records_survive_a_kill(store, soak):
    for worker in range(40 if soak else 4):
        process = start("single", store.path, worker, 60)
        acknowledged = 0
        while acknowledged < 30 + 13 * worker % 97:
            acknowledged = next_fact(process)["acknowledged"]
        if worker % 2:
            store.sql("select 1")
        process.kill()
        rest = process.stdout.read()  # communicate would miss what was read ahead
        process.communicate()
        said = max(
            [
                acknowledged,
                *(int(line.split(":")[1].strip(" }")) for line in rest.splitlines() if line.endswith("}")),
            ]
        )
        pattern = f"{worker:08d}-%"
        stored = store.sql(
            "select count(*) from executions where task_id::varchar like $p", {"p": pattern}
        ).item()
        assert said <= stored <= said + 1
    assert validate(store.path) == []


def test_what_was_acknowledged_for_a_store_that_does_not_exist_yet_makes_it_when_it_is_read(
    tmp_path, make_record
):
    store = Store(tmp_path / "later.duckdb")
    with pytest.raises(StoreError, match="there is no store"):
        store.sql("select 1")
    SpoolWriter(store.path).append([make_record()])
    assert store.exists()
    assert store.sql("select count(*) from executions").item() == 1
