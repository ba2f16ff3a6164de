"""What reports need of the process they run in: quick imports, and charts that need no network."""

from __future__ import annotations

import sys
from typing import Any


def skip_slow_grammar() -> None:
    """Import jsonschema without the grammar of international addresses, unless it is there already.

    Altair and papermill import jsonschema, which builds that grammar at once when it finds the package
    `rfc3987_syntax`: over two seconds in every process and kernel, for a check that no notebook asks for.
    """
    if "jsonschema" in sys.modules or "rfc3987_syntax" in sys.modules:
        return
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # None makes an import fail
    try:
        import jsonschema  # type: ignore[import-untyped]  # noqa: F401
    finally:
        del sys.modules["rfc3987_syntax"]


def chart_bundle(chart: Any) -> dict[str, Any]:
    """Return an Altair chart as JupyterLab draws it by itself; a report draws the same specification."""
    return {"application/vnd.vegalite.v5+json": chart.to_dict(), "text/plain": "a chart"}


def draw_offline() -> None:
    """Have this process's notebook, if there is one, show Altair charts without asking the network.

    Altair's own default loads its library from a server. The charts are known by their class's name, so
    that Altair is imported by those who draw.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        formatter = shell.display_formatter.mimebundle_formatter
        formatter.for_type_by_name("altair.vegalite.v6.api", "TopLevelMixin", chart_bundle)
