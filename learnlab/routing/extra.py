"""Packages of the extra `router`: imported where they are used, and named with the cure when they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from learnlab.errors import RoutingError

INSTALL = "pip install 'learnlab[router]'"


def extra(module: str) -> Any:
    """Return a module of a package that only routers need, importing it now.

    Raises:
        RoutingError: when it is not installed, or cannot be imported as it is.

    >>> extra("no_such_package")
    Traceback (most recent call last):
    learnlab.errors.RoutingError: learning to route needs no_such_package: pip install 'learnlab[router]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).split(".")[0]
        raise RoutingError(f"learning to route needs {missing}: {INSTALL}") from error
    except (ImportError, OSError) as error:
        raise RoutingError(f"{module} is installed and cannot be imported ({error}): {INSTALL}") from error
