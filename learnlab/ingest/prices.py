"""List prices of models at the date of their use, from the price table of genai-prices."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


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

    `input_tokens` are all that went in, those read from and written to the cache among them.

    >>> from datetime import datetime
    >>> price_of("claude-opus-4-5-20251101", None, datetime(2026, 1, 1), 1000, 500, 100, 50)
    0.004125
    """
    from genai_prices import Usage, calc_price

    if at is None:
        return None
    usage = Usage(
        input_tokens=input_tokens,
        cache_read_tokens=cache_read_tokens,
        cache_write_tokens=cache_write_tokens,
        output_tokens=output_tokens,
    )
    try:
        priced = calc_price(
            usage, model, provider_id=provider, genai_request_timestamp=at.replace(tzinfo=UTC)
        )
    except (LookupError, ValueError):
        return None
    return float(priced.total_price)
