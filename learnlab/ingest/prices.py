"""List prices of models at the date of their use, from the price table of genai-prices.

The table is the one inside the installed package: nothing is ever fetched.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from learnlab.ingest.pricednames import priced_model


class _Rates(NamedTuple):
    """US dollars a million tokens, and a request, for contexts of more than `above` input tokens."""

    above: int
    fresh_input: float
    cache_read: float
    cache_write: float
    cache_write_1h: float
    output: float | None
    request: float


@lru_cache(maxsize=1)
def price_version() -> str:
    """Return which price table is used, as it is kept beside each cost made from it."""
    import genai_prices

    return f"genai-prices {genai_prices.__version__}"


def price_of(
    model: str,
    provider: str | None,
    at: datetime | None,
    input_tokens: int,
    cache_read_tokens: int = 0,
    cache_write_tokens: int = 0,
    output_tokens: int = 0,
    cache_write_1h_tokens: int = 0,
) -> float | None:
    """Return the list price in US dollars of one use of a model at a time (naive UTC), None where it is unknown.

    `input_tokens` are all that went in, those read from and written to the cache among them; the writes that
    last an hour are among the writes. Where the price depends on the size of the context, all tokens have the
    price of the size that `input_tokens` comes to.

    >>> from datetime import datetime
    >>> price_of("claude-opus-4-5-20251101", None, datetime(2026, 1, 1), 1000, 500, 100, 50)
    0.004125
    """
    fresh = input_tokens - cache_read_tokens - cache_write_tokens
    short_writes = cache_write_tokens - cache_write_1h_tokens
    if at is None or min(fresh, short_writes) < 0:
        return None
    periods = _periods(model, provider)
    if not periods:
        return None
    bands = periods[0][1]
    if len(periods) > 1:
        moment = at.replace(tzinfo=UTC)
        for constraint, in_period in reversed(periods):
            if constraint is None or constraint.active(moment):
                bands = in_period
                break
    rates = bands[0]
    for band in bands[1:]:
        if input_tokens > band.above:
            rates = band
    if rates.output is None and output_tokens:
        return None
    total = (
        fresh * rates.fresh_input
        + cache_read_tokens * rates.cache_read
        + short_writes * rates.cache_write
        + cache_write_1h_tokens * rates.cache_write_1h
        + output_tokens * (rates.output or 0.0)
    )
    return round(total / 1e6 + rates.request, 12)


@lru_cache(maxsize=4096)
def _periods(model: str, provider: str | None) -> tuple[tuple[Any, tuple[_Rates, ...]], ...]:
    """Return the prices of a model, each with when it holds: of those that hold the last one counts."""
    from genai_prices.types import ModelPrice

    found = priced_model(model, provider)
    if found is None:
        return ()
    periods: list[tuple[Any, tuple[_Rates, ...]]]
    if isinstance(found.prices, ModelPrice):
        periods = [(None, _bands(found.prices))]
    else:
        periods = [(one.constraint, _bands(one.prices)) for one in found.prices]
    return tuple(periods) if all(bands for _, bands in periods) else ()


def _bands(price: Any) -> tuple[_Rates, ...]:
    """Return the rates by size of context; none where text that goes in has no price."""
    keys = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_mtok")
    by_key = [getattr(price, key) for key in keys]
    if by_key[0] is None:
        return ()
    starts = sorted({tier.start for one in by_key for tier in getattr(one, "tiers", ())})
    request = float(price.requests_kcount or 0) / 1000
    bands = []
    for above in (-1, *starts):
        fresh, read, write, write_1h, output = (_rate(one, above) for one in by_key)
        assert fresh is not None
        read = fresh if read is None else read
        write = fresh if write is None else write
        write_1h = write if write_1h is None else write_1h
        bands.append(_Rates(above, fresh, read, write, write_1h, output, request))
    return tuple(bands)


def _rate(price: Any, above: int) -> float | None:
    """Return US dollars a million tokens for contexts just larger than `above`."""
    if price is None:
        return None
    rate = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):
        if tier.start <= above:
            rate = tier.price
    return float(rate)
