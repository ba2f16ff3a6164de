"""Finished traces on their way into a store: files of OTLP/JSON beside it, read by the reader of such logs.

Why files of their own and not lines of the spool: what is captured live and what is ingested later must be the
same records, so the same reader makes them of the same kind of lines, steps and all, and the spool knows
neither readers nor steps. A file is written under a hidden name, synced (in durable mode) and renamed, so what
is there is whole. Its tasks go into the store in one transaction and the file is removed; who is killed in
between leaves it to the next, and what comes twice counts once. `learnlab ingest <store>.spans` reads it too.

A line holds only the attributes that the reader asks for, with secrets masked: a task with a secret in it has
another content hash here than in the collector's file, which then replaces it.
"""

from __future__ import annotations

import base64
import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from learnlab.errors import StoreError
from learnlab.ingest.assemble import assemble
from learnlab.ingest.logs.account import Account
from learnlab.ingest.logs.lines import Line, lines_of, opened_at
from learnlab.ingest.logs.otel import FORMAT
from learnlab.ingest.logs.otel_attributes import understood
from learnlab.ingest.logs.otel_spans import attributes_of, spans_of
from learnlab.ingest.logs.otel_traces import Traces
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.tiers import set_tiers
from learnlab.secrets import mask_text
from learnlab.settings import settings
from learnlab.store import Counts, Store
from learnlab.store.connection import writing
from learnlab.store.lock import beside

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

MOST_WAITING = 1 << 30
"""The bytes that may wait beside a store; no more are written, so that a stuck store fills no disk."""

_TOGETHER = 8 << 20
"""The bytes that are read while the store is held once."""

_ABANDONED = 3600.0
"""Seconds after which a file that was not written to its end is removed: nobody was told that it is safe."""

_DEEPEST, _SHORT = 20, 200
_SOURCE = "otel:spans"


def folder(store: Path) -> Path:
    """Return the folder of the traces that wait beside a store; it may not exist."""
    return beside(store, "spans")


def waiting(store: Path) -> list[Path]:
    """Return the files of traces that are not in a store yet, by name."""
    return sorted(path for path in folder(store).glob("[!.]*.jsonl") if _size(path))


def export_of(span: ReadableSpan) -> dict[str, Any]:
    """Return a finished span as a request to export it, in OTLP/JSON: hex ids, a list of keys and values."""
    own, status = span.get_span_context(), span.status
    assert own is not None
    said = {
        "traceId": f"{own.trace_id:032x}",
        "spanId": f"{own.span_id:016x}",
        "parentSpanId": f"{span.parent.span_id:016x}" if span.parent else "",
        "name": _text(str(span.name), "agent"),
        "startTimeUnixNano": str(span.start_time or 0),
        "endTimeUnixNano": str(span.end_time or 0),
        "attributes": _pairs(span.attributes),
        "events": [
            {"name": _text(str(event.name)), "attributes": _pairs(event.attributes)} for event in span.events
        ],
        "status": {"code": status.status_code.value, "message": _text(str(status.description or ""))},
    }
    resource = {"attributes": _pairs(span.resource.attributes)}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [said]}]}]}


def is_of_agents(exports: Iterable[dict[str, Any]]) -> bool:
    """Return whether any export says anything about a model, a tool, an agent or a verdict."""
    spans = (span for export in exports for span in spans_of(export))
    return any(not isinstance(span, str) and understood(span, 1).is_genai for span in spans)


