"""Every kind of log that can be read, and which of them a file is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from learnlab.errors import SourceError
from learnlab.ingest.logs.formats import LogFormat, head_of
from learnlab.ingest.sources import printable

_READERS = (
    "claude_code", "codex", "inspect_log", "swe_agent", "tau_bench", "otel", "gemini_cli", "opencode",
)  # fmt: skip


FORMATS: dict[str, LogFormat] = {
    form.name: form for form in (import_module(f"learnlab.ingest.logs.{name}").FORMAT for name in _READERS)
}
"""The kinds of logs by name, in the order in which a file is held against them."""

TABLE = "table"
"""What `--format` calls a file with one execution a row: CSV, JSON lines, a JSON array or Parquet."""


def format_named(name: str) -> LogFormat | None:
    """Return a kind of log by its name, None for `table`.

    Raises:
        SourceError: when there is no such kind.

    >>> format_named("codex").name, format_named("table")
    ('codex', None)
    """
    if name == TABLE:
        return None
    if name not in FORMATS:
        raise SourceError(f"there is no format {name[:60]!r}; there are: {', '.join([*FORMATS, TABLE])}")
    return FORMATS[name]


def detect(path: Path) -> LogFormat | None:
    """Return the kind of log that a file holds, told by its content; None where it is none of them.

    Raises:
        SourceError: when it cannot be opened, is empty, or holds no more than the beginning of a JSON object:
            what it will be cannot be told yet.
    """
    head = head_of(path)
    if head.is_begun:
        raise SourceError(
            f"{printable(path)} holds one line that is no whole JSON object; it may still be written"
        )
    return next((form for form in FORMATS.values() if form.fits(head)), None)


def describe() -> str:
    """Return every kind of log as text: its name, what it is, where its tool keeps the files."""
    rows = [(form.name, form.title, form.keeps) for form in FORMATS.values()]
    rows.append((TABLE, "CSV, TSV, JSON lines, JSON arrays, Parquet: one execution a row", "anywhere"))
    widths = [max(len(row[at]) for row in rows) for at in (0, 1)]
    return "\n".join(f"{name:{widths[0]}}  {title:{widths[1]}}  {keeps}" for name, title, keeps in rows)
