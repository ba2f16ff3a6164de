"""Similar executions: of a task described in words, of many at once, of one that is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from learnlab.errors import SearchError
from learnlab.search.asked import THRESHOLD, Asked, id_of, text_of
from learnlab.search.encoder import Encoder
from learnlab.search.found import Found, Mode
from learnlab.search.search import Search
from learnlab.search.tasks import Task, stored
from learnlab.store import Store


def find_similar(
    task_description: str,
    db: str | Path | Store = "",
    *,
    repo: str | None = None,
    limit: int = 10,
    days_back: int | None = 90,
    as_of: str | datetime | None = None,
    threshold: float | None = THRESHOLD,
    tier: str | None = None,
    task_type: str | None = None,
    outcome: str | None = None,
    mode: Mode = "semantic",
    exact: bool = False,
    encoder: Encoder | str | None = None,
) -> Found:
    """Return the executions most similar to a task described in words, most similar first.

    The filters: `repo`, `tier`, `task_type`, `outcome` ("success", "failure", "unknown"), and a window of
    `days_back` (90, None for all) days back from `as_of`, by default the newest recorded time; executions without
    a recorded time are always in. At most `limit` (10) rows come back, in mode "semantic" those with a cosine of
    `threshold` (0.7) or more. Mode "words" ranks by words in common, "hybrid" by both. `exact` compares every
    vector where otherwise signs choose candidates first. `encoder` is one, or the name of one, in the place of
    the settings'. Up to 64 texts that wait are embedded before.

    Raises:
        SearchError: when something cannot be asked so, or no model can be loaded and one is needed.
        StoreError: when there is no such store, or `as_of` is no time.
        StoreBusyError: when others hold the store for longer than the time to wait.

    >>> found = find_similar("Fix the time zone of the export", "sample", limit=3)  # doctest: +SKIP
    >>> [(row["repo"], row["success"], round(row["similarity"], 2)) for row in found]  # doctest: +SKIP
    """
    return find_similar_batch(
        [task_description],
        db,
        repo=repo,
        limit=limit,
        days_back=days_back,
        as_of=as_of,
        threshold=threshold,
        tier=tier,
        task_type=task_type,
        outcome=outcome,
        mode=mode,
        exact=exact,
        encoder=encoder,
    )[0]


def find_similar_batch(
    task_descriptions: Sequence[str],
    db: str | Path | Store = "",
    *,
    encoder: Encoder | str | None = None,
    **asked: Any,
) -> list[Found]:
    """Return what `find_similar` finds for each of some tasks, encoded together, of one state of the store.

    Raises:
        SearchError: as `find_similar` does.
        StoreError: as `find_similar` does.
        StoreBusyError: as `find_similar` does.
    """
    if isinstance(task_descriptions, str) or not isinstance(task_descriptions, Sequence):
        raise SearchError("find_similar_batch takes several task descriptions: find_similar takes one")
    tasks = [Task(text_of(description)) for description in task_descriptions]
    return Search(db, encoder, Asked.of(**asked)).of(lambda connection: tasks) if tasks else []


def similar_to(
    task_id: str | UUID,
    db: str | Path | Store = "",
    *,
    encoder: Encoder | str | None = None,
    **asked: Any,
) -> Found:
    """Return the executions most similar to one that is stored, itself left out, as `find_similar` does.

    It is named by its task_id or its external_id. No model is loaded while its text has a vector.

    Raises:
        SearchError: when no execution has that id, several have, or its text is blank; else as `find_similar`.
        StoreError: as `find_similar` does.
        StoreBusyError: as `find_similar` does.
    """
    uuid, text = id_of(task_id)
    search = Search(db, encoder, Asked.of(**asked))
    return search.of(lambda connection: [stored(connection, uuid, text)])[0]
