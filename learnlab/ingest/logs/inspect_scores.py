"""Inspect's scores read as verdicts: letters and truth values; numbers, whose scale no log states, are kept."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from learnlab.ingest.logs.shapes import items, obj, text

_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_MOST_SCORES = 50


class Verdict(NamedTuple):
    """Whether a sample succeeded, how well it did (0-100), and every score that it has by its scorer's name."""

    success: bool | None
    quality: float | None
    scores: dict[str, Any]


def verdict_of(sample: dict[str, Any]) -> Verdict:
    """Return a sample's verdict: that of its first score; an invalidated sample has none.

    A letter or a truth value is a verdict. A number is none, not even 1 or 0: one scorer's 1 is the best of
    0 to 1, another's the worst of 1 to 10, and no log says which.

    >>> verdict_of({"scores": {"match": {"value": "P"}, "style": {"value": 7}}})
    Verdict(success=None, quality=50.0, scores={'match': 'P', 'style': 7})
    """
    scores = obj(sample.get("scores")) or ({"score": sample["score"]} if sample.get("score") else {})
    values = {
        text(name) or "score": obj(score).get("value") if isinstance(score, dict) else score
        for name, score in list(scores.items())[:_MOST_SCORES]
    }
    kept = {name[:100]: kept for name, value in values.items() if (kept := _kept(value)) is not None}
    first = next(iter(values.values()), None)
    share = None if sample.get("invalidation") else share_of(first)
    if share is None:
        return Verdict(None, None, kept)
    return Verdict({1.0: True, 0.0: False}.get(share), 100 * share, kept)


def share_of(value: Any) -> float | None:
    """Return how right a letter or a truth value says that an answer is, 0-1; None for anything else.

    >>> [share_of(value) for value in ("C", "I", "P", "N", True, "yes", 1, 0.25, "good", None)]
    [1.0, 0.0, 0.5, 0.0, 1.0, 1.0, None, None, None, None]
    """
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    return _LETTERS.get(value, _WORDS.get(value.strip().lower()))


def _kept(value: Any) -> Any:
    """Return a score's value as it can be stored: plain values, and objects and arrays of them."""
    if isinstance(value, dict):
        return {(text(name) or "")[:100]: _plain(part) for name, part in list(value.items())[:_MOST_SCORES]}
    if isinstance(value, list):
        return [_plain(part) for part in items(value)[:_MOST_SCORES]]
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return (text(value) or "")[:200]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if type(value) is int:
        return value if abs(value) <= 2**53 else None
    return value if isinstance(value, bool) else None
