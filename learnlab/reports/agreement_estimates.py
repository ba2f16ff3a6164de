"""How far labellers agree, made ready for a page: by question, by person, by pair, by item, and with the log."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from learnlab.feedback.agreement.answers import Answered, answer_to, answered, scale_of
from learnlab.feedback.agreement.coefficients import (
    Agreement,
    agreement_by_annotator,
    agreement_by_item,
    cohen_kappa,
    krippendorff_alpha,
    raw_agreement,
)
from learnlab.feedback.labelling.schemas import Kind, Question
from learnlab.intervals import wilson
from learnlab.reports.publish import stop
from learnlab.store import Store

MOST_PEOPLE = 12
"""People whose pairs are compared, those with the most labels: beyond it nobody reads the table."""

WORDS = ("yes", "no", "cannot tell")
"""What somebody can say of success."""


def labels(db: str | Path = "", *, queue: str = "") -> Answered:
    """Return what was answered in a queue, by default the one with the most labels, as the store's users may see it.

    Where there is nothing, the notebook stops with the reason.

    Raises:
        StoreError: when there is no such store.
    """
    store = Store(db)
    with store.reading():
        queues = store.query("labelled_queues").filter(pl.col("n_labels") > 0)
        wanted = queues.filter(queue=queue) if queue else queues
        if wanted.is_empty():
            where = f" in a queue {queue[:100]!r}" if queue else ""
            stop(
                f"No labels{where} here yet. Give some in a labelling queue: the notebook on labelling shows how."
            )
        found = answered(wanted["queue"][0], db)
    if found.labels.is_empty():
        stop("No labels here that answer what the queue asks.")
    return found


def _told(found: Agreement) -> dict[str, Any]:
    interval = found.interval
    return {
        "value": interval.estimate if interval else None,
        "value_low": interval.low if interval else None,
        "value_high": interval.high if interval else None,
        "n_items": found.n_items,
        "n_labels": found.n_labels,
        "n_annotators": found.n_annotators,
        "reason": found.reason,
    }


_TOLD = {
    "value": pl.Float64,
    "value_low": pl.Float64,
    "value_high": pl.Float64,
    "n_items": pl.Int64,
    "n_labels": pl.Int64,
    "n_annotators": pl.Int64,
    "reason": pl.String,
}


def _frame(rows: Iterable[dict[str, Any]], *names: str) -> pl.DataFrame:
    schema: dict[str, Any] = dict.fromkeys(names, pl.String) | _TOLD
    return pl.DataFrame(list(rows), schema=schema)


def _named(found: Answered, question: Question, name: str) -> str:
    """Return a name with the question that it is about, where a queue asks several."""
    return f"{question.name} · {name}" if len(found.schema.questions) > 1 else name


def overall(found: Answered) -> pl.DataFrame:
    """Return how far all agree: two rows a question, raw agreement and α, each with its interval or why there is none.

    Columns: question, figure, row (what a figure calls it), value with bounds, n_items, n_labels, n_annotators, reason.
    """
    rows = []
    for question in found.schema.questions:
        said, scale = found.to(question), scale_of(question)
        for figure, told in (("raw", raw_agreement(said, scale)), ("alpha", krippendorff_alpha(said, scale))):
            row = _named(found, question, "all together")
            rows.append({"question": question.name, "figure": figure, "row": row} | _told(told))
    return _frame(rows, "question", "figure", "row")


def pairs(found: Answered) -> pl.DataFrame:
    """Return Cohen's κ of each two people on what both labelled: question, row, value with bounds, n_items, reason.

    Scores have none: κ knows no distance, and two that differ a little would count as different.
    """
    rows = []
    for question in found.schema.questions:
        if question.kind == Kind.SCORE:
            continue
        said = found.to(question).drop_nulls()
        most = said.group_by("annotator").len().sort("len", "annotator", descending=[True, False])
        for one, other in combinations(sorted(most["annotator"].head(MOST_PEOPLE)), 2):
            row = _named(found, question, f"{one} and {other}")
            rows.append({"question": question.name, "row": row} | _told(cohen_kappa(said, one, other)))
    return _frame(rows, "question", "row")


def without_each(found: Answered) -> pl.DataFrame:
    """Return α of all, and of all but each one in turn: question, row, left_out (null for nobody), value with bounds."""
    rows = []
    for question in found.schema.questions:
        said, scale = found.to(question).drop_nulls(), scale_of(question)
        people = sorted(said["annotator"].unique()) if said["annotator"].n_unique() > 2 else []
        for one in (None, *people):
            kept = said if one is None else said.filter(pl.col("annotator") != one)
            row = _named(found, question, "everybody" if one is None else f"without {one}")
            told = {"question": question.name, "row": row, "left_out": one and str(one)}
            rows.append(told | _told(krippendorff_alpha(kept, scale)))
    return _frame(rows, "question", "row", "left_out")


def people(found: Answered) -> pl.DataFrame:
    """Return each person beside the others and beside the log, two rows a person and question.

    Columns: question, annotator, beside ("the others" or "the log"), row, rate with bounds (Wilson, over items), n
    (items), n_unsure (of the labels that this person gave, those that could not tell).
    """
    rows = []
    for question in found.schema.questions:
        said = found.to(question)
        unsure = dict(said.group_by("annotator").agg(pl.col("label").null_count()).iter_rows())
        with_others = agreement_by_annotator(said, scale_of(question)).rename(
            {"agreement": "rate", "agreement_low": "rate_low", "agreement_high": "rate_high", "n_items": "n"}
        )
        beside = {"the others": with_others.to_dicts()}
        if question.name == found.schema.verdict:
            beside["the log"] = [
                {"annotator": one, "n": n, **_rate(n_same, n)}
                for one, n_same, n in _with_log(found, question)
            ]
        for name, told in beside.items():
            rows += [
                {
                    "question": question.name,
                    "beside": name,
                    "row": _named(found, question, f"annotator {row['annotator']}"),
                    "n_unsure": unsure[row["annotator"]],
                }
                | row
                for row in told
            ]
    order = ("question", "annotator", "beside", "row", "rate", "rate_low", "rate_high", "n", "n_unsure")
    texts = dict.fromkeys(("question", "beside", "row"), pl.String())
    kinds = {name: texts.get(name, pl.Float64() if name.startswith("rate") else pl.Int64()) for name in order}
    return pl.DataFrame(rows, schema=kinds).sort("question", "annotator", "beside")


def _rate(successes: int, n: int) -> dict[str, float | None]:
    found = wilson(successes, n)
    return {
        "rate": found.estimate if found else None,
        "rate_low": found.low if found else None,
        "rate_high": found.high if found else None,
    }


def _with_log(found: Answered, question: Question) -> list[tuple[int, int, int]]:
    """Return how many of each person's answers the log gives as well, and of how many that both say."""
    said = found.labels.with_columns(said=_success(question)).drop_nulls(["said", "logged"])
    same = (pl.col("said") == pl.col("logged")).sum().cast(pl.Int64)
    return said.group_by("annotator").agg(same, n=pl.len().cast(pl.Int64)).sort("annotator").rows()


