"""What every test shares: a home of its own, small records, and how much to do under `make soak`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

import learnlab.reports  # noqa: F401  # before any test imports jsonschema, which it keeps quick
from learnlab.models import ExecutionRecord
from learnlab.settings import settings
from learnlab.store import Store, core

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"
START = datetime(2026, 5, 1, tzinfo=UTC)

hypothesis_settings.register_profile(
    "learnlab",
    deadline=None,
    max_examples=100 if os.environ.get("LEARNLAB_SOAK") else 30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
hypothesis_settings.load_profile("learnlab")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test a home of its own, so that no test meets another's stores."""
    folder = tmp_path / "home"
    monkeypatch.setenv("LEARNLAB_HOME", str(folder))
    monkeypatch.delenv("LEARNLAB_DB", raising=False)
    settings.cache_clear()
    yield folder
    settings.cache_clear()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reads wait for a drain that another thread has begun, however slow it is: they read all that was acknowledged.

    Reads of programs wait a second, then show what is there, so on a busy machine some of it may be missing.
    """
    monkeypatch.setattr(core, "_DRAIN_PATIENCE", 60.0)


@pytest.fixture(scope="session")
def soak() -> bool:
    """Whether the full counts are to be run: `make soak` sets LEARNLAB_SOAK."""
    return bool(os.environ.get("LEARNLAB_SOAK"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real input; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared/data with the real input is absent")
    return SHARED


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty store of the latest version, made once: copying it is ten times quicker than making one."""
    return Store(tmp_path_factory.mktemp("empty") / "empty.duckdb").ensure().path


@pytest.fixture
def store(tmp_path: Path, empty: Path) -> Store:
    """An empty store of the latest version."""
    return Store(shutil.copy(empty, tmp_path / "store.duckdb"))


@pytest.fixture
def con(tmp_path: Path, empty: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables and views of an empty store, which nobody else reads: what queries are tested on, given rows."""
    with duckdb.connect(shutil.copy(empty, tmp_path / "con.duckdb")) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


@pytest.fixture(scope="session")
def make_record() -> Callable[..., ExecutionRecord]:
    """Return a function that makes a valid record, changed as told."""

    def make(**changes: Any) -> ExecutionRecord:
        given = {
            "task_type": "refactor",
            "task_description": "Split the billing module",
            "repo": "shop",
            "model_tier": "medium",
            "pool_type": "local",
            "timestamp": START,
            "success": True,
            "duration_seconds": 10.0,
            "actual_cost": 0.5,
        }
        return ExecutionRecord(**(given | changes))

    return make


@pytest.fixture(scope="session")
def make_frame() -> Callable[..., pl.DataFrame]:
    """Return a function that makes a frame of n executions a minute apart, each with an id from `first` on."""

    def make(n: int, first: int = 0, **changes: Any) -> pl.DataFrame:
        ids = range(first, first + n)
        frame = pl.DataFrame(
            {
                "task_id": [f"00000000-0000-4000-8000-{i:012d}" for i in ids],
                "timestamp": [START.replace(tzinfo=None) + timedelta(minutes=i) for i in ids],
                "task_type": ["refactor"] * n,
                "task_description": [f"Split module {i % 7}" for i in ids],
                "repo": ["shop"] * n,
                "model_tier": [("small", "medium", "large")[i % 3] for i in ids],
                "pool_type": ["local"] * n,
                "success": [i % 4 != 0 for i in ids],
                "duration_seconds": [float(i % 50) for i in ids],
                "actual_cost": [0.25] * n,
            }
        )
        return frame.with_columns(**{name: pl.lit(value) for name, value in changes.items()})

    return make
