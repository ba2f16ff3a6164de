"""The searchers' processes: where the peers are installed, how one is started, asked and waited for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.figures import say

ROOT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).with_name("peers.lock")
HOME = ROOT / "build" / "peers"
"""The virtual environment of the peers: they are needed for nothing else."""

_OURS = ("ours", "the encoder")
_QUIET = {
    "PYTHONPATH": str(ROOT / "tests"),
    "PYTHONWARNINGS": "ignore",
    "LANCE_LOG": "error",
    "ANONYMIZED_TELEMETRY": "False",
    "TOKENIZERS_PARALLELISM": "false",
}


def install() -> str:
    """Install the peers if they are not; return why they cannot be, empty where they are."""
    done = HOME / "installed.lock"
    if done.is_file() and done.read_bytes() == LOCK.read_bytes():
        return ""
    say(f"installing the peers of search into {HOME}")
    shutil.rmtree(HOME, ignore_errors=True)
    pip = [str(HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    for command in ([sys.executable, "-m", "venv", str(HOME)], [*pip, "--requirement", str(LOCK)]):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            return (ran.stderr.strip().splitlines() or ["it was refused"])[-1]
    shutil.copy(LOCK, done)
    return ""


class SearcherError(Exception):
    """A searcher that cannot be built, started or asked, with its last words."""


class Process:
    """A searcher in a process of its own, from the moment it is started.

    Raises:
        SearcherError: from every method, when the process ends before it has answered.
    """

    def __init__(self, what: str, name: str, folder: Path) -> None:
        python = HOME / "bin" / "python"
        is_peer = not name.startswith(_OURS) and python.is_file()
        self.name = name
        self._log = folder / f"{name}.log"
        self._began = perf_counter()
        with self._log.open("wb") as errors:
            self._process = subprocess.Popen(
                [
                    str(python) if is_peer else sys.executable,
                    "-m",
                    "bench.peers_run",
                    what,
                    name,
                    str(folder),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | _QUIET,
            )

    def tell(self, queries: Iterable[int], *, is_filtered: bool, effort: int) -> None:
        """Ask for the answers to some queries, and do not wait."""
        assert self._process.stdin
        asked = {"queries": list(queries), "is_filtered": is_filtered, "effort": effort}
        try:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        except OSError:
            self._fail()

    def hear(self) -> dict[str, Any]:
        """Return what the process says next."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._fail()
        heard: dict[str, Any] = json.loads(line)
        return heard

    def ask(self, queries: Iterable[int], *, is_filtered: bool, effort: int) -> dict[str, Any]:
        """Return the answers to some queries: `ms` and `ids`, one each, and `mb`, the memory so far."""
        self.tell(queries, is_filtered=is_filtered, effort=effort)
        return self.hear()

    def age(self) -> float:
        """Return the milliseconds since the process was started."""
        return 1000 * (perf_counter() - self._began)

    def close(self) -> None:
        """Let the process end, or end it when it does not within a minute."""
        assert self._process.stdin
        assert self._process.stdout
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _fail(self) -> None:
        self._process.wait()
        words = self._log.read_text(errors="replace").strip().splitlines()
        raise SearcherError(f"{self.name}: {words[-1] if words else 'it ended without a word'}")


def build(name: str, folder: Path) -> dict[str, float]:
    """Build a searcher; return `seconds`, `mb` of what it searches, and `whole_mb` of all its data.

    Raises:
        SearcherError: when it cannot be built.
    """
    process = Process("build", name, folder)
    try:
        return process.hear()
    finally:
        process.close()
