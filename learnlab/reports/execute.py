"""Runs one notebook through papermill in a kernel of this Python, and ends it when its time is up."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from papermill.exceptions import PapermillExecutionError

from learnlab.reports.notebooks import Notebook, read
from learnlab.reports.parameters import Value
from learnlab.reports.publish import FOLDER, STOP

logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it would say is in the result

Status = Literal["ok", "stopped", "failed", "timeout"]


@dataclass(frozen=True)
class Result:
    """What came of one notebook: `stopped` is the gentle end of an empty store, `why` explains any end but ok."""

    notebook: Notebook
    status: Status
    why: str
    node: nbformat.NotebookNode
    seconds: float
    parameters: dict[str, Value]
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the notebook did what it is for; an empty store is no failure."""
        return self.status in ("ok", "stopped")


class _ThisPython(KernelSpecManager):
    """Knows one kernel, this interpreter's, so that no installed kernel is needed or mistaken for it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__()
        self._environment = dict(environment)

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the spec of this interpreter's kernel, whatever it is called."""
        quiet = ["--HistoryManager.enabled=False", "--IPKernelApp.exec_lines=import learnlab.reports"]
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", *quiet],
            env=self._environment,
            display_name="this Python",
            language="python",
        )


class Kernels:
    """The kernels of one run: started through here, and all dead when the run ends, however it ends."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        """Whether the run is over: no kernel may live."""
        return self._ended.is_set()

    def end(self) -> None:
        """Have every kernel of the run killed by the thread that watches over it."""
        self._ended.set()


def _manager_class(
    folder: Path, environment: Mapping[str, str], started: list[AsyncKernelManager]
) -> type[AsyncKernelManager]:
    """Return the class of a kernel manager that keeps all its files in `folder` and enters itself in `started`."""

    class Manager(AsyncKernelManager):
        def __init__(self, **given: Any) -> None:
            spec = _ThisPython({"IPYTHONDIR": str(folder / "ipython"), **environment})
            super().__init__(**given, kernel_spec_manager=spec, connection_file=str(folder / "kernel.json"))
            if os.name == "posix":  # sockets in a private folder: no port that another run could take first
                self.transport, self.ip = "ipc", str(folder / "s")
            started.append(self)

    return Manager


def _kill(manager: AsyncKernelManager) -> None:
    """Kill a kernel and the processes that it started, if it has started at all."""
    process = getattr(manager.provisioner, "process", None)
    if process is None:
        return
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _clean(node: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy without outputs of an earlier run and without the marks that papermill leaves."""
    copy = deepcopy(node)
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    copy.metadata.pop("papermill", None)
    return copy


def _stopped(node: nbformat.NotebookNode) -> str | None:
    """Return why a notebook stopped itself, or None when it ran to its end."""
    for cell in node.cells:
        for output in cell.get("outputs", []):
            reason = output.get("data", {}).get(STOP)
            if isinstance(reason, dict):
                return str(reason.get("reason", ""))
            if output.output_type == "error" and output.ename == "SystemExit":
                return "The notebook stopped itself."
    return None


class _Watch(threading.Thread):
    """Kills a notebook's kernel when its time is up or the run ends; `late` says that it was the time."""

    def __init__(self, started: list[AsyncKernelManager], timeout: float, kernels: Kernels) -> None:
        super().__init__(daemon=True)
        self._managers, self._timeout, self._kernels = started, timeout, kernels
        self._over = threading.Event()
        self.late = False

    def run(self) -> None:
        """Look four times a second until the notebook is over."""
        deadline = time.monotonic() + self._timeout
        while not self._over.wait(0.25):
            self.late = self.late or time.monotonic() > deadline
            if self.late or self._kernels.ended:
                for manager in self._managers:
                    _kill(manager)

    def stop(self) -> None:
        """Leave nothing alive and stop watching."""
        self._over.set()
        self.join()
        for manager in self._managers:
            _kill(manager)


def _run(source: Path, target: Path, values: Mapping[str, Value], manager: type[AsyncKernelManager]) -> str:
    """Run a notebook file through papermill and return what went wrong, or an empty text."""
    try:
        papermill.execute_notebook(
            source,
            target,
            parameters=dict(values),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=120,
            autosave_cell_every=0,
            kernel_manager_class=manager,
            shutdown_kernel="immediate",
        )
    except PapermillExecutionError as error:
        return f"{error.ename}: {error.evalue}".strip(": ") or "an error without a text"
    except Exception as error:  # whatever breaks a run is that notebook's result, not the end of the others
        return f"{type(error).__name__}: {error}"
    return ""


def execute(
    notebook: Notebook,
    values: Mapping[str, Value],
    *,
    tables: Path,
    environment: Mapping[str, str],
    timeout: float,
    kernels: Kernels,
) -> Result:
    """Run a notebook with parameter values and return what came of it; never raises for what happens inside.

    Its published tables go into the folder `tables`. When `timeout` seconds are over, the kernel's start
    included, the kernel and its children are killed.
    """
    tables.mkdir(parents=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="learnlab-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        source, target = folder / "in.ipynb", folder / "out.ipynb"
        source.write_text(json.dumps(_clean(notebook.node)), encoding="utf-8")
        started: list[AsyncKernelManager] = []
        watch = _Watch(started, timeout, kernels)
        watch.start()
        try:
            wrong = _run(
                source, target, values, _manager_class(folder, {FOLDER: str(tables), **environment}, started)
            )
        finally:
            watch.stop()
        node = read(target) if target.exists() else notebook.node
    status: Status = "ok"
    if watch.late:
        status, wrong = "timeout", f"It ran for more than {timeout:g} seconds and was ended."
    elif wrong:
        status = "failed"
    elif (reason := _stopped(node)) is not None:
        status, wrong = "stopped", reason
    return Result(notebook, status, wrong, node, time.monotonic() - began, dict(values))
