"""Runs notebooks side by side and writes their reports: the whole of `learnlab report`."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from learnlab.errors import ReportError
from learnlab.reports import facts, folders, render
from learnlab.reports.execute import Kernels, Result, execute
from learnlab.reports.notebooks import Notebook, find
from learnlab.reports.parameters import Value, shared_out
from learnlab.store import Store


@dataclass(frozen=True)
class ReportRun:
    """A complete run: its folder, the index to open, and what came of each notebook."""

    folder: Path
    index: Path
    results: list[Result]

    @property
    def ok(self) -> bool:
        """Whether every notebook ran to its end or stopped because there was nothing to show."""
        return all(result.ok for result in self.results)

    def summary(self) -> str:
        """Return how the notebooks ended, with the reason of each that did not get there, a line each."""
        ends = [f"{r.notebook.name}: {r.why}" for r in self.results if not r.ok]
        return "\n".join([render.counted(self.results), *(" ".join(line.split())[:500] for line in ends)])


@contextmanager
def _ending_kernels(kernels: Kernels) -> Iterator[None]:
    """End the run's kernels when the block does, on Ctrl-C and on a request to terminate as well."""

    def terminate(*_: object) -> NoReturn:
        raise SystemExit(143)

    in_charge = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, terminate) if in_charge else None
    try:
        yield
    finally:
        kernels.end()
        if in_charge:
            signal.signal(signal.SIGTERM, before)


def _published(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what a notebook published, and take its notes away: they stand in the manifest."""
    tables = {}
    for note in sorted(folder.glob("*.json")):
        tables[note.stem] = json.loads(note.read_text(encoding="utf-8"))
        note.unlink()
    if not tables:
        folder.rmdir()
    return tables


def _run_all(
    notebooks: Sequence[Notebook],
    values: Mapping[str, Mapping[str, Value]],
    store: Store,
    tables: Path,
    timeout: float,
) -> list[Result]:
    """Run notebooks, as many at a time as the machine has cores, and return what came of each, in their order."""
    kernels = Kernels()
    environment = {"LEARNLAB_DB": str(store.path)}

    def run(notebook: Notebook) -> Result:
        folder = tables / notebook.name
        result = execute(
            notebook,
            values[notebook.name],
            tables=folder,
            environment=environment,
            timeout=timeout,
            kernels=kernels,
        )
        return replace(result, tables=_published(folder))

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool, _ending_kernels(kernels):
        all_of_them = [pool.submit(run, notebook) for notebook in notebooks]
        pending = set(all_of_them)
        try:
            with tqdm(total=len(notebooks), unit="notebook", disable=None) as bar:
                while pending:  # in short waits: one long wait may sleep through a Ctrl-C
                    finished, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                    bar.update(len(finished))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return [future.result() for future in all_of_them]


def _manifest(
    results: Sequence[Result],
    state: facts.StoreState,
    started: datetime,
    seconds: float,
    versions: Mapping[str, str],
    nothing_new_since: datetime | None,
) -> dict[str, Any]:
    return {
        "store": state.data(),
        "started_at": started.isoformat(),
        "finished_at": datetime.now(UTC).isoformat(),
        "seconds": round(seconds, 3),
        "nothing_new_since": nothing_new_since.isoformat() if nothing_new_since else None,
        "versions": dict(versions),
        "git_commit": facts.git_commit(),
        "notebooks": {
            result.notebook.name: {
                "file": result.notebook.path.name,
                "title": result.notebook.title,
                "status": result.status,
                "why": result.why,
                "seconds": round(result.seconds, 3),
                "parameters": {n: p.default for n, p in result.notebook.parameters.items()}
                | result.parameters,
                "tables": result.tables,
            }
            for result in results
        },
    }


def _nothing_new_since(out: Path, state: facts.StoreState) -> datetime | None:
    """Return when the last complete run of this store began, if the store holds the same now."""
    before = next(iter(folders.runs_of(out, state.path)), None)
    if before is None or not state.holds_the_same_as(before[1].get("store")):
        return None
    try:
        return datetime.fromisoformat(before[1]["started_at"])
    except (KeyError, TypeError, ValueError):
        return None


def run_reports(
    notebooks: Sequence[str],
    parameters: Mapping[str, str],
    *,
    db: str | Path = "",
    out: Path = Path("reports"),
    keep: int = 30,
    timeout: float = 600.0,
) -> ReportRun:
    """Run notebooks on a store and write their reports; one that fails does not stop the others.

    `notebooks` are names or paths, the nightly set when empty; a parameter goes to every notebook that
    declares it, and the store to every one that declares `db`. Under `out` each run has its folder in
    `runs`, and `latest` is the newest complete one; of this store the newest `keep` runs stay. A notebook
    is ended after `timeout` seconds.

    Raises:
        ReportError: for an unknown notebook or parameter, or when the folder cannot be written.
        StoreError: when the store's file cannot be read as a store.
    """
    if "db" in parameters:
        raise ReportError("the store is no parameter of a report: name it with --db")
    chosen = find(notebooks)
    store = Store(db)
    values = shared_out(parameters, {n.name: n.parameters for n in chosen})
    for notebook in chosen:
        if "db" in notebook.parameters:
            values[notebook.name]["db"] = str(store.path)
    out = out.resolve()
    state, versions = facts.state_of(store), facts.versions()
    started, began = datetime.now(UTC), time.monotonic()
    with folders.being_built(out, started, state.name) as partial:
        since = _nothing_new_since(out, state)
        results = _run_all(chosen, values, store, partial / "tables", timeout)
        for result in results:
            page = render.notebook_page(result, state, started, versions)
            (partial / f"{result.notebook.name}.html").write_text(page, encoding="utf-8")
        seconds = time.monotonic() - began
        index = render.index_page(results, state, started, seconds, versions, since)
        (partial / "index.html").write_text(index, encoding="utf-8")
        manifest = _manifest(results, state, started, seconds, versions, since)
        (partial / folders.MANIFEST).write_text(json.dumps(manifest, indent=1, default=str), encoding="utf-8")
        folder = folders.complete(partial, out)
    folders.keep_newest(out, state.path, keep)
    return ReportRun(folder, out / "latest" / "index.html", results)
