"""Labels written to a file, as far as whoever it is written for may see them, with where they come from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import duckdb
import polars as pl

import learnlab
from learnlab.errors import FeedbackError
from learnlab.feedback.files import labelfile
from learnlab.models import now
from learnlab.people import Viewer
from learnlab.store import Store, sqlfiles
from learnlab.store.connection import fetch, lent, transaction
from learnlab.store.views import told

LEFT_OUT = (
    "what other people keep private",
    "labels that were replaced or undone",
    "ratings, skips and notes, which are no labels",
    "names, ids, hours and seconds of everybody but the one it was written for",
)
"""What a file of labels never holds."""

_QUEUES = """
select queue, label_schema, cast(schema as varchar) as schema, labels_per_item, ordered_by,
    strftime(opened_at, '%Y-%m-%dT%H:%M:%S.%fZ') as opened_at
from people.queues
where queue in (select queue from exported)
order by queue
"""

_NOTE = """
insert into people.exports (export_id, exported_at, file_name, feedback_ids)
select $export_id, $now, $file_name, list(feedback_id order by feedback_id)
from people.events
where feedback_key in (select cast(feedback_key as uuid) from exported)
"""


@dataclass(frozen=True)
class Exported:
    """A file of labels that was written: its path, the id of the export, and how many labels of how many people."""

    path: Path
    export_id: UUID
    n_labels: int
    n_annotators: int


def export_labels(
    path: str | Path, db: str | Path = "", *, viewer: Viewer, queue: str | None = None
) -> Exported:
    """Write the labels that count, of one queue or of all, to a .parquet, .csv or .jsonl file for its owner's eyes.

    What is in it is what the viewer may see: one's own whole, of others what is shared, by numbers instead of names.
    `import_labels` reads it back as it was. The store remembers which labels went into the file.

    Raises:
        FeedbackError: when there is no such label, or the file cannot be written; then an older one stays as it was.
        StoreError: when there is no such store, or it cannot be written.
    """
    path, store = Path(path).expanduser().absolute(), Store(db, viewer=viewer)
    kind = labelfile.kind_of(path)
    if path.is_dir() or not path.parent.is_dir():
        raise FeedbackError(
            f"{path} cannot be written: {'it is' if path.is_dir() else 'there is no such'} folder"
        )
    if not store.exists():
        with store.reading():
            pass
    export_id, moment = uuid4(), now()
    with store.writing() as connection:
        with told(connection, viewer):
            query = sqlfiles.load("queries", "exported_labels").text
            rows = fetch(connection, query, {"queue": queue})
        if not len(rows):
            where = f"in the queue {queue!r} " if queue else ""
            raise FeedbackError(
                f"there is no label {where}that {viewer.words()} may see: nothing was written"
            )
        labels = _numbered(rows)
        with lent(connection, exported=labels.select("feedback_key", "queue")):
            provenance = _provenance(connection, store, viewer, queue, export_id, moment)
            content = labelfile.written(_with(labels, provenance), kind)
            place = labelfile.put(path, content)
            with transaction(connection):
                given = {"export_id": export_id, "now": moment.replace(tzinfo=None), "file_name": path.name}
                connection.execute(_NOTE, given)
    place()
    return Exported(path, export_id, len(labels), labels["annotator"].n_unique())


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the labels with their annotators numbered from 1 on, whoever gave most first, ties by their keys.

    So that the numbers follow from what is in the file alone, and are the same when it was read into another store.
    """
    people = rows.group_by("annotator").agg(n=pl.len(), first=pl.col("feedback_key").min())
    people = people.sort("n", "first", descending=[True, False])
    numbers = people.select("annotator", number=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    numbered = rows.join(numbers, on="annotator", maintain_order="left")
    return numbered.with_columns(
        annotator="number", given_at=pl.col("given_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    ).drop("number")


def _provenance(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    viewer: Viewer,
    queue: str | None,
    export_id: UUID,
    moment: datetime,
) -> str:
    told = {
        "learnlab": learnlab.__version__,
        "export_id": str(export_id),
        "exported_at": moment.isoformat(),
        "store": Path(store.name).name,
        "queue": queue,
        "written_for": viewer.words(),
        "left_out": LEFT_OUT,
        "queues": fetch(connection, _QUEUES).to_dicts(),
    }
    return json.dumps(told, ensure_ascii=False)


def _with(labels: pl.DataFrame, provenance: str) -> pl.DataFrame:
    first = pl.int_range(pl.len()) == 0
    return labels.with_columns(provenance=pl.when(first).then(pl.lit(provenance)))