def _success(question: Question) -> pl.Expr:
    word = answer_to(question, pl.col("answers"))
    return word.replace_strict({"yes": True, "no": False}, default=None, return_dtype=pl.Boolean)


def against_log(found: Answered) -> pl.DataFrame:
    """Return how often each answer on success goes with what the log says: said, logged, n, share of the log's verdict.

    Every combination has a row; none where the queue does not ask about success, or the log has no verdict.
    """
    question = _verdict(found)
    if question is None:
        return pl.DataFrame(
            schema={"said": pl.String, "logged": pl.String, "n": pl.Int64, "share": pl.Float64}
        )
    word = answer_to(question, pl.col("answers")).fill_null(WORDS[2])
    logged = pl.when("logged").then(pl.lit("succeeded")).otherwise(pl.lit("failed"))
    both = found.labels.drop_nulls("logged").select(said=word, logged=logged)
    grid = pl.DataFrame({"said": WORDS}).join(both.select("logged").unique(), how="cross")
    counted = grid.join(both.group_by("said", "logged").agg(n=pl.len()), on=["said", "logged"], how="left")
    n = pl.col("n").fill_null(0).cast(pl.Int64)
    return counted.select("said", "logged", n.alias("n"), share=n / n.sum().over("logged")).sort(
        "logged", "said"
    )


def _verdict(found: Answered) -> Question | None:
    return next((one for one in found.schema.questions if one.name == found.schema.verdict), None)


def verdicts(found: Answered) -> pl.DataFrame:
    """Return what people together say of each item, a row an item, where the queue asks about success.

    Columns: task_id, description, n_yes, n_no, n_unsure, is_settled, verdict (the settling word, else what most say, null
    for a tie or no word), logged and logged_source (null where the log says nothing).
    """
    question = _verdict(found)
    if question is None:
        return pl.DataFrame(schema={"task_id": pl.String, "verdict": pl.Boolean, "logged": pl.Boolean})
    said = found.labels.with_columns(said=_success(question))
    counted = said.group_by("task_id").agg(
        pl.col("description", "logged", "logged_source").first(),
        n_yes=pl.col("said").sum().cast(pl.Int64),
        n_no=(~pl.col("said")).sum().cast(pl.Int64),
        n_unsure=pl.col("said").null_count().cast(pl.Int64),
    )
    words = found.settled.with_columns(word=_success(question)).drop_nulls("word")
    settled = words.group_by("task_id").agg(
        word=pl.when(pl.col("word").n_unique() == 1).then(pl.col("word").first())
    )
    by_most = pl.when(pl.col("n_yes") != pl.col("n_no")).then(pl.col("n_yes") > pl.col("n_no"))
    joined = counted.join(settled, on="task_id", how="left")
    return joined.select(
        "task_id",
        "description",
        "n_yes",
        "n_no",
        "n_unsure",
        is_settled=pl.col("word").is_not_null(),
        verdict=pl.coalesce("word", by_most),
        logged="logged",
        logged_source="logged_source",
    ).sort("task_id")


def items(found: Answered) -> pl.DataFrame:
    """Return the items that two people labelled, the most disputed first: question, item, n_labels, agreement."""
    return pl.concat(
        agreement_by_item(found.to(one), scale_of(one)).select(
            pl.lit(one.name).alias("question"), "item", "n_labels", "agreement"
        )
        for one in found.schema.questions
    ).sort("agreement", "n_labels", "item", descending=[False, True, False])
