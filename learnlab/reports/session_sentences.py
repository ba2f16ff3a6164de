"""Sentences about agents' sessions: sums as counts, estimates with their interval, what is unknown said so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from learnlab.intervals import TOO_FEW
from learnlab.models import UNKNOWN
from learnlab.reports.sentences import estimated, shown


def _sum(frame: pl.DataFrame, column: str) -> Any:
    return frame[column].sum()


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _span(seconds: float) -> str:
    """Return a length of time in hours, minutes or seconds."""
    unit, size = ("h", 3600) if seconds >= 7200 else ("min", 60) if seconds >= 120 else ("s", 1)
    return f"{shown(seconds / size, 'plain')}\N{NO-BREAK SPACE}{unit}"


def _share(part: float, whole: float) -> str:
    return shown(part / whole, "rate") if whole else "none"


_MORE = {
    "n_unpriced": "the price is unknown",
    "n_partial": "the log tells only part of the usage",
}


def spent(costs: pl.DataFrame, requests: pl.DataFrame) -> str:
    """Return what the known costs add up to (the views agent_costs and agent_requests), and what such a figure is.

    >>> costs = pl.DataFrame({"cost_usd": [2.5], "n_costs": [4], "n_reported": [0],
    ...     "n_messages": [4], "n_unpriced": [0], "n_partial": [0]})
    >>> print(spent(costs, pl.DataFrame({"session_id": ["s", "s"], "cost_usd": [2.5, None]})))
    The known cost of 2 requests in 1 session, of which 1 has one, is $2.5 at list price: what their tokens are
    priced at on the day, which is not what a subscriber pays.
    """
    n_sessions = requests["session_id"].drop_nulls().n_unique()
    inside = f" in {_n(n_sessions, 'session')}" if not requests["session_id"].null_count() else ""
    who = f"{_n(requests.height, 'request')}{inside}"
    if not costs["cost_usd"].count():
        return f"No cost is known of {who}."
    n_known = requests["cost_usd"].count()
    if n_known < requests.height:
        who += f", of which {n_known:,} {'has' if n_known == 1 else 'have'} one,"
    rest = "".join(
        f" Of {_share(_sum(costs, column), _sum(costs, 'n_messages'))} of the messages {what}, so it was more."
        for column, what in _MORE.items()
        if _sum(costs, column)
    )
    total, n_reported = shown(_sum(costs, "cost_usd"), "usd"), _sum(costs, "n_reported")
    n_costs = _sum(costs, "n_costs")
    if n_reported >= n_costs:
        return f"The known cost of {who} is {total}, as their logs state it.{rest}"
    partly = f", {n_reported:,} of {_n(n_costs, 'message')} as the log states it" if n_reported else ""
    return (
        f"The known cost of {who} is {total} at list price{partly}: what their tokens are priced at on the day, "
        f"which is not what a subscriber pays.{rest}"
    )


def outside(n: int, window: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how many requests the window of a page leaves out, as one sentence; none where it leaves out none.

    >>> outside(12, {"days_back": 30, "as_of": ""})[0]
    '12 more requests of the store lie outside these 30 days: a larger days_back, or another as_of, shows them.'
    """
    if n <= 0:
        return ()
    return (
        f"{n:,} more request{'' if n == 1 else 's'} of the store lie{'s' if n == 1 else ''} outside these "
        f"{window['days_back']:,} days: a larger days_back, or another as_of, shows {'it' if n == 1 else 'them'}.",
    )


def unpriced(models: pl.DataFrame) -> str:
    """Return which models have no known price (`session_estimates.totals` by model): the sums leave them out.

    >>> print(unpriced(pl.DataFrame({"model": ["a", "b"], "n_messages": [8, 2], "n_unpriced": [0, 2]})))
    2 of 10 messages (20.0 %) used tokens whose price is unknown, of b: the sums leave them out, so all of it cost
    more than they say.
    """
    rows = models.filter(pl.col("n_unpriced") > 0).sort("n_unpriced", "model", descending=[True, False])
    n, n_all = _sum(rows, "n_unpriced"), _sum(models, "n_messages")
    if not n:
        return "No message used tokens whose price is unknown."
    names = ["a model that no log names" if name == UNKNOWN else name for name in rows["model"].head(5)]
    named = ", ".join([*names, f"{rows.height - 5} more"] if rows.height > 5 else names)
    return (
        f"{n:,} of {_n(n_all, 'message')} ({_share(n, n_all)}) used tokens whose price is unknown, of {named}: the "
        "sums leave them out, so all of it cost more than they say."
    )


