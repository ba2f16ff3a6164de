"""A store that holds a few executions already: made once, and copied by each test, which is quicker than draining."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from learnlab.models import ExecutionRecord
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter


def with_records(empty: Path, folders: pytest.TempPathFactory, *records: ExecutionRecord) -> Path:
    """Return the file of a store that holds the records, and nothing that waits."""
    path = Path(shutil.copy(empty, folders.mktemp("filled") / "store.duckdb"))
    SpoolWriter(path).append(records)
    Store(path).drain(60.0)
    return path
