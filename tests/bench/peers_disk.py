"""Searchers that keep their data on disk: sqlite-vec, LanceDB and chroma, each filtering as it best can."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers_memory import Searcher
from bench.peers_world import LIMIT, World, load

_PIECE = 5_000


class OnDisk(Searcher):
    """What they have in common: a folder of their own, filled piece by piece."""

    is_on_disk = True

    @property
    def own(self) -> Path:
        """The searcher's folder."""
        folder = self.folder / type(self).__name__
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def files(self) -> list[Path]:
        return [self.own]


def _pieces(world: World) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Yield numbers, repos, times and vectors of some records at a time."""
    for begin in range(0, world.n, _PIECE):
        part = slice(begin, min(begin + _PIECE, world.n))
        yield (
            np.arange(part.start, part.stop),
            world.repos[part],
            world.times[part],
            np.array(world.vectors[part]),
        )


class SqliteVec(OnDisk):
    """A vec0 table in SQLite, float32, partitioned by repo, with the time as a metadata column; exact."""

    def open(self) -> None:
        import apsw
        import sqlite_vec

        super().open()
        self.connection = apsw.Connection(str(self.own / "records.db"))
        self.connection.enable_load_extension(True)
        self.connection.load_extension(sqlite_vec.loadable_path())
        self.connection.execute("pragma mmap_size = 2147483648")

    def build(self) -> None:
        self.open()
        size = self.world.vectors.shape[1]
        columns = f"repo integer partition key, time integer, v float[{size}]"
        self.connection.execute(f"create virtual table records using vec0({columns})")
        with self.connection:
            for ids, repos, times, vectors in _pieces(self.world):
                self.connection.executemany(
                    "insert into records (rowid, repo, time, v) values (?, ?, ?, ?)",
                    zip(
                        ids.tolist(),
                        repos.tolist(),
                        times.tolist(),
                        (row.tobytes() for row in vectors),
                        strict=True,
                    ),
                )

    def search(self, query: int, is_filtered: bool, effort: int) -> list[int]:
        where, given = "", [self.world.queries[query].tobytes()]
        if is_filtered:
            where, given = "and repo = ? and time > ?", [*given, *self.world.asked[query].tolist()]
        select = f"select rowid from records where v match ? and k = {LIMIT} {where}"
        return [row for (row,) in self.connection.execute(select, given)]


class Lance(OnDisk):
    """A LanceDB table without an index on vectors, with one on repo and one on time, filtered first; exact."""

    def open(self) -> None:
        import lancedb

        self.world = load(self.folder)
        self.table = lancedb.connect(self.own).open_table("records")

    def build(self) -> None:
        import lancedb
        import pyarrow as pa
        from lancedb.index import Bitmap, BTree

        world = load(self.folder)
        size = world.vectors.shape[1]
        names = ["id", "repo", "time", "vector"]

        def batches() -> Iterator[Any]:
            for ids, repos, times, vectors in _pieces(world):
                listed = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), size)
                yield pa.record_batch([pa.array(ids), pa.array(repos), pa.array(times), listed], names=names)

        schema = next(batches()).schema
        reader = pa.RecordBatchReader.from_batches(schema, batches())
        table = lancedb.connect(self.own).create_table("records", reader)
        table.create_index("repo", config=Bitmap())
        table.create_index("time", config=BTree())
        self.index(table)

    def index(self, table: Any) -> None:
        """Make an index on the vectors, if any."""

    def search(self, query: int, is_filtered: bool, effort: int) -> list[int]:
        found = self.table.search(self.world.queries[query], vector_column_name="vector")
        found = self.with_effort(found.distance_type("dot"), effort)
        if is_filtered:
            repo, since = self.world.asked[query].tolist()
            found = found.where(f"repo = {repo} and time > {since}", prefilter=True)
        return found.limit(LIMIT).select(["id", "_distance"]).to_arrow()["id"].to_pylist()

    def with_effort(self, found: Any, effort: int) -> Any:
        """Return a query that spends so much effort."""
        return found


class LanceRQ(Lance):
    """A LanceDB table with an index of one bit a dimension (IVF_RQ); effort is nprobes, half of it refine_factor."""

    efforts = (8, 16, 32, 64, 128, 256, 512, 1024)

    def index(self, table: Any) -> None:
        from lancedb.index import IvfRq

        table.create_index("vector", config=IvfRq(distance_type="dot"), wait_timeout=timedelta(hours=2))

    def with_effort(self, found: Any, effort: int) -> Any:
        return found.nprobes(effort).refine_factor(max(10, effort // 2))


class Chroma(OnDisk):
    """A chroma collection (a graph: M 32, efConstruction 100) with repo and time as metadata; effort is efSearch."""

    efforts = (64, 128, 256, 512, 1024, 2048)

    def _client(self) -> Any:
        import chromadb
        from chromadb.config import Settings

        return chromadb.PersistentClient(str(self.own), settings=Settings(anonymized_telemetry=False))

    def open(self) -> None:
        self.world = load(self.folder)
        self.collection = self._client().get_collection("records", embedding_function=None)
        self.effort = 0

    def build(self) -> None:
        graph = {"space": "ip", "max_neighbors": 32, "ef_construction": 100}
        made = self._client().create_collection(
            "records", embedding_function=None, configuration={"hnsw": graph}
        )
        for ids, repos, times, vectors in _pieces(load(self.folder)):
            pairs = zip(repos.tolist(), times.tolist(), strict=True)
            made.add(
                ids=[str(row) for row in ids],
                embeddings=vectors,
                metadatas=[{"repo": repo, "time": time} for repo, time in pairs],
            )

    def search(self, query: int, is_filtered: bool, effort: int) -> list[int]:
        if effort != self.effort:
            self.collection.modify(configuration={"hnsw": {"ef_search": effort}})
            self.effort = effort
        where = None
        if is_filtered:
            repo, since = self.world.asked[query].tolist()
            where = {"$and": [{"repo": repo}, {"time": {"$gt": since}}]}
        found = self.collection.query(
            query_embeddings=[self.world.queries[query]], n_results=LIMIT, where=where, include=[]
        )
        return [int(row) for row in found["ids"][0]]
