"""What was mined: clusters of similar tasks and what each solution is worth in them, as the store keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from learnlab.patterns.material import n_with_vector
from learnlab.store import Store
from learnlab.store.connection import fetch

_CLUSTERS = """
select cast(cluster_id as varchar) as cluster_id, name, terms, n_texts, n_executions, repos, task_types, embedding,
from clusters
order by n_executions desc, cluster_id
"""

_PATTERNS = """
select
    cast(pattern_id as varchar) as pattern_id, cast(cluster_id as varchar) as cluster_id, task_context,
    solution_summary, verdict, usage_count, n_verdicts, n_successes, success_rate, success_rate_low,
    success_rate_high, n_compared, base_rate, lift, lift_low, lift_high, lift_shrunk, p_value, is_universal,
    is_anti_pattern, trend, n_recent, rate_change, n_repos, repos_used_in, task_types, first_seen_at, last_seen_at,
from solutions
where cluster_id is not null
order by lift_low desc nulls last, pattern_id
"""

_COUNTS = """
select
    (select count(*) from cluster_texts) as n_texts,
    (select count(*) from cluster_texts where cluster_id is null) as n_outliers,
    (select count(cluster_id) from cluster_texts) as n_clustered,
    (select count(*) from texts) as n_in_store,
    max(mined_at) as mined_at, max(model_key) as model_key, max(seed) as seed,
from clusters
"""


@dataclass(frozen=True)
class Mined:
    """Patterns of a store: what solves what, and how sure that is.

    `clusters` has a row a cluster, largest first: cluster_id, name, terms, n_texts, n_executions, repos,
    task_types, embedding. `patterns` has a row a cluster and solution, by the lower end of the lift; its
    columns are described in the table `solutions`. `n_texts` were looked at, `n_outliers` of them are like no
    others and in no cluster; `n_without_vector` texts of the store have none now. `mined_at` (UTC) is None where
    there are no clusters, and `note` then says why.
    """

    clusters: pl.DataFrame
    patterns: pl.DataFrame
    n_texts: int = 0
    n_outliers: int = 0
    n_without_vector: int = 0
    model_key: str = ""
    seed: int = 0
    mined_at: datetime | None = None
    note: str = ""

    @property
    def outlier_rate(self) -> float | None:
        """Share of the texts looked at that are in no cluster, 0-1; None when there were none."""
        return self.n_outliers / self.n_texts if self.n_texts else None

    def summary(self) -> str:
        """Return what was found as text, one fact a line."""
        if self.note:
            return self.note
        told = dict(self.patterns["verdict"].value_counts().iter_rows())
        outliers = f"; {self.outlier_rate:.0%} of them are like no others" if self.outlier_rate else ""
        lines = [
            f"{len(self.clusters):,} clusters among {self.n_texts:,} texts{outliers}",
            f"{len(self.patterns):,} patterns: {told.get('works', 0):,} work, {told.get('anti-pattern', 0):,} "
            f"are anti-patterns, {told.get('too few to tell', 0):,} are too few to tell",
        ]
        if self.n_without_vector:
            lines.append(
                f"{self.n_without_vector:,} texts have no vector: `learnlab encode` embeds what waits"
            )
        return "\n".join(lines)


def read(connection: duckdb.DuckDBPyConnection) -> Mined:
    """Return what the last mining of an open store found."""
    counts: dict[str, Any] = fetch(connection, _COUNTS).row(0, named=True)
    n_in_store, n_clustered = counts.pop("n_in_store"), counts.pop("n_clustered")
    counts |= {"model_key": counts["model_key"] or "", "seed": counts["seed"] or 0}
    return Mined(
        clusters=fetch(connection, _CLUSTERS),
        patterns=fetch(connection, _PATTERNS),
        n_without_vector=n_in_store - n_with_vector(connection, counts["model_key"] or None),
        note="" if counts["mined_at"] else _why_none(counts["n_texts"], n_clustered),
        **counts,
    )


def _why_none(n_texts: int, n_clustered: int) -> str:
    """Return why there are no clusters, from the texts that the last mining looked at and those it found alike."""
    if n_clustered:
        return "something was forgotten, and with it what was mined: `learnlab mine` mines again"
    if n_texts:
        return f"no tasks alike among {n_texts:,} texts: there is no cluster"
    return "no patterns were mined yet: `learnlab mine` does"


def mined_patterns(db: str | Path | Store = "") -> Mined:
    """Return what the last mining of a store found, without mining again.

    Raises:
        StoreError: when there is no such store.

    >>> mined_patterns("sample").summary()  # doctest: +SKIP
    """
    store = db if isinstance(db, Store) else Store(db)
    with store.reading() as connection:
        return read(connection)
