"""Zip archives read from their raw bytes, entry by entry: stored, deflated or zstd, bounded, never to disk."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import BinaryIO, NamedTuple

MAGIC = b"PK\x03\x04"
"""How a zip archive begins."""

MAX_ENTRY = 1 << 30
"""The bytes that one entry may unpack to."""

_STORED, _DEFLATED, _ZSTD = 0, 8, 93
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 0x1, 0x8, 0x800
_LOCAL = struct.Struct("<4s5H3L2H")
_NO_LIST = "the archive breaks off: it has no table of contents"


class ZipEntry(NamedTuple):
    """One entry of an archive: its name, where its header stands, how it is packed, what it should come to.

    `fault` is set where its bytes are those of another entry as well, as in an archive made to swell.
    """

    name: str
    offset: int
    method: int
    flags: int
    packed: int
    size: int
    crc: int
    fault: str | None = None


def entries(stream: BinaryIO) -> tuple[list[ZipEntry], str | None]:
    """Return an archive's entries in their order, and what is wrong with it as a whole.

    An archive without its table of contents (it was cut, or its writer died) is walked from the beginning.

    >>> import io
    >>> with zipfile.ZipFile(archive := io.BytesIO(), "w") as file: file.writestr("a.json", "{}")
    >>> [entry.name for entry in entries(archive)[0]], entries(io.BytesIO(archive.getvalue()[:30]))
    (['a.json'], ([], 'the archive breaks off: it has no table of contents'))
    """
    fault = None
    try:
        with zipfile.ZipFile(stream) as archive:
            found = [
                ZipEntry(
                    info.filename,
                    info.header_offset,
                    info.compress_type,
                    info.flag_bits,
                    info.compress_size,
                    info.file_size,
                    info.CRC,
                )
                for info in archive.infolist()
            ]
    except (zipfile.BadZipFile, struct.error, ValueError, OSError, EOFError, NotImplementedError):
        found, fault = _walked(stream), _NO_LIST
    return _apart(found), fault


def _apart(found: list[ZipEntry]) -> list[ZipEntry]:
    """Return the entries, those marked whose bytes begin before another's end."""
    sharing, end = set(), 0
    for at, entry in sorted(enumerate(found), key=lambda pair: pair[1].offset):
        if entry.offset < end:
            sharing.add(at)
        end = max(end, entry.offset + _LOCAL.size + entry.packed)
    return [
        entry._replace(fault="shares its bytes with another entry") if at in sharing else entry
        for at, entry in enumerate(found)
    ]


def _walked(stream: BinaryIO) -> list[ZipEntry]:
    """Return the entries that are whole, from header to header, as long as sizes stand before the bytes."""
    found: list[ZipEntry] = []
    end = stream.seek(0, 2)
    offset = 0
    while True:
        stream.seek(offset)
        header = stream.read(_LOCAL.size)
        if len(header) < _LOCAL.size or header[:4] != MAGIC:
            return found
        _, _, flags, method, _, _, crc, packed, size, n_name, n_extra = _LOCAL.unpack(header)
        name = stream.read(n_name).decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        following = offset + _LOCAL.size + n_name + n_extra + packed
        if flags & _SIZES_FOLLOW or following > end:
            return found
        found.append(ZipEntry(name, offset, method, flags, packed, size, crc))
        offset = following


def content_of(stream: BinaryIO, entry: ZipEntry) -> bytes:
    """Return the unpacked bytes of an entry.

    Raises:
        ValueError: with the reason, when it is encrypted, damaged, too large, or packed in another way.
    """
    if entry.fault:
        raise ValueError(entry.fault)
    if entry.flags & _ENCRYPTED:
        raise ValueError("is encrypted")
    if entry.size > MAX_ENTRY:
        raise ValueError(f"would unpack to more than {MAX_ENTRY >> 30} GB")
    end = stream.seek(0, 2)
    if not 0 <= entry.offset <= end:
        raise ValueError("is not where the archive says")
    stream.seek(entry.offset)
    header = stream.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != MAGIC:
        raise ValueError("is not where the archive says")
    *_, n_name, n_extra = _LOCAL.unpack(header)
    if entry.offset + _LOCAL.size + n_name + n_extra + entry.packed > end:
        raise ValueError("breaks off")
    stream.seek(n_name + n_extra, 1)
    packed = stream.read(entry.packed)
    data = _unpacked(packed, entry.method, entry.size + 1)
    if len(data) > entry.size:
        raise ValueError("is larger than the archive says")
    if len(data) < entry.size or zlib.crc32(data) != entry.crc:
        raise ValueError("is damaged: its size or checksum is wrong")
    return data


def _unpacked(packed: bytes, method: int, most: int) -> bytes:
    """Return at most so many bytes of what was packed."""
    if method == _STORED:
        return packed[:most]
    if method == _DEFLATED:
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, most)
        except zlib.error:
            raise ValueError("is damaged: it cannot be unpacked") from None
    if method == _ZSTD:
        import pyarrow

        try:
            return bytes(pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), "zstd").read(most))
        except OSError:
            raise ValueError("is damaged: it cannot be unpacked") from None
    raise ValueError(f"is packed by method {method}, which cannot be read")
