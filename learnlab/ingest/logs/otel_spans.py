"""Spans out of what tracing tools export: OTLP/JSON, Tempo, Jaeger; an evaluation logged beside a trace is one too."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from learnlab.ingest.logs.shapes import items, obj, text, whole

EVALUATION = "gen_ai.evaluation.result"
"""What the event, span or log record is called that carries a verdict."""

_KEPT = (
    "gen_ai.", "llm.usage.", "llm.token_count.", "llm.cost.", "llm.model_name", "llm.provider", "llm.system",
    "llm.request.type", "llm.request.model", "llm.response.model", "llm.input_messages.",
    "llm.output_messages.", "llm.prompts.", "llm.completions.", "openinference.", "traceloop.", "input.",
    "output.", "session.", "agent.", "tool.name", "error", "exception.", "event", "gcp.vertex.agent.",
    "ai.prompt", "ai.response.text", "message", "content", "service.name", "vcs.repository.name",
    "otel.status_", "embedding.",
)  # fmt: skip
"""How the names of attributes begin that anybody here asks for; the rest is let go of at once."""

_HEX = re.compile(r"[0-9a-fA-F]{1,32}")
_WRITTEN_OUT = re.compile(r"(?!0+$)(?:[0-9a-f]{16}){1,2}")
_DEEPEST = 20
_ERROR_CODES = (2, "2", "STATUS_CODE_ERROR", "ERROR")


@dataclass(slots=True)
class Span:
    """One span as exported: ids in lower-case hex, times in nanoseconds since 1970, attributes as plain values.

    `parent` is empty at the root of a trace. `events` are (name, attributes); `resource` says who made the span.
    """

    trace: str
    id: str
    parent: str
    name: str
    start: int | None = None
    end: int | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    events: tuple[tuple[str, dict[str, Any]], ...] = ()
    is_error: bool = False
    message: str | None = None
    resource: dict[str, Any] = field(default_factory=dict)


def spans_of(export: dict[str, Any]) -> Iterator[Span | str]:
    """Yield the spans of an export; in place of one that cannot be read, the reason.

    >>> span = {"traceId": "A1", "spanId": "b2", "name": "chat", "startTimeUnixNano": "5"}
    >>> found, why = spans_of({"resourceSpans": [{"scopeSpans": [{"spans": [span, None]}]}]})
    >>> found.trace[-2:], found.id, found.start, why
    ('a1', '00000000000000b2', 5, 'a span is no JSON object')
    """
    for key in ("trace", "result"):
        if isinstance(export.get(key), dict):
            yield from _otlp(export[key])
    yield from _otlp(export)
    for trace in _list(export.get("data")):
        yield from _jaeger(trace)


def _otlp(export: dict[str, Any]) -> Iterator[Span | str]:
    for key in ("resourceSpans", "batches"):
        for group in _list(export.get(key)):
            resource = attributes_of(obj(obj(group).get("resource")).get("attributes"))
            scopes = _list(_first(obj(group), "scopeSpans", "instrumentationLibrarySpans"))
            if not isinstance(group, dict) or not all(isinstance(scope, dict) for scope in scopes):
                yield "a group of spans is no JSON object"
            for scope in scopes:
                for raw in _list(obj(scope).get("spans")):
                    yield _otlp_span(raw, resource)
    for group in _list(export.get("resourceLogs")):
        for scope in _list(obj(group).get("scopeLogs")):
            for raw in _list(obj(scope).get("logRecords")):
                if (logged := _logged_evaluation(obj(raw))) is not None:
                    yield logged


def _otlp_span(raw: Any, resource: dict[str, Any]) -> Span | str:
    if not isinstance(raw, dict):
        return "a span is no JSON object"
    trace, own = _id(raw.get("traceId"), 32), _id(raw.get("spanId"), 16)
    if not trace or not own:
        return "a span has no trace id or no span id"
    status = obj(raw.get("status"))
    code = status.get("code")
    return Span(
        trace=trace,
        id=own,
        parent=_id(raw.get("parentSpanId"), 16),
        name=text(raw.get("name")) or "",
        start=_nanoseconds(raw.get("startTimeUnixNano")),
        end=_nanoseconds(raw.get("endTimeUnixNano")),
        attributes=attributes_of(raw.get("attributes")),
        events=_events(raw.get("events"), "name", "attributes"),
        is_error=isinstance(code, (int, str)) and code in _ERROR_CODES,
        message=text(status.get("message")),
        resource=resource,
    )


def _logged_evaluation(raw: dict[str, Any]) -> Span | None:
    """Return an evaluation that was logged, as a span below the one it speaks of; None for other records."""
    said = attributes_of(raw.get("attributes"))
    name = text(raw.get("eventName")) or text(said.get("event.name"))
    trace, parent = _id(raw.get("traceId"), 32), _id(raw.get("spanId"), 16)
    if name != EVALUATION or not trace:
        return None
    at = _nanoseconds(raw.get("timeUnixNano")) or _nanoseconds(raw.get("observedTimeUnixNano"))
    own = f"log {parent} {at} {text(said.get('gen_ai.evaluation.name'))}"[:200]
    return Span(trace, own, parent, EVALUATION, at, at, said)


def _jaeger(trace: Any) -> Iterator[Span | str]:
    processes = obj(obj(trace).get("processes"))
    if not isinstance(trace, dict):
        yield "a trace is no JSON object"
    for raw in _list(obj(trace).get("spans")):
        process = obj(processes.get(text(obj(raw).get("processID")) or ""))
        resource = attributes_of(process.get("tags")) | {"service.name": process.get("serviceName")}
        yield _jaeger_span(raw, resource)


def _jaeger_span(raw: Any, resource: dict[str, Any]) -> Span | str:
    if not isinstance(raw, dict):
        return "a span is no JSON object"
    trace, own = _id(raw.get("traceID"), 32), _id(raw.get("spanID"), 16)
    if not trace or not own:
        return "a span has no trace id or no span id"
    tags = attributes_of(raw.get("tags"))
    above = [obj(reference) for reference in items(raw.get("references"))]
    above = [one for one in above if _id(one.get("traceID"), 32) == trace] or [{}]
    above.sort(key=lambda one: one.get("refType") != "CHILD_OF")
    start, took = whole(raw.get("startTime")), whole(raw.get("duration"))
    return Span(
        trace=trace,
        id=own,
        parent=_id(above[0].get("spanID"), 16) or _id(raw.get("parentSpanID"), 16),
        name=text(raw.get("operationName")) or "",
        start=None if start is None else start * 1000,
        end=None if start is None or took is None else (start + took) * 1000,
        attributes=tags,
        events=_events(raw.get("logs"), "", "fields"),
        is_error=tags.get("error") in (True, "true") or tags.get("otel.status_code") == "ERROR",
        message=text(tags.get("otel.status_description")),
        resource=resource,
    )


def _events(raw: Any, name: str, attributes: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the events that say something about models, tools or errors."""
    found = []
    for event in items(raw):
        said = attributes_of(obj(event).get(attributes))
        called = text(obj(event).get(name)) or text(said.get("event")) or text(said.get("event.name")) or ""
        if called.startswith(("gen_ai.", "exception")):
            found.append((called, said))
    return tuple(found)


