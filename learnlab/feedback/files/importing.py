"""Labels read back from a file that `export_labels` wrote: each once, and nobody's name with them but one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import polars as pl
from pydantic import ValidationError

from learnlab.errors import FeedbackError, StoreError
from learnlab.feedback.files import labelfile
from learnlab.feedback.files.keys import is_key, key_of
from learnlab.feedback.labelling.queues import MOST_LABELS
from learnlab.feedback.labelling.schemas import LabelSchema
from learnlab.models import now
from learnlab.people import Act, Label, Visibility, own_name
from learnlab.store import Store, feedback
from learnlab.store.connection import fetch, lent, transaction
from learnlab.store.lines import FEEDBACK, lines_of, read_lines
from learnlab.store.words import times_of

_PSEUDONYM = re.compile(r"annotator \d+ of [0-9a-f]{12}")
_KNOWN = """
with known as (
    select cast(feedback_key as varchar) as feedback_key, author from people.events
    union all
    select value, null from forgotten where joined_by = 'feedback'
)
select c.feedback_key, max(k.author) as author
from coming c
join known k on k.feedback_key = c.feedback_key
group by c.feedback_key
"""
_OPEN = """
insert or ignore into people.queues (queue, opened_at, label_schema, schema, labels_per_item, ordered_by)
values ($queue, cast(cast($opened_at as timestamptz) at time zone 'UTC' as timestamp), $label_schema, $schema,
    $labels_per_item, $ordered_by)
"""


@dataclass(frozen=True)
class Imported:
    """What became of the labels in a file: those added, those known already, those left out as private to another."""

    n_labels: int
    n_added: int
    n_known: int
    n_left_out: int


@dataclass(frozen=True)
class _Read:
    export_id: UUID
    queues: list[dict[str, Any]]
    rows: list[dict[str, Any]]


def import_labels(path: str | Path, db: str | Path = "", *, author: str | None = None) -> Imported:
    """Read the labels of a file that `export_labels` wrote into a store; what is known or was deleted is not added.

    What you gave yourself (`author`, by default you) comes back whole; the file's word is taken for what that is. What
    others gave comes in under a name that the file's export gives them ("annotator 2 of 0f3a…"), so that who agrees with
    whom can be told again. What somebody else keeps private stays out. Either all of the file is read or, where
    something is wrong with it, nothing.

    Raises:
        FeedbackError: when it is no file of labels, or something in it is wrong; it says where.
        StoreError: when there is no such store, or it cannot be written.
    """
    path, store = Path(path).expanduser(), Store(db)
    read = _checked(path)
    own = author or own_name()
    wanted = [
        row for row in read.rows if row["author"] in (None, own) or row["visibility"] != Visibility.PRIVATE
    ]
    if not store.exists():
        raise StoreError(f"there is no store {store.name!r} yet: make one with `learnlab db upgrade`")
    with store.writing() as connection, transaction(connection):
        known = _known(connection, wanted)
        names = _names(wanted, known, own, read.export_id)
        labels = [
            _label(row, names[row["annotator"]], own, path.name)
            for row in wanted
            if row["feedback_key"] not in known
        ]
        for queue in read.queues:
            connection.execute(_OPEN, queue)
        if labels:
            feedback.keep(connection, _as_lines(labels), now().replace(tzinfo=None))
    return Imported(len(read.rows), len(labels), len(wanted) - len(labels), len(read.rows) - len(wanted))


def _checked(path: Path) -> _Read:
    """Return what a file holds, every row of it looked at before anything is written."""
    frame = labelfile.read(path)
    told = frame["provenance"].drop_nulls().to_list()
    if len(told) != 1:
        raise FeedbackError(
            f"{path.name} does not say where its labels come from: {len(told)} rows have a provenance"
        )
    try:
        export_id, queues = _origin(told[0])
    except (ValueError, TypeError, KeyError, RecursionError, FeedbackError) as error:
        raise FeedbackError(f"{path.name}: its provenance is damaged: {_words(error)}") from error
    schemas = {queue["label_schema"]: LabelSchema.from_json(queue["schema"]) for queue in queues}
    rows = frame.drop("provenance").to_dicts()
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        try:
            _check_key(row)
            label = _as_label(row, row["author"] or "somebody", row["feedback_key"])
            _check_answers(label, schemas.get(str(label.label_schema)))
            lines_of([label])
        except (ValueError, TypeError, RecursionError, StoreError, FeedbackError) as error:
            raise FeedbackError(f"{path.name}, label {number}: {_words(error)}") from error
        if row["feedback_key"] in seen:
            raise FeedbackError(f"{path.name}, label {number}: {row['feedback_key']} is there twice")
        seen.add(row["feedback_key"])
    return _Read(export_id, queues, rows)


def _origin(provenance: str) -> tuple[UUID, list[dict[str, Any]]]:
    told = json.loads(provenance)
    names = ("queue", "label_schema", "schema", "labels_per_item", "ordered_by", "opened_at")
    queues = [{name: queue[name] for name in names} for queue in told["queues"]]
    for queue in queues:
        if LabelSchema.from_json(queue["schema"]).key != queue["label_schema"]:
            raise ValueError(f"the schema of the queue {str(queue['queue'])[:60]!r} is not the one it names")
        texts = [queue[name] for name in ("queue", "ordered_by", "opened_at")]
        if not all(isinstance(text, str) and 0 < len(text) <= 200 and text.isprintable() for text in texts):
            raise ValueError("a queue has no name that can be printed")
        n = queue["labels_per_item"]
        is_number = isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= MOST_LABELS
        if times_of(pl.Series([queue["opened_at"]])).null_count() or not is_number:
            raise ValueError(
                f"the queue {queue['queue']!r} was opened at no time, or for no number of labels"
            )
    return UUID(str(told["export_id"])), queues


def _check_key(row: dict[str, Any]) -> None:
    key = UUID(row["feedback_key"])
    own = row["feedback_id"] and UUID(row["feedback_id"])
    if str(key) != row["feedback_key"] or not is_key(key) or (own and key_of(own) != key):
        raise ValueError("its feedback_key stands for no label, or for another")
    if (own is None) is not (row["author"] is None):
        raise ValueError("it has an id without an author, or an author without an id")
    if row["annotator"] is None or row["annotator"] < 1:
        raise ValueError("it does not say which annotator gave it")
    if row["feedback_type"] not in (Act.LABEL, Act.ADJUDICATION):
        raise ValueError(f"{str(row['feedback_type'])[:60]!r} is no label")


def _check_answers(label: Label, schema: LabelSchema | None) -> None:
    """Raise where a label's answers are none to what its file says was asked, or say another success than it does."""
    json.dumps(label.answers, allow_nan=False)
    if schema is not None and schema.success(schema.check(label.answers)) != label.success:
        raise ValueError("its success is not what its answers say")


