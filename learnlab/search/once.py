"""What is asked once of a store that is held for reading, since nothing can change under it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import duckdb

T = TypeVar("T")

_answers: WeakKeyDictionary[duckdb.DuckDBPyConnection, dict[Hashable, Any] | None] = WeakKeyDictionary()


def once(connection: duckdb.DuckDBPyConnection, question: Hashable, ask: Callable[[], T]) -> T:
    """Return the answer to a question about a store: the one given before, where the connection only reads.

    So many searches inside one `with store.reading()` count nothing twice. A connection that may write is asked
    every time.

    >>> with duckdb.connect() as connection:
    ...     answers = iter("ab")
    ...     [once(connection, "next", lambda: next(answers)) for _ in range(2)]
    ['a', 'b']
    """
    if connection not in _answers:
        ((mode,),) = connection.execute("select current_setting('access_mode')").fetchall()
        _answers[connection] = {} if str(mode).lower() == "read_only" else None
    answers = _answers[connection]
    if answers is None:
        return ask()
    if question not in answers:
        answers[question] = ask()
    found: T = answers[question]
    return found
