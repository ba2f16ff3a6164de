"""What was answered in a labelling queue: the labels that count, question by question, without anybody's name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from learnlab.feedback.agreement.coefficients import Scale
from learnlab.feedback.labelling.queues import joined
from learnlab.feedback.labelling.schemas import Kind, LabelSchema, Question
from learnlab.people import TEAM, Act, Viewer
from learnlab.store import Store


@dataclass(frozen=True)
class Answered:
    """What was answered in a queue: its schema, and the rows of the query queue_labels, a row a label that counts.

    `labels` are those by which agreement is told, `settled` the words that ended a disagreement.
    """

    queue: str
    schema: LabelSchema
    labels: pl.DataFrame
    settled: pl.DataFrame

    def to(self, question: Question) -> pl.DataFrame:
        """Return the answers to one question, a row a label: item, annotator, label (text, or a number for a score).

        "Cannot tell", and a question left out, are null: they say nothing, and so neither agree nor differ.
        """
        return self.labels.select(
            item="task_id", annotator="annotator", label=answer_to(question, pl.col("answers"))
        )


def answer_to(question: Question, answers: pl.Expr) -> pl.Expr:
    """Return the answers to a question from answers as JSON; null where it is not answered or could not be told."""
    said = answers.str.json_path_match(f"$.{question.name}")
    if question.kind == Kind.SCORE:
        return said.cast(pl.Float64, strict=False)
    return said.replace("unknown", None) if question.kind == Kind.YES_NO_UNKNOWN else said


def scale_of(question: Question) -> Scale:
    """Return what a difference of two answers to a question is worth: their distance for scores, else all the same."""
    return Scale.INTERVAL if question.kind == Kind.SCORE else Scale.NOMINAL


def answered(queue: str, db: str | Path = "", *, viewer: Viewer = TEAM) -> Answered:
    """Return what was answered in a queue, as far as whoever looks may see it.

    Labels that were given to another version of the schema are left out: they answer something else.

    Raises:
        FeedbackError: when there is no such queue.
        StoreError: when there is no such store.
    """
    store = Store(db, viewer=viewer)
    with store.reading():
        schema = joined(queue, store).schema
        labels = store.query("queue_labels", {"queue": queue}).filter(label_schema=schema.key)
    is_label = pl.col("feedback_type") == Act.LABEL.value
    return Answered(queue, schema, labels.filter(is_label), labels.filter(~is_label))
