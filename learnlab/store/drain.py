"""Draining the spool: each segment goes into the store once, small ones together in one transaction."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import duckdb
import polars as pl

from learnlab.store import spool
from learnlab.store.attempts import Captured, meet, sides_of
from learnlab.store.connection import fetch, lent
from learnlab.store.frames import conform
from learnlab.store.lines import EXECUTION, FEEDBACK, frame_of, read_lines
from learnlab.store.merge import Addition, Counts, merge
from learnlab.store.spool import keep, quarantine, seal, waiting
from learnlab.store.words import times_of

_log = logging.getLogger("learnlab.store")
_SOURCE = "spool"
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_OPTIONAL = ("router_version", "pool_type", "task")
_EVERY_FEEDBACK_HAS = {
    "feedback_id",
    "task_id",
    "timestamp",
    "feedback_type",
    "author",
    "visibility",
    "via",
    "place",
}
_FEEDBACK_BEGINS = f'{{"kind":"{FEEDBACK}"'.encode()
_OBJECTS = ("chosen", "context", "known", "payload")
_UNREADABLE = (
    ValueError,
    RecursionError,
    pl.exceptions.PolarsError,
    duckdb.DataError,
    duckdb.IntegrityError,
)
"""What a segment raises that is damaged; what is wrong with the store or the disk is not among it."""


def drain(connection: duckdb.DuckDBPyConnection, store: Path, seconds: float | None = None) -> Counts:
    """Add what waits in a store's spool to the store, which is open for writing; stop after `seconds` if given.

    Small segments go in together. A line that cannot be read goes to `rejected` with its reason. A segment that
    cannot be read at all, lines that are not even text, and those of feedback that cannot be read, which `rejected`
    does not show, are kept beside the others under another name (`spool.quarantined`);
    every other segment is removed once it is in, or waits on while its writer is stopped in the middle of a line or
    the system has no room to read it. A drain that was killed is repeated: the ledger knows each segment that went in.
    """
    total = Counts()
    began = time.monotonic()
    for batch in _batches(connection, store):
        try:
            total += _drain_segments(connection, batch)
        except _UNREADABLE as error:
            if len(batch) == 1:
                total += _set_aside(connection, batch[0].path, error)
                continue
            for segment in batch:
                try:
                    total += _drain_segments(connection, [segment])
                except _UNREADABLE as its_own:
                    total += _set_aside(connection, segment.path, its_own)
        if seconds is not None and time.monotonic() - began > seconds:
            break
    return total


@dataclass(frozen=True)
class _Segment:
    path: Path
    lines: list[bytes]
    ingest_id: UUID


def _batches(connection: duckdb.DuckDBPyConnection, store: Path) -> Iterator[list[_Segment]]:
    """Yield the segments that wait, sealed and read, as many together as make a full one."""
    batch: list[_Segment] = []
    n_lines = n_bytes = 0
    for path in waiting(store):
        try:
            if (sealed := seal(path)) is None:
                _log.warning("the spool segment %s waits: a process holds it that does not go on", path)
                continue
            lines = [line for line in sealed.read_bytes().split(b"\n") if line]
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in (errno.EIO, errno.EISDIR):
                _set_aside(connection, path, error)
            else:
                _log.warning("the spool segment %s waits: %s", path, error.strerror)
            continue
        batch.append(_Segment(sealed, lines, _id_of(sealed)))
        n_lines, n_bytes = n_lines + len(lines), n_bytes + sum(map(len, lines))
        if n_lines >= spool.MOST_LINES or n_bytes >= spool.MOST_BYTES:
            yield batch
            batch, n_lines, n_bytes = [], 0, 0
    if batch:
        yield batch


def _drain_segments(connection: duckdb.DuckDBPyConnection, segments: Sequence[_Segment]) -> Counts:
    """Add what stands in some segments to the store in one transaction, and remove them."""
    with lent(connection, coming=pl.DataFrame({"id": [str(one.ingest_id) for one in segments]})):
        known = fetch(
            connection,
            "select id from coming where cast(id as uuid) in (select ingest_id from ledger where kind = 'spool')",
        )["id"].to_list()
    fresh = [one for one in segments if str(one.ingest_id) not in known]
    counts, private = Counts(), set[bytes]()
    if fresh:
        first, private = _addition(connection, [line for one in fresh for line in one.lines])
        first = replace(first, ingest_id=fresh[0].ingest_id)
        nothing = first.executions.clear()
        others = [Addition(nothing, source=_SOURCE, ingest_id=one.ingest_id) for one in fresh[1:]]
        counts, *_ = merge(connection, [first, *others], ingest_id=fresh[0].ingest_id, kind=_SOURCE)
    for one in segments:
        aside = [line for line in one.lines if line in private or not _is_text(line)]
        try:
            if aside:
                keep(one.path, aside)
            one.path.unlink()
        except OSError as error:
            _log.warning("the spool segment %s is in the store and stays: %s", one.path, error.strerror)
    return counts


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _id_of(sealed: Path) -> UUID:
    """Return the id under which the ledger knows a segment, which is its name; a new one for any other name."""
    try:
        return UUID(hex=sealed.stem)
    except ValueError:
        return uuid4()


def _set_aside(connection: duckdb.DuckDBPyConnection, segment: Path, error: Exception) -> Counts:
    """Keep a segment that cannot be read at all, and say so in the table `rejected`."""
    path = segment.with_suffix(".sealed")
    try:
        kept = quarantine(path if path.exists() else segment)
    except OSError as second:
        _log.error("the spool segment %s can neither be read nor set aside: %s", segment, second)
        return Counts()
    reason = (
        f"a segment of the spool cannot be read ({type(error).__name__}: {error}); it is kept as {kept.name}"
    )
    _log.error("%s", reason)
    executions, _ = conform(frame_of([]))
    rejected = _rejected([(0, reason[:1000])], [b""])
    addition = Addition(executions, rejected, source=f"{_SOURCE}:{kept.name}")
    return merge(connection, [addition], kind=_SOURCE)[0]


def _addition(connection: duckdb.DuckDBPyConnection, lines: Sequence[bytes]) -> tuple[Addition, set[bytes]]:
    """Return what the lines of a segment add to the store, the attempts whose sides meet by it among it.

    The lines that are given beside it are feedback that cannot be read: what they say is for nobody else's eyes.
    """
    read = read_lines(lines)
    frames, unreadable = dict(read.frames), list(read.unreadable)
    executions, faults = conform(frames[EXECUTION].drop("place"))
    places = frames[EXECUTION]["place"]
    unreadable += [(places[row], reason) for row, reason in faults.rows()]
    for kind in frames.keys() - {EXECUTION}:
        frames[kind], bad = _sound(frames[kind], _EVERY_FEEDBACK_HAS if kind == FEEDBACK else None)
        unreadable += [(place, f"not a whole {kind}: an id, a time or a field is damaged") for place in bad]
    sides = sides_of(frames["decision"], frames["attempt"])
    sides, records, met = meet(connection, sides, executions["record_key"])
    if records:
        joined, _ = conform(frame_of(records))
        executions = pl.concat([executions, joined])
    captured = Captured(frames["decision"], frames["pool"], frames["dead_letter"], sides, met)
    private = {lines[place] for place, _ in unreadable if lines[place].startswith(_FEEDBACK_BEGINS)}
    addition = Addition(
        executions,
        _rejected(sorted(unreadable), lines),
        kinds={kind: n for kind, frame in read.frames.items() if (n := len(frame))}
        | ({"rejected": len(read.unreadable)} if read.unreadable else {}),
        source=_SOURCE,
        captured=captured,
        feedback=frames[FEEDBACK],
    )
    return addition, private


def _sound(events: pl.DataFrame, needed: Collection[str] | None = None) -> tuple[pl.DataFrame, list[int]]:
    """Return the events whose ids, times and fields are whole, without `kind` and `place`; the others' places.

    `needed` are the fields that each must have, if not all but the optional.
    """
    timed = events.with_columns(timestamp=times_of(events["timestamp"]))
    if timed.is_empty():
        return timed.drop("kind", "place"), []
    checks = [
        pl.col(name).is_not_null()
        if name in ("timestamp", "place") or not name.endswith("_id") or name == "pool_id"
        else pl.col(name).str.contains(_UUID)
        for name in timed.columns
        if (name in needed if needed else name not in _OPTIONAL)
    ]
    checks += [
        pl.col(name).str.json_path_match("$").str.starts_with("{")
        for name in _OBJECTS
        if name in timed.columns
    ]
    whole = timed.select(pl.all_horizontal(checks).fill_null(False)).to_series()
    return timed.filter(whole).drop("kind", "place"), timed.filter(~whole)["place"].to_list()


def _shown(reason: str, line: bytes) -> tuple[str, str]:
    """Return why a line is refused and what it says; of feedback neither, for everybody reads `rejected`."""
    if line.startswith(_FEEDBACK_BEGINS):
        which = sha256(line).hexdigest()[:12]
        return "no whole piece of feedback: cut short or damaged", f"feedback {which}, kept beside the spool"
    return reason, line.decode("utf-8", "replace")


def _rejected(unreadable: Sequence[tuple[int, str]], lines: Sequence[bytes]) -> pl.DataFrame:
    return pl.DataFrame(
        [(place + 1, *_shown(reason, lines[place])) for place, reason in unreadable],
        schema={"source_position": pl.Int64, "reason": pl.String, "content": pl.String},
        orient="row",
    )
