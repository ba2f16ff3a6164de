"""The package of the extra `mcp`: imported where it is used, and named with the cure when it is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from learnlab.errors import FeedbackError

INSTALL = "pip install 'learnlab[mcp]'"


def extra(module: str) -> Any:
    """Return a module of a package that only the tools' server needs, importing it now.

    Raises:
        FeedbackError: when it is not installed, or cannot be imported as it is.

    >>> extra("no_such_package")
    Traceback (most recent call last):
    learnlab.errors.FeedbackError: tools for agents need no_such_package: pip install 'learnlab[mcp]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).split(".")[0]
        raise FeedbackError(f"tools for agents need {missing}: {INSTALL}") from error
    except (ImportError, OSError) as error:
        raise FeedbackError(f"{module} is installed and cannot be imported ({error}): {INSTALL}") from error
