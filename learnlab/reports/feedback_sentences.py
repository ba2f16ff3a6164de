"""Sentences about feedback: who answers, what is asked in vain, and how satisfied people are once that is corrected."""

from __future__ import annotations

import polars as pl

from learnlab.intervals import TOO_FEW, Interval, difference
from learnlab.reports.feedback_correction import KINDS
from learnlab.reports.feedback_estimates import (
    BECAUSE,
    CONTEXTUAL,
    Given,
    asked_by,
    asked_daily,
    contextual_rates,
    issue_rates,
    rates,
    response_rates,
    satisfaction,
)
from learnlab.reports.marks import TIER_COLOURS
from learnlab.reports.sentences import Row, estimated, shown

_NOUNS = {
    "rating": ("rating", "ratings"),
    "label": ("label", "labels"),
    "adjudication": ("adjudication", "adjudications"),
    "skip": ("skipped item", "skipped items"),
    "note": ("note", "notes"),
}


NOBODY_ANSWERED = (
    "No rating that the team may see answers one of the questions on model, speed and expectations."
)
"""What is said where every contextual question was left open."""


def given(days: pl.DataFrame) -> str:
    """Return how many pieces of each kind are shown (`queries/given`); of what is not shown nothing is said.

    >>> given(pl.DataFrame({"feedback_type": ["rating"], "n_given": [3], "n_corrections": [1], "n_comments": [0]}))
    'What is shared with the team is shown: 3 ratings; 1 with what the result should have been, none with a comment.'
    """
    kinds = dict(days.group_by("feedback_type").agg(pl.col("n_given").sum()).iter_rows())
    told = [f"{n:,} {nouns[n != 1]}" for kind, nouns in _NOUNS.items() if (n := kinds.get(kind, 0))]
    corrections, comments = (int(n) for n in days.select(pl.col("n_corrections", "n_comments").sum()).row(0))
    return (
        f"What is shared with the team is shown: {', '.join(told)}; {corrections or 'none'} with what the result "
        f"should have been, {comments or 'none'} with a comment."
    )


def people(givers: pl.DataFrame) -> str:
    """Return how many people rated and how much the most active one did (`feedback.givers`).

    >>> print(people(pl.DataFrame({"feedback_type": ["rating"], "n_given": [40], "n_people": [8], "n_most": [10]})))
    8 people gave the 40 ratings; the most active one gave 25.0 % of them, where an even share would be 12.5 %.
    """
    rows = givers.filter(feedback_type="rating").to_dicts()
    if not rows or rows[0]["n_people"] is None:
        return "Too few people rated to say how many they are."
    n, who, most = (rows[0][name] for name in ("n_given", "n_people", "n_most"))
    return (
        f"{who:,} people gave the {n:,} ratings; the most active one gave {shown(most / n, 'rate')} of them, where an "
        f"even share would be {shown(1 / who, 'rate')}."
    )


def answering(answers: pl.DataFrame) -> str:
    """Return whether tasks that failed are rated more often than those that succeeded (`queries/answers`)."""
    by = {row["value"]: row for row in response_rates(answers).filter(by="outcome").to_dicts()}
    failed, succeeded = by.get("failed"), by.get("succeeded")
    if not failed or not succeeded or min(failed["n_executions"], succeeded["n_executions"]) < TOO_FEW:
        return "Too few to tell whether failures are rated more often than successes."
    gap = difference(_interval(failed, "response_rate"), _interval(succeeded, "response_rate"))
    figures = [estimated(row, "response_rate", "rate", "n_executions") for row in (failed, succeeded)]
    told = f"Of the tasks that failed {figures[0]} were rated, of those that succeeded {figures[1]}"
    if gap.low <= 0 <= gap.high:
        return f"{told}: too close to call, so nothing says that the plain mean of the ratings is off."
    often, seldom = ("failures", "successes") if gap.low > 0 else ("successes", "failures")
    return f"{told}: the plain mean of the ratings speaks of {often} more than of {seldom}."


def _interval(row: Row, name: str) -> Interval:
    return Interval(row[name], row[f"{name}_low"], row[f"{name}_high"], row["n_executions"])


def satisfied(answers: pl.DataFrame) -> str:
    """Return each tier's satisfaction corrected for who answers, beside the plain mean, or why it cannot be."""
    wide = {(row["model_tier"], row["kind"]): row for row in satisfaction(answers).to_dicts()}
    told, refused = [], []
    for tier in (tier for tier in TIER_COLOURS if (tier, KINDS[1]) in wide):
        row, plain = wide[tier, KINDS[1]], wide[tier, KINDS[0]]["mean"]
        if row["mean"] is not None:
            figure = estimated(row, "mean", "plain", "n")
            told.append(f"{figure} for {tier}, not {shown(plain, 'plain')} as answered")
        elif wide[tier, KINDS[0]]["n"]:
            refused.append(f"{tier}, because {row['reason']}")
    if not told and not refused:
        return "Too few answers to say how satisfied people are."
    corrected = (
        f"Corrected for who answers, the mean rating (from 2, poor, to 5, excellent) is {'; '.join(told)}"
        if told
        else ""
    )
    cannot = (
        f"{'it cannot be' if told else 'Satisfaction cannot be'} corrected for {'; '.join(refused)}"
        if refused
        else ""
    )
    return f"{'; '.join(part for part in (corrected, cannot) if part)}."


