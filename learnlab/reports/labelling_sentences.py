"""Sentences of a page to label from: what is asked and why, what has been given, how quickly."""

from __future__ import annotations

import polars as pl

from learnlab.intervals import TOO_FEW
from learnlab.reports.labelling import Desk, answers, speed
from learnlab.reports.sentences import estimated

_ORDERS = {
    "random": "drawn by lot, so that they stand for all that wait for a verdict",
    "uncertainty": "ordered by where a label takes most from the uncertainty about tasks of its kind",
    "disagreement": "ordered by where people contradict each other or the log",
    "coverage": "ordered by the kinds of task with the fewest verdicts",
    "age": "ordered by what has waited longest",
    "mixed": "a mix of what is uncertain, disputed, little known, old and drawn by lot",
    "given": "named one by one by whoever opened it",
}


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def asked(desk: Desk) -> str:
    """Return what a queue holds, what it asks, and how its items were chosen."""
    n = _count(desk.tasks.height, "execution")
    how = _ORDERS.get(desk.ordered_by, f"ordered by {desk.ordered_by}")
    wanted = _count(desk.labels_per_item, "person", "people")
    told = f"{n}, {how}; it asks {wanted} of each: “{desk.schema.title}”"
    if desk.is_open:
        return f"The queue {desk.name} holds {told}."
    return f"Nobody has opened the queue {desk.name} yet. It would hold {told}."


def spread(tasks: pl.DataFrame) -> str:
    """Return of how many kinds and repos the items are, and which kind has the most of them.

    >>> spread(pl.DataFrame({"task_type": ["docs", "docs", "test"], "repo": ["shop", "bank", "shop"]}))
    'They are of 2 task types in 2 repos, the most of them docs (2 of 3).'
    """
    kinds = tasks.group_by("task_type").len().sort("len", "task_type", descending=[True, False])
    kind, n = kinds.row(0)
    types, repos = (
        _count(tasks[name].n_unique(), noun) for name, noun in (("task_type", "task type"), ("repo", "repo"))
    )
    return f"They are of {types} in {repos}, the most of them {kind} ({n:,} of {tasks.height:,})."


def first(tasks: pl.DataFrame) -> str:
    """Return why the first item is asked about (`labelling.Desk.tasks`).

    >>> first(pl.DataFrame({"why": ["drawn by lot", "drawn by lot"]}))
    'All items are asked about for one reason: drawn by lot.'
    """
    reasons = tasks["why"].drop_nulls().unique(maintain_order=True).to_list()
    if not reasons:
        return "No reason is kept for why these are asked about."
    if len(reasons) == 1:
        return f"All items are asked about for one reason: {reasons[0]}."
    return f"The first item is asked about for this reason: {reasons[0]}."


def given(desk: Desk) -> str:
    """Return how many labels there are that whoever looks may see, on how many items, and how many of their own."""
    labels = desk.given.filter(feedback_type="label")
    if labels.is_empty():
        return "No label has been given in it yet that may be shown here."
    n_items, n_own = labels["task_id"].n_unique(), labels["is_own"].sum()
    own = f", {n_own:,} of them by you" if desk.is_here else ""
    skipped = _count(desk.given.filter(feedback_type="skip").height, "skip")
    return f"{_count(labels.height, 'label')} on {n_items:,} of {_count(desk.tasks.height, 'item')}{own}; {skipped}."


def most(desk: Desk) -> str:
    """Return what was answered most, or scored highest, with its interval, or that it is too few to tell."""
    rows = answers(desk)
    known = rows.drop_nulls("value").sort("kind", "value", descending=True)
    n = int(rows["n_items"].max() or 0)  # type: ignore[arg-type]
    if known.is_empty() or n < TOO_FEW:
        return f"Too few to tell what people answer: {_count(n, 'item')} with an answer."
    row = known.row(0, named=True)
    is_share = row["kind"] == "share"
    what = "The most frequent answer" if is_share else "The highest score"
    figure = estimated(row, "value", "rate" if is_share else "plain", "n_items")
    return f"{what}: {row['row'].replace(' · ', ' ')} {figure}."


def pace(desk: Desk) -> str:
    """Return how quickly whoever is here labels: the median with its interval, or that it is too few to tell."""
    if not desk.is_here:
        return "How long a label takes is told to whoever gives it, in JupyterLab; a report does not know it."
    found = speed(desk)
    n = int(found["n"].sum())
    if n < TOO_FEW:
        return f"Too few to tell how quickly you label: {_count(n, 'label')}."
    return f"Half of your labels took {estimated(found.row(0, named=True), 'seconds_p50', 'seconds', 'n')} or less."


def seen(desk: Desk) -> str:
    """Return how many labels were given after a suggestion was seen: those are no independent word."""
    labels = desk.given.filter(feedback_type="label")
    n = int(labels["saw_suggestion"].fill_null(False).sum())
    many = _count(labels.height, "label")
    return f"Of {many}, {n or 'none'} {'was' if n == 1 else 'were'} given after a suggestion had been seen."


def conclusions(desk: Desk) -> list[str]:
    """Return what the page says."""
    if not desk.is_open:
        return [
            asked(desk),
            spread(desk.tasks),
            "Whoever opens this page in JupyterLab (learnlab lab) opens it, and labels there.",
        ]
    said = [asked(desk), given(desk), most(desk), pace(desk)]
    return [*said, seen(desk)] if desk.given.filter(feedback_type="label").height else said
