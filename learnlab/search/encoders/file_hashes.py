"""SHA-256 of files; that of a large file is worked out again only when the file may have changed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from tempfile import NamedTemporaryFile

from learnlab.settings import settings

_REMEMBERED_FROM = 1_000_000
_SETTLED_SECONDS = 2.0


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal digits.

    For a file of a megabyte or more it is noted with size, inode and both times (of the content and of the file's
    entry, which no program sets at will), and taken from the note while all four are the same. A file that was touched
    in the last two seconds is not noted: it could change again within the same tick of the clock.

    Raises:
        OSError: when the file cannot be read.
    """
    stat = path.stat()
    if stat.st_size < _REMEMBERED_FROM:
        return _hashed(path)
    note = _note_of(path)
    state = [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
    try:
        noted = json.loads(note.read_bytes())
        if noted["state"] == state and isinstance(noted["sha256"], str):
            return noted["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    digest = _hashed(path)
    if max(stat.st_mtime, stat.st_ctime) < time.time() - _SETTLED_SECONDS:
        written(note, json.dumps({"path": str(path), "state": state, "sha256": digest}).encode())
    return digest


def written(path: Path, content: bytes) -> bool:
    """Write a file whole or not at all, whoever else writes it; return whether that worked.

    A cache that cannot be written costs time and nothing else, so that is no error.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
            try:
                file.write(content)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError:
        return False
    return True


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _note_of(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    return settings().home / "models" / "hashes" / f"{name}.json"
