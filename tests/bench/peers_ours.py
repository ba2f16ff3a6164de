"""Learnlab as one of the searchers: the calls that everybody makes, on a store made with its own migrations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

from bench.figures import megabytes
from bench.peers_memory import Searcher
from bench.peers_world import LIMIT, NEWEST, Floats, World, load
from learnlab.search.encoder import Encoder
from learnlab.search.index.vectors import add
from learnlab.search.index.words import index_waiting
from learnlab.search.similar import find_similar
from learnlab.store import Store
from learnlab.store.frames import conform

_PIECE = 50_000
_CHARACTERS = 200
"""Characters of a real text that a record's description has, after its number."""


class Given:
    """An encoder that knows the vectors of the questions beforehand."""

    runs_on = "nothing: the vectors are given"

    def __init__(self, key: str, questions: Sequence[str], queries: Floats) -> None:
        self.key = key
        self.dimension = queries.shape[1]
        self._known = dict(zip(questions, queries, strict=True))

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of questions."""
        return np.stack([self._known[text] for text in texts])


class Ours(Searcher):
    """`find_similar` inside `store.reading()`: whole records, why each was found, and the vector given."""

    is_on_disk = True
    is_held = True

    @property
    def store(self) -> Store:
        """The store."""
        return Store(self.folder / "ours.duckdb")

    @property
    def files(self) -> list[Path]:
        return [self.store.path]

    def build(self) -> dict[str, float]:
        """Make the store; return the seconds and megabytes of its vectors, and the megabytes of all of it."""
        world, said = load(self.folder), json.loads((self.folder / "texts.json").read_text())
        self.store.ensure()
        for begin in range(0, world.n, _PIECE):
            self.store.add(_executions(world, said["texts"], begin), kind="bench")
        while self._worded():
            pass
        without = megabytes(self.store.path)
        began = perf_counter()
        rows = self.store.sql("select cast(text_hash as varchar) as text_hash, text from texts")
        number = rows["text"].str.extract(r"^(\d+)", 1).cast(pl.Int64)
        hashes = rows.with_columns(number=number).sort("number")["text_hash"].to_list()
        for begin in range(0, world.n, _PIECE):
            part = slice(begin, begin + _PIECE)
            with self.store.writing() as connection:
                vectors = np.array(world.vectors[part])
                add(connection, said["key"], vectors.shape[1], hashes[part], vectors)
        seconds = perf_counter() - began
        whole = megabytes(self.store.path)
        return {"seconds": seconds, "mb": whole - without, "whole_mb": whole}

    def _worded(self) -> int:
        with self.store.writing() as connection:
            return index_waiting(connection)

    def open(self) -> None:
        super().open()
        said = json.loads((self.folder / "texts.json").read_text())
        self.questions: list[str] = said["questions"]
        self.encoder: Encoder | None = Given(said["key"], self.questions, self.world.queries)
        self.kept_open = ExitStack()
        if self.is_held:
            self.kept_open.enter_context(self.store.reading())

    def search(self, query: int, is_filtered: bool, effort: int) -> list[int]:
        repo, days = None, 90
        if is_filtered:
            number, since = self.world.asked[query].tolist()
            repo, days = f"repo-{number}", (NEWEST - since) // 86_400
        found = find_similar(
            self.questions[query],
            self.store,
            repo=repo,
            days_back=days,
            limit=LIMIT,
            threshold=-1,
            encoder=self.encoder,
        )
        return [int(str(row["task_id"])[-12:]) for row in found]


class OursAnew(Ours):
    """The same with a connection opened for each search, as a call on its own does."""

    is_held = False


class OursText(Ours):
    """The same with the store held open and the question's text encoded by the model."""

    def open(self) -> None:
        super().open()
        self.encoder = None


class Encoding(Ours):
    """The encoder alone: it finds nothing."""

    is_held = False

    def open(self) -> None:
        from learnlab.search.encoders import encoder

        super().open()
        self.encoder = encoder()

    def search(self, query: int, is_filtered: bool, effort: int) -> list[int]:
        assert self.encoder
        self.encoder.encode([self.questions[query]])
        return []


def _executions(world: World, texts: list[str], begin: int) -> pl.DataFrame:
    rows = np.arange(begin, min(begin + _PIECE, world.n))
    n = len(rows)
    frame = pl.DataFrame(
        {
            "task_id": [f"00000000-0000-4000-8000-{row:012d}" for row in rows],
            "timestamp": pl.from_epoch(pl.Series(world.times[rows]), "s").cast(pl.Datetime("us")),
            "task_type": ["refactor"] * n,
            "task_description": [f"{row} {texts[world.sources[row]][:_CHARACTERS]}" for row in rows],
            "repo": [f"repo-{repo}" for repo in world.repos[rows]],
            "model_tier": [("small", "medium", "large")[row % 3] for row in rows],
            "pool_type": ["local"] * n,
            "success": [bool(row % 4) for row in rows],
            "duration_seconds": (rows % 50).astype(float),
            "actual_cost": [0.25] * n,
        }
    )
    return conform(frame)[0]
