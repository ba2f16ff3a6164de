"""The four composite indexes that the seeds ask for, with and without: latency, insert time, file size."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import duckdb
import polars as pl

from bench.figures import Figure, megabytes, say, side_by_side
from bench.fleets import Fleet
from learnlab.store import views

TOPIC = "the seeds' composite indexes, beside the same file without any"
ALL = "all four"
TIER, POOL, PATTERNS = "view tier_performance", "view pool_performance", "view solution_patterns"
LATEST, TOP, FAILURES, SLOWEST = (
    "latest 50 of a repo and task type",
    "top ten by quality of a repo",
    "failures of a tier in a day",
    "slowest 20 failures of a pool",
)
INDEXES = {
    "repo_task": ("(repo, task_type, timestamp desc)", (TIER, LATEST)),
    "tier_success": ("(model_tier, success, timestamp desc)", (TIER, FAILURES)),
    "pool_duration": ("(pool_type, success, duration_seconds)", (POOL, SLOWEST)),
    "quality_trend": ("(repo, quality_score, timestamp desc)", (TOP,)),
}
"""Each index with the reads that it is there for; all four are measured on all of them."""

_DAYS = {TIER: 30, POOL: 7, PATTERNS: 90}
_QUERIES = {
    LATEST: "select * from executions where repo = $repo and task_type = $task_type "
    "order by timestamp desc limit 50",
    TOP: "select * from executions where repo = $repo order by quality_score desc nulls last limit 10",
    FAILURES: "select * from executions where model_tier = $model_tier and not success "
    "and timestamp > (select max(timestamp) - interval '1 day' from executions)",
    SLOWEST: "select * from executions where pool_type = $pool_type and not success "
    "order by duration_seconds desc limit 20",
}
MORE = 10_000
"""Rows that are inserted with and without indexes."""

Variants = dict[str, duckdb.DuckDBPyConnection]


def measure(fleet: Fleet) -> Iterator[Figure]:
    """Yield each read, the insert and the file's size with each index and with all, beside none."""
    for what, unit, found in _measured(fleet):
        for label, value in found.items():
            is_for = (
                label == ALL or what not in (*_DAYS, *_QUERIES) or what in INDEXES.get(label, ("", ()))[1]
            )
            if label != "none" and is_for:
                yield Figure(TOPIC, f"{what}: {label}", fleet.n, value, unit, "without", found["none"])


def _measured(fleet: Fleet) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Yield a figure's name, its unit, and what it comes to with no index, each one, and all four."""
    chosen = {"none": [], **{name: [name] for name in INDEXES}, ALL: list(INDEXES)}
    with ExitStack() as stack:
        copies: dict[str, Path] = {}
        variants: Variants = {}
        for label, names in chosen.items():
            say(f"{fleet.n:,}: a copy with index {label}")
            copies[label] = fleet.folder / f"indexed-{label.replace(' ', '-')}.duckdb"
            stack.callback(copies[label].unlink)
            _copy_with_indexes(fleet, copies[label], names)
            variants[label] = stack.enter_context(duckdb.connect(str(copies[label])))
        yield "file", "MB", {label: megabytes(path) for label, path in copies.items()}
        for view, days in _DAYS.items():
            name = view.removeprefix("view ")
            works = {
                label: partial(views.read, held, name, days_back=days) for label, held in variants.items()
            }
            yield view, "ms", side_by_side(works)
        common = _commonest(variants["none"])
        for what, query in _QUERIES.items():
            given = {name: value for name, value in common.items() if f"${name}" in query}
            works = {label: partial(_select, held, query, given) for label, held in variants.items()}
            yield what, "ms", side_by_side(works)
        works = {label: partial(_insert, held) for label, held in variants.items()}
        yield f"insert of {MORE:,} rows", "ms", side_by_side(works, times=3)


def _copy_with_indexes(fleet: Fleet, copy: Path, names: list[str]) -> None:
    shutil.copy(fleet.store.path, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("set enable_progress_bar = false")
        for name in names:
            connection.execute(f"create index idx_executions_{name} on executions {INDEXES[name][0]}")
        connection.execute("checkpoint")


def _commonest(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    names = ("repo", "task_type", "model_tier", "pool_type")
    modes = ", ".join(f"mode({name})" for name in names)
    (row,) = connection.execute(f"select {modes} from executions").fetchall()
    return dict(zip(names, row, strict=True))


def _select(connection: duckdb.DuckDBPyConnection, query: str, given: dict[str, str]) -> pl.DataFrame:
    return connection.sql(query, params=given).pl()


def _insert(connection: duckdb.DuckDBPyConnection) -> None:
    """Insert rows that are new but for what they say, and bring them into the file."""
    connection.execute(
        "insert into executions select * replace (uuid() as task_id) from executions limit $n", {"n": MORE}
    )
    connection.execute("checkpoint")
