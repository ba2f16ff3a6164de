"""What the executions nearest to a task say: rows of a search beside the others of its window, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from learnlab.reports import estimates
from learnlab.search.telling import shared

SIMILAR, OTHERS, QUERY = "similar", "others", "the task asked about"
"""What a page calls the executions that are near enough, all others of the window, and the task itself."""

OUTCOMES = ("succeeded", "failed", "both", "unknown")
"""How the executions of one text ended; `both` when some succeeded and some failed."""

_WORDS = 4

_FROM_FOUND = {
    "task_id": pl.String,
    "similarity": pl.Float64,
    "task_description": pl.String,
    "solution_summary": pl.String,
}


def why(reason: Mapping[str, Any] | None) -> str:
    """Return in words why a row was found: the most telling words in common, then the fields that agree.

    >>> why({"words": ["timezone", "date"], "fields": ["repo"]})
    'timezone, date; same repo'
    """
    words, fields = shared(reason)
    told = (", ".join(words[:_WORDS]), f"same {', '.join(fields)}" if fields else "")
    return "; ".join(part for part in told if part)


def nearest(found: Sequence[Mapping[str, Any]], attempts: pl.DataFrame) -> pl.DataFrame:
    """Return what a search found as rows of `window_outcomes`, the most similar first.

    Columns: those of the view, `similarity` (the cosine), `task_description`, `solution_summary`, `outcome` and
    `why` in words. A row that the view does not have is left out.
    """
    columns = {
        name: pl.Series(name, [None if row.get(name) is None else kind(row[name]) for row in found], dtype)
        for (name, dtype), kind in zip(_FROM_FOUND.items(), (str, float, str, str), strict=True)
    }
    frame = pl.DataFrame(columns).with_columns(
        why=pl.Series([why(row.get("why")) for row in found], dtype=pl.String)
    )
    outcome = pl.col("success").replace_strict(
        {True: OUTCOMES[0], False: OUTCOMES[1]}, default=OUTCOMES[3], return_dtype=pl.String
    )
    return frame.join(attempts, on="task_id", how="inner", maintain_order="left").with_columns(
        outcome=outcome
    )


def beside_others(attempts: pl.DataFrame, near: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `window_outcomes` with `whose`: similar to the task (a row of `near`), or one of the others."""
    is_near = pl.col("task_id").is_in(near["task_id"].implode())
    return attempts.with_columns(whose=pl.when(is_near).then(pl.lit(SIMILAR)).otherwise(pl.lit(OTHERS)))


def _named(by_tier: pl.DataFrame, overall: pl.DataFrame) -> pl.DataFrame:
    """Return estimates by tier and of all tiers as one frame, `comparison` naming each row."""
    whole = overall.with_columns(model_tier=pl.lit("unknown"), _tier=pl.lit("all tiers"))
    both = pl.concat([whole, by_tier.with_columns(_tier=pl.col("model_tier"))], how="diagonal")
    return both.with_columns(comparison=pl.format("{}, {}", "_tier", "whose")).drop("_tier")


def success(marked: pl.DataFrame) -> pl.DataFrame:
    """Return the success rate of the similar and of the others (`beside_others`), by tier and over all tiers.

    Columns: those of `estimates.success_rates_by_problem`, `whose`, `model_tier` (unknown in the rows over all
    tiers) and `comparison`, which names the row. Tiers without a similar verdict are left out.
    """
    tiers = marked.filter(pl.col("success").is_not_null(), whose=SIMILAR).select("model_tier").unique()
    compared = marked.join(tiers, on="model_tier", how="semi")
    return _named(
        estimates.success_rates_by_problem(compared, "model_tier", "whose"),
        estimates.success_rates_by_problem(marked, "whose"),
    ).filter(pl.col("n_verdicts") > 0)


def medians(marked: pl.DataFrame, value: str) -> pl.DataFrame:
    """Return the median of a value of the similar and of the others (`beside_others`), by tier and over all tiers.

    Columns: those of `estimates.quantiles`, `whose`, `model_tier` (unknown in the rows over all tiers) and
    `comparison`, which names the row. Tiers in which nothing similar has the value are left out.
    """
    tiers = marked.drop_nulls(value).filter(whose=SIMILAR).select("model_tier").unique()
    compared = marked.join(tiers, on="model_tier", how="semi")
    return _named(
        estimates.quantiles(compared, value, 50, "model_tier", "whose"),
        estimates.quantiles(marked, value, 50, "whose"),
    )


