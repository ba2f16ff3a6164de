"""How far a store can be searched, and the texts that were stored just now made searchable first."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import duckdb

from learnlab.errors import SearchError, StoreError
from learnlab.search.chosen import Chosen
from learnlab.search.found import Mode
from learnlab.search.index import backlog, vectors
from learnlab.search.index.vectors import VectorTable
from learnlab.search.index.words import index_waiting
from learnlab.search.once import once
from learnlab.store import Store

_log = logging.getLogger("learnlab.search")

AT_ONCE = 64
"""Texts that wait and are embedded before a search, at most."""

PATIENCE = 1.0
"""Seconds that a search waits for its turn to write their vectors; then it goes on without them."""

_HAS_NO_VECTOR = """
e.description_hash in (select t.text_hash from texts t anti join {table} v on v.text_hash = t.text_hash)
"""
_HAS_NO_WORDS = """
e.description_hash in (select t.text_hash from texts t anti join search.worded w on w.text_no = t.text_no)
"""
_N_UNWORDED = "select (select count(*) from texts) - (select count(*) from search.worded)"


@dataclass(frozen=True)
class Searchable:
    """A model's vectors in a store, how many texts they are, how many texts wait, and how many executions have those.

    In mode words it is the index of words that texts wait for, in mode hybrid either; a text that waits for both
    counts twice in `n_waiting`.
    """

    table: VectorTable | None
    n_texts: int
    n_waiting: int
    n_not_searchable: int


def searchable(connection: duckdb.DuckDBPyConnection, key: str, mode: Mode) -> Searchable:
    """Return how far a store can be searched by a model, or by words."""
    return once(connection, ("searchable", key, mode), lambda: _asked(connection, key, mode))


def _asked(connection: duckdb.DuckDBPyConnection, key: str, mode: Mode) -> Searchable:
    table = vectors.table_of(connection, key)
    n_texts = _number(connection, f"select count(*) from {table.name}") if table else 0
    n_waiting, lacking = 0, []
    if mode != "words" and (n := vectors.n_waiting(connection, key)):
        n_waiting += n
        lacking.append(_HAS_NO_VECTOR.format(table=table.name) if table else "true")
    if mode != "semantic" and (n := _number(connection, _N_UNWORDED)):
        n_waiting += n
        lacking.append(_HAS_NO_WORDS)
    counted = f"select count(*) from executions e where {' or '.join(lacking)}"
    return Searchable(table, n_texts, n_waiting, _number(connection, counted) if lacking else 0)


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    ((n,),) = connection.execute(query).fetchall()
    return int(n)


def make_searchable(store: Store, chosen: Chosen, mode: Mode) -> None:
    """Embed a few of the texts that wait, index their words, or both; a busy or read-only store is left as it is."""
    hasty = Store(store.path, timeout=PATIENCE)
    try:
        if mode != "semantic":
            with hasty.writing() as connection:
                index_waiting(connection)
        if mode != "words":
            done = backlog.encode_waiting(hasty, chosen.encoder(), limit=AT_ONCE)
            chosen.runs_on = done.runs_on
    except (StoreError, SearchError) as error:
        _log.info("texts that wait stay so for now: %s", error)
