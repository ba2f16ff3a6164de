"""Logs of Inspect evaluations: JSON documents and `.eval` archives, finished or not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from learnlab.errors import SourceError
from learnlab.ingest.batch import Position
from learnlab.ingest.logs import evalzip
from learnlab.ingest.logs.documents import Entry, opening, parsed, pieces, read_document
from learnlab.ingest.logs.formats import Head, LogFormat
from learnlab.ingest.logs.inspect_sample import Run, run_of, task_of
from learnlab.ingest.logs.kinds import Kinds
from learnlab.ingest.logs.shapes import items, obj, whole
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.sources import printable, unpacked

_HEADERS = ("header.json", "_journal/start.json")
_SUMMARIES = re.compile(r"summaries\.json|_journal/summaries/\d+\.json")
_SAMPLE = re.compile(r"samples/.+_epoch_\d+(?:\.json|/sample\.json)", re.DOTALL)
_PART = re.compile(r"samples/.+_epoch_\d+/.+", re.DOTALL)
_KINDS = frozenset({"header", "journal", "summaries", "reductions", "part of a sample"})


def _fits(head: Head) -> bool:
    if head.start.startswith(evalzip.MAGIC):
        with unpacked(head.path) as stream:
            return stream.seekable() and any(entry.name in _HEADERS for entry in evalzip.entries(stream)[0])
    found = obj(opening(head.start))
    said = obj(found.get("eval"))
    return {"version", "status"} <= found.keys() and ("task" in said or "run_id" in said)


def _read(path: Path, position: Position) -> Iterator[Piece]:
    del position
    with unpacked(path) as stream:
        if stream.peek(4)[:4] == evalzip.MAGIC and stream.seekable():
            yield from pieces(_of_archive(stream, printable(path)))
            return
    document = read_document(path)
    if not isinstance(document.value, dict) and document.fault is None:
        raise SourceError(f"{printable(path)} is no Inspect log: it holds no JSON object")
    log = obj(document.value)
    if not {"eval", "samples"} & log.keys() and document.fault is None:
        raise SourceError(f"{printable(path)} is no Inspect log: it has neither eval nor samples")
    samples = items(log.get("samples"))
    if document.fault is not None:
        samples = samples[:-1] if next(reversed(log), None) == "samples" else samples
    yield from pieces(_of_document(log, samples, document.fault, document.content))


def _of_document(log: dict[str, Any], samples: list[Any], fault: str | None, content: str) -> Iterator[Entry]:
    """Yield what a JSON log holds: its header, its samples, and what was cut off at its end."""
    if "eval" in log:
        yield "header", None
    run = run_of(log)
    for at, sample in enumerate(samples, 1):
        yield _sample(sample, run, at)
    if fault is not None:
        yield "rejected", (len(samples) + 1, f"from here on: {fault}", content)


def _sample(sample: Any, run: Run, at: int, kind: str = "sample") -> Entry:
    if not isinstance(sample, dict):
        return "rejected", (
            at,
            "the sample is no JSON object",
            sample[:200] if isinstance(sample, str) else "",
        )
    try:
        return kind, task_of(sample, run, at)
    except (ValueError, RecursionError) as error:
        return "rejected", (at, str(error), "")


def _of_archive(stream: BinaryIO, name: str) -> Iterator[Entry]:
    """Yield what an archive holds: every entry once; samples that only the summaries tell of come last.

    Of entries of one name the last counts, as Inspect writes a sample anew; `superseded` are the others.
    """
    entries, fault = evalzip.entries(stream)
    if not entries and fault is None:
        raise SourceError(f"{name} is no Inspect log: the archive is empty")
    kinds = Kinds(_KINDS)
    last = {entry.name: at for at, entry in enumerate(entries)}
    headers, run = _header(stream, [entries[last[header]] for header in _HEADERS if header in last])
    seen: set[tuple[str, int]] = set()
    summaries: list[Any] = []
    n_samples = 0
    for at, entry in enumerate(entries, 1):
        is_sample = _SAMPLE.fullmatch(entry.name) is not None
        if last[entry.name] != at - 1:
            yield "superseded", None
        elif entry.name in headers and headers[entry.name] is None:
            yield _kind(entry.name, kinds), None
        elif entry.name in headers:
            yield "rejected", (at, f"{entry.name} {headers[entry.name]}", "")
        elif is_sample or _SUMMARIES.fullmatch(entry.name):
            value, reason = _value(stream, entry)
            if reason is not None:
                yield "rejected", (at, f"{entry.name[:200]} {reason}", "")
            elif is_sample:
                n_samples += 1
                kind, found = _sample(value, run, n_samples)
                seen |= {_known(value)} if kind == "sample" else set()
                yield kind, found
            else:
                summaries += items(value)
                yield _kind(entry.name, kinds), None
        else:
            yield _kind(entry.name, kinds), None
    yield from _of_summaries(summaries, seen, run, n_samples)
    if fault is not None:
        yield "rejected", (len(entries) + 1, fault, "")


def _header(stream: BinaryIO, entries: Iterable[evalzip.ZipEntry]) -> tuple[dict[str, str | None], Run]:
    """Return why each header could not be read (None where it could), and the run as the first says."""
    found: dict[str, str | None] = {}
    run = None
    for entry in entries:
        value, found[entry.name] = _value(stream, entry)
        if isinstance(value, dict):
            run = run or run_of(value)
    return found, run or Run()


def _of_summaries(
    summaries: list[Any], seen: set[tuple[str, int]], run: Run, n_samples: int
) -> Iterator[Entry]:
    """Yield the samples of a log that kept no whole ones, or whose own entry cannot be read."""
    told = {_known(summary): summary for summary in summaries if isinstance(summary, dict)}
    for at, known in enumerate((known for known in told if known not in seen), n_samples + 1):
        yield _sample(told[known], run, at, "summary")


def _known(sample: Any) -> tuple[str, int]:
    said = obj(sample)
    return str(said.get("id"))[:2000], whole(said.get("epoch")) or 1


def _value(stream: BinaryIO, entry: evalzip.ZipEntry) -> tuple[Any, str | None]:
    """Return what an entry says, or why it cannot be read."""
    try:
        document = parsed(evalzip.content_of(stream, entry))
    except (ValueError, OSError, OverflowError, MemoryError) as error:
        return None, str(error) or "cannot be read"
    return (None, document.fault) if document.fault else (document.value, None)


def _kind(name: str, kinds: Kinds) -> str:
    if _PART.fullmatch(name):
        return "part of a sample"
    first = name.split("/")[0]
    return kinds.name({"_journal": "journal"}.get(first, first.removesuffix(".json")))


FORMAT = LogFormat(
    name="inspect",
    title="Inspect AI evaluation logs, JSON and .eval",
    keeps="./logs (INSPECT_LOG_DIR)",
    fits=_fits,
    read=_read,
)
"""Inspect's logs: one task a sample and epoch, its verdict that of its first score."""
