"""Starting the programs of workers.py and reading what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

WORKERS = Path(__file__).with_name("workers.py")


def start(name: str, *arguments: object) -> subprocess.Popen[str]:
    """Start one of the programs, with pipes to and from it."""
    command = [sys.executable, str(WORKERS), name, *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def next_fact(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next thing a program says; the test fails with its error when it says nothing."""
    line = process.stdout.readline()
    if not line:
        raise AssertionError(f"the program said nothing more: {process.stderr.read()}")
    return json.loads(line)


def finish(process: subprocess.Popen[str], timeout: float = 120) -> list[dict[str, Any]]:
    """Wait for a program and return all it said; the test fails when the program did."""
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]
