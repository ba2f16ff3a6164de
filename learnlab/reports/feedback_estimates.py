"""What people gave, made ready for a page: who answers, what would be asked, and what answers come to by tier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from learnlab.errors import ReportError
from learnlab.feedback.asking.prompting import RULES, Does, asked_over
from learnlab.feedback.asking.questions import QUESTIONS
from learnlab.feedback.givers import givers
from learnlab.intervals import wilson
from learnlab.people import PUBLIC, TEAM, ContextualRating
from learnlab.reports.feedback_correction import corrected
from learnlab.reports.marks import TIER_COLOURS
from learnlab.reports.publish import stop
from learnlab.store import Store

AUDIENCES = {"team": TEAM, "public": PUBLIC}
"""Who a page may be made for."""

_QUERIES = ("answers", "contextual_answers", "issues_named", "given", "prompted")


@dataclass(frozen=True)
class Given:
    """What a page's readers may see of a store's feedback; for the public all frames but `public` are empty.

    `answers`, `contextual`, `issues`, `days`: the queries answers, contextual_answers, issues_named and given.
    `people`: how many gave it (`givers`). `asked`: each execution with whether the rules of prompting would ask about
    it, in hindsight, and whether it was rated. `public`: the view public_figures.
    """

    answers: pl.DataFrame
    contextual: pl.DataFrame
    issues: pl.DataFrame
    days: pl.DataFrame
    people: pl.DataFrame
    asked: pl.DataFrame
    public: pl.DataFrame


def given(db: str | Path = "", *, repo: str = "", audience: str = "team") -> Given:
    """Return what the store's users, or the public, may see of what people gave, all of one state of the store.

    Where there is nothing, the notebook stops with the reason.

    Raises:
        ReportError: when `audience` is neither team nor public.
        StoreError: when there is no such store.
    """
    if audience not in AUDIENCES:
        raise ReportError(f"a page is made for {' or '.join(AUDIENCES)}, not for {str(audience)[:100]!r}")
    store, is_public = Store(db, viewer=AUDIENCES[audience]), audience == "public"
    with store.reading():
        answers, contextual, issues, days, prompted = (
            store.query(name, {"repo": repo or None}) for name in _QUERIES
        )
        people = givers(store, repo)
        public = store.view("public_figures").sort("quarter", "task_type", "model_tier", "figure")
    if is_public and public.is_empty():
        stop("No public figures here yet: none has enough people behind it.")
    if not is_public and days.is_empty():
        stop("No feedback here yet that the team may see: `learnlab feedback submit` gives some.")
    asked = asked_over(prompted.clear() if is_public else prompted)
    rated = prompted.select("task_id", "task_type", "is_rated")
    return Given(
        answers=answers.clear() if is_public else answers,
        contextual=contextual,
        issues=issues,
        days=days,
        people=people,
        asked=asked.join(rated, on="task_id", how="left", maintain_order="left"),
        public=public,
    )


def rates(frame: pl.DataFrame, name: str, above: str, below: str) -> pl.DataFrame:
    """Return a frame of counts with the rate above / below under `name`, and its Wilson bounds; null of nothing.

    >>> rates(pl.DataFrame({"n_rated": [8], "n": [10]}), "rate", "n_rated", "n")["rate_low"].round(2).item()
    0.49
    """
    found = [wilson(s, n) for s, n in frame.select(above, below).iter_rows()]
    ends = {"": "estimate", "_low": "low", "_high": "high"}
    return frame.with_columns(
        pl.Series(f"{name}{end}", [getattr(one, part, None) for one in found], pl.Float64)
        for end, part in ends.items()
    )


def response_rates(answers: pl.DataFrame) -> pl.DataFrame:
    """Return the share of executions that were rated: of all, and by outcome, tier and task type.

    Columns: by, value, row (both in words), n_executions, n_rated, response_rate and its bounds.
    """
    parts = []
    for by in ("all tasks", "outcome", "model_tier", "task_type"):
        keyed = answers.with_columns(value=pl.lit("") if by == "all tasks" else pl.col(by))
        counted = keyed.group_by("value").agg(pl.col("n_executions", "n_rated").sum())
        words = pl.format("{}: {}", pl.lit(by.replace("_", " ")), pl.col("value"))
        row = pl.lit(by) if by == "all tasks" else words
        parts.append(
            counted.sort(pl.col("value").replace(_PLACES), "value").select(
                by=pl.lit(by), value="value", row=row, n_executions="n_executions", n_rated="n_rated"
            )
        )
    return rates(pl.concat(parts), "response_rate", "n_rated", "n_executions")


def asked_by(asked: pl.DataFrame, by: str) -> pl.DataFrame:
    """Return how often the rules of prompting would ask, and how many of those tasks were rated, by rule or task_type.

    Columns: by, n_asked, n_rated, answered_rate and its bounds. A rule is here that asks; those that skip ask nothing.
    """
    counted = asked.filter("is_asked").group_by(by).agg(n_asked=pl.len(), n_rated=pl.col("is_rated").sum())
    return rates(counted.cast({"n_rated": pl.Int64}).sort(by), "answered_rate", "n_rated", "n_asked")


def asked_daily(asked: pl.DataFrame) -> pl.DataFrame:
    """Return what one person who sees all tasks would be asked on a day: days, and median and most questions on one."""
    daily = asked.group_by(day=pl.col("at").dt.date()).agg(n=pl.col("is_asked").sum())
    return daily.select(n_days=pl.len(), n_median=pl.col("n").median(), n_most=pl.col("n").max())


def satisfaction(answers: pl.DataFrame) -> pl.DataFrame:
    """Return the mean rating (2-5) of each tier, as answered and corrected for who answers: `corrected`."""
    return corrected(
        answers.rename({"n_rated": "n", "rating_sum": "total", "rating_squares": "squares"}), 2.0, 5.0
    )


def acceptance(answers: pl.DataFrame) -> pl.DataFrame:
    """Return the share of results that people took, as answered and corrected for who answers: `corrected`."""
    taken = answers.with_columns(
        n="n_told", total=pl.col("n_accepted").cast(pl.Float64), squares=pl.col("n_accepted").cast(pl.Float64)
    )
    return corrected(taken, 0.0, 1.0)


def contextual_rates(contextual: pl.DataFrame) -> pl.DataFrame:
    """Return the share of yes among those who answered each contextual question, with Wilson bounds: `yes_rate`.

    Who left a question open is in n_open and in no rate; of a question that nobody answered the rate is null.
    """
    return rates(contextual, "yes_rate", "n_yes", "n_answered")


def issue_rates(issues: pl.DataFrame) -> pl.DataFrame:
    """Return the share of each tier's ratings that name each issue, with Wilson bounds: `issue_rate`."""
    return rates(issues, "issue_rate", "n_named", "n_ratings")


CONTEXTUAL = {one.name: one.text for one in QUESTIONS if one.name in ContextualRating.model_fields}
"""The contextual questions, as people are asked them."""

_PLACES = {name: f" {place}" for place, name in enumerate(("failed", "succeeded", *TIER_COLOURS))}

ASKS = [rule.name for rule in RULES if rule.does is Does.ASK]
"""The reasons to ask, in the order of the rules."""

BECAUSE = {
    "failed": "it failed",
    "slow": "it was slow",
    "routed": "a router chose its tier",
    "swarm": "a swarm ran it",
}
"""The same reasons in words."""
