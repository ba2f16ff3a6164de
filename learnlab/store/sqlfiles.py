"""The SQL files: views, queries and migrations, found, read and described from their headers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from learnlab.errors import StoreError
from learnlab.settings import resources

_COLUMN = re.compile(r"^\s*(?P<what>[^\n]*?),?\s*--\s*(?P<meaning>.+)$")
_NAME = re.compile(r"(?:\bas\s+)?(?:\w+\.)?(?P<name>\w+)$")


@dataclass(frozen=True)
class SqlFile:
    """One file of sql/: its statement and what its header says of it."""

    name: str
    text: str

    @property
    def comment(self) -> str:
        """The first line: what the rows are."""
        return self.text.splitlines()[0].removeprefix("--").strip()

    def _header(self, key: str) -> list[str]:
        found = re.search(rf"^-- {key}:(.*)$", self.text, re.MULTILINE)
        return [word.strip() for word in found[1].split(",") if word.strip()] if found else []

    @property
    def grain(self) -> list[str]:
        """The columns that are unique together, one row each."""
        return self._header("grain")

    @property
    def reads(self) -> list[str]:
        """The tables and views that the statement reads."""
        return self._header("reads")

    @property
    def columns(self) -> dict[str, str]:
        """The documented columns: name → meaning, from the comment at the end of each column's line."""
        found = {}
        for line in self.text.splitlines():
            column = _COLUMN.match(line)
            name = _NAME.search(column["what"].rstrip(", ")) if column and column["what"] else None
            if column and name:
                found[name["name"]] = column["meaning"].strip()
        return found


def _files(kind: str) -> dict[str, Path]:
    return {path.name.removesuffix(".sql"): path for path in sorted((resources("sql") / kind).glob("*.sql"))}


@lru_cache
def load(kind: str, name: str) -> SqlFile:
    """Return one SQL file: kind is `views`, `queries` or `migrations`, name has no ending.

    Raises:
        StoreError: when there is no such file; it lists those there are.

    >>> load("views", "outcomes").grain
    ['task_id']
    """
    files = _files(kind)
    if name not in files:
        raise StoreError(f"no {name!r} in sql/{kind}; there are {', '.join(files) or 'none'}")
    return SqlFile(name, files[name].read_text(encoding="utf-8"))


@lru_cache
def views() -> tuple[SqlFile, ...]:
    """Return every view, each after those that it reads."""
    files = {name: load("views", name) for name in _files("views")}
    ordered: dict[str, SqlFile] = {}

    def place(file: SqlFile) -> None:
        for name in file.reads:
            if name in files and name not in ordered:
                place(files[name])
        ordered[file.name] = file

    for file in files.values():
        if file.name not in ordered:
            place(file)
    return tuple(ordered.values())


def behind(name: str) -> list[SqlFile]:
    """Return the file of a view or query and those of the views that it reads, directly or through others.

    Raises:
        StoreError: when there is no view or query of that name.
    """
    known = {file.name: file for file in views()}
    start = known.get(name) or load("queries", name)
    found = {start.name: start}
    pending = [start]
    while pending:
        for other in pending.pop().reads:
            if other in known and other not in found:
                found[other] = known[other]
                pending.append(known[other])
    return list(found.values())


def fingerprint(names: list[str]) -> str:
    """Return the SHA-256 of the SQL behind the named views and queries (64 hex digits): it changes when they do."""
    files = {file.name: file for name in names for file in behind(name)}
    texts = "\0".join(f"{name}\0{files[name].text}" for name in sorted(files))
    return hashlib.sha256(texts.encode()).hexdigest()
