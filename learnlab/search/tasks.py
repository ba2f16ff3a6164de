"""What is searched for: a task in words, or one that is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import duckdb

from learnlab.errors import SearchError
from learnlab.store.connection import fetch
from learnlab.store.said import with_what_people_said

_FIELDS = ("repo", "task_type", "model_tier", "model", "agent", "pool_type", "success", "error_type")
"""The fields of a stored task whose agreement says something of why another was found."""

_STORED = """
select
    cast(e.task_id as varchar) as task_id,
    t.text,
    e.* replace (
        case when e.model_tier = 'unknown' then coalesce(m.tier, 'unknown') else e.model_tier end as model_tier
    ),
from executions e
join texts t on t.text_hash = e.description_hash
left join model_tiers m on m.model = e.model
where e.task_id = try_cast($uuid as uuid) or e.external_id = $text
order by e.timestamp desc, e.task_id limit 4
"""


@dataclass(frozen=True)
class Task:
    """The text of a task, and, where it is stored, its task_id and what is known of it."""

    text: str
    task_id: str | None = None
    known: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text_hash(self) -> str:
        """The hash under which a store keeps the text.

        >>> Task("Fix the login").text_hash
        '3757e17e-1ec7-bc31-d071-c1093f1aff50'
        """
        digest = sha256(self.text.encode()).hexdigest()
        return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))

    def agrees(self, row: Mapping[str, Any]) -> list[str]:
        """Return the fields of which a row says the same as is known of the task.

        >>> Task("Fix it", "…", {"repo": "shop", "model": None}).agrees({"repo": "shop", "model": None})
        ['repo']
        """
        return [name for name, value in self.known.items() if value is not None and row.get(name) == value]


def stored(connection: duckdb.DuckDBPyConnection, uuid: str | None, text: str) -> Task:
    """Return the task of an execution named by its task_id (`uuid`) or its external_id (`text`).

    Raises:
        SearchError: when no execution has that id, several have, or it has no description.
    """
    rows = with_what_people_said(
        connection, fetch(connection, _STORED, {"uuid": uuid, "text": text})
    ).to_dicts()
    shown = repr(text[:100])
    if not rows:
        raise SearchError(f"no execution in this store has the task_id or external_id {shown}")
    if len(rows) > 1:
        some = ", ".join(row["task_id"] for row in rows[:3]) + (", …" if len(rows) > 3 else "")
        raise SearchError(f"{shown} names several executions: give the task_id of one, such as {some}")
    (row,) = rows
    if not row["text"].strip():
        raise SearchError(f"execution {row['task_id']} has no task description to compare by")
    known = {name: None if row[name] == "unknown" else row[name] for name in _FIELDS}
    return Task(row["text"], row["task_id"], known)
