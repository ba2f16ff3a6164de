"""Traces of OpenTelemetry's GenAI conventions: the collector's files, OTLP, Jaeger's and Tempo's exports."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from learnlab.errors import SourceError
from learnlab.ingest.batch import Position
from learnlab.ingest.logs.account import Account
from learnlab.ingest.logs.formats import Head, LogFormat
from learnlab.ingest.logs.lines import Line, lines_of, loaded, opened_at
from learnlab.ingest.logs.otel_attributes import understood
from learnlab.ingest.logs.otel_binary import exports_of, is_binary
from learnlab.ingest.logs.otel_spans import Span, spans_of
from learnlab.ingest.logs.otel_traces import Traces
from learnlab.ingest.logs.shapes import items, obj, text, whole
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.rejected import MAX_CONTENT, Fault
from learnlab.ingest.sources import printable

MAX_DOCUMENT = 512 << 20
"""The bytes that a document may have, which is held in memory as a whole."""

LINES_A_PIECE = 2000
"""Lines after which what is over is handed on."""

_SIGNALS = ("resourceSpans", "resourceLogs", "resourceMetrics", "resourceProfiles")
_DOCUMENTS = ("batches", "data", "trace", "result")
_BEGINS = re.compile(
    rb'\s*\{\s*(?:"(?:trace|result)"\s*:\s*\{\s*)?"(?:resourceSpans|batches)"\s*:\s*\[\s*\{\s*'
    rb'"(?:resource|scopeSpans|instrumentationLibrarySpans|schemaUrl)"'
    rb'|\s*\{\s*"data"\s*:\s*\[\s*\{\s*"(?:traceID|spans|processes)"(?=.*"spanID")',
    re.DOTALL,
)
_HEAD = 1 << 16
_KINDS: frozenset[str] = frozenset()
"""No name that a line may give itself: its kind is what its spans are."""


def _fits(head: Head) -> bool:
    """Return whether a file holds spans in one of the shapes that are read here."""
    start = head.start.removeprefix(b"\xef\xbb\xbf")
    return (
        is_binary(head.start)
        or any(_has_spans(export) for export in head.objects)
        or _BEGINS.match(start[:_HEAD]) is not None
    )


def _has_spans(export: dict[str, Any]) -> bool:
    inner = [export, obj(export.get("trace")), obj(export.get("result"))]
    groups = [
        obj(one) for each in inner for key in ("resourceSpans", "batches") for one in items(each.get(key))
    ]
    traces = [obj(one) for one in items(export.get("data"))]
    names = {"scopeSpans", "instrumentationLibrarySpans"}
    is_otlp = any(names & group.keys() for group in groups)
    return is_otlp or any("spans" in trace and {"traceID", "processes"} & trace.keys() for trace in traces)


def _read(path: Path, position: Position) -> Iterator[Piece]:
    """Yield what a file with spans holds, from a position on where it is one of lines.

    Raises:
        SourceError: when it cannot be opened, is empty, holds nothing of the kind, or is binary and
            opentelemetry-proto is not installed.
    """
    with opened_at(path) as stream:
        start = stream.peek(_HEAD)[:_HEAD]
    if is_binary(start):
        yield from _binary(path)
    elif b"{" not in start:
        raise SourceError(f"{printable(path)} holds no OpenTelemetry spans: neither JSON nor binary OTLP")
    elif not position.offset and _is_document(path):
        yield from _document(path)
    else:
        yield from _lines(path, position)


def _is_document(path: Path) -> bool:
    """Return whether a file is one JSON object, on one line or over many, and not a request a line."""
    with opened_at(path) as stream:
        lines = iter(lines_of(stream))
        first = next(lines, None)
        if first is None:
            return False
        at, line = 0, first
        while at < 20 and not any(key in line.value for key in _SIGNALS):
            at, following = at + 1, next(lines, None)
            if following is None:
                break
            line = following
        if any(key in line.value for key in _SIGNALS):
            return False
    is_open = first.content.rstrip().endswith(("{", "[", ","))
    return any(key in first.value for key in _DOCUMENTS) or (first.fault is not None and is_open)


def _document(path: Path) -> Iterator[Piece]:
    data = _whole(path)
    try:
        export: Any = loaded(data.removeprefix(b"\xef\xbb\xbf").strip())
    except ValueError as error:
        if data.count(b'"resourceSpans"') > 1:
            yield from _lines(path, Position())
            return
        export = str(error)
    yield _read_whole([export if isinstance(export, (dict, str)) else "is no JSON object"])


def _binary(path: Path) -> Iterator[Piece]:
    yield _read_whole(exports_of(_whole(path)))


def _whole(path: Path) -> bytes:
    with opened_at(path) as stream:
        data = stream.read(MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        raise SourceError(
            f"{printable(path)} is longer than {MAX_DOCUMENT >> 20} MB; export it in parts, or as one request a line"
        )
    return data


def _read_whole(exports: Iterable[dict[str, Any] | str]) -> Piece:
    """Return all that some exports hold; every span is an entry."""
    account, traces, number = Account(_KINDS), Traces(), 0
    for export in exports:
        found: Iterable[Span | str] = [export] if isinstance(export, str) else spans_of(export)
        for span in found:
            number += 1
            if isinstance(span, str):
                account.reject(number, span, "")
                continue
            call = understood(span, number)
            traces.add(call)
            account.count_as("spans of agents" if call.is_genai else "other spans")
    if not number:
        account.reject(1, "holds no spans", "")
    account.piece.tasks = traces.tasks()
    return account.piece


def _lines(path: Path, position: Position) -> Iterator[Piece]:
    account, traces = Account(_KINDS), Traces(position)
    offset, number = position.offset, whole(position.state.get("line")) or 1
    due = number // LINES_A_PIECE + 1
    with opened_at(path, position.offset) as stream:
        for line in lines_of(stream, offset, number):
            offset, number = line.offset, line.number
            if number >= due * LINES_A_PIECE:
                due = number // LINES_A_PIECE + 1
                account.piece.tasks += traces.overdue(number)
                yield account.taken(traces.position(offset, number))
            _take(line, account, traces)
            account.piece.tasks += traces.overfull()
    account.piece.tasks += traces.tasks()
    yield account.taken(traces.position(offset, number))


def _take(line: Line, account: Account, traces: Traces) -> None:
    """Read one line; it is counted once, whatever stands in it."""
    if not account.is_sound(line):
        return
    if not any(key in line.value for key in (*_SIGNALS, *_DOCUMENTS)):
        account.count(text(", ".join(line.value)) or "an empty object")
        return
    reasons: Counter[str] = Counter()
    is_genai = False
    for span in spans_of(line.value):
        if isinstance(span, str):
            reasons[span] += 1
        else:
            call = understood(span, line.number)
            traces.add(call, line.offset)
            is_genai = is_genai or call.is_genai
    if reasons:
        account.reject(*_fault(line, reasons))
    elif "resourceSpans" not in line.value and any(key in line.value for key in _SIGNALS):
        account.count_as("logs and metrics")
    else:
        account.count_as("spans of agents" if is_genai else "other spans")


def _fault(line: Line, reasons: Counter[str]) -> Fault:
    said = ", ".join(f"{reason} ({count:,} times)" for reason, count in sorted(reasons.items()))
    try:
        content = json.dumps(line.value)[: MAX_CONTENT + 1]
    except (RecursionError, ValueError):
        content = ""
    return line.number, said, content


FORMAT = LogFormat(
    name="otel",
    title="OpenTelemetry GenAI traces: OTLP lines, JSON or binary, Jaeger's and Tempo's exports",
    keeps="where the collector's file exporter writes, or what was exported by hand",
    fits=_fits,
    read=_read,
    grows=True,
)
"""OpenTelemetry's traces of GenAI: one task for each agent at the top of a trace, each token counted once."""
