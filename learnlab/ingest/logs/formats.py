"""The kinds of logs that there are readers for, and how each is told from its content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from learnlab.ingest.batch import Position
from learnlab.ingest.logs.lines import loaded
from learnlab.ingest.logs.tasks import Piece
from learnlab.ingest.sources import unpacked


@dataclass(frozen=True)
class Head:
    """The beginning of a file, as the readers see it to tell whether it is theirs.

    `start` is its first 256 KiB, unpacked where it is gzipped; `objects` are the JSON objects on the first
    lines of it, or the one JSON object that the whole file is, when it fits into `start`.
    """

    path: Path
    start: bytes
    objects: tuple[dict[str, object], ...] = ()

    @property
    def is_begun(self) -> bool:
        """Whether the file is one line without an end that begins as a JSON object and is none.

        >>> Head(Path("a.jsonl"), b'{"type": "us').is_begun, Head(Path("a.csv"), b"a,b").is_begun
        (True, False)
        """
        bare = self.start.removeprefix(b"\xef\xbb\xbf").lstrip()
        is_one_line = len(self.start) < HEAD and b"\n" not in bare
        return is_one_line and bare.startswith(b"{") and not self.objects


@dataclass(frozen=True)
class LogFormat:
    """One kind of log: its name, where its tool keeps the files, how to tell it and how to read it.

    `read(path, position)` yields pieces in file order and never raises for what stands in the file; only a
    file that cannot be opened or is no such log at all raises a SourceError. `grows` says that a file is
    appended to, so that it can be read on from a position; `version` rises when the reader makes other
    records of the same bytes, so that everything is read again. `unit` gives the file by which a log of
    several files is read (itself for most). `looks_beside` says that what stands beside a file changes its
    records, so that it is read each time.
    """

    name: str
    title: str
    keeps: str
    fits: Callable[[Head], bool]
    read: Callable[[Path, Position], Iterator[Piece]]
    grows: bool = False
    version: int = 1
    unit: Callable[[Path], Path] = lambda path: path
    looks_beside: bool = False


HEAD = 256 << 10
"""The bytes of a file that detection looks at."""


def head_of(path: Path) -> Head:
    """Return the beginning of a file, with the JSON objects on its first lines.

    Raises:
        SourceError: when it cannot be opened or is empty.
    """
    with unpacked(path) as stream:
        start = stream.read(HEAD)
    return Head(path, start, tuple(_objects(start)))


def _objects(start: bytes) -> Iterator[dict[str, object]]:
    """Yield the objects on the first lines; of a document that goes on over lines the one that it is."""
    bare = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not bare.startswith(b"{"):
        return
    lines = bare.split(b"\n")[:20]
    is_document = _object(lines[0]) is None and len(start) < HEAD and _object(bare) is not None
    for part in [bare] if is_document else lines:
        if (value := _object(part)) is not None:
            yield value


def _object(data: bytes) -> dict[str, object] | None:
    try:
        value = loaded(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
