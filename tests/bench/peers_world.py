"""What every searcher is given: vectors with a repo and a time each, questions, filters; and the true neighbours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

N_REPOS = 40
DAYS = 90
NEWEST = 1_780_000_000
"""The time of the newest record, in seconds since 1970."""

LIMIT = 10
NOISE = 0.35
"""Length of the noise that makes many vectors of few: a vector and the real one that it was made of have cosine 0.94."""

KEPT = 0.03
"""The share of the records that a filter keeps, about."""

_PIECE = 100_000

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Real:
    """Texts and their vectors as an encoder gives them, by its key; the questions are none of the texts."""

    key: str
    texts: list[str]
    vectors: Floats
    questions: list[str]
    queries: Floats


@dataclass(frozen=True)
class World:
    """n records in the order of their times: a vector, a repo (a number), a time (seconds), a real text it came of.

    `asked` has a row a query: a repo, and the time after which a record has to be, whole days before the newest.
    """

    n: int
    vectors: Floats
    queries: Floats
    repos: Ints
    times: Ints
    sources: Ints
    asked: Ints

    def kept(self, query: int) -> NDArray[np.bool_]:
        """Return which records the filter of a query keeps."""
        repo, since = self.asked[query]
        return (self.repos == repo) & (self.times > since)


def make(n: int, real: Real, folder: Path) -> World:
    """Make n records of real vectors, perturbed where there are more records than vectors, and write them down."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(n)
    n_real, dimension = real.vectors.shape
    sources = rng.permutation(n_real)[:n] if n <= n_real else rng.integers(0, n_real, n)
    share = 1 / np.arange(1, N_REPOS + 1)
    share /= share.sum()
    times = np.sort(rng.integers(NEWEST - DAYS * 86_400 + 1, NEWEST, n))
    times[-1] = NEWEST
    repo = np.arange(len(real.queries)) % 6
    days = np.rint(DAYS * KEPT / share[repo]).astype(np.int64)
    np.save(folder / "repos.npy", rng.choice(N_REPOS, n, p=share))
    np.save(folder / "times.npy", times)
    np.save(folder / "sources.npy", sources)
    np.save(folder / "asked.npy", np.stack([repo, NEWEST - 86_400 * days], axis=1))
    np.save(folder / "queries.npy", real.queries)
    said = {"key": real.key, "texts": real.texts, "questions": real.questions}
    (folder / "texts.json").write_text(json.dumps(said))
    whole = np.lib.format.open_memmap(
        folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(n, dimension)
    )
    for begin, piece in _pieces(whole):
        piece[:] = real.vectors[sources[begin : begin + len(piece)]]
        if n > n_real:
            piece += rng.standard_normal(piece.shape, dtype=np.float32) * np.float32(NOISE / dimension**0.5)
            piece /= np.linalg.norm(piece, axis=1, keepdims=True)
    whole.flush()
    return load(folder)


def load(folder: Path) -> World:
    """Return what `make` wrote; the vectors stay on the disk until they are read."""
    names = ("queries", "repos", "times", "sources", "asked")
    queries, repos, times, sources, asked = (np.load(folder / f"{name}.npy") for name in names)
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    return World(len(repos), vectors, queries, repos, times, sources, asked)


def _pieces(vectors: Floats) -> Iterator[tuple[int, Floats]]:
    for begin in range(0, len(vectors), _PIECE):
        yield begin, vectors[begin : begin + _PIECE]


def neighbours(world: World, *, is_filtered: bool) -> list[list[int]]:
    """Return the nearest records of each query by exact float32 products; fewer where the filter keeps fewer."""
    best = [(np.empty(0, np.float32), np.empty(0, np.int64)) for _ in world.queries]
    kept = [world.kept(at) for at in range(len(world.queries))] if is_filtered else None
    for begin, piece in _pieces(world.vectors):
        for at, row in enumerate(world.queries @ np.asarray(piece).T):
            rows = np.flatnonzero(kept[at][begin : begin + len(piece)]) if kept else np.arange(len(row))
            scores, ids = np.append(best[at][0], row[rows]), np.append(best[at][1], rows + begin)
            order = np.argsort(-scores, kind="stable")[:LIMIT]
            best[at] = scores[order], ids[order]
    return [ids.tolist() for _, ids in best]


def recall(found: list[list[int]], true: list[list[int]]) -> float:
    """Return the share of the true neighbours that were found, over all queries.

    >>> round(recall([[1, 2], [3]], [[2, 5], [3]]), 3)
    0.667
    """
    n_found = sum(len(set(these) & set(those)) for these, those in zip(found, true, strict=True))
    return n_found / sum(map(len, true))