def partial(costs: pl.DataFrame) -> str:
    """Return how many messages used more than their log tells: tokens and costs are undercounted there.

    >>> partial(pl.DataFrame({"n_messages": [10], "n_partial": [0], "input_tokens": [5], "output_tokens": [0]}))
    'No log breaks off inside a message: its usage is told in full.'
    """
    n, n_all = _sum(costs, "n_partial"), _sum(costs, "n_messages")
    if not n and not _sum(costs, "input_tokens") + _sum(costs, "output_tokens"):
        return "No log here counts tokens."
    if not n:
        return "No log breaks off inside a message: its usage is told in full."
    return (
        f"{n:,} of {_n(n_all, 'message')} ({_share(n, n_all)}) have only part of their usage in the log: true "
        "tokens and costs are higher than the sums."
    )


def parts(costs: pl.DataFrame) -> str:
    """Return how much of the known cost went to subagents and to compaction (the view agent_costs).

    >>> rows = pl.DataFrame({"part": ["own work", "subagents"], "cost_usd": [3.0, 1.0]})
    >>> print(parts(rows))
    Of $4 known, subagents spent 25.0 % ($1) and compactions none.
    """
    sums = dict(costs.drop_nulls("cost_usd").group_by("part").agg(pl.col("cost_usd").sum()).iter_rows())
    whole = sum(sums.values())
    if not whole:
        return "No cost is known, so nothing can be said of subagents and compactions."
    told = [
        f"{_share(sums[part], whole)} ({shown(sums[part], 'usd')})" if sums.get(part) else "none"
        for part in ("subagents", "compaction")
    ]
    return f"Of {shown(whole, 'usd')} known, subagents spent {told[0]} and compactions {told[1]}."


def cached(costs: pl.DataFrame) -> str:
    """Return what share of the tokens in was read from the cache and written to it (the view agent_costs).

    >>> print(cached(pl.DataFrame({"input_tokens": [100], "cache_read_tokens": [80], "cache_write_tokens": [15],
    ...     "uncached_tokens": [5]})))
    Of 100 tokens in, 80.0 % were read from the cache, 15.0 % written to it, 5.0 % neither.
    """
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "uncached_tokens")
    tokens, read, written, plain = costs.select(pl.col(names).sum()).row(0)
    if not read + written + plain:
        return "No log here tells what a cache read or wrote."
    told = f"{_share(read, tokens)} were read from the cache, {_share(written, tokens)} written to it, "
    rest = tokens - read - written - plain
    unsplit = f"; of {_share(rest, tokens)} the log does not tell" if rest >= tokens / 2000 else ""
    return f"Of {tokens:,} tokens in, {told}{_share(plain, tokens)} neither{unsplit}."


def saved(paid: float, full: float) -> str:
    """Return what caching saved at list price (`session_estimates.saved_by_caching`).

    >>> print(saved(2.0, 8.0))
    Without a cache the messages with a list price would have cost $8 instead of $2: caching saved 75.0 %.
    """
    if not full:
        return (
            "What caching saved cannot be told: no message has both a list price and a known use of a cache."
        )
    if paid > full:
        return f"Caching cost more than it saved: {shown(paid, 'usd')} at list price instead of {shown(full, 'usd')}."
    return (
        f"Without a cache the messages with a list price would have cost {shown(full, 'usd')} instead of "
        f"{shown(paid, 'usd')}: caching saved {_share(full - paid, full)}."
    )


def time_went(time: pl.DataFrame) -> str:
    """Return how the requests' time divides into models, tools and waiting (the view agent_time).

    >>> rows = pl.DataFrame({"what": ["model", "tool", "tool", "waiting"], "name": ["m", "shell", "read", "waiting"],
    ...     "seconds": [3600.0, 1800.0, 180.0, 5400.0]})
    >>> print(time_went(rows))
    Of 3.05 h, models took 32.8 %, tools 18.0 % (most of it shell), waiting 49.2 %.
    """
    sums = dict(time.drop_nulls("seconds").group_by("what").agg(pl.col("seconds").sum()).iter_rows())
    whole = sum(sums.values())
    if not whole:
        return "No log here tells how long a step took."
    tools = time.filter(what="tool").group_by("name").agg(pl.col("seconds").sum()).sort("seconds", "name")
    most = f" (most of it {tools[-1, 'name']})" if sums.get("tool") else ""
    order = {
        "model": "models took",
        "tool": "tools",
        "compaction": "compactions",
        "waiting": "waiting",
        "untold": "what no log tells apart",
    }
    told = [
        f"{words} {_share(sums[what], whole)}{most if what == 'tool' else ''}"
        for what, words in order.items()
        if sums.get(what)
    ]
    return f"Of {_span(whole)}, {', '.join(told)}."


