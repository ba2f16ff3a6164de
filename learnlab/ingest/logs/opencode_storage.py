"""opencode's JSON storage: a file a session, a file a message, a file a part, linked by the ids inside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from learnlab.ingest.logs.documents import Document
from learnlab.ingest.logs.lines import loaded
from learnlab.ingest.logs.shapes import text
from learnlab.ingest.rejected import MAX_RECORD

_ID = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z_.-]{0,199}")


def entry_of(path: Path) -> Document:
    """Return the JSON object that one file of the storage holds, an empty one where it holds none."""
    if not path.is_file():  # a pipe would be waited for
        return Document({}, "is no file that can be read")
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_RECORD + 1)
    except OSError as error:
        return Document({}, f"cannot be opened: {error.strerror}")
    if len(data) > MAX_RECORD:
        return Document(
            {}, f"is longer than {MAX_RECORD >> 20} MB", data[:100_000].decode("utf-8", "replace")
        )
    shown = data.decode("utf-8", "replace")
    try:
        value = loaded(data.strip().removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        return Document({}, str(error), shown)
    return Document(value) if isinstance(value, dict) else Document({}, "is no JSON object", shown)


def root_of(path: Path) -> Path | None:
    """Return the storage folder that a file stands in: the one with a `session` folder beside its own kind's.

    >>> print(root_of(Path("elsewhere/a.json")))
    None
    """
    for parent in list(path.parents)[:4]:
        if parent.name in ("session", "message", "part") and (parent.parent / "session").is_dir():
            return parent.parent
    return None


def files_in(folder: Path) -> list[Path]:
    """Return the JSON files that stand in a folder itself, sorted; links are left out, they could lead anywhere."""
    try:
        if folder.is_symlink():
            return []
        return sorted(path for path in folder.iterdir() if path.suffix == ".json" and not path.is_symlink())
    except OSError:
        return []


def messages_of(root: Path, session: str) -> Iterator[tuple[Path, Document]]:
    """Yield the files of a session's messages; none where its id could not be a folder's name."""
    if _ID.fullmatch(session):
        for path in files_in(root / "message" / session):
            yield path, entry_of(path)


def parts_of(root: Path, session: str, message: str) -> Iterator[tuple[Path, Document]]:
    """Yield the files of a message's parts: in a folder of its own, or in one with those of its session."""
    if not _ID.fullmatch(message):
        return
    folders = [root / "part" / message]
    if _ID.fullmatch(session):
        folders.append(root / "part" / session / message)
    for folder in folders:
        for path in files_in(folder):
            yield path, entry_of(path)


def loose_parts(root: Path) -> Iterator[tuple[Path, Document]]:
    """Yield the files of parts that stand in no message's folder: an older version laid them side by side."""
    for path in files_in(root / "part"):
        yield path, entry_of(path)


def session_file(root: Path, session: str) -> Path | None:
    """Return the file of a session, None where there is none."""
    try:
        return _session_file(root, session)
    except LookupError:
        return None


@lru_cache(maxsize=4096)
def _session_file(root: Path, session: str) -> Path:
    if _ID.fullmatch(session):
        for folder in sorted((root / "session").iterdir()):
            for name in (f"{session}.json", f"ses_{session}.json"):
                if (found := folder / name).is_file() and not found.is_symlink() and not folder.is_symlink():
                    return found
    raise LookupError(session)


def session_of(root: Path, path: Path) -> str | None:
    """Return the id of the session that a message's or part's file belongs to, as the files tell it."""
    value = entry_of(path).value
    if own := text(value.get("sessionID")):
        return own
    if path.parent.parent.name == "message":
        return path.parent.name
    return _session_of_message(root, text(value.get("messageID")) or path.parent.name)


def _session_of_message(root: Path, message: str) -> str | None:
    try:
        return _found_session(root, message)
    except LookupError:
        return None


@lru_cache(maxsize=4096)
def _found_session(root: Path, message: str) -> str:
    for folder in sorted((root / "message").iterdir()):
        if (folder / f"{message}.json").is_file() if _ID.fullmatch(message) else False:
            return folder.name
    for folder in sorted((root / "message").iterdir()):
        for path in files_in(folder):
            if entry_of(path).value.get("id") == message:
                return folder.name
    raise LookupError(message)