def attributes_of(raw: Any) -> dict[str, Any]:
    """Return attributes (OTLP's or Jaeger's list of keys and values, or an object) by name, as plain values.

    >>> attributes_of([{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}}])
    {'gen_ai.usage.input_tokens': '12'}
    """
    if isinstance(raw, dict):
        return {name: plain(value) for name, value in raw.items() if _is_kept(name)}
    found: dict[str, Any] = {}
    for one in items(raw):
        if type(one) is dict and type(name := one.get("key")) is str and _is_kept(name):
            value = one.get("value")
            found[name] = value if type(value) is str else plain(value)
    return found


@lru_cache(maxsize=4096)
def _is_kept(name: str) -> bool:
    return name.startswith(_KEPT)


def plain(value: Any, depth: int = 0) -> Any:
    """Return what an attribute's value holds, without OTLP's wrapping; None below twenty levels.

    >>> plain({"arrayValue": {"values": [{"stringValue": "stop"}, {"intValue": "3"}]}})
    ['stop', '3']
    """
    if depth > _DEEPEST:
        return None
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, inner),) = value.items()
    if kind in ("stringValue", "intValue", "doubleValue", "boolValue"):
        return inner
    if kind == "arrayValue":
        return [plain(one, depth + 1) for one in items(obj(inner).get("values"))]
    if kind == "kvlistValue":
        pairs = [obj(one) for one in items(obj(inner).get("values"))]
        return {text(pair.get("key")) or "": plain(pair.get("value"), depth + 1) for pair in pairs}
    return None if kind == "bytesValue" else value


def _id(value: Any, width: int) -> str:
    """Return an id as hex text: hex as it is written in OTLP/JSON, base64 as protobuf's own JSON writes it."""
    if type(value) is str and len(value) == width and _WRITTEN_OUT.fullmatch(value):
        return value
    said = (text(value) or "").strip()
    if said.endswith("=") and len(said) in (12, 24):
        try:
            said = base64.b64decode(said, validate=True).hex()
        except (ValueError, binascii.Error):
            return said
    if _HEX.fullmatch(said):
        said = said.lower().lstrip("0")
        return said.zfill(width) if said else ""
    return said[:100]


def _nanoseconds(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    return value if type(value) is int and 0 < value < 1 << 63 else None


def _list(value: Any) -> list[Any]:
    """Return a list as it is, nothing for null, anything else as the only member."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _first(of: dict[str, Any], *names: str) -> Any:
    return next((of[name] for name in names if of.get(name) is not None), None)
