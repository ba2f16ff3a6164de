from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from learnlab.capture import commits, draining, recorder
from learnlab.capture.recorder import Recorder, recorder_for
from learnlab.database import LearningDatabase
from learnlab.errors import StoreError
from learnlab.events import AttemptEvent
from learnlab.models import ExecutionRecord
from learnlab.settings import settings
from learnlab.store import Store, spool
from learnlab.store.lock import held
from learnlab.store.migrations import validate
from learnlab.store.spool import SpoolWriter

WRITE, FSYNC = os.write, os.fsync


@pytest.fixture
def rec(tmp_path, monkeypatch) -> Iterator[Recorder]:
    """A recorder of a store that does not exist yet; what it writes stays in the spool until somebody asks."""
    monkeypatch.setattr(draining, "OLDEST", 600)
    monkeypatch.setattr(draining, "ENOUGH", 10**9)
    one = Recorder(tmp_path / "store.duckdb")
    yield one
    shutil.rmtree(spool.folder(one.store.path), ignore_errors=True)
    one.close()


@pytest.fixture
def eager(store) -> Iterator[Recorder]:
    """A recorder that drains by itself into an empty store."""
    one = Recorder(store.path)
    yield one
    one.close()


@pytest.fixture
def batched(monkeypatch) -> None:
    monkeypatch.setenv("LEARNLAB_DURABLE", "false")
    settings.cache_clear()


def full(_descriptor: int, _data: bytes) -> int:
    raise OSError(28, "No space left on device")


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition; the test fails when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def count(store: Store) -> int:
    return store.sql("select count(*) from executions").item()


def spooled(rec: Recorder) -> list[str]:
    """Return the ids in a recorder's spool, in the order in which they were written."""
    lines = [line for path in spool.waiting(rec.store.path) for line in path.read_text().splitlines()]
    return [json.loads(line)["task_id"] for line in lines]


def n_spooled(rec: Recorder) -> int:
    """Return how many executions wait in a recorder's spool; the test fails when one is there twice."""
    ids = spooled(rec)
    assert len(set(ids)) == len(ids)
    return len(ids)


