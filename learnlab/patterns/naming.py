"""Names of clusters: the words by which their tasks differ from those of other clusters."""

from __future__ import annotations

import polars as pl

from learnlab.search.index.tokens import tokens_of

N_TERMS = 8
N_IN_NAME = 3
SAMPLE = 100
"""Texts of a cluster that are read for its name."""

CHARACTERS = 2000
"""Characters of a text that are read for a name."""

_LEAST_TEXTS, _LEAST_SHARE = 2, 0.1


def terms(texts: pl.DataFrame) -> pl.DataFrame:
    """Return the telling words of each cluster, most telling first: cluster, terms (8 at most).

    `texts` has cluster and text. The weight of a word is the share of the cluster's texts that have it, times
    log(1 + A/f): f is the sum of its shares over all clusters, A the mean over clusters of the sum of all
    shares (class-based tf-idf: M. Grootendorst, "BERTopic", arXiv 2203.05794, 2022, with texts counted once
    a word). A word of one text only, or of less than a tenth of the texts, names nothing.

    >>> tasks = pl.DataFrame({"cluster": [0, 0, 1, 1], "text": [
    ...     "fix the login loop", "login loop again", "fix the tax table", "tax table is wrong"]})
    >>> terms(tasks)["terms"].to_list()
    [['login', 'loop'], ['table', 'tax']]
    """
    numbered = texts.select("cluster", pl.col("text").str.head(CHARACTERS)).with_row_index("place")
    words = tokens_of(numbered["text"]).unique().join(numbered.select("place", "cluster"), on="place")
    n_texts = numbered.group_by("cluster").agg(n_texts=pl.len())
    shares = (
        words.filter(~pl.col("word").str.contains(r"^[\p{N}._]+$"))
        .group_by("cluster", "word")
        .agg(n=pl.len())
        .join(n_texts, on="cluster")
        .with_columns(share=pl.col("n") / pl.col("n_texts"))
    )
    average = pl.col("share").sum() / pl.col("cluster").n_unique()
    weighed = shares.with_columns(
        weight=pl.col("share") * (1 + average / pl.col("share").sum().over("word")).log()
    )
    telling = (
        weighed.filter(pl.col("n") >= _LEAST_TEXTS, pl.col("share") >= _LEAST_SHARE)
        .sort("cluster", pl.col("weight").round(9), "word", descending=[False, True, False])
        .group_by("cluster", maintain_order=True)
        .agg(terms=pl.col("word").head(N_TERMS))
    )
    named = n_texts.select("cluster").join(telling, on="cluster", how="left").sort("cluster")
    return named.with_columns(pl.col("terms").fill_null([]))


def name(words: pl.Expr) -> pl.Expr:
    """Return the name of a cluster from its terms."""
    named = words.list.head(N_IN_NAME).list.join(" · ")
    return pl.when(words.list.len() > 0).then(named).otherwise(pl.lit("no words in common"))
