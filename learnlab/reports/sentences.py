"""Sentences about estimates, computed: every figure with its interval and n, and "too few to tell" when it is so."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import polars as pl

from learnlab.intervals import TOO_FEW, Interval, difference

Row = dict[str, Any]
_UNITS = {
    "rate": ("", "\N{NO-BREAK SPACE}%"),
    "usd": ("$", ""),
    "seconds": ("", "\N{NO-BREAK SPACE}s"),
    "quality": ("", "\N{NO-BREAK SPACE}points"),
    "plain": ("", ""),
}
_MINUS = "−\N{WORD JOINER}"


def _digits(value: float, unit: str) -> str:
    if unit == "rate":
        return f"{100 * value:.1f}"
    if unit == "quality":
        return f"{value:.1f}"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{float(f'{value:.3g}'):,.10f}".rstrip("0").rstrip(".")


def shown(value: float, unit: str) -> str:
    """Return a figure with its unit: rate (0-1, shown in percent), usd, seconds, quality (points) or plain.

    No line breaks between a figure, its unit and its sign.

    >>> print(shown(0.6213, "rate"), shown(0.012345, "usd"), shown(1234.5, "usd"), shown(1.5, "seconds"))
    62.1 % $0.0123 $1,234 1.5 s
    """
    before, after = _UNITS[unit]
    sign = _MINUS if value < 0 else ""
    return f"{sign}{before}{_digits(abs(value), unit)}{after}"


def _interval(low: float | None, high: float | None, unit: str) -> str:
    ends = [shown(end, unit) if end is not None else "no bound" for end in (low, high)]
    return f"95\N{NO-BREAK SPACE}% interval {ends[0]} to {ends[1]}"


def estimated(row: Row, value: str, unit: str, n: str) -> str:
    """Return an estimate of a row with its 95 % interval and n, and on how many problems where they are fewer.

    >>> print(estimated({"rate": 0.5, "rate_low": 0.4, "rate_high": 0.6, "n": 1000}, "rate", "rate", "n"))
    50.0 % (95 % interval 40.0 % to 60.0 %, n = 1,000)
    """
    bounds = _interval(row[f"{value}_low"], row[f"{value}_high"], unit)
    problems = row.get("n_problems")
    on = f" on {problems:,} problems" if problems and problems < row[n] else ""
    figure = shown(row[value], unit)
    return f"{figure} ({bounds}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{row[n]:,}{on})"


def _gap(first: Row, second: Row, value: str, n: str) -> Interval | None:
    """Return the interval of first − second (`difference`), or None where a bound is missing."""
    known = [
        Interval(row[value], row[f"{value}_low"], row[f"{value}_high"], row[n])
        for row in (first, second)
        if row[f"{value}_low"] is not None and row[f"{value}_high"] is not None
    ]
    return difference(*known) if len(known) == 2 else None


def _apart(gap: Interval | None) -> bool:
    return gap is not None and (gap.low > 0 or gap.high < 0)


def _told(gap: Interval | None, unit: str) -> str:
    """Return a difference with its interval, and whether it can be told from nothing."""
    if gap is None:
        return "One of the intervals has no bound: too close to call"
    if unit == "rate":
        gap, unit = Interval(100 * gap.estimate, 100 * gap.low, 100 * gap.high, gap.n), "quality"
    verdict = "so it can be told" if _apart(gap) else "too close to call"
    return f"The difference is {shown(gap.estimate, unit)} ({_interval(gap.low, gap.high, unit)}), {verdict}"


def apart(first: Row, second: Row, value: str, unit: str, n: str) -> str:
    """Return how far two independent estimates are apart, first − second, and whether that can be told.

    >>> row = {"rate": 0.9, "rate_low": 0.8, "rate_high": 0.95, "n": 50}
    >>> print(apart(row, {"rate": 0.5, "rate_low": 0.4, "rate_high": 0.6, "n": 60}, "rate", "rate", "n"))
    The difference is 40.0 points (95 % interval 25.9 points to 51.2 points), so it can be told
    """
    return _told(_gap(first, second, value, n), unit)


def _alone(row: Row, names: str, value: str, unit: str, n: str, what: str) -> str:
    if row[names] == "unknown":
        kind, count = names.removesuffix("_type").replace("_", " "), row.get("n_executions", row[n])
        return f"The source names no {kind} ({count:,} executions): there is no {what} to compare."
    return f"Only {row[names]} is there, so nothing is compared: {what} {estimated(row, value, unit, n)}."


def first_of(
    frame: pl.DataFrame, names: str, value: str, unit: str, n: str, what: str, *, least: bool = False
) -> str:
    """Return which row has the highest (or least) estimate, which comes next, and how far the two are apart.

    Rows with fewer than `TOO_FEW` behind them do not compete. `what` names the figure: "success rate".

    >>> frame = pl.DataFrame({"tier": ["a", "b"], "rate": [0.9, 0.5], "rate_low": [0.8, 0.4],
    ...     "rate_high": [0.95, 0.6], "n": [50, 60]})
    >>> print(first_of(frame, "tier", "rate", "rate", "n", "success rate"))
    a has the highest success rate: 90.0 % (95 % interval 80.0 % to 95.0 %, n = 50). Next comes b: 50.0 % (95 %
    interval 40.0 % to 60.0 %, n = 60). The difference is 40.0 points (95 % interval 25.9 points to 51.2 points),
    so it can be told.
    """
    enough = frame.filter(pl.col(n) >= TOO_FEW).drop_nulls(value)
    rows = enough.sort(value, names, descending=[not least, False]).to_dicts()
    if not rows:
        return f"Too few to tell about the {what}: nothing has {TOO_FEW} observations behind it."
    if frame.height == 1:
        return _alone(rows[0], names, value, unit, n, what)
    if len(rows) == 1:
        figure = estimated(rows[0], value, unit, n)
        return (
            f"Only {rows[0][names]} has the {TOO_FEW} observations that a comparison takes: {what} {figure}."
        )
    best, after = rows[:2]
    gap = _gap(after, best, value, n) if least else _gap(best, after, value, n)
    first, second = estimated(best, value, unit, n), estimated(after, value, unit, n)
    word = "lowest" if least else "highest"
    told = f"{best[names]} has the {word} {what}: {first}. Next comes {after[names]}: {second}."
    return f"{told} {_told(gap, unit)}."


def changes(halves: pl.DataFrame, names: str, value: str, unit: str, n: str, what: str) -> str:
    """Return what differs between the earlier and the later half of the window (`estimates.halves`).

    Only changes whose difference has an interval without 0 are told, each name on its own.
    """
    if not halves.height:
        return f"No time is recorded for any {what}: whether it changed over time cannot be told."
    enough = halves.filter(pl.col(n) >= TOO_FEW).drop_nulls(value)
    told, compared = [], 0
    for (name,), part in enough.group_by([names], maintain_order=True):
        rows = {row["half"]: row for row in part.to_dicts()}
        if len(rows) < 2:
            continue
        compared += 1
        before, after = rows["earlier"], rows["later"]
        if _apart(_gap(after, before, value, n)):
            went = "rose" if after[value] > before[value] else "fell"
            told.append(
                f"{name} {went} from {estimated(before, value, unit, n)} to {estimated(after, value, unit, n)}"
            )
    if not compared:
        return f"Too few to tell whether the {what} changed over time."
    if not told:
        return f"No {what} changed between the two halves of the window by more than chance allows for."
    return f"Between the two halves of the window the {what} changed: {'; '.join(told)}."


def timed(n_timed: int, n: int) -> str:
    """Return how many executions have a recorded time; pages over time leave the others out.

    >>> timed(0, 1408)
    'The source records no time: none of the 1,408 executions can be shown over time.'
    """
    if n_timed == 0:
        return f"The source records no time: none of the {n:,} executions can be shown over time."
    if n_timed == n:
        return (
            f"All {n:,} executions have a recorded time."
            if n > 1
            else "The only execution has a recorded time."
        )
    return f"{n - n_timed:,} of {n:,} executions have no recorded time: figures over time leave them out."


def flagged(n_flagged: int, n: int) -> str:
    """Return how many executions carry token counts that are no measurements, and what that means for costs.

    >>> flagged(0, 20000)
    'None of the 20,000 executions lacks token counts that its source has elsewhere, or repeats a constant.'
    """
    if not n_flagged:
        return f"None of the {n:,} executions lacks token counts that its source has elsewhere, or repeats a constant."
    return (
        f"{n_flagged:,} of {n:,} executions ({shown(n_flagged / n, 'rate')}) carry token counts that are missing or a "
        "repeated constant: their costs are unknown, or as doubtful as the tokens they were made from."
    )


def without_constants(constants: pl.DataFrame) -> str:
    """Return what a figure about cost leaves out: executions whose tokens are a repeated constant (`token_flags`).

    >>> without_constants(pl.DataFrame({"model": ["a", "a", "b"]}))
    '3 executions are left out of the costs because their tokens are a repeated constant: 2 of a, 1 of b.'
    """
    counts = constants.group_by("model").agg(n=pl.len()).sort("n", "model", descending=[True, False])
    rest = counts["n"][5:].sum()
    named = [f"{n:,} of {model}" for model, n in counts[:5].iter_rows()]
    named += [f"{rest:,} of {counts.height - 5} other models"] if rest else []
    verb = "execution is" if constants.height == 1 else "executions are"
    return (
        f"{constants.height:,} {verb} left out of the costs because their tokens are a repeated constant: "
        f"{', '.join(named) or 'none'}."
    )


def reordered(measured: pl.DataFrame, everything: pl.DataFrame, names: str, value: str) -> str:
    """Return whether what was left out would change the order of a figure, lowest first.

    >>> frame = pl.DataFrame({"tier": ["a", "b"], "x": [1.0, 2.0]})
    >>> reordered(frame, frame.reverse(), "tier", "x")
    'With what was left out, the order would be the same: a, then b.'
    """
    ranks = [frame.drop_nulls(value).sort(value, names)[names].to_list() for frame in (measured, everything)]
    here, there = (", then ".join(rank) or "none" for rank in ranks)
    if here == there:
        return f"With what was left out, the order would be the same: {here}."
    return f"What was left out changes the order: with it, lowest first, {there}; without it, {here}."


def partly(n: int, n_all: int, what: str) -> str:
    """Return how many executions carry what a comparison takes.

    >>> partly(80, 100, "a quality score")
    '80 of 100 executions carry a quality score: only those are compared here.'
    """
    return f"{n:,} of {n_all:,} executions carry {what}: only those are compared here."


def never_full(attempts: pl.DataFrame) -> str:
    """Return which task types hardly ever count as a success although their work is good, or nothing.

    Named are those with `TOO_FEW` verdicts, under 1 % of them successes, and a mean quality above 10 of 100.

    >>> rows = {"task_type": "refactor", "success": False, "quality_score": 71.0}
    >>> print(never_full(pl.DataFrame([rows] * 12)))
    In refactor under 1 % of the verdicts are successes while the mean quality is 71.0 points: full marks are hardly
    ever given there, so compare it by quality.
    """
    types = attempts.group_by("task_type").agg(
        n=pl.col("success").count(), rate=pl.col("success").mean(), quality=pl.col("quality_score").mean()
    )
    rare = types.filter(pl.col("n") >= TOO_FEW, pl.col("rate") < 0.01, pl.col("quality") > 10)
    rows = rare.sort("task_type").to_dicts()
    if not rows:
        return ""
    figures = [shown(row["quality"], "quality") for row in rows]
    return (
        f"In {' and '.join(row['task_type'] for row in rows)} under 1\N{NO-BREAK SPACE}% of the verdicts are successes "
        f"while the mean quality is {' and '.join(figures)}: full marks are hardly ever given there, so compare "
        f"{'it' if len(rows) == 1 else 'them'} by quality."
    )


def orders(rates: pl.DataFrame) -> str:
    """Return whether the order of the tiers is another on a common mix (`estimates.adjusted_success_rates`)."""
    compared = rates.drop_nulls("success_rate_adjusted").filter(pl.col("n_verdicts") >= TOO_FEW)
    if compared.height < 2:
        return "Too few to tell how the tiers compare on the same mix of tasks."
    raw, adjusted = (
        compared.sort(column, "model_tier", descending=[True, False])["model_tier"].to_list()
        for column in ("success_rate", "success_rate_adjusted")
    )
    basis = f"{compared['n_compared'].sum():,} verdicts on first attempts"
    ranked = compared.sort("success_rate_adjusted", "model_tier", descending=[True, False]).to_dicts()
    close = [
        f"{row['model_tier']} and {after['model_tier']}"
        for row, after in pairwise(ranked)
        if not _apart(_gap(row, after, "success_rate_adjusted", "n_compared"))
    ]
    doubt = f" The difference between {', and between '.join(close)} is too close to call." if close else ""
    order = f"On the same mix of repos and task types ({basis}) the order"
    if raw == adjusted:
        return f"{order} stays as routed: {', then '.join(adjusted)}.{doubt}"
    return (
        f"{order} is {', then '.join(adjusted)}, not {', then '.join(raw)} as routed: the tiers saw different "
        f"tasks.{doubt}"
    )


def behind(gaps: pl.DataFrame, names: str, unit: str, what: str) -> str:
    """Return who is as good as the best on shared problems and who is behind (`estimates.shared_differences`)."""
    enough = gaps.filter(pl.col("n_shared") >= TOO_FEW).drop_nulls("difference")
    if not enough.height:
        return f"Too few problems were attempted by two of them to compare the {what} on the same problems."
    best = enough[0, "against"]
    worse = enough.filter(pl.col("difference_high") < 0)
    least = worse.sort("difference", descending=True).head(1).to_dicts()
    level = [name for (name,) in enough.filter(pl.col("difference_high") >= 0).select(names).iter_rows()]
    parts = [f"On the problems they share, {best} has the highest {what}"]
    if level:
        parts.append(f"{', '.join(level)} cannot be told apart from it")
    if least:
        gap = estimated(least[0], "difference", unit, "n_shared")
        parts.append(f"{worse.height} behind it beyond their intervals, the nearest {least[0][names]}: {gap}")
    return f"{'; '.join(parts)}."


def read(sources: pl.DataFrame) -> str:
    """Return what became of the rows of all sources (`queries/sources`).

    >>> read(pl.DataFrame({"source": ["a.csv"], "n_rows_read": [3], "n_accepted": [1], "n_duplicates": [1],
    ...     "n_rejected": [1], "n_ingests": [2]}))
    '3 rows were read from 1 source in 2 readings: 1 accepted, 1 duplicates, 1 rejected.'
    """
    total = sources.select(pl.col("n_rows_read", "n_accepted", "n_duplicates", "n_rejected").sum()).row(0)
    n = sources["source"].n_unique()
    readings = sources["n_ingests"].sum()
    again = f" in {readings:,} readings" if readings > n else ""
    return (
        f"{total[0]:,} rows were read from {n:,} source{'' if n == 1 else 's'}{again}: "
        f"{total[1]:,} accepted, {total[2]:,} duplicates, {total[3]:,} rejected."
    )


def judged(n_verdicts: int, n: int, said_by: Sequence[str] = (), rules: Sequence[str] = ()) -> str:
    """Return how many executions have a verdict, who gave it, and the condition where a mapping states one.

    >>> judged(92, 100, ["verifier", "nobody"], ["score >= 1.0"])
    '92 of 100 executions have a known verdict, from verifier; success by a mapping means score >= 1.0.'
    """
    sources = sorted(set(said_by) - {"nobody"})
    told = f", from {', '.join(sources)}" if sources else ""
    stated = f"; success by a mapping means {', or '.join(dict.fromkeys(rules))}" if rules else ""
    return f"{n_verdicts:,} of {n:,} executions have a known verdict{told}{stated}."


def priced(n_costs: int, n: int) -> str:
    """Return how many executions have a known cost.

    >>> priced(95, 100)
    '95 of 100 executions have a known cost; the others are left out of every figure about cost, not taken for free.'
    """
    if n_costs == n:
        return f"All {n:,} executions have a known cost."
    return (
        f"{n_costs:,} of {n:,} executions have a known cost; the others are left out of every figure about cost, "
        "not taken for free."
    )


def masked(sources: pl.DataFrame) -> str:
    """Return how many secrets were masked before anything was stored (`queries/sources`).

    >>> masked(pl.DataFrame({"n_masked": [2, 1]}))
    '3 secrets or addresses in what was read were masked before anything was stored.'
    """
    n = sources["n_masked"].sum()
    if not n:
        return "Nothing that looks like a secret was met in what was read."
    verb, noun = ("was", "secret or address") if n == 1 else ("were", "secrets or addresses")
    return f"{n:,} {noun} in what was read {verb} masked before anything was stored."


def origins(readers: pl.DataFrame) -> str:
    """Return where known costs come from (`queries/origins`).

    >>> origins(pl.DataFrame({"n_executions": [9], "n_cost_reported": [5], "n_cost_list_price": [3]}))
    'Of 9 executions, 5 have a cost that the source states, 3 one made of tokens and list prices, 1 none known.'
    """
    names = ("n_executions", "n_cost_reported", "n_cost_list_price")
    n, stated, listed = readers.select(pl.col(names).sum()).row(0)
    return (
        f"Of {n:,} executions, {stated:,} have a cost that the source states, {listed:,} one made of tokens and list "
        f"prices, {n - stated - listed:,} none known."
    )


def biased(ratios: pl.DataFrame) -> str:
    """Return which tiers cost more or less than estimated beyond their intervals (`estimates.ratios`)."""
    value = "actual_per_estimate"
    enough = ratios.filter(pl.col("n") >= TOO_FEW).drop_nulls([value, f"{value}_low", f"{value}_high"])
    if not enough.height:
        return "Too few to tell whether the estimates are biased."
    told = []
    for row in enough.to_dicts():
        if row[f"{value}_low"] > 1 or row[f"{value}_high"] < 1:
            way = "dearer" if row[value] > 1 else "cheaper"
            told.append(
                f"{row['model_tier']} is {way} than estimated, by a factor of {estimated(row, value, 'plain', 'n')}"
            )
    return (
        f"{'; '.join(told)}." if told else "No tier's costs differ from the estimates beyond their intervals."
    )
