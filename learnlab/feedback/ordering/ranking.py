"""The orders themselves: candidates and what is known of their kinds in, places with their reasons out."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from learnlab.feedback.ordering.beliefs import LEVELS, beliefs, gain

CELL = list(LEVELS[-1])
"""What makes two executions alike here."""

SHARES = {"uncertainty": 0.4, "coverage": 0.2, "disagreement": 0.2, "age": 0.1, "random": 0.1}
"""What share of a mixed order comes from which; where one has nothing (left) to ask, the others fill its places."""

DEFAULT = "random"
"""The order unless told otherwise: decision 32 says what another one would have to show."""


def _random(candidates: pl.DataFrame) -> pl.DataFrame:
    return candidates.sort("lot", "task_id").with_columns(why=pl.lit("drawn by lot"))


def _age(candidates: pl.DataFrame) -> pl.DataFrame:
    day = pl.col("started_at").dt.strftime("%Y-%m-%d")
    timed = pl.when(day.is_not_null()).then(pl.format("waits since {}", day))
    return candidates.sort("started_at", "lot", "task_id", nulls_last=True).with_columns(
        why=timed.otherwise(pl.lit("nobody recorded when it was"))
    )


def _within_cells(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return the candidates with `nth`, each one's place within its cell; what a harness told of comes last.

    The highest lot comes first, so that in a mixed order what is drawn by lot is something else.
    """
    by_lot = candidates.sort("is_told", "lot", descending=[False, True])
    return by_lot.with_columns(nth=pl.int_range(1, pl.len() + 1).over(CELL))


def _known() -> pl.Expr:
    n, s = pl.col("n_verdicts"), pl.col("n_successes")
    none = pl.lit("nobody has judged one like it yet")
    return pl.when(n == 0).then(none).otherwise(pl.format("{} of {} like it succeeded", s, n))


def _uncertainty(candidates: pl.DataFrame) -> pl.DataFrame:
    best = _within_cells(candidates).with_columns(gain=gain(pl.col("nth")))
    return best.sort("is_told", "gain", "lot", descending=[False, True, True]).with_columns(
        why=pl.format("{}, and it speaks for {}: a label says most here", _known(), pl.col("n_executions"))
    )


def _coverage(candidates: pl.DataFrame) -> pl.DataFrame:
    fewest = _within_cells(candidates).with_columns(seen=pl.col("n_verdicts") + pl.col("nth"))
    return fewest.sort("is_told", "seen", "lot", descending=[False, False, True]).with_columns(
        why=pl.format("{} of {} like it are judged", pl.col("n_verdicts"), pl.col("n_executions"))
    )


def _disagreement(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return what contradicts: people each other, people the log, ratings each other, a rating a verdict."""
    yes, no, log = pl.col("n_yes"), pl.col("n_no"), pl.col("logged")
    low, high = pl.col("lowest_rating"), pl.col("highest_rating")
    all_yes, all_no = (yes > 0) & (no == 0), (no > 0) & (yes == 0)
    kinds = [
        ((yes > 0) & (no > 0), pl.format("people disagree on whether it succeeded: {} yes, {} no", yes, no)),
        (all_yes & ~log, pl.lit("people say it succeeded, the log says it failed")),
        (all_no & log, pl.lit("people say it failed, the log says it succeeded")),
        (high - low >= 2, pl.format("people disagree: ratings from {} to {}", low, high)),
        ((low <= 2) & (all_yes | (log & ~all_no)), pl.lit("rated poor, yet said to have succeeded")),
        ((high >= 4) & (all_no | (~log & ~all_yes)), pl.lit("rated well, yet said to have failed")),
    ]
    rank = pl.coalesce(pl.when(is_so).then(at) for at, (is_so, _) in enumerate(kinds))
    words = pl.coalesce(pl.when(is_so).then(why) for is_so, why in kinds)
    found = candidates.filter(~pl.col("is_settled")).with_columns(rank=rank, why=words)
    return found.drop_nulls("rank").sort("rank", (yes - no).abs(), "lot")


_EACH: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "random": _random,
    "uncertainty": _uncertainty,
    "disagreement": _disagreement,
    "coverage": _coverage,
    "age": _age,
}

ORDERS = (*_EACH, "mixed")
"""The orders there are."""


def ranked(candidates: pl.DataFrame, cells: pl.DataFrame, n: int, by: str) -> pl.DataFrame:
    """Return the first n candidates (`queries/askable`) in an order: place (from 1 on), task_id, why.

    `cells` are what is known of each kind (`queries/verdict_cells`). `why` holds nothing that a log or a person wrote.
    """
    known = candidates.join(beliefs(cells), on=CELL, how="left", maintain_order="left")
    found = _mixed(known, n) if by == "mixed" else _one(known, n, by)
    places = pl.int_range(1, pl.len() + 1).alias("place")
    return found.head(n).select(places, "task_id", "why")


def _one(known: pl.DataFrame, n: int, by: str) -> pl.DataFrame:
    asked = known if by == "disagreement" else known.filter(~pl.col("is_judged"))
    return _EACH[by](asked).head(n).select("task_id", "why")


def _mixed(known: pl.DataFrame, n: int) -> pl.DataFrame:
    """Interleave the orders by their shares: the nth of an order stands at (n − ½) / share."""
    parts = [
        _one(known, n, by).with_columns(at=(pl.int_range(pl.len()) + 0.5) / share)
        for by, share in SHARES.items()
    ]
    return (
        pl.concat(parts).sort("at", maintain_order=True).unique("task_id", keep="first", maintain_order=True)
    )
