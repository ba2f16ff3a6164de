"""Which instances of SWE-agent's runs were resolved, as a results file beside a trajectory says."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from learnlab.errors import SourceError
from learnlab.ingest.verdict_files import read_verdicts
from learnlab.models import SuccessSource

_NAMES = ("results.json", "results/results.json", "report.json", "*.results.json", "*.report.json")


def verdict_beside(path: Path, instance: str) -> bool | None:
    """Return whether a results file says that an instance was resolved, None where none does or two disagree.

    It stands in the trajectory's folder, or in the folder above where each instance has a folder of its own.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "results.json").write_text('{"resolved": ["a__b-1"], "generated": ["a__b-1", "a__b-2"]}')
    >>> [verdict_beside(folder / "x.traj", instance) for instance in ("a__b-1", "a__b-2", "a__b-3")]
    [True, False, None]
    """
    folders = [path.parent]
    if path.parent.name and path.parent.name in (instance, path.name.split(".traj")[0]):
        folders.append(path.parent.parent)
    for folder in folders:
        said = {
            verdict
            for name in _NAMES
            for file in sorted(folder.glob(name))
            if (verdict := _verdicts_of(file).get(instance)) is not None
        }
        if said:
            return said.pop() if len(said) == 1 else None
    return None


def _verdicts_of(file: Path) -> dict[str, bool]:
    try:
        state = file.stat()
    except OSError:
        return {}
    return _read(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _read(file: Path, changed: int, size: int) -> dict[str, bool]:
    """Return the verdicts of a results file by instance; the time and size of a file tell when to read it again."""
    del changed, size
    try:
        frame, _ = read_verdicts(file)
    except SourceError:
        return {}
    named = frame.filter(success_source=SuccessSource.VERIFIER.value, joined_by="task")
    return dict(named.select("value", "success").iter_rows())
