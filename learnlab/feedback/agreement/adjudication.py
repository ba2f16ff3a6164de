"""Ending disagreements: on which items labels differ, and the word that settles one, given without seeing names."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl

from learnlab.feedback.agreement.answers import answer_to, answered, scale_of
from learnlab.feedback.agreement.coefficients import agreement_by_item
from learnlab.feedback.giving import give, known_task
from learnlab.feedback.labelling.queues import joined
from learnlab.feedback.labelling.schemas import Question
from learnlab.people import TEAM, Act, Label, Viewer, Visibility, own_name
from learnlab.store import Store


def disagreements(queue: str, db: str | Path = "", *, viewer: Viewer = TEAM) -> pl.DataFrame:
    """Return the items of a queue on which labels that count differ and nobody has settled it, the most disputed first.

    A row an item and question: task_id, question, n_labels, agreement (0-1, `agreement.raw_agreement`), answers (how
    often each was given, in words, whose is not said), description (the beginning of what was asked for).

    Raises:
        FeedbackError: when there is no such queue.
        StoreError: when there is no such store.
    """
    found = answered(queue, db, viewer=viewer)
    unsettled = found.labels.join(found.settled, on="task_id", how="anti")
    rows = [_disputed(unsettled, question) for question in found.schema.questions]
    return pl.concat(rows).sort("agreement", "n_labels", "task_id", descending=[False, True, False])


def _disputed(labels: pl.DataFrame, question: Question) -> pl.DataFrame:
    said = labels.select(
        "description",
        item="task_id",
        annotator="annotator",
        label=answer_to(question, pl.col("answers")),
    )
    agreement = agreement_by_item(said, scale_of(question)).filter(pl.col("agreement") < 1)
    counted = (
        said.drop_nulls("label").group_by("item", "label").agg(n=pl.len(), text=pl.col("description").first())
    )
    words = counted.sort("n", "label", descending=[True, False]).group_by("item", maintain_order=True)
    in_words = words.agg(
        answers=pl.format("{}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{}", "label", "n").str.join(" · "),
        description=pl.col("text").first(),
    )
    return agreement.join(in_words, on="item").select(
        task_id="item",
        question=pl.lit(question.name),
        n_labels="n_labels",
        agreement="agreement",
        answers="answers",
        description="description",
    )


def adjudicate(
    task: str,
    answers: dict[str, Any],
    *,
    queue: str,
    db: str | Path = "",
    author: str | None = None,
    comment: str | None = None,
    visibility: Visibility = Visibility.TEAM,
) -> Label:
    """Settle what is said of an item of a queue, and return the label that says so; it outranks the others.

    The labels stay as they are, and so does how far people agreed.

    Raises:
        FeedbackError: when there is no such queue or execution, or the answers do not fit what the queue asks.
        StoreError: when there is no such store, or it cannot be written down.
    """
    store = Store(db)
    schema = joined(queue, store).schema
    checked = schema.check(answers)
    label = Label(
        task_id=UUID(known_task(store, task)),
        author=author or own_name(),
        visibility=visibility,
        comment=comment,
        act=Act.ADJUDICATION,
        queue=queue,
        label_schema=schema.key,
        answers={**checked},
        success=schema.success(checked),
    )
    give(store.path, label)
    return label
