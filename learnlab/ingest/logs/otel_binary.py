"""Traces in protobuf's own bytes: one request to export them, or the frames that the collector's file exporter writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from learnlab.errors import SourceError

_SPAN = re.compile(rb"\n\x10.{16}\x12\x08.{8}", re.DOTALL)
"""A trace id of 16 bytes followed by a span id of 8: the beginning of every span."""


def is_binary(start: bytes) -> bool:
    r"""Return whether a file begins as binary OTLP does and holds a span.

    >>> is_binary(b"\n\x30\x12\x2e\x12\x2c\n\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8), is_binary(b"\n{}")
    (True, False)
    """
    return start[:1] in (b"\n", b"\0") and _SPAN.search(start) is not None


def exports_of(data: bytes) -> Iterator[dict[str, Any] | str]:
    """Yield the requests in binary OTLP as OTLP/JSON's objects; in place of one that cannot be read, the reason.

    A frame is a message after its length in four bytes, the highest first. The ids are written as hex here:
    protobuf's own conversion to JSON writes them in base64.

    Raises:
        SourceError: when opentelemetry-proto is not installed.
    """
    try:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    except ImportError:
        raise SourceError(
            'binary OpenTelemetry traces need opentelemetry-proto: pip install "learnlab[otel]"'
        ) from None
    for message in _messages(data):
        if message is None:
            yield "the file ends inside a message"
            continue
        try:
            request = ExportTraceServiceRequest.FromString(message)
        except Exception as error:  # protobuf's DecodeError, whose module differs by implementation
            yield f"a message is no export of traces: {str(error)[:100]}"
            continue
        yield {"resourceSpans": [_group(group) for group in request.resource_spans]}


def _messages(data: bytes) -> Iterator[bytes | None]:
    if data[:1] != b"\0":
        yield data
        return
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        message = data[at + 4 : at + 4 + length]
        at += 4 + length
        yield message if at <= len(data) else None


def _group(group: Any) -> dict[str, Any]:
    return {
        "resource": {"attributes": _attributes(group.resource.attributes)},
        "scopeSpans": [{"spans": [_span(span) for span in scope.spans]} for scope in group.scope_spans],
    }


def _span(span: Any) -> dict[str, Any]:
    return {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "name": span.name,
        "startTimeUnixNano": span.start_time_unix_nano,
        "endTimeUnixNano": span.end_time_unix_nano,
        "attributes": _attributes(span.attributes),
        "events": [
            {"name": event.name, "attributes": _attributes(event.attributes)} for event in span.events
        ],
        "status": {"code": span.status.code, "message": span.status.message},
    }


def _attributes(pairs: Any) -> list[dict[str, Any]]:
    return [{"key": pair.key, "value": {"stringValue": _value(pair.value)}} for pair in pairs]


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in value.kvlist_value.values}
    return None if kind in (None, "bytes_value") else getattr(value, kind)
