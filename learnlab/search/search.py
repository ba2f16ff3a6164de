"""One search from beginning to end: texts that wait, the vectors of what is asked for, what is found, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.search.asked import Asked
from learnlab.search.chosen import Chosen
from learnlab.search.encoder import Encoder
from learnlab.search.found import Found
from learnlab.search.index.vectors import VectorTable
from learnlab.search.modes import Query, ranked
from learnlab.search.searchable import Searchable, make_searchable, searchable
from learnlab.search.tasks import Task
from learnlab.search.twostage import checked
from learnlab.search.why import words_in_common
from learnlab.store import Store
from learnlab.store.connection import fetch, within

FEW = 8
"""Texts that a loaded model encodes while the store is held: tens of milliseconds. More are encoded outside."""

SAME = 0.9995
"""The cosine from which on two texts count as one in meaning: rounding to 12 bits may take that much from 1."""

Vectors = Mapping[str, NDArray[np.float32]]
"""The vectors of some texts, by the text's hash."""

_VECTORS = """
select cast(text_hash as varchar) as text_hash, scale, v from {table}
where text_hash in (select cast(unnest($hashes) as uuid)) and scale is not null
"""


class Search:
    """What is asked, of which store, with which encoder.

    The store is opened once where nothing has to be made ready, twice otherwise: no model is loaded, and none
    encodes for long, while it is held.
    """

    def __init__(self, db: str | Path | Store, encoder: Encoder | str | None, asked: Asked) -> None:
        self._store = db if isinstance(db, Store) else Store(db)
        self._chosen = Chosen(encoder)
        self._asked = asked
        self._key = "" if asked.mode == "words" else self._chosen.key

    def of(self, look: Callable[[duckdb.DuckDBPyConnection], Sequence[Task]]) -> list[Found]:
        """Return what is found for each of the tasks that `look` gives, all of one state of the store.

        Raises:
            SearchError: when the model is needed and cannot be loaded, or gives what is no vector.
            StoreError: when there is no such store.
            StoreBusyError: when others hold it for longer than the time to wait.
        """
        is_held = within(self._store.path)
        with self._store.reading() as connection:
            tasks, state = look(connection), self._state(connection)
            known = self._known(connection, tasks, state)
            lacking = self._lacking(tasks, state, known)
            is_quick = self._chosen.is_loaded and len(lacking) <= FEW
            if is_held or (not state.n_waiting and (is_quick or not lacking)):
                return self._found(connection, tasks, state, {**self._encoded(lacking), **known})
        if state.n_waiting:
            make_searchable(self._store, self._chosen, self._asked.mode)
        encoded = self._encoded(lacking)
        with self._store.reading() as connection:
            tasks, state = look(connection), self._state(connection)
            return self._found(connection, tasks, state, {**encoded, **self._known(connection, tasks, state)})

    def _state(self, connection: duckdb.DuckDBPyConnection) -> Searchable:
        return searchable(connection, self._key, self._asked.mode)

    def _known(
        self, connection: duckdb.DuckDBPyConnection, tasks: Sequence[Task], state: Searchable
    ) -> Vectors:
        return {} if self._asked.mode == "words" else _stored(connection, state.table, tasks)

    def _lacking(self, tasks: Sequence[Task], state: Searchable, known: Vectors) -> list[Task]:
        """Return the tasks whose vectors are needed and not stored, one a text."""
        if self._asked.mode == "words" or not (state.n_texts or state.n_waiting):
            return []
        return list({task.text_hash: task for task in tasks if task.text_hash not in known}.values())

    def _encoded(self, tasks: Sequence[Task]) -> Vectors:
        if not tasks:
            return {}
        vectors = self._chosen.encode([task.text for task in tasks])
        return {task.text_hash: vector for task, vector in zip(tasks, vectors, strict=True)}

    def _found(
        self,
        connection: duckdb.DuckDBPyConnection,
        tasks: Sequence[Task],
        state: Searchable,
        encoded: Vectors,
    ) -> list[Found]:
        return [self._of_one(connection, task, state, encoded.get(task.text_hash)) for task in tasks]

    def _of_one(
        self,
        connection: duckdb.DuckDBPyConnection,
        task: Task,
        state: Searchable,
        vector: NDArray[np.float32] | None,
    ) -> Found:
        asked = self._asked
        if vector is not None and state.table is not None:
            vector = checked(vector, state.table.dimension)
        where = asked.filter.where(connection)
        rows = ranked(connection, Query(task.text, vector, task.task_id), asked, where, state)
        best = rows["similarity"].max()
        if asked.threshold is not None:
            rows = rows.filter(pl.col("similarity") >= min(asked.threshold, SAME))
        shared = words_in_common(connection, task.text, rows["task_description"].to_list())
        fixed = asked.filter.fields()
        found = [
            row | {"why": {"words": words, "fields": [*dict.fromkeys([*fixed, *task.agrees(row)])]}}
            for row, words in zip(rows.to_dicts(), shared, strict=True)
        ]
        return Found(
            found,
            query=task.text,
            mode=asked.mode,
            threshold=asked.threshold,
            best_similarity=None if best is None else float(best),  # type: ignore[arg-type]
            n_not_searchable=state.n_not_searchable,
            model=self._key,
            runs_on=self._chosen.runs_on,
            fixed=fixed,
        )


def _stored(
    connection: duckdb.DuckDBPyConnection, table: VectorTable | None, tasks: Sequence[Task]
) -> Vectors:
    """Return the vectors of those texts that are stored and have one."""
    if table is None:
        return {}
    hashes = {"hashes": sorted({task.text_hash for task in tasks})}
    rows = fetch(connection, _VECTORS.format(table=table.name), hashes)
    numbers = rows["v"].to_numpy().astype(np.float32) * rows["scale"].to_numpy()[:, None] if len(rows) else ()
    return dict(zip(rows["text_hash"], numbers, strict=True))
