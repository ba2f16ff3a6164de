"""Sentences about agreement: how far labellers agree and what that means, who differs, and what can be learned from."""

from __future__ import annotations

import polars as pl

from learnlab.feedback.agreement.answers import Answered, scale_of
from learnlab.feedback.agreement.coefficients import Scale
from learnlab.intervals import TOO_FEW, Interval, difference, wilson
from learnlab.reports.sentences import Row, estimated, shown


def _are(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def counted(found: Answered) -> str:
    """Return how many people gave how many labels, on how many executions, and how many of these have two."""
    n_of_item = found.labels.group_by("task_id").len()["len"]
    n_people, n_two = found.labels["annotator"].n_unique(), int((n_of_item > 1).sum())
    return (
        f"In {found.queue} {_are(n_people, 'person', 'people')} gave "
        f"{_are(found.labels.height, 'label that counts', 'labels that count')} on "
        f"{_are(len(n_of_item), 'execution', 'executions')}; {n_two:,} of them "
        f"{'has' if n_two == 1 else 'have'} two labels or more, by which agreement is told."
    )


def agreed(found: Answered, overall: pl.DataFrame) -> str:
    """Return how far all agree on the question on which they agree least, raw and beyond chance, and what that means.

    `overall` is that of `agreement_estimates`. Where it cannot be told, the reason.
    """
    alphas = overall.filter(figure="alpha")
    told = alphas.drop_nulls("value").sort("value", "question").to_dicts()
    if not told:
        return f"How far they agree cannot be told: {alphas['reason'][0]}."
    row = told[0]
    raw = overall.filter(figure="raw", question=row["question"]).to_dicts()[0]
    on = f" on {row['question']}, where they agree least," if alphas.height > 1 else ""
    few = f" On {row['n_items']} items that is too few to tell much." if row["n_items"] < TOO_FEW else ""
    left = shown(1 - row["value"], "rate")
    scale = next(scale_of(one) for one in found.schema.questions if one.name == row["question"])
    same = "are the same in" if scale == Scale.NOMINAL else "are alike to"
    differ = "as often as" if scale == Scale.NOMINAL else "as far from each other as"
    return (
        f"Two labels on one item{on} {same} {estimated(raw, 'value', 'rate', 'n_items')}; beyond what chance "
        f"gives, α is {estimated(row, 'value', 'plain', 'n_items')}: labellers differ {left} {differ} "
        f"chance alone would make them.{few}"
    )


def least(found: Answered, people: pl.DataFrame, without: pl.DataFrame) -> str:
    """Return who agrees least with the others, to whom the difference is not sure, and how far these agree without them.

    It is sure where its interval lies above zero; that takes the two figures as independent.
    `people` and `without` are those of `agreement_estimates`.
    """
    enough = people.filter(pl.col("beside") == "the others", pl.col("n") >= TOO_FEW).drop_nulls("rate")
    if enough["annotator"].n_unique() < 3:
        return (
            "Who differs from the others cannot be told: it takes three people with enough items in common."
        )
    row = enough.sort("rate", "annotator").to_dicts()[0]
    on = f" on {row['question']}" if len(found.schema.questions) > 1 else ""
    figure = estimated(row, "rate", "rate", "n")
    others = enough.filter(pl.col("question") == row["question"], pl.col("annotator") != row["annotator"])
    close = [
        str(other["annotator"])
        for other in others.sort("annotator").to_dicts()
        if difference(_interval(other), _interval(row)).low <= 0
    ]
    doubt = f" The difference to annotator {', and to '.join(close)} is too close to call." if close else ""
    said = f"Annotator {row['annotator']} agrees least with the others{on}, at {figure}"
    rest = (
        without.filter(question=row["question"], left_out=str(row["annotator"]))
        .drop_nulls("value")
        .to_dicts()
    )
    if not rest:
        return f"{said}.{doubt}"
    return f"{said}; α of the others alone is {estimated(rest[0], 'value', 'plain', 'n_items')}.{doubt}"


def _interval(row: Row) -> Interval:
    return Interval(row["rate"], row["rate_low"], row["rate_high"], row["n"])


def with_log(verdicts: pl.DataFrame) -> str:
    """Return how often what people together say is what the log says, of the items where both say something."""
    both = verdicts.drop_nulls(["verdict", "logged"])
    if both.is_empty():
        return "The log has no verdict of its own on what was labelled, so labels cannot be put beside it."
    same = wilson(int((both["verdict"] == both["logged"]).sum()), both.height)
    assert same is not None
    row = {"rate": same.estimate, "rate_low": same.low, "rate_high": same.high, "n": same.n}
    sources = ", ".join(both["logged_source"].replace("ci", "CI").unique().sort())
    few = " Too few to tell more." if both.height < TOO_FEW else ""
    return (
        f"What most labellers say of an execution is what the log says ({sources}) in "
        f"{estimated(row, 'rate', 'rate', 'n')}; where they differ, either may be wrong.{few}"
    )


def to_settle(disputed: pl.DataFrame, verdicts: pl.DataFrame) -> str:
    """Return how many items are disputed and unsettled, and on how many of them labels leave no verdict."""
    n_items = disputed["task_id"].n_unique()
    if not n_items:
        return "Nothing is disputed that nobody has settled."
    said = f"{_are(n_items, 'item is', 'items are')} disputed and not settled yet"
    if "n_yes" not in verdicts.columns:
        return f"{said}."
    n_tied = verdicts.filter(
        pl.col("n_yes") == pl.col("n_no"), pl.col("n_yes") > 0, ~pl.col("is_settled")
    ).height
    return f"{said}; on {n_tied:,} of them as many say yes as no, so that nothing can be learned from them before."


def usable(verdicts: pl.DataFrame) -> str:
    """Return how many executions have a verdict of people, and how many of these rest on one person's word alone."""
    told = verdicts.drop_nulls("verdict")
    if told.is_empty():
        return "No execution has a verdict of people that could be learned from."
    alone = told.filter(pl.col("n_yes") + pl.col("n_no") == 1, ~pl.col("is_settled")).height
    share = shown(told.height / verdicts.height, "rate")
    return (
        f"{told.height:,} of {verdicts.height:,} labelled executions ({share}) have a verdict of people to learn from; "
        f"{alone:,} of them {'rests' if alone == 1 else 'rest'} on one person's word, with nobody to agree or differ."
    )


def conclusions(
    found: Answered,
    overall: pl.DataFrame,
    people: pl.DataFrame,
    without: pl.DataFrame,
    verdicts: pl.DataFrame,
    disputed: pl.DataFrame,
) -> list[str]:
    """Return what a page on agreement says in the end, for whoever decides whether the labels can be learned from."""
    said = [counted(found), agreed(found, overall), least(found, people, without)]
    if "n_yes" in verdicts.columns:
        said += [with_log(verdicts), usable(verdicts)]
    return [*said, to_settle(disputed, verdicts)]