def _as_label(row: dict[str, Any], author: str, feedback_id: str) -> Label:
    """Return a row as a label; what a label has beside its fields is not in a file."""
    fields = (
        "task_id",
        "visibility",
        "success",
        "queue",
        "label_schema",
        "comment",
        "seconds",
        "saw_suggestion",
        "via",
    )
    return Label(
        feedback_id=UUID(feedback_id),
        timestamp=row["given_at"],
        author=author,
        act=row["feedback_type"],
        answers=json.loads(row["answers"] or "{}"),
        **{name: row[name] for name in fields},
    )


def _label(row: dict[str, Any], name: str, own: str, file: str) -> Label:
    is_own = row["author"] == own
    try:
        return _as_label(row, name, row["feedback_id"] if is_own else row["feedback_key"])
    except ValidationError as error:
        raise FeedbackError(f"{file}: {_words(error)}") from error


def _known(connection: duckdb.DuckDBPyConnection, rows: Sequence[dict[str, Any]]) -> dict[str, str | None]:
    """Return the keys that the store knows, each with whose it is there; None where it was deleted."""
    coming = pl.DataFrame(
        {"feedback_key": [row["feedback_key"] for row in rows]}, schema={"feedback_key": pl.String}
    )
    with lent(connection, coming=coming):
        return dict(fetch(connection, _KNOWN).iter_rows())


def _names(
    rows: Sequence[dict[str, Any]], known: dict[str, str | None], own: str, export_id: UUID
) -> dict[int, str]:
    """Return under which name each annotator of a file comes in: one's own, the one an older file gave, or a new one.

    Somebody whose labels came in from an older export of the same store stays one person, and nobody takes the name of
    anybody who gave something here.
    """
    names = {row["annotator"]: f"annotator {row['annotator']} of {export_id.hex[:12]}" for row in rows}
    for row in rows:
        before = known.get(row["feedback_key"])
        if before and _PSEUDONYM.fullmatch(before):
            names[row["annotator"]] = before
    return names | {row["annotator"]: own for row in rows if row["author"] == own}


def _as_lines(labels: Sequence[Label]) -> pl.DataFrame:
    """Return labels as the spool would give them to the store, their secrets masked."""
    lines = lines_of(labels).split(b"\n")
    given = read_lines([line for line in lines if line]).frames[FEEDBACK]
    return given.with_columns(timestamp=times_of(given["timestamp"])).drop("kind", "place")


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"[:300]
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
