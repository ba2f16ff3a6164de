"""Small notebooks for the tests of reports, made here so that each test's reason stands beside it."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


def write(folder: Path, name: str, *cells: str, parameters: str = "") -> str:
    """Write a notebook of markdown cells (those that begin with #) and code cells, and return its path."""
    made = [new_markdown_cell(c) if c.startswith("#") else new_code_cell(c) for c in cells]
    if parameters:
        made.insert(1, new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=made), path)
    return str(path)


def quick(folder: Path) -> str:
    """Write the quickest notebook that is one."""
    return write(folder, "quick", "# Quick", "1 + 1")


def hanging(folder: Path, pipe: Path) -> str:
    """Write a notebook that starts a child, says both process ids into a named pipe, and never ends."""
    return write(
        folder,
        "hanging",
        "# Hanging",
        "import os, subprocess, threading",
        f"child = subprocess.Popen(['sleep', '600'])\nopen({str(pipe)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')",
        "threading.Event().wait()",
    )
