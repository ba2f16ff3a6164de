"""Packages of the extra `router`: imported where they are used, and named with the cure when they are missing."""

from __future__ import annotations

from typing import Any

from learnlab.errors import RoutingError
from learnlab.extras import imported

INSTALL = "pip install 'learnlab[router]'"


def extra(module: str) -> Any:
    """Return a module of a package that only routers need, importing it now.

    Raises:
        RoutingError: when it is not installed, or cannot be imported as it is.

    >>> extra("no_such_package")
    Traceback (most recent call last):
    learnlab.errors.RoutingError: learning to route needs no_such_package: pip install 'learnlab[router]'
    """
    return imported(module, INSTALL, "learning to route needs", RoutingError)
