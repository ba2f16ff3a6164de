"""Which columns hold what somebody wrote: there secrets are masked before anything is stored."""

from __future__ import annotations

from learnlab.secrets import mask_text

EXECUTION_TEXTS = (
    "task_description",
    "solution_summary",
    "error_message",
    "metadata",
    "external_id",
    "task_group",
    "session_id",
    "task_type",
    "repo",
    "agent",
    "model",
    "pool_type",
    "source",
)
"""The columns of executions that hold what somebody wrote."""

STEP_TEXTS = ("name", "error", "model")
"""Those of steps."""

REJECTED_TEXTS = ("reason", "content")
"""Those of rejected rows."""


def name_as_stored(name: str) -> str:
    """Return the name of a session, task or repo as it stands in the store: with its secrets masked.

    >>> name_as_stored("shop")
    'shop'
    """
    return mask_text(name, "external_id")[0]
