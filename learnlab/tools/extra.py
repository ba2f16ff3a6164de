"""The package of the extra `mcp`: imported where it is used, and named with the cure when it is missing."""

from __future__ import annotations

from typing import Any

from learnlab.errors import FeedbackError
from learnlab.extras import imported

INSTALL = "pip install 'learnlab[mcp]'"


def extra(module: str) -> Any:
    """Return a module of a package that only the tools' server needs, importing it now.

    Raises:
        FeedbackError: when it is not installed, or cannot be imported as it is.

    >>> extra("no_such_package")
    Traceback (most recent call last):
    learnlab.errors.FeedbackError: tools for agents need no_such_package: pip install 'learnlab[mcp]'
    """
    return imported(module, INSTALL, "tools for agents need", FeedbackError)