def test_one_recorder_serves_a_store_however_it_is_named(home, tmp_path):
    one = recorder_for("live")
    assert one.store.path == home / "stores" / "live.duckdb"
    assert recorder_for(Store("live")) is one
    assert recorder_for(one.store.path) is one
    assert recorder_for(LearningDatabase("live")) is one
    assert recorder_for(tmp_path / "other.duckdb") is not one
    made: list[Recorder] = []
    threads = [threading.Thread(target=lambda: made.append(recorder_for("shared"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1


def test_what_is_recorded_is_read_at_once(eager, store, make_record):
    assert eager.record(make_record(), make_record())
    eager.record(make_record())
    assert asyncio.run(eager.arecord(make_record()))
    assert count(store) == 4


def start_of(record: ExecutionRecord) -> AttemptEvent:
    return AttemptEvent(
        attempt_id=record.record_key, side="start", task_id=record.task_id, known={"repo": "shop"}
    )


def note(recorder: Recorder, record: ExecutionRecord) -> None:
    recorder.note(record.record_key, lambda: start_of(record))


def test_a_start_is_written_down_only_when_its_attempt_goes_on(rec, make_record, monkeypatch):
    short, long = make_record(record_key=uuid4()), make_record(record_key=uuid4())
    note(rec, short)
    note(rec, long)
    assert rec.record(short)
    assert n_spooled(rec) == 1
    assert rec._rewritten()
    assert n_spooled(rec) == 1
    monkeypatch.setattr(recorder, "SOON", 0.0)
    assert rec._rewritten()
    assert n_spooled(rec) == 2
    assert rec._rewritten()
    assert n_spooled(rec) == 2


def test_the_start_of_what_runs_on_is_written_though_nothing_else_happens(
    eager, store, make_record, monkeypatch
):
    monkeypatch.setattr(draining, "OLDEST", 0.1)
    monkeypatch.setattr(recorder, "SOON", 0.2)
    note(eager, make_record(record_key=uuid4()))
    until(lambda: store.sql("select count(*) from open_attempts").item() == 1)


def test_starts_of_what_still_runs_at_the_end_are_written(rec, store, make_record):
    note(rec, make_record(record_key=uuid4()))
    rec.close()
    assert store.sql("select side from open_attempts").rows() == [("start",)]


def test_two_hundred_who_wait_share_a_few_fsyncs_and_the_loop_goes_on(rec, make_record, monkeypatch):
    rec.record(make_record())  # makes the segment
    go, synced = threading.Event(), []

    def slow(descriptor: int) -> None:
        go.wait(20)
        synced.append(descriptor)
        FSYNC(descriptor)

    async def main() -> list[bool]:
        tasks = [asyncio.create_task(rec.arecord(make_record())) for _ in range(200)]
        await asyncio.sleep(0)
        assert not synced  # the disk is busy, the loop is not
        assert not any(task.done() for task in tasks)
        go.set()
        return await asyncio.gather(*tasks)

    monkeypatch.setattr(os, "fsync", slow)
    assert asyncio.run(main()) == [True] * 200
    assert 1 <= len(synced) <= 3
    assert n_spooled(rec) == 201


def test_batched_mode_acknowledges_without_the_disk(rec, make_record, monkeypatch, batched):
    def never(_: int) -> None:
        raise AssertionError("nobody asked for an fsync")

    monkeypatch.setattr(os, "fsync", never)
    assert rec.record(make_record())
    assert asyncio.run(rec.arecord(make_record()))
    assert n_spooled(rec) == 2


def test_threads_and_event_loops_share_a_recorder(rec, make_record):
    results: list[bool] = []

    async def many() -> None:
        results.extend(await asyncio.gather(*(rec.arecord(make_record()) for _ in range(25))))

    def plainly() -> None:
        results.extend(rec.record(make_record()) for _ in range(25))

    threads = [threading.Thread(target=plainly) for _ in range(2)]
    threads += [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 125
    assert n_spooled(rec) == 125


def test_a_cancelled_wait_takes_nothing_back_and_holds_nobody_up(rec, make_record, monkeypatch):
    rec.record(make_record())
    go = threading.Event()

    def slow(descriptor: int) -> None:
        go.wait(20)
        FSYNC(descriptor)

    async def main() -> None:
        tasks = [asyncio.create_task(rec.arecord(make_record())) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks[:10]:
            task.cancel()
        done, others = await asyncio.wait(tasks, timeout=0.05)
        assert done == set(tasks[:10])
        go.set()
        assert await asyncio.gather(*others) == [True] * 10

    monkeypatch.setattr(os, "fsync", slow)
    asyncio.run(main())
    assert n_spooled(rec) == 21


def test_a_loop_that_ends_while_somebody_waits_ends_quietly(rec, make_record, monkeypatch, caplog):
    rec.record(make_record())
    go = threading.Event()

    def slow(descriptor: int) -> None:
        go.wait(20)
        FSYNC(descriptor)

    async def main() -> None:
        waiting = asyncio.create_task(rec.arecord(make_record()))
        await asyncio.sleep(0)
        assert not waiting.done()

    monkeypatch.setattr(os, "fsync", slow)
    asyncio.run(main())
    go.set()
    rec.close()
    assert caplog.records == []
    assert count(rec.store) == 2


def test_a_disk_that_refuses_costs_nothing_but_patience(rec, make_record, monkeypatch, caplog):
    records = [make_record() for _ in range(6)]
    assert rec.record(records[0])
    monkeypatch.setattr(os, "write", full)
    assert not rec.record(records[1], records[2])
    assert not asyncio.run(rec.arecord(records[3]))
    rec.record(records[4])
    assert rec.unwritten == 4
    assert not rec.flush(1)
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "No space left on device" in caplog.text
    monkeypatch.setattr(os, "write", WRITE)
    assert asyncio.run(rec.arecord(records[5]))
    assert rec.unwritten == 0
    assert spooled(rec) == [str(record.task_id) for record in records]
    assert len(caplog.records) == 2
    assert n_spooled(rec) == 6


def test_a_disk_that_refuses_to_sync_is_no_acknowledgement(rec, make_record, monkeypatch):
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    assert rec.record(make_record())
    monkeypatch.setattr(os, "fsync", broken)
    assert not rec.record(make_record())
    assert not asyncio.run(rec.arecord(make_record()))
    monkeypatch.setattr(os, "fsync", FSYNC)
    assert rec.record(make_record())
    assert rec.unwritten == 0
    assert len(set(spooled(rec))) == 4


def test_a_failed_fsync_is_not_made_good_by_the_next(rec, make_record, monkeypatch):
    writer, calls = SpoolWriter(rec.store.path), []

    def once(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(5, "Input/output error")
        FSYNC(descriptor)

    numbers = [writer.write([make_record()]) for _ in range(2)]
    monkeypatch.setattr(os, "fsync", once)
    for number in reversed(numbers):
        with pytest.raises(StoreError, match="may not be on the disk"):
            writer.sync(number)
    writer.append([make_record()])
    with pytest.raises(StoreError, match="may not be on the disk"):
        writer.sync(numbers[0])
    writer.close()
    assert n_spooled(rec) == 3


def test_the_loop_does_not_wait_for_the_disk_when_a_segment_is_sealed_or_full(rec, make_record, monkeypatch):
    go = threading.Event()

    def slow(descriptor: int) -> None:
        assert go.wait(20), "the loop waited"
        FSYNC(descriptor)

    async def main() -> list[bool]:
        tasks = []
        for _ in range(6):
            tasks.append(asyncio.create_task(rec.arecord(make_record())))
            await asyncio.sleep(0)
            spool.seal(spool.waiting(rec.store.path)[-1])
        go.set()
        return await asyncio.gather(*tasks)

    monkeypatch.setattr(os, "fsync", slow)
    assert asyncio.run(main()) == [True] * 6
    assert len(spool.waiting(rec.store.path)) == n_spooled(rec) == 6


def test_segments_that_nobody_waits_for_are_not_kept_open_for_ever(rec, make_record):
    writer = SpoolWriter(rec.store.path)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(60):
        writer.write([make_record()])
        spool.seal(spool.waiting(rec.store.path)[-1])
    assert len(os.listdir("/proc/self/fd")) < before + 20
    writer.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert n_spooled(rec) == 60


def test_memory_has_an_end_and_what_comes_after_is_counted(rec, make_record, monkeypatch, caplog):
    monkeypatch.setattr(recorder, "MOST_IN_MEMORY", 5)
    monkeypatch.setattr(os, "write", full)
    records = [make_record() for _ in range(8)]
    assert [rec.record(record) for record in records] == [False] * 8
    assert (rec.unwritten, rec.n_lost) == (5, 3)
    assert [r.levelname for r in caplog.records] == ["WARNING", "ERROR"]
    monkeypatch.setattr(os, "write", WRITE)
    assert rec.record(records[7])
    assert spooled(rec) == [str(record.task_id) for record in [*records[:5], records[7]]]


def test_what_no_line_can_hold_harms_nobody(rec, make_record, monkeypatch, caplog):
    bad = make_record(metadata={"handle": object()})
    assert not rec.record(make_record(), bad)
    assert n_spooled(rec) == 1
    monkeypatch.setattr(os, "write", full)
    kept = make_record()
    assert not rec.record(bad, kept)
    assert rec.unwritten == 1
    kept.metadata["later"] = object()
    assert not rec.record(make_record())
    monkeypatch.setattr(os, "write", WRITE)
    assert rec.record(make_record())
    assert (rec.unwritten, rec.n_lost) == (0, 3)
    assert "one ExecutionRecord is lost" in caplog.text
    assert n_spooled(rec) == 3


def test_a_spool_that_somebody_replaced_by_a_file_is_tried_again(rec, make_record):
    spool.folder(rec.store.path).write_text("a file where the folder should be")
    assert not rec.record(make_record())
    spool.folder(rec.store.path).unlink()
    assert rec.record(make_record())
    assert n_spooled(rec) == 2


def test_a_hundred_events_are_drained_at_once_and_few_after_a_while(eager, store, make_record, monkeypatch):
    for _ in range(draining.ENOUGH):
        eager.record(make_record())
    until(lambda: not spool.waiting(store.path))
    monkeypatch.setattr(draining, "OLDEST", 0.1)
    eager.record(make_record())
    until(lambda: not spool.waiting(store.path))
    assert store.sql("select sum(n_accepted) from ledger where kind = 'spool'").item() == 101


def test_what_memory_holds_is_written_when_the_disk_takes_it_though_nobody_records(
    rec, make_record, monkeypatch
):
    monkeypatch.setattr(draining, "OLDEST", 0.1)
    monkeypatch.setattr(os, "write", full)
    assert not rec.record(make_record())
    monkeypatch.setattr(os, "write", WRITE)
    until(lambda: not rec.unwritten)
    assert n_spooled(rec) == 1


def test_the_drain_gives_way_to_whoever_holds_the_store(eager, store, make_record, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG, "learnlab.capture")
    monkeypatch.setattr(draining, "_TURN", 0.05)
    with held(store.path, exclusive=False, timeout=1):
        for _ in range(120):
            assert eager.record(make_record())
        until(lambda: "not drained yet" in caplog.text)
        assert not eager.flush(0.1)
    until(lambda: not spool.waiting(store.path))
    assert {r.levelname for r in caplog.records if r.name == "learnlab.capture"} == {"DEBUG"}
    assert count(store) == 120


def test_a_store_that_is_deleted_while_running_is_made_anew(eager, store, make_record, caplog):
    eager.record(make_record())
    assert eager.flush()
    assert caplog.records == []
    store.path.unlink()
    eager.record(make_record(), make_record())
    assert eager.flush()
    assert "a new store takes what was captured since" in caplog.text
    assert count(store) == 2
    assert validate(store.path) == []


def test_a_store_that_cannot_be_written_is_said_and_tried_again(tmp_path, make_record, monkeypatch, caplog):
    path = tmp_path / "s.duckdb"
    path.write_text("no database, but somebody's notes")
    one = Recorder(path)
    assert one.record(make_record())
    assert not one.flush(1)
    assert "is not a DuckDB file" in caplog.text
    path.unlink()
    assert one.flush()
    one.close()
    assert count(Store(path)) == 1


def test_a_closed_recorder_begins_anew(eager, store, make_record):
    eager.record(make_record())
    eager.close()
    assert spool.waiting(store.path) == []
    assert asyncio.run(eager.arecord(make_record()))
    for _ in range(draining.ENOUGH - 1):
        eager.record(make_record())
    until(lambda: not spool.waiting(store.path))
    eager.close()
    eager.close()
    assert count(store) == 101


def in_child(work: Callable[[], bool]) -> None:
    """Run work in a forked child; the test fails unless it returns True within a minute."""
    pid = os.fork()
    if not pid:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    status: list[int] = []

    def ended() -> bool:
        done, code = os.waitpid(pid, os.WNOHANG)
        status.extend([code] * bool(done))
        return bool(done)

    try:
        until(ended)
    except AssertionError:
        os.kill(pid, 9)
        raise
    assert status == [0]


def test_a_forked_child_writes_its_own_and_drains_nothing(eager, store, make_record, monkeypatch):
    assert eager.record(make_record())
    monkeypatch.setattr(os, "write", full)
    assert not eager.record(make_record())
    monkeypatch.setattr(os, "write", WRITE)

    def child() -> bool:
        done = eager.unwritten == 0 and all(eager.record(make_record()) for _ in range(120))
        done &= asyncio.run(eager.arecord(make_record())) and recorder_for(store) is not eager
        drains = "learnlab-drain" in {thread.name for thread in threading.enumerate()}
        done &= eager.flush() and not drains
        eager.close()
        return done

    in_child(child)
    assert eager.unwritten == 1
    assert n_spooled(eager) == 122
    assert eager.record(make_record())
    assert count(store) == 124
    assert store.sql("select sum(n_duplicates) from ledger").item() == 0


def test_a_fork_in_the_midst_of_it_leaves_no_lock_behind(rec, make_record):
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            rec.record(make_record())

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            in_child(lambda: rec.record(make_record(repo="child")))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    lines = [path.read_text() for path in spool.waiting(rec.store.path)]
    assert "".join(lines).count('"repo":"child"') == 5
    assert n_spooled(rec) > 5


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of 4 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mounted("-t", "tmpfs", "-o", "size=4m", "tmpfs", folder):
        pytest.skip("this user may not mount a file system to fill")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mounted(*words: object) -> bool:
    return subprocess.run(["mount", *map(str, words)], capture_output=True, check=False).returncode == 0


def test_a_real_disk_that_is_full_or_cannot_be_written_loses_nothing(disk, make_record):
    rec = Recorder(disk / "s.duckdb")
    assert mounted("-o", "remount,ro", disk)
    assert not rec.record(make_record())
    assert mounted("-o", "remount,rw", disk)
    assert rec.record(make_record())
    with (disk / "rest").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    results = [rec.record(make_record(task_description=f"{n} " * 500)) for n in range(20)]
    assert not results[-1]
    assert rec.unwritten == results.count(False)
    assert not rec.flush(1)
    (disk / "rest").unlink()
    assert mounted("-o", "remount,size=64m", disk)
    assert rec.record(make_record())
    assert n_spooled(rec) == 23
    assert rec.flush(20)
    rec.close()
    assert count(rec.store) == 23
    assert validate(rec.store.path) == []


def test_starts_and_outcomes_are_recorded_as_executions_are(eager, store):
    start = AttemptEvent(side="start", task_id="t1", known={"repo": "shop"})
    assert eager.record(start)
    assert eager.flush()
    assert store.sql("select attempt_id, side from open_attempts").rows() == [
        (str(start.attempt_id), "start")
    ]


def test_no_line_of_the_log_holds_a_secret(caplog):
    try:
        raise ValueError("password=Tr0ub4dor&3xyzQQ")
    except ValueError as error:
        logging.getLogger("learnlab.capture").exception("refused: %s", error)
    assert "ValueError" in caplog.text
    assert "Traceback" in caplog.text
    assert "Tr0ub4dor" not in caplog.text


def test_closing_while_others_wait_for_the_disk_leaves_nobody_waiting(rec, make_record):
    ended = []

    def work() -> None:
        for _ in range(40):
            ended.append(asyncio.run(asyncio.wait_for(rec.arecord(make_record()), 20)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        rec._commits.close()
    assert ended == [True] * 120


def test_a_lone_coroutine_syncs_by_itself_while_the_disk_is_quick(rec, make_record, monkeypatch):
    threads = []

    def fsync(descriptor: int) -> None:
        threads.append(threading.current_thread() is threading.main_thread())
        FSYNC(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)

    async def main() -> None:
        for quick in (60.0, 0.0):
            monkeypatch.setattr(commits, "QUICK", quick)
            for _ in range(2):
                threads.clear()
                assert await rec.arecord(make_record())
            assert set(threads) == {quick > 0}
        monkeypatch.setattr(commits, "QUICK", 60.0)
        threads.clear()
        assert all(await asyncio.gather(*(rec.arecord(make_record()) for _ in range(50))))
        assert threads.count(False) + threads.count(True) <= 4

    asyncio.run(main())
