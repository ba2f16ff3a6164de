"""The spool: single records are appended beside the store and drained into it in batches.

A record is acknowledged once it stands in the spool, so nobody waits for the store's lock to hand one in.
Durable mode acknowledges after fsync (survives a power cut), the other after write (survives a kill).

Each process appends to a segment of its own. Whoever drains seals a segment by renaming it, so its owner
begins a new one, then adds the records and the ledger row in one transaction and removes the segment. A
drain that is killed is repeated: contents that went in already are duplicates and count nothing twice.
"""

from __future__ import annotations

import io
import json
import os
import re
import threading
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import duckdb
import polars as pl
import portalocker
from pydantic_core import PydanticSerializationError

from learnlab.errors import StoreError
from learnlab.models import ExecutionRecord
from learnlab.secrets import mask_text
from learnlab.settings import settings
from learnlab.store.frames import conform
from learnlab.store.limits import SCHEMA
from learnlab.store.lock import beside
from learnlab.store.masking import EXECUTION_TEXTS
from learnlab.store.merge import Addition, Counts, merge

_OPEN, _SEALED = ".jsonl", ".sealed"
_TEXTS = {name: pl.String() if kind.is_temporal() else kind for name, kind in SCHEMA.items()}
"""How a record stands in a line: its times are texts."""

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def folder(store: Path) -> Path:
    """Return the folder of a store's spool; it may not exist."""
    return beside(store, "spool")


def waiting(store: Path) -> list[Path]:
    """Return the segments that hold something to drain, oldest name first."""
    try:
        names = sorted(os.listdir(folder(store)))
    except FileNotFoundError:
        return []
    paths = [folder(store) / name for name in names if name.endswith((_OPEN, _SEALED))]
    return [path for path in paths if _size(path)]


def undrained(segments: list[Path]) -> bool:
    """Return whether any of some segments, sealed meanwhile or not, has not been drained yet."""
    return any(_size(segment) or _size(segment.with_suffix(_SEALED)) for segment in segments)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def lines_of(records: list[ExecutionRecord]) -> bytes:
    """Return records as lines of JSON.

    Raises:
        StoreError: when a record holds what no line can: an object that is no JSON, a NUL, half a character.
    """
    try:
        data = b"".join(record.model_dump_json(exclude_none=True).encode() + b"\n" for record in records)
    except (
        PydanticSerializationError,
        UnicodeEncodeError,
        RecursionError,
        ValueError,
        AttributeError,
    ) as error:
        raise StoreError(f"no record that can be stored: {str(error).splitlines()[0]}") from error
    if _NUL.search(data):
        raise StoreError(
            "a record with a NUL character cannot be stored: take it out of its texts and metadata"
        )
    return data


def frame_of(records: list[ExecutionRecord]) -> pl.DataFrame:
    """Return records as a frame for `conform`.

    Raises:
        StoreError: as `lines_of` does.
    """
    return (
        pl.read_ndjson(io.BytesIO(lines_of(records)), schema=_TEXTS)
        if records
        else pl.DataFrame(schema=_TEXTS)
    )


def _masked(record: ExecutionRecord) -> bytes:
    """Return a record as the line that reaches the disk: without the secrets in its texts.

    Done without polars, whose threads do not outlive a fork.
    """
    line = lines_of([record])
    said = json.loads(line)
    n_masked = 0
    for name in EXECUTION_TEXTS:
        if value := said.get(name):
            text = value if isinstance(value, str) else json.dumps(value)
            said[name], n = mask_text(text, name)
            n_masked += n
    return json.dumps(said).encode() + b"\n" if n_masked else line


