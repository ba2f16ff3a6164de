"""Packages that only an extra brings: imported where they are used, and named with the cure when they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from learnlab.errors import LearnlabError


def imported(module: str, install: str, purpose: str, error: type[LearnlabError]) -> Any:
    """Return a module of a package that an extra brings, importing it now; `purpose` says what needs
    it, `install` how to get it.

    Raises:
        LearnlabError: of the kind given, when it is not installed, or cannot be imported as it is.

    >>> imported("json", "pip install …", "searching needs", LearnlabError).dumps([1])
    '[1]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        name = (missing.name or module).split(".")[0]
        raise error(f"{purpose} {name}: {install}") from missing
    except (ImportError, OSError) as broken:
        raise error(f"{module} is installed and cannot be imported ({broken}): {install}") from broken
