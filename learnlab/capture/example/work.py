"""What the worked example works at: sorting, packing, unpacking, parsing; run as a program, a worker that does it.

Only the standard library is imported, so that a worker's process starts in a few milliseconds. Each kind of
work takes and gives bytes, with an effort from 1 to 3: what is quick, what is thorough, what spares nothing.
A worker reads a line of JSON and the bytes that it announces, and answers alike.
"""

from __future__ import annotations

import csv
import io
import json
import lzma
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

GUARD = 1 << 20
"""Bytes that the quick way of unpacking takes at most."""


def sort(content: bytes, effort: int) -> bytes:
    """Return whole numbers in rising order, one a line.

    Raises:
        ValueError: when something in them is no whole number.

    >>> sort(b"3 1 2", 1)
    b'1\\n2\\n3'
    """
    return b"\n".join(b"%d" % number for number in sorted(int(word) for word in content.split()))


def pack(content: bytes, effort: int) -> bytes:
    """Return bytes compressed: zlib's quickest or best, or lzma, which is many times slower and smaller.

    >>> unpack(pack(b"once upon a time", 2), 2)
    b'once upon a time'
    """
    return lzma.compress(content) if effort > 2 else zlib.compress(content, 1 if effort < 2 else 9)


def unpack(content: bytes, effort: int) -> bytes:
    """Return what zlib packed; the quick way refuses what would become more than a megabyte.

    Raises:
        ValueError: when the bytes are damaged, or when the quick way refuses them.
    """
    try:
        if effort > 1:
            return zlib.decompress(content)
        part = zlib.decompressobj()
        found = part.decompress(content, GUARD)
    except zlib.error as error:
        raise ValueError(f"damaged: {error}") from error
    if not part.eof:
        raise ValueError("it is cut short, or becomes more than a megabyte")
    return found


def parse(content: bytes, effort: int) -> bytes:
    """Return the rows of a CSV text as JSON; the quick way splits at commas and knows nothing of quotes.

    Raises:
        ValueError: when the thorough way meets a text that is no CSV.

    >>> parse(b'a,"b,c"', 1), parse(b'a,"b,c"', 2)
    (b'[["a", "\\\\"b", "c\\\\""]]', b'[["a", "b,c"]]')
    """
    text = content.decode()
    if effort < 2:
        return json.dumps([line.split(",") for line in text.splitlines()]).encode()
    try:
        return json.dumps(list(csv.reader(io.StringIO(text), strict=True))).encode()
    except csv.Error as error:
        raise ValueError(f"no CSV: {error}") from error


WORK: dict[str, Callable[[bytes, int], bytes]] = {
    "sort": sort,
    "pack": pack,
    "unpack": unpack,
    "parse": parse,
}
"""Each kind of work by its name."""


def serve(asked: BinaryIO, answered: BinaryIO) -> None:
    """Do what is asked for until nothing more is, and say with each answer the seconds of CPU that it took.

    An input that is refused is an answer; what the process cannot bear, such as too little memory, ends it.
    """
    while line := asked.readline():
        wanted = json.loads(line)
        content = asked.read(wanted["size"])
        began = time.process_time()
        output, refused = b"", None
        try:
            output = WORK[wanted["kind"]](content, wanted["effort"])
        except ValueError as error:
            refused = str(error)
        said = {"size": len(output), "cpu_seconds": time.process_time() - began, "refused": refused}
        answered.write(json.dumps(said).encode() + b"\n" + output)
        answered.flush()


def limit_memory(megabytes: int) -> None:
    """Let this process have no more than so many megabytes, where the system knows such limits."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))


if __name__ == "__main__":
    limit_memory(int(sys.argv[1]))
    serve(sys.stdin.buffer, sys.stdout.buffer)
