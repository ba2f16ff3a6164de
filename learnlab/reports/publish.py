"""What a notebook shows and hands to its report: tables, sentences, and the gentle stop of an empty store."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
from IPython.display import display

from learnlab.errors import ReportError
from learnlab.reports.tables import escape, table_html, table_text
from learnlab.store import sqlfiles

SAY = "application/vnd.learnlab.say+json"
"""The type under which a notebook's output carries what `say` said, for the index page."""

STOP = "application/vnd.learnlab.stop+json"
"""The type under which a notebook's output carries why `stop_if_empty` stopped it."""

FOLDER = "LEARNLAB_PUBLISH"
"""The variable that names the folder for published tables; unset in JupyterLab, set during a report."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FORMULA = r"^\s*[=+\-@]|^[\t\r\n]"


class _Shown:
    """One output: HTML that is escaped already, the same as plain text, and what the report reads from it."""

    def __init__(self, html: str, text: str, **also: Any) -> None:
        self._bundle = {"text/html": html, "text/plain": text, **also}

    def __repr__(self) -> str:
        return str(self._bundle["text/plain"])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return self._bundle


def _show(html: str, text: str, **also: Any) -> None:
    display(_Shown(html, text, **also))  # type: ignore[no-untyped-call]


def say(*sentences: str) -> None:
    """Show the sentences of "What this says" as a list; the index page repeats the first two.

    >>> say("All 12 runs passed.")  # in a notebook, a list with one point
    All 12 runs passed.
    """
    points = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    _show(f"<ul>{points}</ul>", "\n".join(sentences), **{SAY: {"sentences": list(sentences)}})


def table(frame: pl.DataFrame, caption: str = "", *, rows: int = 20) -> None:
    """Show the first rows of a frame as a table: rounded, aligned, escaped, with the rest counted.

    >>> table(pl.DataFrame({"tier": ["small"], "n": [12]}))
    1 row
    tier   n
    small  12
    """
    _show(table_html(frame, caption=caption, rows=rows), table_text(frame, caption=caption, rows=rows))


class _Stopped(Exception):
    """Ends a notebook without an error: papermill takes an empty SystemExit, by its name, for a gentle stop."""

    def __str__(self) -> str:
        return ""

    def _render_traceback_(self) -> list[str]:
        return ["The notebook stops here: there is nothing to show yet."]


_Stopped.__name__ = "SystemExit"


def stop_if_empty(frame: pl.DataFrame, what: str = "executions") -> None:
    """Stop the notebook when a frame has no rows, after saying what is missing; else do nothing.

    A real SystemExit would bring IPython's "use %tb" and a warning with it, so the stop only bears its name.

    >>> stop_if_empty(pl.DataFrame({"tier": ["small"]}))
    """
    if not frame.height:
        stop(f"No {what} here yet. Bring some in with `learnlab ingest`, or look through a wider window.")


def stop(reason: str) -> NoReturn:
    """Stop the notebook for a reason, which is said, and which the index page of a report repeats."""
    _show(f"<p><strong>{escape(reason)}</strong></p>", reason, **{STOP: {"reason": reason}})
    raise _Stopped


def without_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame for CSV: lists and structs as text, and no text that a spreadsheet would run.

    A text that begins with `=`, `+`, `-`, `@` or a tab gets an apostrophe in front, in the values and in
    the column names; the Parquet file keeps the text as it was. After OWASP's "CSV Injection".

    >>> without_formulas(pl.DataFrame({"repo": ["=1+1", "shop"]}))["repo"].to_list()
    ["'=1+1", 'shop']
    """
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    flat = frame.with_columns(
        pl.Series(
            name,
            [None if v is None else json.dumps(v, default=str) for v in frame[name].to_list()],
            pl.String,
        )
        for name in nested
    )
    texts = [name for name, dtype in flat.schema.items() if dtype in (pl.String, pl.Categorical, pl.Enum)]
    safe = flat.with_columns(
        pl.when(pl.col(name).cast(pl.String).str.contains(_FORMULA))
        .then(pl.lit("'") + pl.col(name).cast(pl.String))
        .otherwise(pl.col(name).cast(pl.String))
        .alias(name)
        for name in texts
    )
    return safe.rename({name: f"'{name}" for name in safe.columns if re.search(_FORMULA, name)})


def _write(frame: pl.DataFrame, name: str, sql: Sequence[str], folder: Path) -> None:
    entry = {
        "n_rows": frame.height,
        "columns": frame.columns,
        "sql": list(sql),
        "sql_sha256": sqlfiles.fingerprint(list(sql)) if sql else None,
    }
    note = folder / f"{name}.json"
    if note.exists():
        raise ReportError(f"table {name!r} is published twice in one notebook: give the second another name")
    frame.write_parquet(folder / f"{name}.parquet")
    without_formulas(frame).write_csv(folder / f"{name}.csv")
    note.write_text(json.dumps(entry), encoding="utf-8")


def publish(frame: pl.DataFrame, name: str, sql: Sequence[str] = (), *, caption: str = "") -> None:
    """Show a table and hand it to the report as `<name>.parquet` and `<name>.csv`.

    `sql` names the views and queries behind it: the manifest holds a hash of their text, so a later reader
    can tell whether two runs asked the same question. In JupyterLab nothing is written.

    Raises:
        ReportError: when the name is not one of a-z, 0-9 and `_`, or was published before.
        StoreError: when `sql` names no view or query.

    >>> publish(pl.DataFrame({"tier": ["small"], "n": [12]}), "tiers")
    tiers (1 row)
    tier   n
    small  12
    """
    if not _NAME.fullmatch(name):
        raise ReportError(f"{name!r} is no name for a table: use a-z, 0-9 and _, beginning with a letter")
    folder = os.environ.get(FOLDER)
    if folder:
        _write(frame, name, sql, Path(folder))
    table(frame, caption or name)
