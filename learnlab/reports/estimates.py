"""Estimates with their intervals, made from the rows of the views: what the charts draw and the tables hold.

Each function returns one row a group, sorted by the group, with the estimate under its own name and its 95 %
bounds under `<name>_low` and `<name>_high`. A rate has Wilson bounds; a mean or a ratio of sums has bootstrap
bounds over problems (`task_group`), because attempts at one problem are not independent; a median or another
quantile has bounds from order statistics. A bound that nobody can give is null.
"""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from learnlab.errors import ReportError
from learnlab.intervals import TOO_FEW, Z_95, Interval, bootstrap, paired_bootstrap, wilson

BLOCKS = 500
"""More problems than this are summed into so many random blocks: the interval is as wide, and quick to make."""

STRATUM = ("repo", "task_type")
"""What makes two executions comparable: the same kind of task in the same repo."""


def _with_bounds(groups: pl.DataFrame, name: str, intervals: list[Interval | None]) -> pl.DataFrame:
    ends = {"": "estimate", "_low": "low", "_high": "high"}
    columns = [
        pl.Series(f"{name}{end}", [getattr(each, part, None) for each in intervals], pl.Float64)
        for end, part in ends.items()
    ]
    return groups.with_columns(pl.when(each.is_finite()).then(each).alias(each.name) for each in columns)


