"""A span processor: the agents' traces of an instrumented program become executions in a store, as they end.

The program's threads only leave their spans here; a thread of the processor's own writes whole traces beside
the store and has them read in (`files.py`). Waiting for the disk happens in one case only: more spans are
held than there is room for.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnlab.capture.logs import log as _log
from learnlab.capture.recorder import recorder_for
from learnlab.capture.spans import files as span_files
from learnlab.database import LearningDatabase
from learnlab.errors import LearnlabError, StoreBusyError
from learnlab.store import Store

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace import SpanProcessor as _Base
else:
    try:
        from opentelemetry.sdk.trace import SpanProcessor as _Base
    except ImportError:
        _Base = object

MOST_HELD = 64 << 20
"""The characters of spans that are held (2,000 for a span, and its texts); above half, quiet traces are let go of."""

_LATE, _QUIET = 30.0, 600.0
"""Seconds without a span after which a trace is let go of: one whose root has ended, any other."""

_LARGE = 1000
"""The spans above which a trace is let go of as soon as it is written: what comes later is added to it."""

_GATHER, _LOOK, _TAKE_IN = 0.1, 1.0, 5.0
"""Seconds: for which what is over is gathered, between looks, and between two times that the store is opened."""

_PATIENCE = 5.0
"""Seconds that a program waits for room while the disk is slow, and the time to wait for the store at the end."""


@dataclass(slots=True)
class _Trace:
    spans: list[ReadableSpan] = field(default_factory=list)
    size: int = 0
    n_safe: int = 0
    is_over: bool = False
    touched: float = 0.0

    @property
    def is_safe(self) -> bool:
        return self.n_safe == len(self.spans)

    def is_quiet(self, now: float) -> bool:
        return now - self.touched > (_LATE if self.is_over else _QUIET)


class LearnlabSpanProcessor(_Base):
    """Hands the finished traces of agents to a store: `provider.add_span_processor(LearnlabSpanProcessor("live"))`.

    A trace is written when its root in this process has ended, and once more as a whole when spans of it come
    later; one whose root never ends after ten quiet minutes, or when there is no more room, as far as it is.
    The records are those that `learnlab ingest` makes of the same trace in a collector's file, so doing both
    counts nothing twice. Traces that say nothing about models, tools or agents are no executions and are
    counted in `n_without_agents`; unsampled spans are not captured, as no exporter gets them.

    What has ended is safe once `force_flush` has returned True (then it survives `kill -9`), else a moment after
    its root ended, when the trace is written. No error reaches the program: what cannot be written is logged, held and
    tried again; when there is no room for more, spans are refused, logged, and counted in `n_refused`. A
    process forked from this one captures too; the store takes in what it wrote when this one looks, or the
    next that is started.

    Raises:
        LearnlabError: when opentelemetry-sdk is not installed, or there is no such store name.

    >>> from opentelemetry.sdk.trace import TracerProvider  # doctest: +SKIP
    >>> TracerProvider().add_span_processor(LearnlabSpanProcessor("live"))  # doctest: +SKIP
    """

    def __init__(self, learning_db: LearningDatabase | Store | str | Path) -> None:
        if _Base is object:
            raise LearnlabError("capturing spans needs opentelemetry-sdk: pip install 'learnlab[otel]'")
        self.n_without_agents = self.n_refused = 0
        self._store = recorder_for(learning_db).store.path
        self._is_child = self._is_shut = False
        self._begin()
        _processors.add(self)
        self._start()

    def _begin(self) -> None:
        """Hold nothing: at the start, and in a forked process, whose parent keeps what was held."""
        self._changed = threading.Condition()
        self._writing, self._taking_in = threading.Lock(), threading.Lock()
        self._wake = threading.Event()
        self._traces: dict[int, _Trace] = {}
        self._over: set[int] = set()
        self._looked = 0.0
        self._held = 0
        self._taken_in = 0.0
        self._is_failing = self._is_stuck = False
        self._thread: threading.Thread | None = None

    def _forked(self) -> None:
        self._is_child = True
        self._begin()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="learnlab spans", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Take in a span that has ended; never raises."""
        try:
            self._take(span)
        except Exception:
            _log.exception("a span was not captured")

    def _take(self, span: ReadableSpan) -> None:
        own = span.get_span_context()
        if own is None or not own.trace_flags.sampled:
            return
        size = 2000 + sum(len(said) for said in (span.attributes or {}).values() if isinstance(said, str))
        for event in span.events:
            size += sum(len(said) for said in (event.attributes or {}).values() if isinstance(said, str))
        with self._changed:
            if self._thread is None and not self._is_shut:
                self._start()
            if self._held and self._held + size > MOST_HELD:
                self._wake.set()
                self._changed.wait_for(lambda: self._has_room(size) or self._is_failing, _PATIENCE)
            if self._is_shut or not self._has_room(size):
                self._refuse()
                return
            trace = self._traces.pop(own.trace_id) if own.trace_id in self._traces else _Trace()
            self._traces[own.trace_id] = trace
            trace.spans.append(span)
            trace.size += size
            trace.touched = time.monotonic()
            self._held += size
            trace.is_over = trace.is_over or span.parent is None or span.parent.is_remote
            if trace.is_over:
                self._over.add(own.trace_id)
            if (trace.is_over or self._is_full) and not self._wake.is_set():
                self._wake.set()

    @property
    def _is_full(self) -> bool:
        return self._held > MOST_HELD // 2

    def _has_room(self, size: int) -> bool:
        return not self._held or self._held + size <= MOST_HELD

    def _refuse(self) -> None:
        self.n_refused += 1
        if self.n_refused & (self.n_refused - 1) == 0:
            why = "the processor was shut down" if self._is_shut else "what is held cannot be written"
            _log.error("%d spans were not captured so far: %s", self.n_refused, why)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Write every trace of agents, as far as it has ended, and return whether that is safe now.

        Then what waits is read into the store, if that is free in time.
        """
        try:
            end = time.monotonic() + timeout_millis / 1000
            if not self._hand_over(is_all=True, timeout=timeout_millis / 1000):
                return False
            self._take_in(min(_PATIENCE, end - time.monotonic()))
        except Exception:
            _log.exception("spans were not handed over")
            return False
        return True

    def shutdown(self) -> None:
        """Write all that is held, as far as it is, read it into the store if that is free, and end."""
        with self._changed:
            if self._is_shut:
                return
            self._is_shut = True
            self._wake.set()
        if self._thread is not None:
            self._thread.join()  # cut off inside DuckDB it would abort the program
        if not self.force_flush():
            n_lost = sum(len(trace.spans) - trace.n_safe for trace in self._traces.values())
            _log.error("%d spans were not captured: they could not be written before the end", n_lost)

    def _work(self) -> None:
        while not self._is_shut:
            if self._wake.wait(_LOOK):
                self._wake.clear()
                time.sleep(0 if self._is_full or self._is_shut else _GATHER)
            try:
                self._hand_over()
            except Exception:
                _log.exception("spans were not handed over; it is tried again")
            if time.monotonic() - self._taken_in > _TAKE_IN:
                self._take_in(_LOOK)

    def _hand_over(self, *, is_all: bool = False, timeout: float = -1) -> bool:
        """Write the traces that are over (or all that is not safe) and return whether it went well."""
        if not self._writing.acquire(timeout=timeout):
            return False
        try:
            with self._changed:
                due = self._due(is_all)
            exports = {own: list(self._told(spans)) for own, spans in due.items()}
            of_agents = {own: lines for own, lines in exports.items() if span_files.is_of_agents(lines)}
            if of_agents:
                span_files.write(self._store, [line for lines in of_agents.values() for line in lines])
            with self._changed:
                for own, spans in due.items():
                    self._settle(own, len(spans), own in of_agents)
            self._is_failing = False
        except LearnlabError as error:
            if not self._is_failing:
                _log.warning("%s; what is not written is held and tried again", error)
            self._is_failing = True
            return False
        finally:
            with self._changed:
                self._changed.notify_all()
            self._writing.release()
        return True

    def _told(self, spans: list[ReadableSpan]) -> Iterator[dict[str, Any]]:
        """Yield spans as exports; one that cannot be told is logged and left out."""
        for span in spans:
            try:
                yield span_files.export_of(span)
            except Exception:
                _log.exception("a span was not captured: it cannot be written down")

    def _due(self, is_all: bool) -> dict[int, list[ReadableSpan]]:
        """Return the spans of the traces to write, and let go of those that are written, quiet or in the way."""
        now = time.monotonic()
        if not is_all and not self._is_full and now - self._looked < _LOOK:
            return {own: list(self._traces[own].spans) for own in self._over}
        self._looked = now
        due = {}
        left = self._held
        for own, trace in list(self._traces.items()):
            is_to_go = trace.is_quiet(now) or left > MOST_HELD // 2
            left -= trace.size
            if trace.is_safe and is_to_go:
                self._forget(own)
            elif not trace.is_safe and (is_all or trace.is_over or is_to_go):
                due[own] = list(trace.spans)
        return due

    def _settle(self, own: int, n_spans: int, is_of_agents: bool) -> None:
        """Note that so many spans of a trace were looked at, and let go of it when nothing is to be expected."""
        trace = self._traces[own]
        is_to_go = self._is_full or trace.is_quiet(time.monotonic())
        if is_of_agents:
            trace.n_safe = n_spans
        if n_spans < len(trace.spans):
            return
        if not is_of_agents and (trace.is_over or is_to_go):
            self.n_without_agents += 1
            self._forget(own)
        elif is_of_agents:
            self._over.discard(own)
            if is_to_go or n_spans > _LARGE:
                self._forget(own)

    def _forget(self, own: int) -> None:
        self._over.discard(own)
        self._held -= self._traces.pop(own).size

    def _take_in(self, timeout: float) -> None:
        """Read what waits beside the store into it, if it is free; a forked process leaves that to its parent."""
        if self._is_child or not self._taking_in.acquire(timeout=max(timeout, 0)):
            return
        try:
            span_files.take_in(self._store, max(timeout, 0.1))
            self._is_stuck = False
        except StoreBusyError as error:
            _log.debug("traces wait: %s", error)
        except Exception as error:
            if not self._is_stuck:
                _log.warning("traces wait in %s: %s", span_files.folder(self._store), error)
            self._is_stuck = True
        finally:
            self._taken_in = time.monotonic()
            self._taking_in.release()


_processors: weakref.WeakSet[LearnlabSpanProcessor] = weakref.WeakSet()


def _after_fork() -> None:
    for processor in _processors:
        processor._forked()


os.register_at_fork(after_in_child=_after_fork)
