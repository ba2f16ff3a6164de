"""Finding files and telling what they are: a file, a folder, a glob; plain or gzipped."""

from __future__ import annotations

import glob
import gzip
import io
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias, cast

from learnlab.errors import SourceError

Stream: TypeAlias = "io.BufferedReader[Any]"
"""An open file that can be looked into before it is read."""


class Format(StrEnum):
    """What a file holds."""

    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"
    PARQUET = "parquet"


_BY_SUFFIX = {
    ".csv": Format.CSV, ".tsv": Format.CSV, ".tab": Format.CSV, ".psv": Format.CSV,
    ".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".json": Format.JSON,
    ".parquet": Format.PARQUET, ".pq": Format.PARQUET,
}  # fmt: skip
_BUFFER = 1 << 18
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def printable(path: Path) -> str:
    """Return a path as text that can be stored and shown: bytes that are not UTF-8 become question marks.

    >>> printable(Path("logs/a.csv"))
    'logs/a.csv'
    """
    return os.fsencode(path).decode("utf-8", "replace").replace("\0", "?")


def find_files(source: str | Path) -> list[Path]:
    """Return the files of a source (a file, a folder and all below it, or a glob), sorted; hidden ones left out.

    Raises:
        SourceError: when there is nothing there.
    """
    if not str(source).strip():
        raise SourceError("the source is an empty text; give a file, a folder or a glob")
    try:
        return _found(Path(source).expanduser())
    except RuntimeError:
        raise SourceError(f"{printable(Path(source))}: there is no such user") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{printable(Path(source))[:300]} cannot be read: {reason}") from None


def _found(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        os.scandir(path).close()
        found = list(_below(path))
    elif path.exists():
        raise SourceError(f"{printable(path)} is neither a file nor a folder")
    elif glob.has_magic(str(path)):
        found = [Path(name) for name in glob.glob(str(path), recursive=True) if os.path.isfile(name)]
    else:
        raise SourceError(f"{printable(path)} does not exist")
    if not found:
        raise SourceError(
            f"there is no file in {printable(path)}"
            if path.is_dir()
            else f"{printable(path)} matches no file"
        )
    return sorted(found)


def _below(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, and what cannot be looked at: whoever opens it learns why."""
    waiting = [folder]
    while waiting:
        at = waiting.pop()
        try:
            entries = list(os.scandir(at))
        except OSError:
            yield at
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = at / entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                elif entry.is_file():
                    yield path
            except OSError:
                yield path


class _Unpacked(io.RawIOBase):
    """A gzip stream that ends where the file breaks off: a NUL byte after it spoils the row that was cut."""

    def __init__(self, packed: gzip.GzipFile) -> None:
        self.packed = packed
        self.is_broken = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            found = b"" if self.is_broken else self.packed.read1(len(buffer))
        except (EOFError, OSError, zlib.error):
            self.is_broken = True
            found = b"\0"
        buffer[: len(found)] = found
        return len(found)


@contextmanager
def unpacked(path: Path) -> Iterator[Stream]:
    """Open a file for reading, unpacked where it is gzipped.

    A gzip file that breaks off reads as far as it goes, with one NUL byte at the end.

    Raises:
        SourceError: when it cannot be opened, is empty, or is no sound gzip file.
    """
    name = printable(path)
    try:
        if stat.S_ISFIFO(path.stat().st_mode):
            raise SourceError(f"{name[:300]} is no file but a pipe")
        plain = cast("Stream", path.open("rb", buffering=_BUFFER))
        magic = plain.peek(4)[:4]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{name[:300]} cannot be opened: {reason}") from None
    with plain:
        if not magic:
            raise SourceError(f"{name} is empty")
        if not magic.startswith(_GZIP):
            yield plain
            return
        with gzip.open(plain, "rb") as packed:
            stream = io.BufferedReader(_Unpacked(packed), _BUFFER)
            start = stream.peek(4)[:4]
            if start in (b"", b"\0"):
                raise SourceError(f"{name} is empty" if not start else f"{name} is no sound gzip file")
            yield stream


@contextmanager
def opened(path: Path) -> Iterator[tuple[Stream, Format]]:
    """Open a table for reading, unpacked where it is gzipped, and say what it holds.

    Raises:
        SourceError: when it cannot be opened, is empty, or is of no kind that the reader of tables knows.
    """
    with unpacked(path) as stream:
        inner = path.with_suffix("") if path.suffix.lower() in (".gz", ".gzip") else path
        form = _format(inner, stream.peek(4)[:4])
        if form is not Format.PARQUET or stream.seekable():
            yield stream, form
            return
        with tempfile.TemporaryFile() as seekable:
            shutil.copyfileobj(stream, seekable, _BUFFER)
            seekable.seek(0)
            yield cast("Stream", seekable), form


def _format(path: Path, start: bytes) -> Format:
    name = printable(path)
    if start.startswith(_UTF16):
        raise SourceError(f"{name} is UTF-16; convert it to UTF-8, for example: iconv -f UTF-16 -t UTF-8")
    if start == _PARQUET:
        return Format.PARQUET
    form = _BY_SUFFIX.get(path.suffix.lower())
    if form is Format.PARQUET:
        raise SourceError(f"{name} is no Parquet file: it does not begin with PAR1")
    if form is None:
        raise SourceError(
            f"{name}: no reader for {path.suffix or 'files without an ending'} that holds no known log"
        )
    return form
