"""Labelling queues: what is asked, of which executions, in what order and by how many people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl

from learnlab.errors import FeedbackError
from learnlab.feedback.giving import known_task
from learnlab.feedback.labelling.schemas import OUTCOME, LabelSchema
from learnlab.models import now
from learnlab.store import Store
from learnlab.store.connection import fetch, lent, transaction

MAX_NAME = 200
"""Characters of a queue's name."""

MOST_ITEMS = 10_000
"""Items of a queue: beyond it nobody comes to an end."""

MOST_LABELS = 1_000
"""Labels of an item: more people than any store has."""

_GIVEN = "given"
"""What a queue is ordered by when the tasks were named one by one."""

_KNOWN = """
select label_schema, cast(schema as varchar) as schema, labels_per_item, ordered_by, opened_at
from people.queues where queue = $queue
"""

_ITEMS = """
select i.place, cast(i.task_id as varchar) as task_id, i.why
from people.queue_items i
where i.queue = $queue and i.task_id in (select task_id from executions)
order by i.place
"""


@dataclass(frozen=True)
class Queue:
    """A labelling queue of a store: its name, what it asks, how many people label each item, how it was ordered."""

    name: str
    store: Store
    schema: LabelSchema
    labels_per_item: int
    ordered_by: str
    opened_at: datetime

    def items(self) -> pl.DataFrame:
        """Return the items whose executions are in the store: place (from 1 on), task_id and why, one row an item.

        Raises:
            StoreError: when the store cannot be read.
        """
        with self.store.reading() as connection:
            return fetch(connection, _ITEMS, {"queue": self.name})


def open_queue(
    name: str,
    db: str | Path | Store = "",
    *,
    schema: LabelSchema | None = None,
    labels_per_item: int | None = None,
    n: int = 100,
    ordered_by: str | None = None,
    seed: int = 0,
    repo: str | None = None,
    tasks: Sequence[str] | None = None,
) -> Queue:
    """Return the queue of a name, made once when there is none: everybody who opens it later joins it as it is.

    A new one asks OUTCOME, by one person an item, of `n` executions in the order that is
    the default, unless told otherwise;
    `ordered_by`, `seed` and `repo` are those of `ordering.ordered`. `tasks` names the executions instead, in order.

    Raises:
        FeedbackError: when the name is none, the queue is there and is another than asked for, or there is nothing
            to label.
        StoreError: when the store cannot be read or written.

    >>> open_queue("audit", "sample", n=50).labels_per_item  # doctest: +SKIP
    1
    """
    store, name = db if isinstance(db, Store) else Store(db), _checked(name)
    if schema is not None and not isinstance(schema, LabelSchema):
        raise FeedbackError(
            f"{_shown(schema)} is no schema: take OUTCOME, EXPERT or a LabelSchema of your own"
        )
    if tasks is not None and ordered_by is not None:
        raise FeedbackError("a queue is ordered by one thing, or its tasks are named one by one: not both")
    found = known_queue(name, store)
    if found is None:
        by, items = _named(store, tasks) if tasks is not None else _ordered(store, n, ordered_by, seed, repo)
        wanted = 1 if labels_per_item is None else labels_per_item
        if not isinstance(wanted, int) or not 1 <= wanted <= MOST_LABELS:
            raise FeedbackError(
                f"each item is labelled by 1 to {MOST_LABELS:,} people, not by {_shown(wanted)}"
            )
        _write(Queue(name, store, schema or OUTCOME, wanted, by, now()), items)
        found = joined(name, store)
    by_wish = _GIVEN if tasks is not None else ordered_by
    _check_same(found, schema, labels_per_item, by_wish)
    return found


