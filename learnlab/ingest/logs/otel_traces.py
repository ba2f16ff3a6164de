"""The traces that are open while a file is read: gathered from wherever their spans stand, let go when quiet."""

from __future__ import annotations

from dataclasses import dataclass, field

from learnlab.ingest.batch import Position
from learnlab.ingest.logs.otel_attributes import Call
from learnlab.ingest.logs.otel_tasks import tasks_of
from learnlab.ingest.logs.shapes import obj, whole
from learnlab.ingest.logs.tasks import Task

QUIET = 2000
"""A trace of which so many lines say nothing is over."""

MOST_HELD = 128 << 20
"""The characters of spans that are held; beyond them the trace that has been quiet longest is over."""


@dataclass(slots=True)
class _Trace:
    first: tuple[int, int]
    last: tuple[int, int] = (0, 0)
    size: int = 0
    calls: list[Call] = field(default_factory=list)


class Traces:
    """Spans by trace. A place is (byte, line); what was over before a position is not read a second time.

    The position is where the oldest open trace begins. Traces that began before it and are over go beside it,
    so that a span of theirs behind it is not taken for a new trace.

    Known: a span with tokens counts until one with tokens below it is read. Within a process that one ends, and
    is written, first; where two processes tell of one call and a log is read between their lines, both count.
    """

    def __init__(self, position: Position | None = None) -> None:
        self._open: dict[str, _Trace] = {}
        self._over: dict[str, tuple[int, int]] = {}
        for trace, last in obj((position or Position()).state.get("over")).items():
            self._over[trace] = (-1, whole(last) or 0)
        self._held = 0

    def add(self, call: Call, offset: int = 0) -> None:
        """Take in a span that stands in the line at byte `offset`."""
        trace, place = call.span.trace, (offset, call.position)
        if trace in self._over and offset <= self._over[trace][1]:
            return
        own = self._open.setdefault(trace, _Trace(first=place))
        own.calls.append(call)
        own.last = place
        size = 500 + sum(len(said) for said in call.span.attributes.values() if isinstance(said, str))
        own.size += size
        self._held += size

    def overdue(self, line: int) -> list[Task]:
        """Return the tasks of the traces that have been quiet for long enough at a line, and let go of them."""
        quiet = [trace for trace, own in self._open.items() if line - own.last[1] > QUIET]
        return [task for trace in quiet for task in self._closed(trace)]

    def overfull(self) -> list[Task]:
        """Return the tasks of the traces for which there is no room, and let go of them."""
        tasks: list[Task] = []
        while self._held > MOST_HELD:
            tasks += self._closed(min(self._open, key=lambda trace: self._open[trace].last))
        return tasks

    def tasks(self) -> list[Task]:
        """Return the tasks of all traces that are open, as far as they are known."""
        return [task for trace, own in self._open.items() for task in tasks_of(trace, own.calls)]

    def position(self, offset: int, line: int) -> Position:
        """Return where to read on, given the place reached."""
        begin, number = min([own.first for own in self._open.values()] + [(offset, line)])
        self._over = {trace: place for trace, place in self._over.items() if place[1] >= begin}
        over = {trace: last for trace, (first, last) in self._over.items() if first < begin}
        return Position(begin, {"line": number, "over": over})

    def _closed(self, trace: str) -> list[Task]:
        own = self._open.pop(trace)
        self._held -= own.size
        first = min(self._over.get(trace, own.first)[0], own.first[0])
        self._over[trace] = (first, own.last[0])
        return tasks_of(trace, own.calls)
