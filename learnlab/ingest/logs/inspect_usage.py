"""What an Inspect log says that models used: their names, their tokens, each token once."""

from __future__ import annotations

from typing import Any, NamedTuple

from learnlab.ingest.logs.shapes import number, obj, whole

_OWN_NAMES = {"openai", "azureai", "anthropic", "google", "vertex", "mistral", "grok", "deepseek"}
"""Makers' own services: behind these prefixes stands the name by which other logs and price lists know a model."""


def bare_model(model: str | None) -> str | None:
    """Return the name of a model without its maker's prefix; other services' names stay whole.

    >>> bare_model("openai/gpt-4o"), bare_model("ollama/llama3.1"), bare_model(None)
    ('gpt-4o', 'ollama/llama3.1', None)
    """
    service, _, name = (model or "").partition("/")
    return name.rsplit("/", 1)[-1] or model if service in _OWN_NAMES else model


class Usage(NamedTuple):
    """What one model took in (with its cache) and gave out, and what the log says that it cost."""

    input_tokens: int
    output_tokens: int
    cache_read: int | None
    cache_write: int | None
    cost: float | None


def usage_of(value: Any) -> Usage | None:
    """Return the usage that an Inspect log states, None where it states none (or nothing but zeros).

    What a cache read and wrote stands beside `input_tokens` for every provider in today's logs; in older
    ones of OpenAI and Google it stood inside. `total_tokens` tells which: it counts each token once. Google's
    older logs also left the reasoning out of `output_tokens`, and the total tells that as well.

    >>> usage_of({"input_tokens": 10, "output_tokens": 5, "total_tokens": 115, "input_tokens_cache_read": 100})
    Usage(input_tokens=110, output_tokens=5, cache_read=100, cache_write=None, cost=None)
    >>> usage_of({"input_tokens": 110, "output_tokens": 5, "total_tokens": 115, "input_tokens_cache_read": 100})
    Usage(input_tokens=110, output_tokens=5, cache_read=100, cache_write=None, cost=None)
    """
    said = obj(value)
    given, out = whole(said.get("input_tokens")), whole(said.get("output_tokens"))
    read, write = whole(said.get("input_tokens_cache_read")), whole(said.get("input_tokens_cache_write"))
    if given is None or out is None:
        return None
    cache, total = (read or 0) + (write or 0), whole(said.get("total_tokens"))
    thought = whole(said.get("reasoning_tokens")) or 0
    if given + out + cache == 0:
        return None
    is_inside = (
        cache <= given and total in (given + out, given + out + thought) and total != given + cache + out
    )
    everything = given if is_inside else given + cache
    if thought and total == everything + out + thought:
        out += thought
    return Usage(everything, out, read, write, number(said.get("total_cost")))
