"""Identity of clusters: one keeps its id from mining to mining while it stays the same cluster."""

from __future__ import annotations

from uuid import UUID, uuid5

import polars as pl

_OURS = UUID("6c1d0f52-9f0e-5b4b-8f2a-3f0f6f6b7a10")
LEAST_OVERLAP = 0.5
"""Share of the texts of either that both must have (Jaccard) for two clusters to be the same one."""


def same_clusters(found: pl.DataFrame, known: pl.DataFrame) -> dict[int, str]:
    """Return which known cluster each found one is: cluster → cluster_id, for those that are one.

    `found` has cluster (-1 for none) and text_hash, `known` cluster_id (null for none) and text_hash. Only
    texts that stand in both count, so that a cluster that grows by new texts, or loses some to retention,
    stays itself. Pairs are taken from the greatest overlap down.

    >>> found = pl.DataFrame({"cluster": [0, 0, 0, 1], "text_hash": ["a", "b", "new", "c"]})
    >>> known = pl.DataFrame({"cluster_id": ["x", "x", "y"], "text_hash": ["a", "b", "d"]})
    >>> same_clusters(found, known)
    {0: 'x'}
    """
    both = found.join(known, on="text_hash", how="inner")
    sizes = both.filter(pl.col("cluster") >= 0).group_by("cluster").agg(n_found=pl.len())
    known_sizes = both.drop_nulls("cluster_id").group_by("cluster_id").agg(n_known=pl.len())
    pairs = (
        both.filter(pl.col("cluster") >= 0)
        .drop_nulls("cluster_id")
        .group_by("cluster", "cluster_id")
        .agg(n_both=pl.len())
        .join(sizes, on="cluster")
        .join(known_sizes, on="cluster_id")
        .with_columns(overlap=pl.col("n_both") / (pl.col("n_found") + pl.col("n_known") - pl.col("n_both")))
        .filter(pl.col("overlap") >= LEAST_OVERLAP)
        .sort("overlap", "cluster", "cluster_id", descending=[True, False, False])
    )
    same: dict[int, str] = {}
    for cluster, cluster_id in pairs.select("cluster", "cluster_id").iter_rows():
        if cluster not in same and cluster_id not in same.values():
            same[cluster] = cluster_id
    return same


def ids(found: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the id of each cluster found: its old one, else one made from the hashes of its texts.

    Columns: cluster, cluster_id (text).
    """
    same = same_clusters(found, known)
    taken = set(same.values())
    rows = []
    members = (
        found.filter(pl.col("cluster") >= 0)
        .group_by("cluster")
        .agg(pl.col("text_hash").sort())
        .sort("cluster")
    )
    for cluster, hashes in members.iter_rows():
        named = same.get(cluster) or _made("".join(hashes))
        while cluster not in same and named in taken:
            named = _made(named)
        taken.add(named)
        rows.append((cluster, named))
    return pl.DataFrame(rows, schema={"cluster": pl.Int64, "cluster_id": pl.String}, orient="row")


def _made(content: str) -> str:
    return str(uuid5(_OURS, content))


def pattern_id(cluster_id: str, solution: str) -> str:
    """Return the id of a pattern: the same cluster and the same words of a solution are the same pattern."""
    return _made(f"{cluster_id} {solution}")
