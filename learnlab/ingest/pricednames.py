"""Which entry of the price table a model's name in a log means; none rather than a wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

_LONGEST = 200
_CONTEXT = re.compile(r"\[[0-9a-z]+\]$")
_ORIGIN = re.compile(
    r"^(?:[a-z-]{2,8}\.)?(anthropic|amazon|meta|openai|mistral|deepseek|qwen|cohere|moonshotai|google|nvidia|writer)\."
    r"(?=[a-z])"
)
_DECORATION = re.compile(
    r"[-@:](?:20\d\d-?[01]\d-?[0-3]\d|[01]\d-[0-3]\d|[01]\d-20\d\d|\d{4}|00\d|latest|preview|exp|thinking|v\d+(?::\d+)?)$"
)
_HOSTS = {"vertex_ai": "google", "gemini": "google", "bedrock": "aws", "amazon-bedrock": "aws"}
_WRAPPERS = ("models", "publishers", "litellm", "litellm_proxy", "inference-profile", "foundation-model")


@lru_cache(maxsize=4096)
def priced_model(name: str, provider: str | None = None) -> ModelInfo | None:
    """Return the entry of the price table that a model's name means, None where it means none for certain.

    The provider that a log names comes first, but logs name wrong ones: where it has no such model, the name
    alone decides. Names may carry a provider (`openrouter/anthropic/…`), a region (`us.anthropic.…`), a date,
    a version or the size of the context (`[1m]`); any other word that the table does not know makes another
    model of it, whose price is unknown.

    >>> priced_model("us.anthropic.claude-sonnet-4-5-20250929-v1:0").id
    'regional.anthropic.claude-sonnet-4-5-20250929-v1:0'
    >>> priced_model("claude-sonnet-4-5-clone") is None
    True
    """
    if len(name) > _LONGEST:
        return None
    for provider_id, reference in _readings(_CONTEXT.sub("", name.strip().lower()), provider):
        for found in _found(provider_id, reference):
            if _means(found.match, reference) or _core(found.id) == _core(reference):
                return found
    return None


def _readings(name: str, provider: str | None) -> Iterator[tuple[str | None, str]]:
    """Yield what a name may mean as provider and reference, the likeliest first."""
    if provider:
        yield provider[:_LONGEST].lower(), name
    yield None, name
    if _ORIGIN.match(name):
        yield "aws", name
    before, slash, rest = name.partition("/")
    if slash and (before in _WRAPPERS or before.startswith("arn:aws:bedrock:")):
        yield from _readings(rest, provider)
    elif slash and _provider(_HOSTS.get(before, before)):
        yield _HOSTS.get(before, before), rest
        if before in _HOSTS or before in ("azure", "openrouter", "google"):
            yield from _readings(rest, None)


def _provider(provider_id: str) -> Any:
    from genai_prices.data import providers

    exact = (one for one in providers if one.id == provider_id)
    return next(exact, None)


def _found(provider_id: str | None, reference: str) -> Iterator[ModelInfo]:
    from genai_prices.data import providers
    from genai_prices.data_snapshot import find_provider_by_id

    if provider_id is not None:
        one = find_provider_by_id(providers, provider_id)
        candidates = [one] if one else []
    else:
        candidates = [one for one in providers if one.model_match and one.model_match.is_match(reference)][:1]
    for one in candidates:
        if (found := one.find_model(reference, all_providers=providers)) is not None:
            yield found


def _means(clause: Any, reference: str) -> bool:
    """Return whether the table's clause names a reference and does not just find its beginning or a part of it."""
    for part in getattr(clause, "or_", ()):
        if _means(part, reference):
            return True
    if all_of := getattr(clause, "and_", ()):
        return clause.is_match(reference) and any(_means(part, reference) for part in all_of)
    regex = getattr(clause, "regex", None)
    if regex is not None:
        return regex.endswith("$") and "(?!" not in regex and clause.is_match(reference)
    for kind in ("equals", "starts_with", "ends_with", "contains"):
        if (text := getattr(clause, kind, None)) is not None:
            is_tuned = text.startswith("ft:") and reference.startswith(text.lower())
            return is_tuned or _core(text.lower()) == _core(reference)
    return False


def _core(name: str) -> str:
    """Return a name without region, vendor, dates, versions and the like."""
    bare = _ORIGIN.sub("", name)
    while (shorter := _DECORATION.sub("", bare)) != bare:
        bare = shorter
    return re.sub("[._@/]+", "-", bare)