def known_queue(name: str, db: str | Path | Store = "") -> Queue | None:
    """Return the queue of a name, or None when there is none; nothing is written.

    Raises:
        FeedbackError: when the name is none, or what is stored of the queue cannot be read.
        StoreError: when the store cannot be read.
    """
    store, name = db if isinstance(db, Store) else Store(db), _checked(name)
    with store.reading() as connection:
        rows = fetch(connection, _KNOWN, {"queue": name}).to_dicts()
    if not rows:
        return None
    row = rows[0]
    schema = LabelSchema.from_json(row["schema"])
    return Queue(name, store, schema, row["labels_per_item"], row["ordered_by"], row["opened_at"])


def joined(name: str, db: str | Path | Store = "") -> Queue:
    """Return the queue of a name that somebody has opened.

    Raises:
        FeedbackError: when there is none, or the name is none.
        StoreError: when the store cannot be read.
    """
    found = known_queue(name, db)
    if found is None:
        raise FeedbackError(f"there is no queue {name!r}: open it with `open_queue({name!r}, …)`")
    return found


def _checked(name: str) -> str:
    text = name.strip() if isinstance(name, str) else ""
    if not text or len(text) > MAX_NAME or not text.isprintable():
        raise FeedbackError(
            f"{str(name)[:60]!r} is no name for a queue: 1 to {MAX_NAME} characters that can be printed"
        )
    return text


def _named(store: Store, tasks: Sequence[str]) -> tuple[str, pl.DataFrame]:
    _check_size(len(tasks))
    with store.reading():
        ids = list(dict.fromkeys(known_task(store, task) for task in tasks))
    why = "named when the queue was opened"
    columns = {"place": range(1, len(ids) + 1), "task_id": ids, "why": [why] * len(ids)}
    return _GIVEN, pl.DataFrame(columns)


def _ordered(store: Store, n: int, by: str | None, seed: int, repo: str | None) -> tuple[str, pl.DataFrame]:
    from learnlab.feedback.ordering import DEFAULT, ordered

    _check_size(n)
    order = by or DEFAULT
    return order, ordered(store, n, by=order, seed=seed, repo=repo)


def _check_size(n: int) -> None:
    if not isinstance(n, int) or not 1 <= n <= MOST_ITEMS:
        raise FeedbackError(f"a queue has 1 to {MOST_ITEMS:,} items, not {_shown(n)}")


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else repr(value)[:60]


def _write(queue: Queue, items: pl.DataFrame) -> None:
    """Keep a queue and its items, unless somebody has made one of that name meanwhile."""
    if not len(items):
        raise FeedbackError(f"nothing to label in {queue.store.name}: no execution fits")
    with queue.store.writing() as connection, transaction(connection), lent(connection, items=items):
        if _is_new(connection, queue):
            connection.execute(
                "insert into people.queue_items "
                "select $queue, place, cast(task_id as uuid), why from items order by place",
                {"queue": queue.name},
            )


def _is_new(connection: duckdb.DuckDBPyConnection, queue: Queue) -> bool:
    fields = {
        "queue": queue.name,
        "at": queue.opened_at.replace(tzinfo=None),
        "key": queue.schema.key,
        "schema": queue.schema.to_json(),
        "wanted": queue.labels_per_item,
        "by": queue.ordered_by,
    }
    made = connection.execute(
        "insert or ignore into people.queues (queue, opened_at, label_schema, schema, labels_per_item, ordered_by) "
        "values ($queue, $at, $key, $schema, $wanted, $by) returning queue",
        fields,
    )
    return bool(made.fetchall())


def _check_same(
    found: Queue, schema: LabelSchema | None, labels_per_item: int | None, by: str | None
) -> None:
    """Raise when a queue is another than somebody asks for; what they do not say is as it is."""
    asked = {
        "asks": (schema and schema.key, found.schema.key),
        "wants labels an item:": (labels_per_item, found.labels_per_item),
        "is ordered by": (by, found.ordered_by),
    }
    for what, (wish, fact) in asked.items():
        if wish is not None and wish != fact:
            raise FeedbackError(
                f"the queue {found.name!r} {what} {fact}, and not {wish}: join it without saying so, or open another"
            )
