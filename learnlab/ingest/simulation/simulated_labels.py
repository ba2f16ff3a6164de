"""A simulated labelling queue: four people say whether executions succeeded, and how often each is wrong is known."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from uuid import UUID, uuid5

import duckdb
import numpy as np
import polars as pl

from learnlab.ingest.simulation.simulator import Fleet
from learnlab.people import Act, Visibility
from learnlab.store.connection import lent

QUEUE = "sample-audit"
"""The name of the queue."""

N_ITEMS = 120
"""Executions in it, drawn by lot from those that a verifier or CI has judged; fewer where fewer are judged."""

# fmt: off
#               wrong of what is answered, share of the items taken up, of which "cannot tell"
ANNOTATORS = {
    "person-2":  (0.04, 1.00, 0.02),
    "person-5":  (0.08, 0.80, 0.03),
    "person-8":  (0.12, 0.60, 0.05),
    "person-11": (0.30, 0.50, 0.05),
}
# fmt: on
"""Who labels, and how: wrong answers, gaps and "cannot tell" fall by lot, whatever the execution."""

SCHEMA = (
    '{"name":"outcome","questions":[{"is_required":true,"kind":"yes_no_unknown","name":"success",'
    '"text":"Did the agent do what the task asked for?","values":[{"text":"Yes","value":"yes"},'
    '{"text":"No","value":"no"},{"text":"Cannot tell","value":"unknown"}]}],"title":"Did it succeed?",'
    '"verdict":"success"}'
)
"""What is asked: the default label schema, as JSON."""

SCHEMA_KEY = f"outcome@{sha256(SCHEMA.encode()).hexdigest()[:12]}"
"""The key of the schema."""

SECONDS = (20.0, 0.6)
"""Median of the seconds that somebody looks at an item, and the standard deviation of their logarithm."""

_SPACE = UUID("6c61626c-6c61-8b00-8000-73616d706c65")

_OPEN = """
insert or ignore into people.queues (queue, opened_at, label_schema, schema, labels_per_item, ordered_by)
values ($queue, $opened_at, $key, $schema, 2, 'random')
"""
_ITEMS = """
insert into people.queue_items (queue, place, task_id, why)
select $queue, i.place, cast(i.task_id as uuid), 'drawn by lot from those that the log has judged'
from items i
where $queue not in (select queue from people.queue_items)
order by i.place
"""


def items(fleet: Fleet) -> pl.DataFrame:
    """Return the executions of the queue: place (from 1), task_id, success (what is true of it)."""
    judged = fleet.executions.filter(pl.col("success_source").is_in(["verifier", "ci"]))
    at = _rng(fleet).permutation(judged.height)[:N_ITEMS]
    return judged.select("task_id", "success")[at].with_columns(
        place=pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    )


def labels(fleet: Fleet) -> pl.DataFrame:
    """Return what the annotators answered, a row a label, with the columns of feedback that a label has."""
    asked = items(fleet)
    rng = np.random.default_rng([_number(fleet), 2])
    n = asked.height
    begin = fleet.executions["timestamp"].max()
    of_each = []
    for nth, (author, (wrong, taken, untold)) in enumerate(ANNOTATORS.items()):
        is_right = rng.random(n) >= wrong
        seconds = rng.lognormal(np.log(SECONDS[0]), SECONDS[1], n).round(1)
        said = asked.with_columns(
            author=pl.lit(author),
            is_taken=rng.random(n) < taken,
            is_told=rng.random(n) >= untold,
            said=pl.when(pl.Series(is_right)).then("success").otherwise(~pl.col("success")),
            seconds=pl.Series(seconds),
            timestamp=pl.lit(begin)
            + timedelta(hours=1 + 24 * nth)
            + pl.Series(np.cumsum(seconds * 1e6).astype(np.int64)).cast(pl.Duration("us")),
        )
        of_each.append(said.filter("is_taken"))
    told = pl.concat(of_each).with_columns(success=pl.when("is_told").then("said"))
    word = pl.col("success").replace_strict({True: "yes", False: "no"}, default="unknown")
    return told.select(
        feedback_id=pl.Series([str(uuid5(_SPACE, f"{a} {t}")) for a, t in told.select("author", "task_id").rows()]),
        task_id="task_id",
        timestamp="timestamp",
        feedback_type=pl.lit(Act.LABEL.value),
        author="author",
        visibility=pl.lit(Visibility.TEAM.value),
        success="success",
        queue=pl.lit(QUEUE),
        label_schema=pl.lit(SCHEMA_KEY),
        answers=pl.concat_str(pl.lit('{"success":"'), word, pl.lit('"}')),
        seconds="seconds",
        saw_suggestion=pl.lit(False),
    )  # fmt: skip


def open_simulated(connection: duckdb.DuckDBPyConnection, fleet: Fleet) -> None:
    """Write the queue down in a store that is open for writing; one that is there stays as it is."""
    opened_at = fleet.executions["timestamp"].max()
    with lent(connection, items=items(fleet).select("place", "task_id")):
        told = {"queue": QUEUE, "opened_at": opened_at, "key": SCHEMA_KEY, "schema": SCHEMA}
        connection.execute(_OPEN, told)
        connection.execute(_ITEMS, {"queue": QUEUE})


def _rng(fleet: Fleet) -> np.random.Generator:
    return np.random.default_rng([_number(fleet), 1])


def _number(fleet: Fleet) -> int:
    """Return a number that is another for every fleet, and always the same for one."""
    return UUID(fleet.executions["task_id"][0]).int
