"""Packages of the extra `search`: imported where they are used, and named with the cure when they are missing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from learnlab.errors import SearchError
from learnlab.extras import imported

INSTALL = "pip install 'learnlab[search]'"


def extra(module: str) -> Any:
    """Return a module of a package that only search needs, importing it now.

    Raises:
        SearchError: when it is not installed, or cannot be imported as it is.

    >>> extra("no_such_package")
    Traceback (most recent call last):
    learnlab.errors.SearchError: searching by meaning needs no_such_package: pip install 'learnlab[search]'
    """
    return imported(module, INSTALL, "searching by meaning needs", SearchError)


def installed(*packages: str) -> bool:
    """Return whether all of these packages are there, importing none.

    >>> installed("json", "no_such_package")
    False
    """
    return all(find_spec(package) is not None for package in packages)
