"""What a store can be asked about other policies: the tries with a propensity, and who logs propensities at all."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from learnlab.routing.counterfactual.judged import Judged, judged
from learnlab.routing.reading import read_tries
from learnlab.store import Store, sqlfiles
from learnlab.store.connection import fetch
from learnlab.store.views import moment


def judged_tries(
    db: str | Path | Store = "",
    *,
    repo: str = "",
    days_back: int | None = None,
    as_of: str | datetime | None = None,
) -> Judged:
    """Return the tries of a store by which another policy can be judged; what is chosen is the tier.

    The window counts back from `as_of`, by default the newest recorded time; all time where `days_back` is None.

    Raises:
        RoutingError: when fewer than half of the tries have a propensity: how many lack it, of which sources, and
            what would be needed; and when what was logged cannot be a probability.
        StoreError: when there is no such store.
    """
    tries = read_tries(db, days_back=days_back, as_of=as_of)
    if repo:
        tries = tries.of_tasks(
            (tries.tasks.known["repo"] == repo).fill_null(False).to_numpy().astype(np.bool_)
        )
    sources = propensities(db, repo=repo, days_back=days_back, as_of=as_of)
    lacking = sources.select("source", n=pl.col("n_executions") - pl.col("n_with_propensity")).filter(
        pl.col("n") > 0
    )
    return judged(tries, lacking=dict(lacking.iter_rows()))


def propensities(
    db: str | Path | Store = "",
    *,
    repo: str = "",
    days_back: int | None = None,
    as_of: str | datetime | None = None,
) -> pl.DataFrame:
    """Return how many executions of each source carry a propensity (`queries/propensities`).

    Raises:
        StoreError: when there is no such store.
    """
    return _asked(db, "propensities", repo, days_back, as_of)


def decisions(
    db: str | Path | Store = "",
    *,
    repo: str = "",
    days_back: int | None = None,
    as_of: str | datetime | None = None,
) -> pl.DataFrame:
    """Return whether decisions list the probability of every candidate, and 1 in all (`queries/decision_propensities`).

    Raises:
        StoreError: when there is no such store.
    """
    return _asked(db, "decision_propensities", repo, days_back, as_of)


def _asked(
    db: str | Path | Store, name: str, repo: str, days_back: int | None, as_of: str | datetime | None
) -> pl.DataFrame:
    store = db if isinstance(db, Store) else Store(db)
    parameters = {"repo": repo or None, "days_back": days_back, "as_of": moment(as_of)}
    with store.reading() as connection:
        return fetch(connection, sqlfiles.load("queries", name).text, parameters)
