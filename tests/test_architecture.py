"""The house as DESIGN draws it: which room may import which, and what `import learnlab` may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import learnlab

ROOT = Path(learnlab.__file__).parent
ROOMS = [
    "errors",
    "settings models intervals",
    "lenient people extras",
    "secrets events",
    "store",
    "ingest search",
    "database",
    "capture patterns routing feedback",
    "reports tools",
    "cli",
]
FLOOR = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms.split()}
PATHS = sorted(path for path in ROOT.rglob("*.py") if "sql" not in path.parts)


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "learnlab":
            parts = (node.module or "").split(".")
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("learnlab.")}
    return names


@pytest.mark.parametrize(
    "path", [p for p in PATHS if room(p) in FLOOR], ids=lambda p: str(p.relative_to(ROOT))
)
def test_imports_point_one_way(path):
    own = room(path)
    wrong = {other for other in imported_rooms(path) if other != own and FLOOR[other] >= FLOOR[own]}
    if own == "settings":
        wrong -= {"errors"}
    assert not wrong, f"{path.name} in {own} imports {wrong}"


def test_every_module_is_in_a_room():
    assert {room(path) for path in PATHS} - set(FLOOR) == {"__init__", "startup"}


def test_no_module_is_too_long():
    long = {path.name: n for path in PATHS if (n := len(path.read_text(encoding="utf-8").splitlines())) > 400}
    assert not long


def test_importing_the_package_is_light():
    program = "import sys, learnlab; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"duckdb", "polars", "altair", "papermill", "torch", "numpy"} & set(loaded)


def test_every_public_name_is_there_and_documented():
    for name in learnlab.__all__:
        assert getattr(learnlab, name).__doc__ or name == "TOO_FEW", name
    with pytest.raises(AttributeError, match="no name 'nothing'"):
        _ = learnlab.nothing
    assert set(learnlab.__all__) <= set(dir(learnlab))