_MEASURED = {
    "work": "the log states how long {} worked",
    "gaps": "{} are timed without their long pauses",
    "wall": "{} are timed by the wall clock with every pause",
    "unknown": "{} have no known duration",
}


def measured(requests: pl.DataFrame) -> str:
    """Return what the requests' durations measure (the view agent_requests).

    >>> measured(pl.DataFrame({"duration_source": ["work", "gaps", "gaps"]}))
    'Of 3 requests, the log states how long 1 worked, 2 are timed without their long pauses.'
    """
    counts = {source: requests.filter(duration_source=source).height for source in _MEASURED}
    told = [words.format(f"{counts[source]:,}") for source, words in _MEASURED.items() if counts[source]]
    return f"Of {_n(requests.height, 'request')}, {', '.join(told)}."


def unlike_durations(readers: pl.DataFrame) -> tuple[str, ...]:
    """Return what durations measure where they measure different things, as one sentence (`queries/origins`).

    >>> print(*unlike_durations(pl.DataFrame({"n_time_work": [5], "n_time_gaps": [26], "n_time_wall": [0]})))
    Durations in this store do not all measure the same (work as the log states it 5, time without long pauses 26): a
    difference may come from that.
    """
    words = {
        "n_time_work": "work as the log states it",
        "n_time_gaps": "time without long pauses",
        "n_time_wall": "wall clock with every pause",
    }
    counts = {word: readers[name].sum() for name, word in words.items()}
    told = [f"{word} {n:,}" for word, n in counts.items() if n]
    if len(told) < 2:
        return ()
    return (
        f"Durations in this store do not all measure the same ({', '.join(told)}): a difference may come from that.",
    )


def dear(requests: pl.DataFrame) -> str:
    """Return how much of the known cost the dearest tenth of the requests is (the view agent_requests).

    >>> rows = pl.DataFrame({"cost_usd": [11.0, *[1.0] * 9]})
    >>> print(dear(rows))
    The dearest 1 of 10 requests with a known cost is 55.0 % of it ($11); the rest is 9 requests of at most $1 each.
    """
    known = requests.drop_nulls("cost_usd").sort("cost_usd", descending=True)
    whole = _sum(known, "cost_usd")
    if known.height < TOO_FEW or not whole:
        return f"Too few to tell which requests are dear: {_n(known.height, 'request')} with a known cost."
    n = -(-known.height // 10)
    top, rest = _sum(known[:n], "cost_usd"), known.height - n
    verb = "is" if n == 1 else "are"
    return (
        f"The dearest {n:,} of {_n(known.height, 'request')} with a known cost {verb} {_share(top, whole)} of it "
        f"({shown(top, 'usd')}); the rest is {_n(rest, 'request')} of at most {shown(known[n, 'cost_usd'], 'usd')} each."
    )


def typical(median: pl.DataFrame) -> str:
    """Return the median cost of a request with its interval (`session_estimates.medians`, without groups)."""
    if not median.height or median[0, "n"] < TOO_FEW or median[0, "whole_cost_usd_p50_low"] is None:
        return "Too few to tell what a request typically costs."
    row = median.to_dicts()[0]
    figure = estimated(row, "whole_cost_usd_p50", "usd", "n")
    return (
        f"Half of the requests cost no more than {figure}, in {_n(row['n_sessions'], 'session')} or problems."
    )


def verdicts(requests: pl.DataFrame) -> str:
    """Return how many requests have a verdict: without one nobody knows what a success costs.

    >>> verdicts(pl.DataFrame({"success": [None, None]}, schema={"success": pl.Boolean}))
    'None of 2 requests has a verdict: whether they were worth it is unknown until learnlab ingest --verdicts says.'
    """
    n, n_all = requests["success"].count(), requests.height
    if n == n_all:
        return f"Each of {_n(n_all, 'request')} has a verdict."
    who = f"{n:,}" if n else "None"
    verb = "have" if n > 1 else "has"
    return (
        f"{who} of {_n(n_all, 'request')} {verb} a verdict: whether "
        f"{'the others' if n else 'they'} were worth it is unknown until learnlab ingest --verdicts says."
    )
