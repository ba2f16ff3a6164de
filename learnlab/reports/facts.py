"""What a report says of its store and of itself: the data's state, versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

import learnlab
from learnlab.settings import checkout
from learnlab.store import Store


@dataclass(frozen=True)
class StoreState:
    """How much a store holds, from when, and how far its ledger goes."""

    name: str
    path: str
    n_executions: int
    first_at: datetime | None
    last_at: datetime | None
    last_ingested_at: datetime | None
    ledger_seq: int
    changed_seq: int

    def line(self) -> str:
        """Return the state as a sentence for a page's head."""
        if not self.n_executions:
            return f"Store {self.name}: no executions yet."
        parts = [f"Store {self.name}: {self.n_executions:,} execution{'' if self.n_executions == 1 else 's'}"]
        if self.first_at and self.last_at:
            parts.append(f"from {self.first_at:%Y-%m-%d} to {self.last_at:%Y-%m-%d} UTC")
        else:
            parts.append("none with a recorded time")
        if self.last_ingested_at:
            parts.append(f"last taken in {minute(self.last_ingested_at)}")
        return ", ".join(parts) + "."

    def holds_the_same_as(self, earlier: object) -> bool:
        """Return whether an earlier state's data (as `data` gave it) is this one's: what came since changed nothing."""
        keys = ("path", "n_executions", "changed_seq")
        mine = self.data()
        return isinstance(earlier, dict) and all(earlier.get(key) == mine[key] for key in keys)

    def data(self) -> dict[str, Any]:
        """Return the state as JSON holds it."""
        return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(self).items()}


def minute(moment: datetime) -> str:
    """Return a time (UTC) to the minute, as pages show it.

    >>> minute(datetime(2026, 3, 1, 4, 5))
    '2026-03-01 04:05 UTC'
    """
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def state_of(store: Store) -> StoreState:
    """Return the state of a store; one that does not exist yet holds nothing.

    Raises:
        StoreError: when there is a file that cannot be read as a store.
    """
    if not store.exists():
        return StoreState(store.name, str(store.path), 0, None, None, None, 0, 0)
    (row,) = store.query("report_state").to_dicts()
    return StoreState(store.name, str(store.path), **row)


def versions() -> dict[str, str]:
    """Return the versions that decide what a report says: package → version."""
    packages = ("duckdb", "polars", "altair", "papermill")
    return {"learnlab": learnlab.__version__, "python": platform.python_version()} | {
        p: version(p) for p in packages
    }


def git_commit() -> str | None:
    """Return the commit of the checkout (with `-dirty` when it has changes), or None outside of one."""
    root = checkout()
    if root is None:
        return None
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            capture_output=True,
            text=True,
            timeout=20,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
