"""Sentences about continual learning: what was forgotten, what the ways gain, and which to use at which size."""

from __future__ import annotations

from typing import Any

import polars as pl

from learnlab.reports.sentences import shown
from learnlab.routing.continual.memory import EWC_PLUS, JOINT, NAIVE
from learnlab.routing.continual.tuning import SET_APART

_SPACE = "\N{NO-BREAK SPACE}"
_UNIT = "thousandths of a nat"


def streamed(stream: pl.DataFrame) -> str:
    """Return how many domains come, in which order, and what is known of a task.

    >>> counts = {"n_tasks": [200, 150], "n_verdicts": [210, 150]}
    >>> rows = pl.DataFrame({"domain": ["docs", "test"], **counts, "has_text": False})
    >>> print(streamed(rows))
    2 domains come one after another, docs first and test last: 350 tasks with 360 trusted verdicts. Their texts have
    no vectors here: tasks are told apart by what else is known of them.
    """
    names, n, verdicts = stream["domain"], stream["n_tasks"].sum(), stream["n_verdicts"].sum()
    told = (
        f"{stream.height} domains come one after another, {names[0]} first and {names[-1]} last: "
        f"{n:,} tasks with {verdicts:,} trusted verdicts."
    )
    if stream["has_text"].any():
        return told
    return f"{told} Their texts have no vectors here: tasks are told apart by what else is known of them."


def chosen(tried: pl.DataFrame) -> str:
    """Return how firmly EWC and EWC++ hold, and what that was chosen by."""
    ways = [
        f"λ{_SPACE}={_SPACE}{shown(row['strength'], 'plain')} for {row['method']}"
        + (f" (decay {shown(row['decay'], 'plain')})" if row["method"] == EWC_PLUS else "")
        for row in tried.filter("is_chosen").to_dicts()
    ]
    return (
        f"{' and '.join(ways)}: best of {tried.height} settings by the log score at the end of the stream, on "
        f"{shown(SET_APART, 'rate')} of the groups of tasks, set apart for it and never judged by."
    )


def _row(figures: pl.DataFrame, method: str, figure: str) -> dict[str, Any]:
    return figures.filter(method=method, figure=figure).to_dicts()[0]


def _told(row: dict[str, Any], value: str) -> str:
    low, high = (shown(row[f"{value}{end}"], "plain") for end in ("_low", "_high"))
    return f"{shown(row[value], 'plain')} {_UNIT} (95{_SPACE}% interval {low} to {high})"


def _sign(row: dict[str, Any], value: str) -> int:
    return 1 if row[f"{value}_low"] > 0 else -1 if row[f"{value}_high"] < 0 else 0


def forgot(figures: pl.DataFrame) -> str:
    """Return whether fine-tuning alone forgets, by its backward transfer."""
    row = _row(figures, NAIVE, "backward transfer")
    verdict = {
        -1: "Learning one domain after another without a guard forgets",
        0: "Whether learning one domain after another forgets is too close to call",
        1: "Learning one domain after another without a guard forgets nothing: later domains teach the earlier ones",
    }[_sign(row, "estimate")]
    return (
        f"{verdict}: the log score of the earlier ones changes by {_told(row, 'estimate')}, "
        f"n{_SPACE}={_SPACE}{row['n_groups']:,} groups of tasks in {row['n_runs']} runs."
    )


def held(figures: pl.DataFrame) -> str:
    """Return whether EWC++ forgets less than fine-tuning alone, and what it costs in learning the new domain."""
    less, new = _row(figures, EWC_PLUS, "backward transfer"), _row(figures, EWC_PLUS, "when learned")
    verdict = {
        1: "EWC++ forgets less",
        0: "Whether EWC++ forgets less is too close to call",
        -1: "EWC++ forgets more",
    }
    price = {1: "learned better", 0: "learned about as well", -1: "learned less well"}
    return (
        f"{verdict[_sign(less, 'over_naive')]}: its backward transfer differs from that without a guard by "
        f"{_told(less, 'over_naive')}. A domain is {price[_sign(new, 'over_naive')]} when it comes: "
        f"{_told(new, 'over_naive')}."
    )


def against_joint(figures: pl.DataFrame) -> str:
    """Return how EWC++ compares with learning everything anew at the end of the stream, whichever way it goes."""
    row = _row(figures, EWC_PLUS, "average")
    verdict = {
        1: "At the end of the stream EWC++ is ahead of joint retraining",
        0: "At the end of the stream EWC++ and joint retraining are too close to call",
        -1: "At the end of the stream joint retraining is ahead of EWC++",
    }[_sign(row, "over_joint")]
    best = figures.filter(figure="average").sort("estimate", descending=True)["method"][0]
    return f"{verdict}: EWC++ − joint is {_told(row, 'over_joint')}. The best in the end is {best}."


def which(figures: pl.DataFrame, times: pl.DataFrame) -> str:
    """Return what to use at which size: joint retraining where it is better and can be waited for."""
    joint = times.filter(method=JOINT).sort("n_tasks").to_dicts()
    last, plus = joint[-1], times.filter(method=EWC_PLUS).sort("n_tasks").to_dicts()[-1]
    took = (
        f"{shown(last['seconds'], 'seconds')} at {last['n_tasks']:,} tasks, where EWC++ took "
        f"{shown(plus['seconds'], 'seconds')} for the {plus['n_new']:,} new ones"
    )
    if _sign(_row(figures, EWC_PLUS, "average"), "over_joint") < 0:
        return (
            f"While the store still has its past, retrain from it: that took {took}. EWC++ is for a router that learns "
            "on where the past is gone (forgotten, archived) or cannot be waited for."
        )
    return f"EWC++ is not known to be worse than retraining here, which took {took}: use what is quicker to have."


def conclusions(figures: pl.DataFrame, times: pl.DataFrame) -> list[str]:
    """Return what the page on continual learning says in the end."""
    return [forgot(figures), held(figures), against_joint(figures), which(figures, times)]
