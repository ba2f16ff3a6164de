"""What a labeller may be shown beside an item: similar past executions, and a suggestion on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from learnlab.errors import LearnlabError, SearchError
from learnlab.feedback.labelling.details import Details, ReadAhead
from learnlab.intervals import TOO_FEW, Interval, wilson
from learnlab.store import Store
from learnlab.store.connection import fetch, reading

_MOST = 50
"""Similar executions that a suggestion counts at most."""

_PATIENCE = 5.0
"""Seconds to wait for a store to which somebody writes."""

_SHOWN = (
    "task_id",
    "task_description",
    "task_type",
    "repo",
    "similarity",
    "timestamp",
    "duration_seconds",
    "error_message",
    "solution_summary",
)
_OUTCOME = ("success",)


@dataclass(frozen=True)
class Suggestion:
    """What is suggested, None for no suggestion, by whom or what, and the same in words.

    `source` is "log", "similar" or "" for none; `share` is that of successes among similar executions.
    """

    success: bool | None
    source: str
    words: str
    share: Interval | None = None


@dataclass(frozen=True)
class Similar:
    """Similar past executions, most similar first, and what there is to say of them in words.

    A row says whether its execution succeeded only where a suggestion may be seen, which it would give away.
    """

    rows: tuple[dict[str, Any], ...]
    words: str


_HAS_VECTOR = """
select count(*) > 0 from executions e join {table} v on v.text_hash = e.description_hash
where e.task_id = try_cast($task_id as uuid)
"""


def similar_executions(store: Store, task_id: str) -> Similar:
    """Return the past executions that are similar to one in the store, never itself, with what came of them.

    Looked through is what is searchable already: while somebody labels no model is loaded, and nothing is drained
    into the store.
    """
    from learnlab.search.chosen import Chosen
    from learnlab.search.index import vectors
    from learnlab.search.similar import similar_to

    everybody = Store(store.path)
    try:
        with reading(store.path, _PATIENCE) as connection:
            table = vectors.table_of(connection, Chosen().key)
            asked = {"task_id": task_id}
            if table is None or not fetch(connection, _HAS_VECTOR.format(table=table.name), asked).item():
                return Similar((), "this task is not searchable yet: `learnlab encode` makes it so")
            found = similar_to(task_id, everybody, days_back=None, limit=_MOST)
    except SearchError as error:
        return Similar((), str(error))
    except LearnlabError as error:
        return Similar((), f"similar executions cannot be had now: {error}")
    rows = [row for row in found if str(row["task_id"]) != task_id]
    kept = tuple({name: row[name] for name in (*_SHOWN, *_OUTCOME)} for row in rows)
    if kept:
        return Similar(kept, f"{len(kept)} similar executions" + (" or more" if len(kept) == _MOST else ""))
    best = (
        ""
        if found.best_similarity is None
        else f": the most similar has a cosine of {found.best_similarity:.2f}"
    )
    return Similar((), f"nothing similar enough{best}")


def from_log(details: Details) -> Suggestion | None:
    """Return what the log says of an execution, None where it says nothing."""
    if details.success is None:
        return None
    verdict = "it succeeded" if details.success else "it failed"
    return Suggestion(
        details.success, "log", f"the log says that {verdict} (source: {details.success_source})"
    )


def from_similar(rows: Sequence[dict[str, Any]]) -> Suggestion:
    """Return what the share of successes among similar executions suggests; nothing when it could be either.

    >>> from_similar([{"success": True}] * 14 + [{"success": False}]).words
    'similar executions mostly succeeded: 14 of 15 (70-99 % at 95 % confidence)'
    >>> from_similar([{"success": True}] * 3).words
    'no suggestion: too few to tell, 3 of 3 similar executions succeeded'
    """
    known = [row["success"] for row in rows if row["success"] is not None]
    share = wilson(sum(known), len(known))
    if share is None:
        return Suggestion(None, "", "no suggestion: of nothing similar is it known whether it succeeded")
    counts = f"{sum(known)} of {len(known)}"
    if len(known) < TOO_FEW:
        return Suggestion(
            None, "", f"no suggestion: too few to tell, {counts} similar executions succeeded", share
        )
    shown = f"{counts} ({100 * share.low:.0f}-{100 * share.high:.0f} % at 95 % confidence)"
    if share.low <= 0.5 <= share.high:
        return Suggestion(None, "", f"no suggestion: of similar executions succeeded {shown}", share)
    success = share.low > 0.5
    verdict = "succeeded" if success else "failed"
    return Suggestion(success, "similar", f"similar executions mostly {verdict}: {shown}", share)


class Beside:
    """What may be shown beside the items of a session, and of which of them a suggestion was seen."""

    def __init__(self, store: Store, details: ReadAhead) -> None:
        self._store, self._details = store, details
        self._found: dict[str, Similar] = {}
        self._seen: set[str] = set()
        self._reopened: set[str] = set()

    def suggestion(self, task_id: str) -> Suggestion:
        """Return what the log says of an execution, else what those similar to it suggest; from now on it was seen."""
        self._seen.add(task_id)
        details = self._details.of(task_id)
        if details is None:
            return Suggestion(None, "", "no suggestion: the store is busy")
        said = from_log(details)
        if said is not None:
            return said
        found = self._similar(task_id)
        return (
            from_similar(found.rows) if found.rows else Suggestion(None, "", f"no suggestion: {found.words}")
        )

    def similar(self, task_id: str) -> Similar:
        """Return similar past executions; what came of them only where a suggestion was seen."""
        found = self._similar(task_id)
        if task_id in self._seen:
            return found
        rows = tuple(
            {name: value for name, value in row.items() if name not in _OUTCOME} for row in found.rows
        )
        return Similar(rows, found.words)

    def reopen(self, task_id: str) -> None:
        """Take note that an item came back after an answer was given, in this session or an earlier one."""
        self._reopened.add(task_id)

    def saw(self, task_id: str) -> bool | None:
        """Return whether a suggestion was seen; None of an item that came back, where an earlier session may know."""
        return True if task_id in self._seen else None if task_id in self._reopened else False

    def _similar(self, task_id: str) -> Similar:
        found = self._found.get(task_id) or similar_executions(self._store, task_id)
        if found.rows:
            self._found[task_id] = found
        return found
