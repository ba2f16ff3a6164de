"""A page to label from: what a queue holds and why, the widget, and what has been given in it so far."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from learnlab.errors import ReportError
from learnlab.feedback.asking.situations import in_notebook
from learnlab.feedback.labelling.queues import Queue, known_queue, open_queue
from learnlab.feedback.labelling.schemas import EXPERT, OUTCOME, Kind, LabelSchema, Question
from learnlab.feedback.ordering import ordered
from learnlab.intervals import Interval, bootstrap, wilson
from learnlab.people import TEAM, me
from learnlab.reports.estimates import quantiles
from learnlab.reports.publish import say, stop
from learnlab.store import Store

SCHEMAS = {schema.name: schema for schema in (OUTCOME, EXPERT)}
"""What a queue that is opened from the page may ask."""


@dataclass(frozen=True)
class Desk:
    """A queue and its items in their order; `is_open` is false where nobody has opened it and the page only looks.

    `tasks`: place, task_id, why, task_type, model_tier, repo, description. `given`: the query queue_given, as far as
    whoever is here may see it: in a notebook that person, in a report the store's users.
    """

    name: str
    store: Store
    schema: LabelSchema
    labels_per_item: int
    ordered_by: str
    tasks: pl.DataFrame
    given: pl.DataFrame
    queue: Queue | None
    is_here: bool

    @property
    def is_open(self) -> bool:
        """Whether somebody has opened the queue."""
        return self.queue is not None


def desk(
    db: str | Path = "",
    *,
    queue: str,
    n_items: int,
    labels_per_item: int,
    ordered_by: str,
    schema: str,
    repo: str,
    seed: int,
    open_in_report: bool,
) -> Desk:
    """Return a queue to label, joined where it is there, else opened; a report opens none unless it is told to.

    Where there is nothing to label, the notebook stops with the reason.

    Raises:
        ReportError: when `schema` is none.
        FeedbackError: as `open_queue` does.
        StoreError: when there is no such store, or it cannot be written.
    """
    if schema not in SCHEMAS:
        raise ReportError(f"a queue asks for {' or '.join(SCHEMAS)}, not for {str(schema)[:100]!r}")
    is_here = in_notebook()
    store = Store(db, viewer=me() if is_here else TEAM)
    with store.reading():
        items = ordered(store, n_items, by=ordered_by, seed=seed, repo=repo or None)
        found = known_queue(queue, store)
    if found is None and items.is_empty():
        stop(
            "No executions here that wait for a person's verdict: whoever has labelled them all may look at more."
        )
    if found is None and (is_here or open_in_report):
        asked = {"labels_per_item": labels_per_item, "ordered_by": ordered_by, "n": n_items, "seed": seed}
        found = open_queue(queue, store, schema=SCHEMAS[schema], repo=repo or None, **asked)  # type: ignore[arg-type]
    with store.reading():
        items = found.items() if found else items
        kinds = store.query("queue_tasks", {"tasks": items["task_id"].to_list()})
        given = store.query("queue_given", {"queue": queue})
    return Desk(
        name=queue,
        store=store,
        schema=found.schema if found else SCHEMAS[schema],
        labels_per_item=found.labels_per_item if found else labels_per_item,
        ordered_by=found.ordered_by if found else ordered_by,
        tasks=items.join(kinds, on="task_id", how="inner", maintain_order="left"),
        given=given,
        queue=found,
        is_here=is_here,
    )


def widget(desk: Desk) -> Any:
    """Return the widget to label with, where somebody is here; a report has nobody and says so."""
    if desk.queue is not None and desk.is_here:
        from learnlab.feedback.labelling.widget import LabelingWidget

        return LabelingWidget(desk.queue)
    what = "labels nothing" if desk.is_open else "opens no queue and labels nothing"
    return say(f"In JupyterLab the labelling stands here; a report {what}.")


def answered(desk: Desk) -> pl.DataFrame:
    """Return what was answered, a row an answer to a question: task_id, question, answer (as JSON has it)."""
    labels = desk.given.filter(feedback_type="label").drop_nulls("answers")
    rows = [
        {"task_id": task, "question": question, "answer": str(answer)}
        for task, answers in labels.select("task_id", "answers").iter_rows()
        for question, answer in json.loads(answers).items()
    ]
    return pl.DataFrame(rows, schema={"task_id": pl.String, "question": pl.String, "answer": pl.String})


def answers(desk: Desk) -> pl.DataFrame:
    """Return what people answered: the share of each answer to a choice, the mean of each score from 0 to 1.

    Columns: kind (share or mean), row (the question, and the answer), n_items, n_labels, value and its bounds. Labels
    of one item are not independent, so an item counts once, by what its labels come to; the interval of a share is
    Wilson's, that of a mean is bootstrapped over items.
    """
    said = answered(desk)
    rows = [
        row
        for question in desk.schema.questions
        for row in _rows(question, said.filter(question=question.name))
    ]
    columns: dict[str, type[pl.DataType]] = {"kind": pl.String, "row": pl.String}
    columns |= {"n_items": pl.Int64, "n_labels": pl.Int64}
    columns |= dict.fromkeys(("value", "value_low", "value_high"), pl.Float64)
    return pl.DataFrame(rows, schema=columns)


def _rows(question: Question, said: pl.DataFrame) -> Iterator[dict[str, Any]]:
    by_item = said.group_by("task_id", maintain_order=True)
    counts = {"n_items": said["task_id"].n_unique(), "n_labels": said.height}
    if question.kind == Kind.SCORE:
        means = by_item.agg(pl.col("answer").cast(pl.Float64).mean())["answer"].to_numpy()
        yield {"kind": "mean", "row": question.text} | counts | _figures(bootstrap(means))
        return
    for value in question.values:
        shares = by_item.agg((pl.col("answer") == value.value).mean().alias("share"))["share"]
        found = wilson(min(float(shares.sum()), len(shares)), len(shares)) if len(shares) else None
        yield {"kind": "share", "row": f"{question.text} · {value.text}"} | counts | _figures(found)


def _figures(found: Interval | None) -> dict[str, float | None]:
    ends = {"": "estimate", "_low": "low", "_high": "high"}
    return {f"value{end}": getattr(found, part, None) for end, part in ends.items()}


def speed(desk: Desk) -> pl.DataFrame:
    """Return the median seconds of one's own labels, with its bounds: n, seconds_p50; no row in a report."""
    own = desk.given.filter("is_own", feedback_type="label").with_columns(whose=pl.lit("own"))
    return quantiles(own, "seconds", 50, "whose").drop("whose")
