"""Sums and estimates over agents' sessions, made from the rows of the agent views.

Sums are counts of what is known and have no interval. Requests of one session are not independent, so what is
estimated over requests has bootstrap bounds over sessions; attempts at one problem go together alike.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from learnlab.intervals import Interval, bootstrap

BLOCKS = 500
"""More sessions than this are put into so many random blocks: the interval is as wide, and quick to make."""

FEW_SESSIONS = 5
"""Below so many sessions a bootstrap over them says nothing: there is no interval."""

_CELLS = 4_000_000
TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "uncached_tokens", "output_tokens")
"""The columns of tokens in the view agent_costs."""


def totals(costs: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Return rows of the view agent_costs added up by some of its columns, the dearest first.

    Columns: the groups, n_messages, n_costs, n_unpriced, n_partial, n_reported, tokens by kind, cost_usd (null
    where nothing is known).

    >>> rows = pl.DataFrame({"model": ["a", "a"], "cost_usd": [1.0, None], "n_messages": [2, 3], "n_costs": [2, 0],
    ...     "n_unpriced": [0, 3], "n_partial": [0, 0], "n_reported": [0, 0], **{name: [10, 20] for name in TOKENS}})
    >>> totals(rows, "model").select("n_messages", "n_unpriced", "input_tokens", "cost_usd").row(0)
    (5, 3, 30, 1.0)
    """
    counts = ("n_messages", "n_costs", "n_unpriced", "n_partial", "n_reported", *TOKENS)
    cost = pl.when(pl.col("cost_usd").count() > 0).then(pl.col("cost_usd").sum())
    groups = costs.group_by(by).agg(pl.col(counts).sum(), cost.alias("cost_usd"))
    return groups.sort("cost_usd", *by, descending=[True, *(False for _ in by)], nulls_last=True)


def _weighted_medians(values: NDArray[np.float64], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a median for each row of weights over sorted values, the mean of the middle two where there are two."""
    reached = weights.cumsum(axis=1)
    half = reached[:, -1:] / 2
    lower = (reached >= half).argmax(axis=1)
    upper = (reached > half).argmax(axis=1)
    return np.asarray((values[lower] + values[upper]) / 2)


def _median(values: NDArray[np.float64], clusters: NDArray[np.int64], n_clusters: int) -> Interval | None:
    """Return the median of sorted values, bootstrapped over the clusters that they stand in."""

    def statistic(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        found = []
        for part in np.array_split(drawn.astype(np.int64), max(1, len(drawn) * len(values) // _CELLS)):
            at = part + n_clusters * np.arange(len(part))[:, None]
            times = np.bincount(at.ravel(), minlength=n_clusters * len(part)).reshape(len(part), n_clusters)
            found.append(_weighted_medians(values, times[:, clusters]))
        return np.concatenate(found)

    return bootstrap(np.arange(n_clusters), statistic)


def medians(requests: pl.DataFrame, value: str, *by: str) -> pl.DataFrame:
    """Return the median of the known values of each group of requests, bootstrapped over sessions (task_group).

    Columns: the groups, n (values known), n_sessions, `<value>_p50` and its bounds, null below `FEW_SESSIONS`.

    >>> rows = pl.DataFrame({"repo": "shop", "task_group": list("aabcde"), "cost": [1.0, 2.0, 4.0, 9.0, 9.0, 9.0]})
    >>> medians(rows, "cost", "repo").row(0)
    ('shop', 6, 5, 6.5, 2.0, 9.0)
    """
    known = requests.drop_nulls(value)
    rows = []
    ordered = known.sort(*by, value)
    groups = ordered.group_by(by, maintain_order=True) if by else [((), ordered)] if known.height else []
    for group, part in groups:
        at = part["task_group"].rank("dense").cast(pl.Int64).to_numpy() - 1
        n_sessions = int(at.max()) + 1
        if n_sessions > BLOCKS:
            at = (np.random.default_rng(0).permutation(n_sessions) % BLOCKS)[at]
        is_enough = n_sessions >= FEW_SESSIONS
        found = _median(part[value].to_numpy(), at, min(n_sessions, BLOCKS)) if is_enough else None
        ends = found[:3] if found else (part[value].median(), None, None)
        rows.append((*group, part.height, n_sessions, *ends))
    figures = (f"{value}_p50", f"{value}_p50_low", f"{value}_p50_high")
    kinds = [*(pl.String for _ in by), pl.Int64, pl.Int64, *(pl.Float64 for _ in figures)]
    names = (*by, "n", "n_sessions", *figures)
    return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")


def saved_by_caching(work: pl.DataFrame) -> tuple[float, float]:
    """Return what messages cost at list price (US dollars), and what the same tokens would have without a cache.

    Only messages of the view agent_work count whose cost is a list price and whose log tells what the cache
    read. Each is priced again by its own model and time, with all of its input at the full price.

    >>> saved_by_caching(pl.DataFrame(schema={"kind": pl.String, "cost_source": pl.String, "model": pl.String,
    ...     "uncached_tokens": pl.Int64, "input_tokens": pl.Int64, "output_tokens": pl.Int64,
    ...     "started_at": pl.Datetime("us"), "cost_usd": pl.Float64}))
    (0.0, 0.0)
    """
    from learnlab.ingest.prices import price_of

    known = work.filter(kind="message", cost_source="list_price").drop_nulls("uncached_tokens")
    columns = known.select("model", "started_at", "input_tokens", "output_tokens", "cost_usd")
    paid, full = 0.0, 0.0
    for model, at, tokens_in, tokens_out, cost in columns.iter_rows():
        price = price_of(model, None, at, tokens_in, 0, 0, tokens_out or 0)
        if price is not None:
            paid, full = paid + cost, full + price
    return paid, full
