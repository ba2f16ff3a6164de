"""Rankings joined into one: what is near in meaning and what shares words."""

from __future__ import annotations

import polars as pl

K = 60
"""How much the first places stand out; the authors' own value, tuned on nothing here."""


def fused(*rankings: pl.Series) -> pl.DataFrame:
    """Return every item of the rankings with its score, best first: `item` and `score` (reciprocal rank fusion).

    Each ranking names items best first; an item at place r (from 1) gets 1 / (K + r) from it, and nothing from a
    ranking that lacks it. Equal scores keep the order in which the items first come up: in the rankings from the
    first place down, an earlier ranking's item first.
    Source: G. V. Cormack, C. L. A. Clarke and S. Büttcher, "Reciprocal rank fusion outperforms Condorcet and
    individual rank learning methods", SIGIR 2009, 758-759.

    >>> fused(pl.Series(["a", "b"]), pl.Series(["b", "c"]))["item"].to_list()
    ['b', 'a', 'c']
    """
    placed = [
        pl.DataFrame({"item": items, "place": pl.int_range(1, len(items) + 1, eager=True)})
        for items in rankings
    ]
    return (
        pl.concat(placed)
        .group_by("item", maintain_order=True)
        .agg(score=(1 / (K + pl.col("place"))).sum(), first=pl.col("place").min())
        .sort("score", "first", descending=[True, False], maintain_order=True)
        .select("item", "score")
    )
