"""Verdicts from elsewhere: result files of benchmarks, CI runs, pull requests, or a table that somebody made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from learnlab.errors import SourceError
from learnlab.ingest.logs.shapes import items, moment, number, obj, text
from learnlab.ingest.sources import opened, printable, unpacked
from learnlab.ingest.tables.raw import exact
from learnlab.ingest.tables.tabular import raw_rows
from learnlab.models import SuccessSource

VERDICT_SCHEMA: dict[str, pl.DataType] = {
    "joined_by": pl.String(),
    "value": pl.String(),
    "success": pl.Boolean(),
    "success_source": pl.String(),
    "quality_score": pl.Float64(),
    "source": pl.String(),
}
"""The columns of a frame of verdicts: what they are joined by (task, session, branch), its value, the verdict."""

_JOINED_BY = {
    "task": ("task", "task_id", "external_id", "instance_id"),
    "session": ("session", "session_id", "sessionid"),
    "branch": ("branch", "head_branch", "headbranch", "headrefname", "head_ref", "gitbranch"),
}
_VERDICT = ("success", "resolved", "passed", "verdict", "conclusion", "state")
_TIME = (
    "time",
    "timestamp",
    "updated_at",
    "updatedat",
    "completed_at",
    "merged_at",
    "mergedat",
    "created_at",
    "createdat",
)
_TRUE = {"true", "yes", "1", "pass", "passed", "success", "succeeded", "resolved", "merged", "ok", "c"}
_FALSE = {
    "false",
    "no",
    "0",
    "fail",
    "failed",
    "failure",
    "unresolved",
    "closed",
    "error",
    "timed_out",
    "startup_failure",
    "i",
}
_JUDGED = (
    "unresolved_ids", "unresolved", "completed_ids", "submitted_ids", "empty_patch_ids", "generated",
    "no_generation", "applied", "no_apply",
)  # fmt: skip
"""The lists of a result file that name instances which were judged; those not resolved as well failed."""

_SOURCES = {source.value for source in SuccessSource} - {SuccessSource.UNKNOWN.value}

_MOST = 64 << 20


def read_verdicts(path: str | Path) -> tuple[pl.DataFrame, int]:
    """Return the verdicts of a file as a frame of `VERDICT_SCHEMA`, and how many rows had none yet.

    A table (CSV, JSON lines, JSON array, Parquet) has a column that names the task, session or branch, and
    one with the verdict: `success`, `resolved`, `passed`, `verdict`; `conclusion` as CI runs have it (source
    ci); `state` as pull requests have it (merged or closed; source user). `success_source` and
    `quality_score` (0-100) may stand beside it. A result file of SWE-bench lists `resolved_ids` and
    `unresolved_ids`, or says by instance whether it was resolved (source verifier). Of several verdicts on
    one thing the latest by its time counts, else the last.

    Raises:
        SourceError: when the file cannot be read, or no column says what is judged or how.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "ci.csv"
    >>> _ = path.write_text("head_branch,conclusion\\nfix-1,success\\nfix-2,failure\\nfix-3,\\n")
    >>> frame, n_open = read_verdicts(path)
    >>> frame.select("joined_by", "value", "success", "success_source").rows(), n_open
    ([('branch', 'fix-1', True, 'ci'), ('branch', 'fix-2', False, 'ci')], 1)
    """
    path = Path(path).expanduser()
    source = path.name
    results = _results(path)
    if results is not None:
        rows = [
            ("task", name, verdict, SuccessSource.VERIFIER.value, None, source) for name, verdict in results
        ]
        return _frame(rows), 0
    found: list[tuple[Any, ...]] = []
    n_open = 0
    with opened(path) as (stream, form):
        for piece in raw_rows(stream, form, printable(path)):
            columns = _Columns(piece.frame.columns, printable(path))
            for row in piece.frame.select(exact(*columns.names)).iter_rows():
                verdict = columns.verdict(row, source)
                n_open += verdict is None
                if verdict is not None:
                    found.append(verdict)
            n_open += len(piece.faults)
    found.sort(key=lambda row: row[0])
    return _frame([row[1:] for row in found]), n_open


def _frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=VERDICT_SCHEMA, orient="row")
    return frame.unique(["joined_by", "value"], keep="last", maintain_order=True)


class _Columns:
    """Which columns of a table say what is judged and how."""

    def __init__(self, columns: list[str], name: str) -> None:
        by_name = {
            column.strip().lower().replace("-", "_").replace(" ", "_"): column for column in reversed(columns)
        }
        joins = [
            (kind, by_name[spelt])
            for kind, spellings in _JOINED_BY.items()
            for spelt in spellings
            if spelt in by_name
        ]
        verdicts = [(spelt, by_name[spelt]) for spelt in _VERDICT if spelt in by_name]
        shown = ", ".join(columns)[:200]
        if not joins:
            raise SourceError(
                f"{name} names no task, session or branch: it needs a column task_id, session_id or branch ({shown})"
            )
        if not verdicts:
            raise SourceError(
                f"{name} has no verdict: it needs a column success, resolved, "
                f"passed, verdict, conclusion or state ({shown})"
            )
        self.joined_by, self.join = joins[0]
        self.kind, self.column = verdicts[0]
        optional = {
            "time": next((by_name[spelt] for spelt in _TIME if spelt in by_name), None),
            "success_source": by_name.get("success_source"),
            "quality_score": by_name.get("quality_score"),
        }
        self.optional = {key: column for key, column in optional.items() if column is not None}
        self.names = list(dict.fromkeys([self.join, self.column, *self.optional.values()]))

    def verdict(self, row: tuple[str | None, ...], source: str) -> tuple[Any, ...] | None:
        """Return a row's time and verdict, None when it has none yet."""
        said = dict(zip(self.names, row, strict=True))
        value = (said[self.join] or "").strip()
        word = (said[self.column] or "").strip().lower()
        if not value or word not in _TRUE | _FALSE:
            return None
        who = {"conclusion": SuccessSource.CI, "state": SuccessSource.USER}.get(
            self.kind, SuccessSource.USER
        ).value
        given = (said.get(self.optional.get("success_source", "")) or "").strip().lower()
        who = given if given in _SOURCES else who
        score = number(said.get(self.optional.get("quality_score", "")))
        at = moment(said.get(self.optional.get("time", "")))
        quality = score if score is not None and score <= 100 else None
        return (at.isoformat() if at else "", self.joined_by, value, word in _TRUE, who, quality, source)


def _results(path: Path) -> list[tuple[str, bool]] | None:
    """Return the verdicts of a benchmark's result file by instance, None when the file is none."""
    with unpacked(path) as stream:
        start = stream.peek(1024)[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
        if not start.startswith(b"{"):
            return None
        data = stream.read(_MOST + 1)
    try:
        found = json.loads(data) if len(data) <= _MOST else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return list(_resolved(found)) or None


def _resolved(found: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield instance and verdict: from lists of ids, or from an object by instance."""
    right = items(found.get("resolved_ids")) or items(found.get("resolved"))
    wrong = [name for key in _JUDGED for name in items(found.get(key))]
    for names, is_right in ((wrong, False), (right, True)):
        yield from ((known, is_right) for name in names if (known := text(name)))
    for name, value in found.items():
        verdict = obj(value).get("resolved")
        if isinstance(verdict, bool) and (known := text(name)):
            yield known, verdict
