"""Which result of a batch is whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from learnlab.capture.mapping import fields as mapping

NOTHING: Any = object()
"""What a batch says of a task that it returned no result for."""


def result_of_each(task_ids: Sequence[UUID], results: Any) -> list[Any]:
    """Return the result of each task of a batch, `NOTHING` where there is none.

    A dict has its results by task id. In a list they say whose they are, all of them, or stand where the
    tasks stood, as many as these. Anything else is no task's result.

    >>> from learnlab.models import as_uuid
    >>> result_of_each([as_uuid("t1"), as_uuid("t2")], {"t2": "done"}) == [NOTHING, "done"]
    True
    """
    if isinstance(results, Mapping):
        by_id = {mapping.task_id_of({"task_id": key})[0]: result for key, result in results.items()}
        return [by_id.get(task_id, NOTHING) for task_id in task_ids]
    if not isinstance(results, list | tuple):
        return [NOTHING] * len(task_ids)
    by_id = {mapping.task_id_of(result)[0]: result for result in results}
    if len(by_id) == len(results) and by_id.keys() <= set(task_ids):
        return [by_id.get(task_id, NOTHING) for task_id in task_ids]
    return list(results) if len(results) == len(task_ids) else [NOTHING] * len(task_ids)
