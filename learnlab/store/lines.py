"""How events stand in the lines of a spool: one JSON object each, without the secrets in their texts.

An execution is its own fields. Every other event is flat and has a `kind` that says what it is. What is nested is
JSON inside a text: many lines are read at once then, and polars does not write anew what it holds (it would leave
out backslashes). Written without polars, whose threads do not outlive a fork.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import polars as pl
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError, to_json

from learnlab.errors import StoreError
from learnlab.events import AttemptEvent, DeadLetter, Event, PoolEvent, RoutingDecision
from learnlab.lenient import NUL
from learnlab.models import ExecutionRecord
from learnlab.people import COLUMNS, Given
from learnlab.secrets import mask_text, may_hold_secrets
from learnlab.store.limits import SCHEMA
from learnlab.store.masking import EXECUTION_TEXTS

EXECUTION = "execution"
"""The kind of a line that says none."""

FEEDBACK = "feedback"
"""The kind of a line that says what somebody gave."""

_KINDS: dict[type[Any], str] = {
    RoutingDecision: "decision",
    AttemptEvent: "attempt",
    PoolEvent: "pool",
    DeadLetter: "dead_letter",
}
_TEXTS = {name: pl.String() if kind.is_temporal() else kind for name, kind in SCHEMA.items()}
"""How a record stands in a line: its times are texts."""

_SCHEMAS: dict[str, dict[str, pl.DataType]] = {EXECUTION: _TEXTS} | {
    name: {"kind": pl.String(), **dict.fromkeys(event.model_fields, pl.String())}
    for event, name in _KINDS.items()
}
_SCHEMAS[FEEDBACK] = {"kind": pl.String(), **dict.fromkeys(COLUMNS, pl.String())}
_NO_TEXTS = {"author", "queue", "label_schema"}
"""Names of people and of what they work on: who gave something has to stay one and the same person."""
_TOLD_APART = {"metadata"}
_RECORDS = TypeAdapter(ExecutionRecord)
_BEGINNINGS = {f'{{"kind":"{name}"'.encode(): name for name in (*_KINDS.values(), FEEDBACK)}


def lines_of(events: Iterable[Event]) -> bytes:
    """Return events as lines of JSON, their secrets masked.

    Raises:
        StoreError: when an event holds what no line can: an object that is no JSON, a NUL, half a character.
    """
    return _all(_line, events)


def frame_of(records: Sequence[ExecutionRecord]) -> pl.DataFrame:
    """Return records as a frame for `conform`, as they are: their secrets are masked when they are merged.

    Raises:
        StoreError: as `lines_of` does.
    """
    if not records:
        return pl.DataFrame(schema=_TEXTS)
    return pl.read_ndjson(io.BytesIO(_all(_unmasked, records)), schema=_TEXTS)


def _all(line: Callable[[Any], bytes], events: Iterable[Event]) -> bytes:
    try:
        data = b"".join(map(line, events))
    except (
        PydanticSerializationError,
        UnicodeEncodeError,
        RecursionError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise StoreError(f"no record that can be stored: {str(error).splitlines()[0]}") from error
    return _without_nul(data)


def _without_nul(data: bytes) -> bytes:
    if b"\\u0000" in data and NUL.search(data):
        raise StoreError(
            "a record with a NUL character cannot be stored: take it out of its texts and metadata"
        )
    return data


def _line(event: Event) -> bytes:
    if isinstance(event, ExecutionRecord):
        return _execution_line(event)
    said = event.row() if isinstance(event, Given) else event.model_dump(mode="json")
    fields = {name: value if name in _NO_TEXTS else _masked(name, value) for name, value in said.items()}
    kind = FEEDBACK if isinstance(event, Given) else _KINDS[type(event)]
    return to_json({"kind": kind, **fields}) + b"\n"


def _unmasked(record: ExecutionRecord) -> bytes:
    return _with_metadata(record, _metadata(record))


def _with_metadata(record: ExecutionRecord, metadata: str) -> bytes:
    line = _RECORDS.dump_json(record, exclude_none=True, exclude=_TOLD_APART)
    return line[:-1] + b',"metadata":' + to_json(metadata) + b"}\n"


def _metadata(record: ExecutionRecord) -> str:
    """Return a record's metadata as the text that is stored: JSON that polars has not read and written anew."""
    if not record.metadata:
        return "{}"
    try:
        text = json.dumps(record.metadata, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        text = json.dumps(json.loads(to_json(record.metadata, inf_nan_mode="null")), ensure_ascii=False)
    _without_nul(text.encode())
    return text


def _execution_line(record: ExecutionRecord) -> bytes:
    metadata = _metadata(record)
    line = _with_metadata(record, metadata)
    texts = {
        name: value for name in EXECUTION_TEXTS if name != "metadata" and (value := getattr(record, name))
    }
    if record.metadata:
        texts["metadata"] = metadata
    if not may_hold_secrets("\n".join(texts.values())):
        return line
    masked = {}
    for name, text in texts.items():
        without, n_masked = mask_text(text, name)
        if n_masked:
            masked[name] = without
    return to_json(json.loads(line) | masked) + b"\n" if masked else line


def _masked(name: str, value: Any) -> str | None:
    """Return a field of an event as the text that its line holds."""
    if value is None or isinstance(value, str):
        return value and mask_text(value, name)[0]
    if isinstance(value, dict) and name in ("known", "task"):
        text = _json(value)
        if not mask_text(text)[1]:
            return text
        return to_json({key: _field_masked(key, one) for key, one in value.items()}).decode()
    return mask_text(_json(value), name)[0]


def _json(value: Any) -> str:
    return _without_nul(to_json(value)).decode()


def _field_masked(name: str, value: Any) -> Any:
    """Return what is known of an execution's field, masked as that field is."""
    if isinstance(value, str):
        return mask_text(value, name)[0]
    if isinstance(value, dict | list):
        return json.loads(mask_text(to_json(value).decode(), name)[0])
    return value


@dataclass(frozen=True)
class Lines:
    """What stood in some lines: a frame of each kind, with the place of each row, and what could not be read.

    `frames` has every kind; each frame has the column `place`, the line's number from 0. `unreadable` are
    (place, reason).
    """

    frames: Mapping[str, pl.DataFrame]
    unreadable: list[tuple[int, str]]


def read_lines(lines: Sequence[bytes]) -> Lines:
    """Return what stands in lines, kind by kind; a line that cannot be read harms no other."""
    places: dict[str, list[int]] = {kind: [] for kind in _SCHEMAS}
    for place, line in enumerate(lines):
        places[_kind_of(line)].append(place)
    frames, unreadable = {}, []
    for kind, at in places.items():
        frames[kind], bad = _rows(lines, at, kind)
        unreadable += bad
    return Lines(frames, sorted(unreadable))


def _kind_of(line: bytes) -> str:
    end = line.find(b'"', 9)
    return _BEGINNINGS.get(line[: end + 1], EXECUTION)


def _rows(
    lines: Sequence[bytes], places: Sequence[int], kind: str
) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    """Return the lines at some places that are of a kind as a frame, and the other places with the reason."""
    schema = _SCHEMAS[kind]
    with suppress(pl.exceptions.PolarsError):
        frame = (
            pl.read_ndjson(io.BytesIO(b"\n".join(lines[place] for place in places)), schema=schema)
            if places
            else pl.DataFrame(schema=schema)
        )
        if len(frame) == len(places):
            return frame.with_columns(place=pl.Series(places, dtype=pl.Int64)), []
    rows = [(place, _row(lines[place], schema)) for place in places]
    good = [(place, row) for place, row in rows if isinstance(row, pl.DataFrame)]
    frame = pl.concat([pl.DataFrame(schema=schema), *(row for _, row in good)])
    at = pl.Series([place for place, _ in good], dtype=pl.Int64)
    return frame.with_columns(place=at), [(place, row) for place, row in rows if isinstance(row, str)]


def _row(line: bytes, schema: Mapping[str, pl.DataType]) -> pl.DataFrame | str:
    """Return a line as a frame of one row, or why it is none."""
    try:
        keys = json.loads(line)
    except (ValueError, RecursionError):
        return "not a JSON object: the line was cut short or damaged"
    if not isinstance(keys, dict) or not keys.keys() <= schema.keys():
        return "not an execution record, nor any other event"
    try:
        return pl.read_ndjson(io.BytesIO(line), schema=schema)
    except pl.exceptions.PolarsError as error:
        return str(error).splitlines()[0]
