"""A real JupyterLab server for the browser tests, with nothing of this machine's settings, and a page that drives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import Page

_STARTS = 90.0
"""Seconds that the server may take to start on a busy machine."""

_QUIET = (
    "--no-browser",
    "--allow-root",
    "--ServerApp.ip=127.0.0.1",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.expose_app_in_browser=True",
    "--LabApp.extension_manager=readonly",
    "--KernelSpecManager.ensure_native_kernel=True",
)


@dataclass(frozen=True)
class Server:
    """A JupyterLab that runs: its address, its token and the folder whose notebooks it opens."""

    url: str
    token: str
    folder: Path

    def write(self, name: str, *sources: str) -> str:
        """Write a notebook of code cells, and markdown cells for what begins with #, and return its name."""
        cells = [new_markdown_cell(s) if s.startswith("#") else new_code_cell(s) for s in sources]
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(new_notebook(cells=cells, metadata=metadata), self.folder / name)
        return name


@contextmanager
def server(scratch: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """Run JupyterLab on a free port with a token of its own, all its files in a scratch folder, until the block ends."""
    folder, runtime = scratch / "notebooks", scratch / "runtime"
    for path in (folder, runtime):
        path.mkdir(parents=True)
    own = {
        name: str(scratch / name.lower())
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "IPYTHONDIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
        )
    }
    news = scratch / "jupyterlab_settings_dir/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false"}', encoding="utf-8")
    program = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", *_QUIET]
    log = scratch / "lab.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            program,
            env=os.environ | own | {"JUPYTER_RUNTIME_DIR": str(runtime)} | dict(environment),
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        told = _told(runtime, process, log)
        yield Server(told["url"].rstrip("/"), told["token"], folder)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _told(runtime: Path, process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    """Return what the server writes down about itself once it listens."""
    deadline = time.monotonic() + _STARTS
    while time.monotonic() < deadline and process.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            try:
                told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                continue
            return told
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-3000:]}")


_NOTEBOOK = "window.jupyterapp.shell.currentWidget"


class Notebook:
    """A notebook that is open in JupyterLab in a page."""

    def __init__(self, page: Page, lab: Server, name: str) -> None:
        self.page = page
        page.goto(f"{lab.url}/lab/tree/{name}?token={lab.token}&reset", wait_until="domcontentloaded")
        page.wait_for_function(
            "name => window.jupyterapp?.shell?.currentWidget?.context?.path === name"
            " && window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'",
            arg=name,
            timeout=60_000,
        )
        page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")

    def command(self, command: str, **given: Any) -> Any:
        """Run one of JupyterLab's commands, and wait for it."""
        return self.page.evaluate(
            "([name, given]) => window.jupyterapp.commands.execute(name, given).then(() => null)",
            [command, given],
        )

    def run_all(self) -> None:
        """Run every cell."""
        self.command("notebook:run-all-cells")

    def restart(self) -> None:
        """Start the kernel anew, as the menu does, and wait until it is idle."""
        self.page.evaluate(f"() => {_NOTEBOOK}.sessionContext.session.kernel.restart()")
        self.page.wait_for_function(
            f"() => {_NOTEBOOK}.sessionContext.session?.kernel?.status === 'idle'", timeout=60_000
        )

    def content(self) -> list[tuple[str, str]]:
        """Return the kind and the source of every cell, as the notebook's model has them."""
        found = self.page.evaluate(
            f"() => {_NOTEBOOK}.content.model.toJSON().cells.map(cell => [cell.cell_type, String(cell.source)])"
        )
        return [tuple(pair) for pair in found]

    def mode(self) -> str:
        """Return the notebook's mode: command or edit."""
        return str(self.page.evaluate(f"() => {_NOTEBOOK}.content.mode"))

    def edit(self, index: int) -> None:
        """Put the cursor into the editor of a cell."""
        self.page.locator(".jp-Notebook .jp-Cell .cm-content").nth(index).click()
