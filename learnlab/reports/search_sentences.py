"""Sentences about a search: how near the nearest are, what came of them, and what cannot be searched yet."""

from __future__ import annotations

import polars as pl

from learnlab.intervals import TOO_FEW
from learnlab.reports.search_estimates import OTHERS, SIMILAR
from learnlab.reports.sentences import apart, estimated
from learnlab.reports.tables import shortened
from learnlab.search.found import Found


def asked(query: str) -> str:
    """Return which task a page is about.

    >>> asked("Parse dates with a timezone")
    'Asked about: “Parse dates with a timezone”.'
    """
    return f"Asked about: “{shortened(query, 200)}”."


def near(found: Found, n_near: int, threshold: float) -> str:
    """Return how many of the nearest reach the threshold, or how far the nearest is.

    >>> rows = [{"similarity": 0.82}, {"similarity": 0.41}]
    >>> near(Found(rows, best_similarity=0.82), 1, 0.7)
    '1 execution has a similarity of 0.70 or more to the task; the nearest has 0.82.'
    >>> near(Found(rows[1:], best_similarity=0.41), 0, 0.7)
    'The nearest execution has a similarity of 0.41, below the threshold of 0.70: nothing here is like this task.'
    """
    best = found.best_similarity
    if best is None:
        return "Nothing here can be compared with the task."
    if not n_near:
        return (
            f"The nearest execution has a similarity of {best:.2f}, below the threshold of {threshold:.2f}: nothing "
            "here is like this task."
        )
    many = f"{n_near:,} executions have" if n_near > 1 else "1 execution has"
    least = " (there may be more: these are the nearest)" if n_near == len(found) > 1 else ""
    return f"{many} a similarity of {threshold:.2f} or more to the task{least}; the nearest has {best:.2f}."


def searchable(n_waiting: int, n: int) -> str:
    """Return how many executions of a store can be found, and what makes the others so.

    >>> searchable(0, 12)
    'All 12 executions of the store are searchable.'
    >>> searchable(3, 12)
    '3 of 12 executions of the store are not searchable yet: `learnlab encode` makes them so.'
    """
    if not n_waiting:
        return f"All {n:,} executions of the store are searchable."
    verb, them = ("is", "it") if n_waiting == 1 else ("are", "them")
    return f"{n_waiting:,} of {n:,} executions of the store {verb} not searchable yet: `learnlab encode` makes {them} so."


def beside(frame: pl.DataFrame, value: str, unit: str, n: str, what: str) -> str:
    """Return an estimate of the similar over all tiers, beside that of the others, and whether they differ.

    `frame` has `whose` and the estimate with its bounds (`search_estimates.success` or `medians`); `what` names
    the figure: "success rate".

    >>> rates = pl.DataFrame({"comparison": ["all tiers, similar"], "whose": ["similar"], "rate": [0.5], "n": [4]})
    >>> beside(rates, "rate", "rate", "n", "success rate")
    'Too few to tell the success rate of similar tasks: 4 are known.'

    Attempts at one problem go together: of fewer problems than `TOO_FEW` no rate is told either.
    """
    whole = frame.filter(pl.col("comparison").str.starts_with("all tiers")).drop_nulls(value)
    rows = {row["whose"]: row for row in whole.to_dicts()}
    mine, theirs = rows.get(SIMILAR), rows.get(OTHERS)
    if mine is None:
        return f"Too few to tell the {what} of similar tasks: none is known."
    problems = mine.get("n_problems")
    if min(mine[n], problems or mine[n]) < TOO_FEW:
        on = (
            f", on {problems:,} {'problem' if problems == 1 else 'problems'}"
            if problems and problems < mine[n]
            else ""
        )
        return f"Too few to tell the {what} of similar tasks: {mine[n]:,} {'is' if mine[n] == 1 else 'are'} known{on}."
    told = f"The {what} of similar tasks is {estimated(mine, value, unit, n)}"
    if theirs is None or theirs[n] < TOO_FEW:
        return f"{told}; too few others are known to compare."
    return (
        f"{told}, of the others {estimated(theirs, value, unit, n)}. {apart(mine, theirs, value, unit, n)}."
    )