def _pairs(attributes: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return attributes in OTLP's shape, those that the reader asks for."""
    names = attributes_of(dict.fromkeys(attributes or ()))
    return [{"key": name, "value": _wrapped((attributes or {})[name], _column(name))} for name in names]


def _column(name: str) -> str:
    """Return the column by whose rules an attribute is masked: what is a name or an id stays told apart."""
    return "agent" if name.endswith(("id", "name", "model")) else ""


def _text(value: str, column: str = "") -> str:
    if len(value) > _SHORT:
        return mask_text(value, column)[0]
    return _short_text(value, column, settings().mask_secrets)


@lru_cache(maxsize=4096)
def _short_text(value: str, column: str, _is_masking: bool) -> str:
    """Do what `_text` does, once for each name of a model, agent or operation."""
    return mask_text(value, column)[0]


def _wrapped(value: Any, column: str, depth: int = 0) -> dict[str, Any]:
    """Return a value as OTLP/JSON writes it, empty where OTLP has no way to."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)} if -(1 << 63) <= value < 1 << 63 else {}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else str(value)}
    if isinstance(value, str):
        return {"stringValue": _text(value, column)}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if depth < _DEEPEST and isinstance(value, Mapping):
        pairs = [
            {"key": _text(str(name)), "value": _wrapped(one, column, depth + 1)}
            for name, one in value.items()
        ]
        return {"kvlistValue": {"values": pairs}}
    if depth < _DEEPEST and isinstance(value, Sequence):
        return {"arrayValue": {"values": [_wrapped(one, column, depth + 1) for one in value]}}
    return {}


def write(store: Path, exports: Sequence[dict[str, Any]]) -> None:
    """Write exports beside a store, a line each, and return once they are safe: all of them or none.

    Raises:
        StoreError: when they cannot be written, or too much waits already.
    """
    where, name = folder(store), f"{uuid4().hex}.jsonl"
    data = b"".join(json.dumps(export).encode() + b"\n" for export in exports)
    n_waiting = sum(map(_size, waiting(store)))
    if n_waiting + len(data) > MOST_WAITING:
        raise StoreError(
            f"{n_waiting >> 20} MB of traces wait in {where}: the store has not taken them in; "
            f"see what keeps it, or read them with `learnlab ingest`"
        )
    hidden = where / f".{name}"
    try:
        if not where.is_dir():
            where.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(where.parent)
        try:
            with open(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                if settings().durable:
                    os.fsync(file.fileno())
            hidden.rename(where / name)
        except OSError:
            hidden.unlink(missing_ok=True)
            raise
        _sync(where)
    except OSError as error:
        raise StoreError(f"cannot write traces to {where}: {error.strerror or error}") from error


def take_in(path: Path, timeout: float) -> Counts:
    """Read what waits beside a store into it, and return what became of it; nothing is opened when nothing waits.

    Spans of one trace that stand in several files are put together.

    Raises:
        StoreError: when the store cannot be written, or is busy for longer than `timeout` seconds; the files stay.
    """
    store, total = Store(path, timeout=timeout), Counts()
    _clear(path)
    for files in _groups(waiting(path)):
        if not store.path.exists():
            with writing(path, timeout):
                store.ensure()
        with store.writing():
            there = [file for file in files if _size(file)]
            if not there:  # somebody else was first
                continue
            batch = assemble(_read(there), FORMAT.name, _SOURCE)
            total += store.add(
                batch.executions,
                batch.rejected,
                steps=batch.steps,
                kinds=batch.kinds,
                n_rows_read=batch.n_rows_read,
                source=_SOURCE,
            )
        for file in there:
            file.unlink(missing_ok=True)
    if total.n_accepted:
        set_tiers(store)
    return total


def _groups(paths: list[Path]) -> Iterator[list[Path]]:
    group: list[Path] = []
    for path in paths:
        group.append(path)
        if sum(map(_size, group)) >= _TOGETHER:
            yield group
            group = []
    if group:
        yield group


def _read(paths: Sequence[Path]) -> Piece:
    """Return what the reader of OTLP makes of some files together."""
    account, traces, number = Account(frozenset()), Traces(), 1
    for path in paths:
        with opened_at(path) as stream:
            for line in lines_of(stream, number=number):
                number = line.number + 1
                if account.is_sound(line):
                    _take(line, account, traces)
    account.piece.tasks = traces.tasks()
    return account.piece


def _take(line: Line, account: Account, traces: Traces) -> None:
    for span in spans_of(line.value):
        if isinstance(span, str):
            account.reject(line.number, span, "")
            continue
        call = understood(span, line.number)
        traces.add(call)
        account.count_as("spans of agents" if call.is_genai else "other spans")


def _clear(store: Path) -> None:
    """Remove files whose writer was killed before they were whole."""
    for path in folder(store).glob(".*.jsonl"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _sync(where: Path) -> None:
    if settings().durable:
        descriptor = os.open(where, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
