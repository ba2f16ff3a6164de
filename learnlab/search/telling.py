"""What a search found, as lines for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from learnlab.intervals import TOO_FEW, wilson
from learnlab.search.asked import THRESHOLD
from learnlab.search.found import Found
from learnlab.secrets import showable

WIDTH = 100
_SUCCESS = {True: "success", False: "failure", None: "outcome unknown"}
_SAID = {"success": "outcome"}
_BY = {"semantic": "by meaning", "words": "by words", "hybrid": "by meaning and words"}
_INDENT = " " * 7


def told(found: Found) -> str:
    """Return what a search found as text: a row in two to five lines, then what may be concluded and what not.

    >>> row = {"similarity": 0.83, "success": True, "repo": "shop", "task_type": "bugfix", "model_tier": "small",
    ...     "task_id": "0f8fad5b-d9cb-469f-a165-70867728950e", "task_description": "Fix the clock",
    ...     "why": {"words": ["clock"], "fields": []}}
    >>> print(told(Found([row], query="the clock is wrong", model="mini@1", threshold=0.7)))
     0.83  success · shop · bugfix · small
           Fix the clock
           in common: clock
           task 0f8fad5b-d9cb-469f-a165-70867728950e
    1 of 1 verdicts are success: too few to tell
    by meaning (mini@1)
    """
    lines = [line for row in found for line in _row(row)]
    lines += [*_far(found), *_verdict(found)] if found else _nothing(found)
    if n := found.n_not_searchable:
        many = "1 execution is" if n == 1 else f"{n:,} executions are"
        lines.append(f"{many} not searchable {_BY[found.mode]} yet: `learnlab encode`")
    return "\n".join([*lines, _how(found)])


def _row(row: Mapping[str, Any]) -> list[str]:
    similarity = row.get("similarity")
    places = (row.get(name) for name in ("repo", "task_type", "model_tier"))
    facts = [_SUCCESS[row.get("success")], *(place for place in places if place != "unknown")]
    if (moment := row.get("timestamp")) is not None and row.get("time_source") == "recorded":
        facts.append(f"{moment:%Y-%m-%d}")
    if (cost := row.get("actual_cost")) is not None:
        facts.append(f"${cost:.4f}")
    if (seconds := row.get("duration_seconds")) is not None:
        facts.append(f"{seconds:.0f} s")
    begin = "    –  " if similarity is None else f"{similarity:5.2f}  "
    lines = [begin + " · ".join(showable(str(fact)) for fact in facts if fact is not None)]
    lines.append(_INDENT + _cut(row.get("task_description") or ""))
    if solution := row.get("solution_summary"):
        lines.append(f"{_INDENT}solution: {_cut(solution)}")
    words, fields = shared(row.get("why"))
    if words or fields:
        lines.append(
            f"{_INDENT}in common: {_cut(', '.join([*words, *(f'the same {name}' for name in fields)]))}"
        )
    if task_id := row.get("task_id"):
        lines.append(f"{_INDENT}task {task_id}")
    return lines


def shared(why: Mapping[str, Any] | None) -> tuple[list[str], list[str]]:
    """Return the words and the fields in common as people are told them: no part of a word that is named whole.

    >>> shared({"words": ["quill-web", "quill", "web", "date"], "fields": ["task_type", "success"]})
    (['quill-web', 'date'], ['task type', 'outcome'])
    """
    given = why or {}
    words = [str(word) for word in given.get("words") or ()]
    whole = [word for word in words if not any(word != other and word in other for other in words)]
    fields = (str(name) for name in given.get("fields") or ())
    return whole, ["outcome" if name == "success" else name.replace("_", " ") for name in fields]


def _cut(text: str) -> str:
    return textwrap.shorten(showable(text[: 10 * WIDTH]), WIDTH, placeholder=" …")


def _verdict(found: Found) -> list[str]:
    """Return how many succeeded, as a rate where that says something: not where an outcome was asked for."""
    if "success" in found.fixed:
        return []
    verdicts = [row["success"] for row in found if row.get("success") is not None]
    rate = wilson(sum(verdicts), len(verdicts))
    if rate is None:
        return ["nobody verified any of them"]
    said = f"{sum(verdicts):,} of {len(verdicts):,} verdicts are success"
    if rate.n < TOO_FEW:
        return [f"{said}: too few to tell"]
    return [f"{said}: {rate.estimate:.0%}, {rate.low:.0%} to {rate.high:.0%}"]


def _far(found: Found) -> list[str]:
    best = found.best_similarity
    if best is None or best >= THRESHOLD:
        return []
    none = (
        "none" if found.mode == "semantic" else "none of these"
    )  # by meaning alone the first is the nearest there is
    return [f"{none} has a similarity of {THRESHOLD:g} or more: the nearest has {best:.2f}"]


def _nothing(found: Found) -> list[str]:
    if found.best_similarity is None or found.threshold is None:
        return ["nothing found"]
    best = f"the most similar there is has {found.best_similarity:.2f}"
    return [f"nothing has a similarity of {found.threshold:g} or more; {best}"]


def _how(found: Found) -> str:
    using = ", ".join(part for part in (found.model, found.runs_on) if part)
    by = _BY[found.mode]
    return f"{by} ({using})" if using else by
