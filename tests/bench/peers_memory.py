"""Searchers that hold everything in memory: numpy, and faiss in three kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.peers_world import LIMIT, Ints, World, load


def _best(scores: Any, rows: Ints) -> list[int]:
    """Return the rows of the highest scores, highest first."""
    first = np.argpartition(-scores, LIMIT - 1)[:LIMIT] if len(rows) > LIMIT else np.arange(len(rows))
    return rows[first[np.argsort(-scores[first])]].tolist()


class Searcher:
    """Something that finds the nearest records of a query, all of them or those of its repo and time.

    `efforts` are what it can be told to spend on a query, least first; it is exact where there are none.
    """

    is_on_disk = False
    efforts: tuple[int, ...] = ()
    world: World

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def files(self) -> list[Path]:
        """What it reads, files or folders."""
        return [self.folder / "vectors.npy", self.folder / "repos.npy", self.folder / "times.npy"]

    def build(self) -> None:
        """Make what has to be made before anybody can search."""

    def open(self) -> None:
        """Get ready to search."""
        self.world = load(self.folder)

    def search(self, query: int, is_filtered: bool, effort: int) -> list[int]:
        """Return the nearest records, nearest first."""
        raise NotImplementedError

    def rows(self, query: int) -> Ints:
        """Return the records that the filter of a query keeps."""
        return np.flatnonzero(self.world.kept(query))


class Numpy(Searcher):
    """One product of the matrix with the query; a filter takes its rows out first."""

    def open(self) -> None:
        super().open()
        self.vectors = np.load(self.folder / "vectors.npy")

    def search(self, query: int, is_filtered: bool, effort: int) -> list[int]:
        asked = self.world.queries[query]
        if is_filtered:
            rows = self.rows(query)
            return _best(self.vectors[rows] @ asked, rows)
        return _best(self.vectors @ asked, np.arange(self.world.n))


class Faiss(Searcher):
    """What the kinds of faiss have in common: an index in a file of its own."""

    @property
    def index_file(self) -> Path:
        """Where the index stands."""
        return self.folder / f"{type(self).__name__}.faiss"

    @property
    def files(self) -> list[Path]:
        return [self.index_file, self.folder / "repos.npy", self.folder / "times.npy"]

    def build(self) -> None:
        import faiss

        index = self.made(np.load(self.folder / "vectors.npy"))
        write = faiss.write_index_binary if isinstance(index, faiss.IndexBinary) else faiss.write_index
        write(index, str(self.index_file))

    def made(self, vectors: Any) -> Any:
        """Return an index of vectors."""
        raise NotImplementedError

    def open(self) -> None:
        import faiss

        super().open()
        self.faiss = faiss
        self.index = faiss.read_index(str(self.index_file))

    def nearest(self, query: int, parameters: Any) -> list[int]:
        """Return the nearest records by the index."""
        asked = self.world.queries[query : query + 1]
        return [row for row in self.index.search(asked, LIMIT, params=parameters)[1][0].tolist() if row >= 0]


class FaissFlat(Faiss):
    """Every vector compared in float32; a filter is a list of rows (IDSelectorArray), and only they are read."""

    def made(self, vectors: Any) -> Any:
        import faiss

        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return index

    def search(self, query: int, is_filtered: bool, effort: int) -> list[int]:
        if not is_filtered:
            return self.nearest(query, None)
        selector = self.faiss.IDSelectorArray(self.rows(query))
        return self.nearest(query, self.faiss.SearchParameters(sel=selector))


class FaissHNSW(Faiss):
    """A graph (M 32, efConstruction 100); a filter is a bitmap that the walk obeys; effort is efSearch."""

    efforts = (64, 128, 256, 512, 1024, 2048, 4096)

    def made(self, vectors: Any) -> Any:
        import faiss

        index = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 100
        index.add(vectors)
        return index

    def search(self, query: int, is_filtered: bool, effort: int) -> list[int]:
        if not is_filtered:
            return self.nearest(query, self.faiss.SearchParametersHNSW(efSearch=effort))
        selector = self.faiss.IDSelectorBitmap(np.packbits(self.world.kept(query), bitorder="little"))
        return self.nearest(query, self.faiss.SearchParametersHNSW(efSearch=effort, sel=selector))


class FaissBinary(Faiss):
    """Signs first, then the `effort` nearest of them in float32; a filter takes its rows out before that."""

    efforts = (100, 200, 400, 800, 1600, 3200, 6400)

    @property
    def files(self) -> list[Path]:
        return [*super().files, self.folder / "vectors.npy"]

    def made(self, vectors: Any) -> Any:
        import faiss

        index = faiss.IndexBinaryFlat(vectors.shape[1])
        index.add(np.packbits(vectors > 0, axis=1))
        return index

    def open(self) -> None:
        import faiss

        Searcher.open(self)
        self.faiss = faiss
        self.index = faiss.read_index_binary(str(self.index_file))
        self.signs = faiss.vector_to_array(self.index.xb).reshape(self.world.n, -1)
        self.vectors = np.load(self.folder / "vectors.npy")

    def search(self, query: int, is_filtered: bool, effort: int) -> list[int]:
        asked = np.packbits(self.world.queries[query : query + 1] > 0, axis=1)
        if is_filtered:
            rows = self.rows(query)
            near = self.faiss.knn_hamming(asked, self.signs[rows], min(effort, len(rows)))[1][0]
            rows = rows[near]
        else:
            rows = self.index.search(asked, min(effort, self.world.n))[1][0]
        return _best(self.vectors[rows] @ self.world.queries[query], rows)