class SpoolWriter:
    """Appends records to one store's spool; safe to share between threads.

    Raises:
        StoreError: from `append`, when the record cannot be written; then nothing of it stays.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._path: Path | None = None
        self._pid = 0

    def append(self, records: list[ExecutionRecord]) -> None:
        """Append records, their secrets masked, and return once they are acknowledged, all of them or none."""
        data = b"".join(map(_masked, records))
        with self._lock:
            try:
                self._write(data)
            except OSError as error:
                raise StoreError(
                    f"cannot write the spool {folder(self._store)}: {error.strerror}; the record is not stored"
                ) from error

    def close(self) -> None:
        """Let go of the segment; what it holds stays for the next drain."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _write(self, data: bytes) -> None:
        descriptor = self._own_segment()
        try:
            end = os.fstat(descriptor).st_size
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                if settings().durable:
                    os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        finally:
            portalocker.unlock(descriptor)

    def _own_segment(self) -> int:
        """Return the descriptor of this process's segment, locked and known not to be sealed."""
        while True:
            if self._descriptor is None or self._pid != os.getpid():
                self._descriptor, self._path, self._pid = *self._new_segment(), os.getpid()
            portalocker.lock(self._descriptor, portalocker.LockFlags.EXCLUSIVE)
            try:
                if os.fstat(self._descriptor).st_ino == os.stat(self._path or "").st_ino:
                    return self._descriptor
            except FileNotFoundError:
                pass
            os.close(self._descriptor)
            self._descriptor = None

    def _new_segment(self) -> tuple[int, Path]:
        where = folder(self._store)
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = where / f"{uuid4().hex}{_OPEN}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC, 0o600)
        if settings().durable:
            parent = os.open(where, os.O_RDONLY)
            os.fsync(parent)
            os.close(parent)
        return descriptor, path


def _seal(path: Path) -> Path:
    """Rename a segment while nobody writes to it, so that its owner begins another."""
    if path.suffix == _SEALED:
        return path
    sealed = path.with_suffix(_SEALED)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        portalocker.lock(descriptor, portalocker.LockFlags.EXCLUSIVE)
        path.rename(sealed)
    finally:
        os.close(descriptor)
    return sealed


def _record(line: bytes) -> pl.DataFrame | str:
    """Return a line as a frame of one row, or why it is none."""
    try:
        keys = json.loads(line)
    except ValueError:
        return "not a JSON object: the line was cut short or damaged"
    if not isinstance(keys, dict) or not keys.keys() <= SCHEMA.keys():
        return "not an execution record"
    try:
        return pl.read_ndjson(io.BytesIO(line), schema=_TEXTS)
    except pl.exceptions.PolarsError as error:
        return str(error).splitlines()[0]


def _records(lines: list[bytes]) -> tuple[pl.DataFrame, list[int], list[tuple[int, str]]]:
    """Return the lines that are records as a frame with their places, and the other places with the reason."""
    with suppress(pl.exceptions.PolarsError):
        frame = pl.read_ndjson(io.BytesIO(b"\n".join(lines)), schema=_TEXTS)
        if len(frame) == len(lines):
            return frame, list(range(len(lines))), []
    rows = [(place, _record(line)) for place, line in enumerate(lines)]
    bad = [(place, row) for place, row in rows if isinstance(row, str)]
    good = [(place, row) for place, row in rows if isinstance(row, pl.DataFrame)]
    frames = [pl.DataFrame(schema=_TEXTS), *(row for _, row in good)]
    return pl.concat(frames), [place for place, _ in good], bad


def drain(connection: duckdb.DuckDBPyConnection, store: Path) -> Counts:
    """Add everything that waits in a store's spool to the store, which is open for writing.

    What cannot be read goes to `rejected` with its reason. Segments are removed once their records are in.
    """
    total = Counts()
    for segment in waiting(store):
        sealed = _seal(segment)
        lines = [line for line in sealed.read_bytes().split(b"\n") if line]
        records, places, bad = _records(lines)
        executions, faults = conform(records)
        bad += [(places[row], reason) for row, reason in faults.rows()]
        rejected = pl.DataFrame(
            [(place + 1, reason, lines[place].decode("utf-8", "replace")) for place, reason in sorted(bad)],
            schema={"source_position": pl.Int64, "reason": pl.String, "content": pl.String},
            orient="row",
        )
        total += merge(connection, [Addition(executions, rejected, source="spool")], kind="spool")[0]
        sealed.unlink()
    return total
