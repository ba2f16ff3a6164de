"""A store's lock: shared for reads, exclusive for writes, with a turnstile so that writers get their turn.

Two lock files stand beside the store. `<store>.lock` is held shared by every reader and exclusively by the
writer. `<store>.turn` is what everybody passes on the way in: a reader holds it shared for a moment, a writer
holds it exclusively from when it begins to wait until it is done. So a writer that waits lets no new reader
pass, and when it leaves, the readers that queued go in together before the next writer can.

Both are flock locks on descriptors of their own: they hold between threads as well as between processes, and
the system releases them when a process dies. A child that is forked meanwhile lets go of its copies, which
would hold them for as long as it lives.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import portalocker

from learnlab.errors import StoreBusyError, StoreError

_FIRST_PAUSE = 0.01
_SHORTEST_PAUSE = 0.0005
_left: dict[Path, float] = {}
"""When this process last stopped writing to a store (monotonic seconds)."""

_open_here: set[int] = set()
"""The descriptors of lock files that this process holds or waits for."""


def beside(store: Path, ending: str) -> Path:
    """Return the path of something that stands beside a store, such as its lock or its spool.

    >>> beside(Path("shop.duckdb"), "lock").name
    'shop.duckdb.lock'
    """
    return store.with_name(f"{store.name}.{ending}")


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    _open_here.add(descriptor)
    return descriptor


def _close(descriptor: int) -> None:
    """Unlock and close a lock file; unlocking reaches a copy that a child was forked with as well."""
    with suppress(OSError, portalocker.LockException):
        portalocker.unlock(descriptor)
    _open_here.discard(descriptor)
    os.close(descriptor)


def _after_fork() -> None:
    """Let go, in a child, of its parent's locks; closing a copy unlocks nothing for the parent."""
    for descriptor in _open_here:
        os.close(descriptor)
    _open_here.clear()


os.register_at_fork(after_in_child=_after_fork)


def _try(descriptor: int, flags: portalocker.LockFlags) -> bool:
    try:
        portalocker.lock(descriptor, flags | portalocker.LockFlags.NON_BLOCKING)
    except (portalocker.LockException, portalocker.AlreadyLocked):
        return False
    return True


def holders(path: Path) -> list[int]:
    """Return the ids of the processes that hold a lock file, where the system tells (Linux), else none."""
    try:
        inode = str(path.stat().st_ino)
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines if "->" not in line]
    return sorted({int(f[4]) for f in fields if f[1] == "FLOCK" and f[5].rsplit(":", 1)[-1] == inode})


def _named(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return f"process {pid}"
    command = " ".join(Path(word).name if i == 0 else word for i, word in enumerate(_decoded(words)))
    return f"process {pid} ({command[:80].strip()})"


def _decoded(words: list[bytes]) -> list[str]:
    return [word.decode("utf-8", "replace") for word in words if word]


def _busy(store: Path, wanted: str, waited: float) -> StoreBusyError:
    mine = os.getpid()
    others = [pid for pid in holders(beside(store, "lock")) if pid != mine]
    who = ", ".join(map(_named, others)) or "another thread or process"
    return StoreBusyError(
        f"{store} is in use: waited {waited:.1f} s to {wanted} it; held by {who}. "
        "Wait until that is done, or raise LEARNLAB_LOCK_TIMEOUT"
    )


def _wait(descriptor: int, flags: portalocker.LockFlags, began: float, deadline: float) -> bool:
    """Try until the deadline, the more often the longer it has waited: so the oldest waiter tends to win."""
    while not _try(descriptor, flags):
        now = time.monotonic()
        if now >= deadline:
            return False
        pause = max(_SHORTEST_PAUSE, _FIRST_PAUSE / (1 + 4 * (now - began)))
        time.sleep(min(pause * random.uniform(0.5, 1.5), max(0.0, deadline - now)))
    return True


@contextmanager
def held(store: Path, *, exclusive: bool, timeout: float, since: float | None = None) -> Iterator[None]:
    """Hold a store's lock, shared or exclusive, waiting at most `timeout` seconds for it.

    `since` is when the caller began to wait (monotonic), if that was before this call: it counts for its
    turn. A process that has just written pauses before it writes again, so that those who wait come first.

    A reader of a store in a folder that cannot be written, and where no writer ever was, needs no lock.

    Raises:
        StoreBusyError: when the wait is over; it names the processes that hold the store.
        StoreError: when the lock files cannot be made.
    """
    wanted = "write to" if exclusive else "read"
    flags = portalocker.LockFlags.EXCLUSIVE if exclusive else portalocker.LockFlags.SHARED
    began, owner = since or time.monotonic(), os.getpid()
    deadline = time.monotonic() + timeout
    if exclusive:
        time.sleep(max(0.0, _left.get(store, 0.0) + 1.5 * _FIRST_PAUSE - time.monotonic()))
    descriptors: list[int] = []
    try:
        try:
            descriptors.extend(_open(beside(store, ending)) for ending in ("turn", "lock"))
        except OSError as error:
            if exclusive or os.access(store.parent, os.W_OK):
                raise StoreError(f"cannot lock {store}: {error.strerror or error}") from error
            yield
            return
        turn, lock = descriptors
        for descriptor in (turn, lock):
            if not _wait(descriptor, flags, began, deadline):
                raise _busy(store, wanted, time.monotonic() - began)
        if not exclusive:
            portalocker.unlock(turn)
        yield
    finally:
        for descriptor in reversed(descriptors) if os.getpid() == owner else ():
            _close(descriptor)
        if exclusive:
            _left[store] = time.monotonic()
