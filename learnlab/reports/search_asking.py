"""Asking from a notebook: what waits is made searchable, the task is looked for, and its surroundings are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from learnlab.errors import SearchError
from learnlab.reports.publish import stop
from learnlab.reports.search_estimates import Map, neighbourhood_of
from learnlab.search import similar
from learnlab.search.chosen import Chosen
from learnlab.search.encoder import Encoder
from learnlab.search.found import Found
from learnlab.search.index.backlog import encode_waiting
from learnlab.search.index.vectors import n_waiting
from learnlab.store import Store

_OTHERS = 400
"""Executions that a map shows beside the similar ones."""


def ask(
    task: str,
    attempts: pl.DataFrame,
    db: str | Path = "",
    *,
    encode_up_to: int = 0,
    encoder: Encoder | None = None,
    repo: str = "",
    as_of: str = "",
    **given: Any,
) -> Found:
    """Return the executions nearest to a task, however far they are; without a task, to the newest of `attempts`.

    Before that, up to `encode_up_to` texts that have no vector get one. Where nothing can be searched, the
    notebook stops with the reason. What else is given goes to `find_similar`.
    """
    window = {"threshold": -1.0, "repo": repo or None, "as_of": as_of or None, "encoder": encoder, **given}
    try:
        _encode(Store(db), encoder, encode_up_to)
        found = (
            similar.find_similar(task, db, **window)
            if task
            else similar.similar_to(_newest(attempts), db, **window)
        )
    except SearchError as error:
        stop(f"No search by meaning here: {error}")
    if found.best_similarity is None:
        stop("No task here can be compared yet: `learnlab encode` makes those that wait searchable.")
    return found


def _encode(store: Store, encoder: Encoder | None, n: int) -> None:
    """Give up to n texts that wait their vectors; no model is loaded where none waits."""
    with store.reading() as connection:
        n_due = min(n, n_waiting(connection, Chosen(encoder).key))
    if n_due:
        encode_waiting(store, encoder, limit=n_due)


def _newest(attempts: pl.DataFrame) -> str:
    return str(attempts.sort("started_at", "task_id", nulls_last=False)["task_id"][-1])


def neighbourhood(
    db: str | Path, found: Found, near: pl.DataFrame, attempts: pl.DataFrame, encoder: Encoder | None = None
) -> Map:
    """Return the map of a task that was asked about: what is similar to it, and a sample of the other executions.

    The sample is the same each time. Texts without a vector are not on the map.
    """
    others = attempts.join(near, on="task_id", how="anti").sort("task_id")
    sample = others.sample(min(_OTHERS, others.height), seed=0)["task_id"]
    store = Store(db)
    ids = [*near["task_id"].to_list(), *sample.to_list()]
    vectors = store.query("text_vectors", {"model_key": found.model, "task_ids": ids})
    stored = store.query("vector_of_text", {"model_key": found.model, "text": found.query})
    own = stored["embedding"][0] if stored.height else Chosen(encoder).encode([found.query])[0]
    return neighbourhood_of(found.query, own, vectors, near, attempts)