@dataclass(frozen=True)
class Map:
    """Texts as points of a plane, and the share (0-1) of the variance of their vectors that each axis holds."""

    points: pl.DataFrame
    shares: tuple[float, float]


def plane(vectors: ArrayLike) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return the two principal components of vectors, one a row, and the share of the variance in each.

    Each axis points to where its largest loading is positive, so that the same vectors give the same picture.
    Source: K. Pearson, "On lines and planes of closest fit", Philosophical Magazine 2 (1901), 559-572.

    >>> places, shares = plane([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [4.0, 0.0, 1.0]])
    >>> places.round(6).tolist(), shares
    ([[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]], (1.0, 0.0))
    """
    whole = np.asarray(vectors, dtype=np.float64)
    centred = whole - whole.mean(axis=0) if len(whole) else whole
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    signs = np.array([np.sign(axis[np.argmax(np.abs(axis))]) or 1.0 for axis in axes[:2]])
    places = np.zeros((len(whole), 2))
    found = (centred @ axes[:2].T) * signs
    places[:, : found.shape[1]] = found
    variance = sizes**2
    total = float(variance.sum())
    first, second = (float(variance[i]) / total if total > 0 and i < len(variance) else 0.0 for i in (0, 1))
    return places, (first, second)


def _of_texts(vectors: pl.DataFrame, near: pl.DataFrame, attempts: pl.DataFrame) -> pl.DataFrame:
    """Return a row a text: whose it is, and the repos, tiers and outcomes of its executions."""
    rows = vectors.join(beside_others(attempts, near), on="task_id")
    verdicts, good = pl.col("success").count(), pl.col("success").sum()
    outcome = (
        pl.when(verdicts == 0)
        .then(pl.lit("unknown"))
        .when(good == verdicts)
        .then(pl.lit("succeeded"))
        .when(good == 0)
        .then(pl.lit("failed"))
        .otherwise(pl.lit("both"))
    )

    def listed(name: str) -> pl.Expr:
        return pl.col(name).unique().sort().str.join(", ")

    return (
        rows.group_by("text_hash")
        .agg(
            pl.col("text").first(),
            pl.col("embedding").first(),
            whose=pl.col("whose").max(),  # similar comes after others in the alphabet
            repos=listed("repo"),
            tiers=listed("model_tier"),
            n_executions=pl.len().cast(pl.Int64),
            n_verdicts=verdicts.cast(pl.Int64),
            n_successes=good.cast(pl.Int64),
            outcome=outcome,
        )
        .sort("text_hash")
    )


def neighbourhood_of(
    query: str, vector: ArrayLike, vectors: pl.DataFrame, near: pl.DataFrame, attempts: pl.DataFrame
) -> Map:
    """Return the map of a task, of what is similar to it, and of others: a point a text.

    `vector` is the task's own; `vectors` are rows of `queries/text_vectors`, `near` those of `nearest` that count
    as similar. Columns of the points: x, y, task, whose (similar, others, or the task asked about), similarity
    (the cosine to the task), repos, tiers, outcome, n_executions, n_verdicts, n_successes (of the executions that
    were looked at).
    """
    texts = _of_texts(vectors, near, attempts)
    own = np.asarray(vector, dtype=np.float64).reshape(1, -1)
    theirs = np.asarray(texts["embedding"].to_list(), dtype=np.float64).reshape(texts.height, own.shape[1])
    places, shares = plane(np.vstack([own, theirs]))
    lengths = np.linalg.norm(theirs, axis=1) * np.linalg.norm(own)
    cosines = (theirs @ own[0]) / np.where(lengths > 0, lengths, 1.0)
    task = pl.DataFrame({"text": [query], "whose": [QUERY], "similarity": [1.0]})
    told = texts.drop("text_hash", "embedding").with_columns(similarity=pl.Series(cosines, dtype=pl.Float64))
    points = pl.concat([task, told], how="diagonal").with_columns(
        x=pl.Series(places[:, 0]), y=pl.Series(places[:, 1]), outcome=pl.col("outcome").fill_null("unknown")
    )
    return Map(points.rename({"text": "task"}), shares)
