"""What to ask about next: executions that nobody to be trusted has judged, those first whose label teaches most."""

from __future__ import annotations

import polars as pl

from learnlab.errors import FeedbackError
from learnlab.feedback.ordering.ranking import DEFAULT, ORDERS, ranked
from learnlab.people import TEAM
from learnlab.store import Store, sqlfiles
from learnlab.store.connection import fetch

__all__ = ["DEFAULT", "ORDERS", "ordered"]

LEAST_CHARACTERS = 10
"""Characters that a description has at the least: nobody can judge a task that says less."""


def ordered(store: Store, n: int, by: str = DEFAULT, seed: int = 0, repo: str | None = None) -> pl.DataFrame:
    """Return the n executions to ask about first: place (from 1 on), task_id and why, in words for whoever labels.

    Asked about are executions without the verdict of a verifier or CI, and, but for `disagreement`, without people's.
    `by` is one of `ORDERS`: `random` by lot; `uncertainty` where a label takes most from the uncertainty about tasks
    of its kind; `disagreement` where people contradict each other or the log, and nothing else; `coverage` kinds with
    the fewest verdicts; `age` what has waited longest; `mixed` all of them, interleaved. What people gave counts as far
    as the store's users may see it, whoever asks. The same store and seed give the same order.

    Raises:
        FeedbackError: when there is no such order, or n is not positive.
        StoreError: when there is no such store.

    >>> ordered(Store("sample"), 20, "coverage").columns  # doctest: +SKIP
    ['place', 'task_id', 'why']
    """
    if by not in ORDERS:
        raise FeedbackError(f"there is no order {str(by)[:100]!r}: take one of {', '.join(ORDERS)}")
    if n < 1:
        raise FeedbackError(f"cannot put {n} executions in order: ask for 1 or more")
    given = {"repo": repo or None, "least_characters": LEAST_CHARACTERS, "seed": seed}
    with Store(store.path, viewer=TEAM).reading() as connection:
        candidates = fetch(connection, sqlfiles.load("queries", "askable").text, given)
        cells = fetch(connection, sqlfiles.load("queries", "verdict_cells").text)
    return ranked(candidates, cells, n, by)