def success_rates(performance: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Return the success rate (0-1) of each group: rows of a performance view added up, with Wilson bounds.

    Columns: the groups, n_executions, n_verdicts, n_successes, success_rate and its bounds.

    >>> days = pl.DataFrame({"model_tier": ["small", "small"], "n_executions": [6, 5], "n_verdicts": [5, 5],
    ...     "n_successes": [4, 4]})
    >>> [round(figure, 2) for figure in success_rates(days, "model_tier").row(0)[4:]]
    [0.8, 0.49, 0.94]
    """
    counts = ("n_executions", "n_verdicts", "n_successes")
    groups = performance.group_by(by).agg(pl.col(counts).sum()).sort(by)
    rates = [wilson(s, n) for n, s in groups.select("n_verdicts", "n_successes").iter_rows()]
    return _with_bounds(groups, "success_rate", rates)


def _ratio(sums: pl.DataFrame, above: str, below: str) -> Interval | None:
    """Return the ratio of two sums over problems, bootstrapped over the problems or blocks of them."""
    pairs = sums.select(pl.col(above, below).cast(pl.Float64)).to_numpy()
    if len(pairs) < 2 or not pairs[:, 1].sum():
        return None
    if len(pairs) > BLOCKS:
        order = np.random.default_rng(0).permutation(len(pairs))
        pairs = np.stack([block.sum(axis=0) for block in np.array_split(pairs[order], BLOCKS)])

    def ratio(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        drawn = pairs[rows.astype(int)].sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(drawn[:, 1] > 0, drawn[:, 0] / drawn[:, 1], np.inf)

    with np.errstate(invalid="ignore"):
        found = bootstrap(np.arange(len(pairs)), ratio)
    return found and found._replace(n=len(sums))


def ratios(rows: pl.DataFrame, name: str, above: str, below: str, *by: str) -> pl.DataFrame:
    """Return sum(above) / sum(below) of each group, under `name`, bootstrapped over its problems.

    Rows where either is null are left out. Columns: the groups, n (rows used), n_problems, name and its
    bounds; all three are null below 2 problems or when nothing stands below the line.

    >>> rows = pl.DataFrame({"task_group": ["a", "b", "c"], "cost": [1.0, 2.0, 3.0], "hit": [1, 1, 1]})
    >>> ratios(rows.with_columns(tier=pl.lit("small")), "cost_per_hit", "cost", "hit", "tier").row(0)
    ('small', 3, 3, 2.0, 1.0, 3.0)
    """
    known = rows.drop_nulls([above, below])
    sums = known.group_by(*by, "task_group").agg(pl.col(above, below).sum(), n=pl.len().cast(pl.Int64))
    sums = sums.sort(*by, "task_group")
    groups = sums.group_by(by, maintain_order=True).agg(pl.col("n").sum(), n_problems=pl.len().cast(pl.Int64))
    parts = [part for _, part in sums.group_by(by, maintain_order=True)]
    return _with_bounds(groups, name, [_ratio(part, above, below) for part in parts])


def means(rows: pl.DataFrame, value: str, *by: str) -> pl.DataFrame:
    """Return the mean of the known values of each group, as `<value>_mean`, bootstrapped over its problems.

    Columns: the groups, n (values known), n_problems, `<value>_mean` and its bounds.
    """
    counted = rows.with_columns(_one=pl.when(pl.col(value).is_not_null()).then(1))
    return ratios(counted, f"{value}_mean", value, "_one", *by)


def costs_per_success(attempts: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Return what one success costs in each group (US dollars): all that was spent over what succeeded.

    Only executions count whose cost and verdict are both known. Columns: the groups, n, n_problems,
    cost_per_success_usd and its bounds; the upper bound is null where it cannot be told for want of successes.
    """
    verdicts = attempts.with_columns(pl.col("success").cast(pl.Int64))
    return ratios(verdicts, "cost_per_success_usd", "cost_usd", "success", *by)


def _quantile(values: NDArray[np.float64], share: float) -> Interval:
    """Return a quantile of sorted values, with bounds where 5 values or more are expected on either side."""
    n = len(values)
    estimate = float(np.quantile(values, share))
    if n * min(share, 1 - share) < 5:
        return Interval(estimate, float("nan"), float("nan"), n)
    reach = Z_95 * sqrt(n * share * (1 - share))
    low, high = (min(max(ceil(n * share + way) - 1, 0), n - 1) for way in (-reach, reach))
    return Interval(estimate, float(values[low]), float(values[high]), n)


def quantiles(rows: pl.DataFrame, value: str, percent: int, *by: str) -> pl.DataFrame:
    """Return a percentile of the known values of each group, as `<value>_p<percent>`, with its bounds.

    The bounds are order statistics by the normal approximation of the binomial. Source: W. J. Conover,
    "Practical Nonparametric Statistics" (1999), section 3.2. Columns: the groups, n, the percentile and its
    bounds, null where fewer than 5 values are expected on one side: there the approximation is none.

    >>> rows = pl.DataFrame({"pool": ["p"] * 101, "x": [float(i) for i in range(101)]})
    >>> quantiles(rows, "x", 50, "pool").row(0)
    ('p', 101, 50.0, 40.0, 60.0)
    """
    known = rows.drop_nulls(value).sort(*by, value)
    groups = known.group_by(by, maintain_order=True).agg(n=pl.len().cast(pl.Int64))
    parts = [part[value].to_numpy() for _, part in known.group_by(by, maintain_order=True)]
    return _with_bounds(groups, f"{value}_p{percent}", [_quantile(part, percent / 100) for part in parts])


def counted(attempts: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `window_outcomes` with the counts that the performance views have: what is added up."""
    known = pl.col("success").is_not_null()
    return attempts.with_columns(
        n_executions=pl.lit(1, dtype=pl.Int64),
        n_verdicts=known.cast(pl.Int64),
        n_successes=pl.col("success").fill_null(False).cast(pl.Int64),
    )


def success_rates_by_problem(attempts: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Return the success rate (0-1) of each group of attempts, with bounds that know which share a problem.

    Where a group has several verdicts on one problem they are not independent: its bounds are bootstrapped over
    problems. Where every verdict has its own problem, or all went one way, they are Wilson's.
    Columns: those of `success_rates` and n_problems.

    >>> rows = pl.DataFrame({"task_group": list("aabbcc"), "success": [True, True, False, False, True, True]})
    >>> success_rates_by_problem(rows.with_columns(tier=pl.lit("small")), "tier").row(0)[4:]
    (0.6666666666666666, 0.0, 1.0, 3)
    """
    over = means(attempts.with_columns(success=pl.col("success").cast(pl.Int64)), "success", *by)
    joined = success_rates(counted(attempts), *by).join(over, on=by, how="left", maintain_order="left")
    shared = (pl.col("n_problems") < pl.col("n_verdicts")) & (
        pl.col("success_mean_low") < pl.col("success_mean_high")
    )
    bounds = [
        pl.when(shared)
        .then(f"success_mean_{end}")
        .otherwise(f"success_rate_{end}")
        .alias(f"success_rate_{end}")
        for end in ("low", "high")
    ]
    return joined.with_columns(bounds).drop("n", cs.starts_with("success_mean"))


def adjusted_success_rates(attempts: pl.DataFrame, by: str) -> pl.DataFrame:
    """Return each group's success rate if all had worked on the same mix of tasks, beside the raw one.

    Who routes by difficulty gives the large tier the hard tasks, and a retry is a task that failed before: raw
    rates then compare tasks, not tiers. Here the rates of first attempts within each repo and task type are
    averaged with one set of weights, the common mix, over the strata where every group with at least
    `TOO_FEW` verdicts has 2. What differs between tasks of one stratum stays in.
    Source: direct standardisation, K. J. Rothman, "Modern Epidemiology" (2008), chapter 3; the variance of a
    stratum takes (successes + 1) / (n + 2), so that a stratum without failures is not taken for certain.

    Columns: the group, n_executions, n_verdicts, n_successes, success_rate and its bounds (raw), n_compared
    (verdicts in the common strata), n_strata, success_rate_adjusted and its bounds, null where none is shared.
    """
    ones = counted(attempts)
    raw = success_rates(ones, by)
    first = ones.filter(~pl.col("is_retry"))
    compared = success_rates(first, by).filter(pl.col("n_verdicts") >= TOO_FEW).select(by)
    strata = success_rates(first.join(compared, on=by, how="semi"), *STRATUM, by)
    common = strata.filter(pl.col("n_verdicts") >= 2)
    common = common.filter(pl.len().over(STRATUM) == compared.height)
    weight, smooth = pl.col("n_verdicts").sum(), (pl.col("n_successes") + 1) / (pl.col("n_verdicts") + 2)
    shared = common.with_columns(_share=weight.over(STRATUM) / pl.lit(max(1, common["n_verdicts"].sum())))
    adjusted = shared.group_by(by).agg(
        n_compared=weight,
        n_strata=pl.len().cast(pl.Int64),
        success_rate_adjusted=(pl.col("_share") * pl.col("success_rate")).sum(),
        _error=(pl.col("_share") ** 2 * smooth * (1 - smooth) / pl.col("n_verdicts")).sum().sqrt(),
    )
    centre, reach = pl.col("success_rate_adjusted"), Z_95 * pl.col("_error")
    low, high = (centre - reach).clip(0, 1), (centre + reach).clip(0, 1)
    bounded = adjusted.with_columns(success_rate_adjusted_low=low, success_rate_adjusted_high=high).drop(
        "_error"
    )
    joined = raw.join(bounded, on=by, how="left", maintain_order="left")
    return joined.with_columns(pl.col("n_compared", "n_strata").fill_null(0))


def shared_differences(attempts: pl.DataFrame, value: str, by: str) -> pl.DataFrame:
    """Return how far each group stands from the best one on the problems that both attempted.

    `value` is a column of numbers or of true and false. Retries are left out: they happen because something
    failed. Paired bootstrap over problems; the best group has the highest mean over all its problems among
    those that share some. Columns: the group, against (the best), n_shared (problems), difference (group −
    best) and its bounds; no row when no problem was attempted by two groups.
    """
    first = attempts.filter(~pl.col("is_retry")).drop_nulls(value)
    cells = first.group_by("task_group", by).agg(pl.col(value).cast(pl.Float64).mean())
    cells = cells.filter(pl.len().over("task_group") > 1)
    ranked = cells.group_by(by).agg(pl.col(value).mean()).sort(value, by, descending=[True, False])
    rows = []
    for (other,) in ranked[1:].select(by).iter_rows():
        best = ranked[0, by]
        pairs = (
            cells.filter(pl.col(by) == best)
            .join(cells.filter(pl.col(by) == other), on="task_group")
            .sort("task_group")
        )
        gap = paired_bootstrap(pairs[f"{value}_right"], pairs[value]) if len(pairs) else None
        rows.append((other, best, len(pairs), *(gap[:3] if gap else (None, None, None))))
    names = {by: pl.String, "against": pl.String, "n_shared": pl.Int64}
    figures = dict.fromkeys(("difference", "difference_low", "difference_high"), pl.Float64)
    return pl.DataFrame(rows, schema={**names, **figures}, orient="row")


def periods(performance: pl.DataFrame, moment: str = "day") -> pl.DataFrame:
    """Return the rows that have a time, with `period`: the day, week or month that a chart over time shows.

    Days up to 2 weeks, weeks up to half a year, months beyond: enough points to see a change, few enough that
    each has something in it. The column `period_length` says which.
    """
    timed = performance.drop_nulls(moment)
    dates = timed[moment].cast(pl.Date)
    span = (dates.max() - dates.min()).days if timed.height else 0  # type: ignore[operator,union-attr]
    length, word = ("1d", "day") if span <= 14 else ("1w", "week") if span <= 183 else ("1mo", "month")
    return timed.with_columns(period=dates.dt.truncate(length), period_length=pl.lit(word))


def halves(rows: pl.DataFrame, moment: str) -> pl.DataFrame:
    """Return the rows that have a time, with `half`: earlier or later than the middle of the time they span."""
    timed = rows.drop_nulls(moment).with_columns(_at=pl.col(moment).cast(pl.Datetime("us")))
    middle = (pl.col("_at").min().cast(pl.Int64) + pl.col("_at").max().cast(pl.Int64)) / 2
    earlier = pl.col("_at").cast(pl.Int64) <= middle
    half = pl.when(earlier).then(pl.lit("earlier")).otherwise(pl.lit("later"))
    return timed.with_columns(half=half).drop("_at")


def hours_of_day(performance: pl.DataFrame, tz: str) -> pl.DataFrame:
    """Return the rows that have a time, with `hour_of_day` (0-23) as clocks show it in a time zone.

    Raises:
        ReportError: when `tz` is no time zone.

    >>> rows = pl.DataFrame({"hour": ["2026-03-01T23:00"]}).with_columns(pl.col("hour").str.to_datetime())
    >>> hours_of_day(rows, "Europe/Berlin")["hour_of_day"].to_list()
    [0]
    """
    try:
        local = pl.col("hour").dt.replace_time_zone("UTC").dt.convert_time_zone(tz)
        return performance.drop_nulls("hour").with_columns(hour_of_day=local.dt.hour())
    except pl.exceptions.PolarsError as error:
        raise ReportError(f"{tz!r} is no time zone: write it like UTC or Europe/Berlin") from error


def cost_bins(calibration: pl.DataFrame, per_decade: int = 5) -> pl.DataFrame:
    """Return how many executions lie in each cell of estimate × actual cost, cells equally wide on log axes.

    Columns: estimate_from, estimate_to, actual_from, actual_to (US dollars), n. A cost of 0 has no place on
    such axes and is left out.
    """
    costs = {"estimate": "cost_estimate_usd", "actual": "cost_usd"}
    both = calibration.filter((pl.col(column) > 0) for column in costs.values())
    cells = [(pl.col(column).log10() * per_decade).floor().alias(name) for name, column in costs.items()]
    counted = both.group_by(cells).agg(n=pl.len().cast(pl.Int64)).sort(*costs)
    edges = {
        f"{name}_{end}": 10.0 ** ((pl.col(name) + shift) / per_decade)
        for name in costs
        for end, shift in (("from", 0), ("to", 1))
    }
    return counted.select(**edges, n=pl.col("n"))


def known_shares(coverage: pl.DataFrame) -> pl.DataFrame:
    """Return the share of each source's executions that carry each kind of fact (`queries/coverage`).

    Columns: source, n_executions, what (verdicts, costs, times, …), n_known, share (0-1).
    """
    kinds = {name.removeprefix("n_"): name for name in coverage.columns if name.startswith("n_")}
    kinds.pop("executions")
    renamed = coverage.rename({column: kind for kind, column in kinds.items()})
    long = renamed.unpivot(
        on=list(kinds), index=["source", "n_executions"], variable_name="what", value_name="n_known"
    )
    return long.with_columns(share=pl.col("n_known") / pl.col("n_executions"))
