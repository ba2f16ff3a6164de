from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from processes import finish, next_fact, start

from learnlab.errors import StoreBusyError, StoreError
from learnlab.store import Store
from learnlab.store.lock import held, holders


def test_readers_share_and_a_writer_is_alone(tmp_path):
    store = tmp_path / "s.duckdb"
    with held(store, exclusive=False, timeout=1), held(store, exclusive=False, timeout=1):
        with pytest.raises(StoreBusyError), held(store, exclusive=True, timeout=0.05):
            pass
    with held(store, exclusive=True, timeout=1):
        for exclusive in (False, True):
            with pytest.raises(StoreBusyError), held(store, exclusive=exclusive, timeout=0.05):
                pass


def test_the_error_names_the_process_that_holds_the_store(tmp_path):
    store = tmp_path / "s.duckdb"
    other = start("hold", store, "exclusive")
    pid = next_fact(other)["pid"]
    with pytest.raises(StoreBusyError, match=rf"held by process {pid} \(python.*workers.py hold"):
        with held(store, exclusive=False, timeout=0.05):
            pass
    assert holders(store.with_name("s.duckdb.lock")) == [pid]
    finish(other)
    with held(store, exclusive=True, timeout=1):
        pass


def test_a_lock_dies_with_its_process(tmp_path):
    store = tmp_path / "s.duckdb"
    other = start("hold", store, "exclusive")
    next_fact(other)
    other.kill()
    other.wait()
    with held(store, exclusive=True, timeout=5):
        pass


def test_a_forked_child_does_not_hold_what_its_parent_held(tmp_path):
    with held(tmp_path / "s.duckdb", exclusive=True, timeout=1):
        if not (child := os.fork()):
            time.sleep(60)
            os._exit(0)
        with pytest.raises(StoreBusyError), held(tmp_path / "s.duckdb", exclusive=False, timeout=0.01):
            pass
    try:
        with held(tmp_path / "s.duckdb", exclusive=True, timeout=0.5):
            assert holders(tmp_path / "s.duckdb.lock") == [os.getpid()]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_waiting_writer_goes_before_new_readers(tmp_path):
    store = tmp_path / "s.duckdb"
    order: list[str] = []

    def write() -> None:
        with held(store, exclusive=True, timeout=10):
            order.append("writer")

    def read() -> None:
        with held(store, exclusive=False, timeout=10):
            order.append("reader")

    with held(store, exclusive=False, timeout=1):
        writer = threading.Thread(target=write)
        writer.start()
        while len(holders(store.with_name("s.duckdb.turn"))) == 0:
            assert writer.is_alive()
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(0.1)
        assert order == []
    writer.join()
    reader.join()
    assert order == ["writer", "reader"]


def test_writers_are_not_starved_by_overlapping_readers(tmp_path):
    store = tmp_path / "s.duckdb"
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            with held(store, exclusive=False, timeout=10):
                stop.wait(0.02)

    readers = [threading.Thread(target=read) for _ in range(6)]
    for reader in readers:
        reader.start()
    began = time.monotonic()
    try:
        for _ in range(10):
            with held(store, exclusive=True, timeout=10):
                pass
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert time.monotonic() - began < 10


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with (
        pytest.raises(StoreError, match="cannot lock"),
        held(blocked / "s.duckdb", exclusive=True, timeout=1),
    ):
        pass


@pytest.mark.parametrize("there", [False, True])
def test_a_store_that_is_to_be_made_or_upgraded_is_waited_for_no_longer_than_said(tmp_path, there):
    path = tmp_path / "s.duckdb"
    if there:
        path.write_bytes(b"something")
    with held(path, exclusive=True, timeout=1), pytest.raises(StoreBusyError, match=r"waited \d\.\d s"):
        Store(path, timeout=0.05).ensure()
