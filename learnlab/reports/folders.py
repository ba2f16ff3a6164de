"""The folders of runs: built aside, put in place whole, `latest` pointing to the newest, old ones removed."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from learnlab.errors import ReportError

MANIFEST = "manifest.json"
_PARTIAL, _GONE = ".partial", ".gone"


def _new_folder(runs: Path, started: datetime, store: str) -> Path:
    plain = re.sub(r"[^a-z0-9_]+", "-", Path(store).stem.lower()).strip("-")[:40] or "store"
    name = f"{started:%Y%m%dT%H%M%SZ}-{plain}-{secrets.token_hex(3)}"
    runs.mkdir(parents=True, exist_ok=True)
    partial = runs / f"{name}{_PARTIAL}"
    partial.mkdir()
    return partial


@contextmanager
def being_built(out: Path, started: datetime, store: str) -> Iterator[Path]:
    """Hold a new folder for a run while the block fills it; without `complete`, it is removed again.

    Raises:
        ReportError: when the folder cannot be made or written.
    """
    try:
        partial = _new_folder(out / "runs", started, store)
    except OSError as error:
        raise ReportError(f"{out}: reports cannot be written there: {error.strerror}") from error
    try:
        yield partial
    except OSError as error:
        raise ReportError(f"{error.filename or partial}: cannot be written: {error.strerror}") from error
    finally:
        if partial.exists():
            shutil.rmtree(partial, ignore_errors=True)


def complete(partial: Path, out: Path) -> Path:
    """Put a filled folder in its place, turn `latest` to it, and return it."""
    folder = partial.with_name(partial.name.removesuffix(_PARTIAL))
    partial.rename(folder)
    _point(out, folder)
    return folder


def _point(out: Path, folder: Path) -> None:
    """Turn `latest` to a run in one step, so that it never leads nowhere; a page where links cannot be made."""
    target = os.path.relpath(folder, out)
    link, latest = out / f".latest-{secrets.token_hex(4)}", out / "latest"
    try:
        link.symlink_to(target, target_is_directory=True)
        os.replace(link, latest)
    except OSError:
        link.unlink(missing_ok=True)
        latest.mkdir(exist_ok=True)
        page = latest / f".index-{secrets.token_hex(4)}"
        address = escape(f"../{Path(target).as_posix()}/index.html")
        page.write_text(
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={address}">'
            f'<title>Newest run</title><p><a href="{address}">The newest run</a></p>\n',
            encoding="utf-8",
        )
        os.replace(page, latest / "index.html")


def runs_of(out: Path, store_path: str) -> list[tuple[Path, dict[str, Any]]]:
    """Return the complete runs of a store with their manifests, the newest first.

    What counts is the moment in the manifest: the names know whole seconds, and two runs may share one.
    """
    found = []
    for folder in (out / "runs").glob("*"):
        if folder.name.endswith((_PARTIAL, _GONE)):
            continue
        with suppress(OSError, ValueError, AttributeError):
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            if manifest.get("store", {}).get("path") == store_path:
                found.append((folder, manifest))
    return sorted(found, key=lambda run: (str(run[1].get("started_at")), run[0].name), reverse=True)


def keep_newest(out: Path, store_path: str, keep: int) -> list[str]:
    """Remove the complete runs of a store beyond the newest `keep`, and return their names.

    A run in progress and the one that `latest` shows stay.
    """
    shown = (out / "latest").resolve()
    removed = []
    for folder, _ in runs_of(out, store_path)[keep:]:
        if folder.resolve() == shown:
            continue
        gone = folder.with_name(f"{folder.name}{_GONE}")
        with suppress(OSError):  # another run may be removing it too
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
            removed.append(folder.name)
    return removed