def covered(answers: pl.DataFrame) -> str:
    """Return of how many tasks the correction speaks, and of how many nobody knows how they went."""
    n = int(answers["n_executions"].sum())
    unknown = int(answers.filter(outcome="unknown")["n_executions"].sum())
    told = satisfaction(answers).filter(pl.col("kind") == KINDS[1], pl.col("mean").is_not_null())
    known = int(told["n_covered"].sum())
    share = shown(known / n if n else 0.0, "rate")
    return (
        f"The correction speaks of {known:,} of {n:,} tasks ({share}); of {unknown:,} no verifier, CI or harness said "
        "how they went."
    )


def asked_in_vain(asked: pl.DataFrame) -> str:
    """Return which reason to ask finds an answer least, where it does surely worse than all questions together."""
    reasons = asked_by(asked, "rule").filter(pl.col("n_asked") >= TOO_FEW)
    if reasons.is_empty():
        return "Too few to tell what is asked in vain."
    (daily,) = asked_daily(asked).to_dicts()
    n, rated = reasons["n_asked"].sum(), reasons["n_rated"].sum()
    every = rates(pl.DataFrame({"n": [n], "r": [rated]}), "rate", "r", "n").to_dicts()[0]
    told = (
        f"By the rules as they are, one person who sees every task would be asked {daily['n_median']:,.0f} times on a "
        f"median day and {daily['n_most']:,} times at most; of these tasks {estimated(every, 'rate', 'rate', 'n')} were "
        "rated"
    )
    worst = reasons.filter(pl.col("answered_rate_high") < every["rate_low"]).sort("answered_rate")
    if worst.is_empty():
        return f"{told}, and no reason to ask surely finds an answer less often."
    row = worst.to_dicts()[0]
    figure = estimated(row, "answered_rate", "rate", "n_asked")
    return f"{told}, and least of those asked about because {BECAUSE[row['rule']]}: {figure}."


def contextual(answered: pl.DataFrame) -> str:
    """Return how many of those who answered each contextual question said yes (`queries/contextual_answers`).

    >>> contextual(pl.DataFrame({"question": ["speed_acceptable"], "n_answered": [0]})) == NOBODY_ANSWERED
    True
    """
    rows = {row["question"]: row for row in answered.to_dicts() if row["n_answered"]}
    if not rows:
        return NOBODY_ANSWERED
    told, few = [], []
    for name, question in CONTEXTUAL.items():
        row = rows.get(name)
        if row is None or row["n_answered"] < TOO_FEW:
            few.append(f"“{question}” ({row['n_answered'] if row else 0})")
        else:
            (rate,) = contextual_rates(pl.DataFrame([row])).to_dicts()
            figure = estimated(rate, "yes_rate", "rate", "n_answered")
            told.append(f"“{question}” {figure}, left open in {row['n_open']:,} ratings")
    yes = f"Of those who answered, this share said yes: {'; '.join(told)}" if told else ""
    cannot = f"{'too' if told else 'Too'} few answered to tell: {', '.join(few)}" if few else ""
    return f"{'; '.join(part for part in (yes, cannot) if part)}."


def issues(named: pl.DataFrame) -> str:
    """Return which issue is named most often, in which tier (`queries/issues_named`), and whether that is sure."""
    rows = (
        issue_rates(named.filter(pl.col("n_ratings") >= TOO_FEW))
        .sort("issue_rate", descending=True)
        .to_dicts()
    )
    if not rows:
        return "Too few ratings to tell what was wrong most often."
    first = rows[0]
    figure = estimated(first, "issue_rate", "rate", "n_ratings")
    what = first["issue"].replace("_", " ")
    is_close = any(row["issue_rate_high"] >= first["issue_rate_low"] for row in rows[1:])
    close = "; with others it is too close to call" if is_close else ""
    return f"Most often named is “{what}” on {first['model_tier']}: by {figure} of its ratings{close}."


def public(figures: pl.DataFrame) -> str:
    """Return what the public table holds."""
    cells = "1 figure" if figures.height == 1 else f"{figures.height:,} figures"
    return (
        f"Everybody may know {cells}: a figure is there where enough people are in it, and changes only when as many "
        "changed it."
    )


def conclusions(found: Given) -> list[str]:
    """Return what the page says in the end; of the public's page, what the public table says and what it does not."""
    if found.answers.is_empty():
        return [
            public(found.public),
            "The figures are counts of what was given for everybody to see, not corrected for who answers.",
            "Rates and means are left to the team's page: made of this table they would be of a part that nobody chose.",
        ]
    return [
        answering(found.answers),
        satisfied(found.answers),
        covered(found.answers),
        asked_in_vain(found.asked),
        contextual(found.contextual),
        issues(found.issues),
    ]
