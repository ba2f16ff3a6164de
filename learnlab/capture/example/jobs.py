"""The jobs of the worked example: drawn by a seed, each with the check that tells whether the work was done right."""

from __future__ import annotations

import csv
import io
import json
import lzma
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

BOMB = 20 << 20
"""Bytes of nothing that an unpacking job may become: more than a worker's memory holds."""


@dataclass(frozen=True)
class Job:
    """One piece of work: its kind, what it is about in words, the bytes, and the check of what comes out.

    `most_bytes` is how large the output may be, where the job says so.
    """

    kind: str
    prompt: str
    content: bytes
    is_right: Callable[[bytes], bool]
    most_bytes: int | None = None


def jobs(seed: int) -> Iterator[Job]:
    """Return jobs without end, the same ones for the same seed; about one in ten has a broken input.

    What they are made of takes a moment to make, the first time.

    >>> first, again = next(jobs(7)), next(jobs(7))
    >>> first.prompt == again.prompt and first.content == again.content
    True
    """
    _library(), _bomb()
    return _drawn(random.Random(seed))


def _drawn(chance: random.Random) -> Iterator[Job]:
    while True:
        make = chance.choices((_sorting, _packing, _unpacking, _parsing), weights=(3, 4, 2, 3))[0]
        yield make(chance)


@lru_cache(maxsize=1)
def _library() -> bytes:
    """Return about 1.4 MB of made-up words, from which jobs take their texts."""
    chance = random.Random(0)
    letters = "abcdefghij"
    words = ["".join(chance.choices(letters, k=chance.randint(3, 9))) for _ in range(300)]
    return " ".join(chance.choices(words, k=200_000)).encode()


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    packer = zlib.compressobj(1)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(BOMB >> 20)]
    return b"".join([*parts, packer.flush()])


def _passage(chance: random.Random, length: int) -> bytes:
    start = chance.randrange(len(_library()) - length + 1)
    return _library()[start : start + length]


def _is_broken(chance: random.Random) -> bool:
    return chance.random() < 0.1


def _sorting(chance: random.Random) -> Job:
    numbers = [chance.randrange(1_000_000) for _ in range(chance.choice((200, 1000, 4000)))]
    content = b"\n".join(b"%d" % number for number in numbers)
    if _is_broken(chance):
        content = content[:-3] + b"n/a"

    def is_right(output: bytes) -> bool:
        found = [int(line) for line in output.splitlines()]
        in_order = all(before <= after for before, after in pairwise(found))
        return in_order and Counter(found) == Counter(numbers)

    return Job("sort", f"Sort {len(numbers)} numbers", content, is_right)


def _packing(chance: random.Random) -> Job:
    (length,) = chance.choices((15_000, 100_000, 1_200_000), weights=(5, 4, 1))
    content = _passage(chance, length)
    most = int(length * chance.choice((0.4, 0.32, 0.28)))

    def is_right(output: bytes) -> bool:
        packed_by_lzma = output.startswith(b"\xfd7zXZ")
        return (lzma.decompress(output) if packed_by_lzma else zlib.decompress(output)) == content

    return Job("pack", f"Pack {length} bytes into {most} at most", content, is_right, most)


def _unpacking(chance: random.Random) -> Job:
    if chance.random() < 0.15:
        return Job("unpack", f"Unpack {len(_bomb())} bytes", _bomb(), lambda output: output == bytes(BOMB))
    original = _passage(chance, chance.choice((5_000, 100_000)))
    content = zlib.compress(original)
    if _is_broken(chance):
        content = content[: len(content) // 2]
    return Job("unpack", f"Unpack {len(content)} bytes", content, lambda output: output == original)


def _parsing(chance: random.Random) -> Job:
    words = _passage(chance, 20_000).decode().split()
    between = chance.choice((" ", ", "))
    rows = [
        [str(row), between.join(words[row : row + 2]), words[row]] for row in range(chance.choice((50, 400)))
    ]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    content = text.getvalue().encode()
    if _is_broken(chance):
        content += b'"never closed'
    return Job("parse", f"Parse {len(rows)} rows of CSV", content, lambda output: json.loads(output) == rows)
