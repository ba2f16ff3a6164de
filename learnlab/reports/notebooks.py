"""The notebooks that can be reported: found by name or path, read, and described from their first cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from learnlab.errors import ReportError
from learnlab.reports.parameters import Parameter, declared
from learnlab.settings import resources

_MARKS = re.compile(r"[*_`#>]+|<[^>]*>|\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Notebook:
    """A notebook as it stands in its file; `name` is unique in a run and safe as a file name."""

    name: str
    path: Path
    node: nbformat.NotebookNode

    @property
    def is_nightly(self) -> bool:
        """Whether its metadata marks it for the nightly set."""
        mark = self.node.metadata.get("learnlab")
        return isinstance(mark, dict) and mark.get("nightly") is True

    @property
    def parameters(self) -> dict[str, Parameter]:
        """What the first cell tagged `parameters` declares."""
        for cell in self.node.cells:
            if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
                return declared(cell.source)
        return {}

    def _opening(self) -> list[str]:
        first = next((cell.source for cell in self.node.cells if cell.cell_type == "markdown"), "")
        return [line.strip() for line in first.splitlines()]

    @property
    def title(self) -> str:
        """The first heading, as plain text; else the name."""
        headings = [line for line in self._opening() if line.startswith("#")]
        return _plain(headings[0]) if headings else self.name

    @property
    def question(self) -> str:
        """The first paragraph under the title, as plain text: the question the notebook answers."""
        paragraph: list[str] = []
        for line in self._opening():
            if line and not line.startswith("#"):
                paragraph.append(line)
            elif paragraph:
                break
        return _plain(" ".join(paragraph))


def _plain(markdown: str) -> str:
    return " ".join(_MARKS.sub(lambda found: found[1] or "", markdown).split())


def read(path: Path) -> nbformat.NotebookNode:
    """Return a notebook file as the current notebook format has it.

    Raises:
        ReportError: when the file cannot be read or is no notebook.
    """
    try:
        node: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        return node
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:  # nbformat raises whatever the JSON makes it stumble over
        raise ReportError(f"{path}: is no notebook: {str(error).splitlines()[0][:200]}") from error


def _path_of(name: str) -> Path:
    if name.endswith(".ipynb") or Path(name).is_file():
        return Path(name).expanduser().resolve()
    return resources("notebooks") / f"{Path(name).name}.ipynb"


def _named(paths: Sequence[Path]) -> list[Notebook]:
    found: dict[str, Notebook] = {}
    for path in dict.fromkeys(paths):
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-") or "notebook"
        stem = f"{stem}-notebook" if stem.lower() == "index" else stem
        name = next(n for i in range(len(paths) + 1) if (n := f"{stem}-{i + 1}" if i else stem) not in found)
        found[name] = Notebook(name, path, read(path))
    return list(found.values())


def find(names: Sequence[str]) -> list[Notebook]:
    """Return the notebooks of that name or path; without names, the nightly set, in order of name.

    Raises:
        ReportError: when one is not there or is no notebook, or when the nightly set is empty.
    """
    folder = resources("notebooks")
    if not names:
        nightly = [notebook for notebook in _named(sorted(folder.glob("*.ipynb"))) if notebook.is_nightly]
        if not nightly:
            raise ReportError(f"{folder}: no notebook is marked for the nightly set; name one")
        return nightly
    paths = [_path_of(name) for name in names]
    for name, path in zip(names, paths, strict=True):
        if not path.is_file():
            there = ", ".join(sorted(p.stem for p in folder.glob("*.ipynb"))) or "none"
            raise ReportError(f"no notebook {name!r}; there are {there}, or give the path of one of yours")
    return _named(paths)


def fills_its_store(names: Sequence[str]) -> bool:
    """Return whether any notebook of those names fills the store that it shows, so that the store need not be there.

    Raises:
        ReportError: as `find` does.

    >>> fills_its_store(["12_live_capture"]), fills_its_store(["20_tier_performance"])
    (True, False)
    """
    return any("db" in one.parameters and one.parameters["db"].default for one in find(names))


def own_store(names: Sequence[str]) -> str:
    """Return the store that the notebooks of those names work in when none is named; nothing for the current one.

    Raises:
        ReportError: as `find` does, and when the notebooks would work in different stores.

    >>> own_store(["12_live_capture"]), own_store(["20_tier_performance"])
    ('live', '')
    """
    chosen = [notebook for notebook in find(names) if "db" in notebook.parameters]
    own = {str(notebook.parameters["db"].default): notebook.name for notebook in chosen}
    if len(own) > 1:
        raise ReportError(
            f"{' and '.join(sorted(own.values()))} work in different stores: report them one by one, or name one "
            "store with --db"
        )
    return next(iter(own), "")
