"""What a caller asks of a search, checked before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, get_args
from uuid import UUID

from learnlab.errors import SearchError
from learnlab.lenient import storable
from learnlab.search.filters import Filter
from learnlab.search.found import Mode

THRESHOLD = 0.7
"""The cosine from which on a row is similar, where nothing else is said."""

MOST_ROWS = 10_000


@dataclass(frozen=True)
class Asked:
    """How many rows, how similar, by what, and which executions; `threshold` is None where no cosine is asked for."""

    limit: int
    threshold: float | None
    mode: Mode
    is_exact: bool
    filter: Filter

    @classmethod
    def of(
        cls,
        *,
        limit: int = 10,
        threshold: float | None = THRESHOLD,
        mode: Mode = "semantic",
        exact: bool = False,
        **filters: Any,
    ) -> Asked:
        """Return what was asked, checked; what else is given goes to `Filter.of`.

        Raises:
            SearchError: for what cannot be asked; it says what can.
            StoreError: when `as_of` is no time.
        """
        if mode not in get_args(Mode):
            raise SearchError(f"mode is {str(mode)[:100]!r}, not one of {', '.join(get_args(Mode))}")
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_ROWS:
            raise SearchError(f"limit is {limit!r}, not a whole number from 1 to {MOST_ROWS:,}")
        if threshold is not None:
            is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
            if not is_number or not isfinite(threshold) or not -1 <= threshold <= 1:
                raise SearchError(f"threshold is {threshold!r}, not a cosine from -1 to 1 or None")
            if mode != "semantic" and threshold != THRESHOLD:
                raise SearchError(
                    f"a threshold is on the cosine and holds in mode semantic only, not in {mode}: leave it out"
                )
        at_least = float(threshold) if threshold is not None and mode == "semantic" else None
        return cls(limit, at_least, mode, bool(exact), Filter.of(**filters))


def text_of(description: str) -> str:
    """Return a task description as a store would hold it.

    Raises:
        SearchError: when it is no text, or blank.

    >>> text_of("Fix the login\\x00")
    'Fix the login\ufffd'
    """
    if not isinstance(description, str):
        raise SearchError(f"a task description is text, not {type(description).__name__}")
    if not description.strip():
        raise SearchError("the task description is blank: say what is to be done")
    return storable(description)


def id_of(task_id: str | UUID) -> tuple[str | None, str]:
    """Return an id as a UUID in text, None where it is none, and as a text.

    Raises:
        SearchError: when it is neither.

    >>> id_of("task-7")
    (None, 'task-7')
    """
    if not isinstance(task_id, str | UUID) or not str(task_id).strip():
        raise SearchError("a task is named by its task_id or its external_id")
    try:
        return str(UUID(str(task_id))), storable(str(task_id))
    except ValueError:
        return None, storable(str(task_id))
