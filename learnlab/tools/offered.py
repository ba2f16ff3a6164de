"""Which tools a server offers: feedback always, search and routing where what they need is installed."""

from __future__ import annotations

from learnlab.routing.extra import INSTALL as ROUTER
from learnlab.search.extra import INSTALL as SEARCH
from learnlab.search.extra import installed
from learnlab.tools import routes, similar
from learnlab.tools.helping import helping
from learnlab.tools.rating import rating
from learnlab.tools.tool import Desk, Tool

_FURTHER = (
    ("find_similar", similar.similar, similar.NEEDS, SEARCH),
    ("route", routes.route, routes.NEEDS, ROUTER),
)


def offered(desk: Desk) -> tuple[Tool, ...]:
    """Return the tools for whom a desk serves; `feedback_help` says which are not there, and why.

    >>> [tool.name for tool in offered(Desk.of("sample", "ada"))][:2]
    ['submit_feedback', 'feedback_help']
    """
    submitting = rating(desk)
    further = [make(desk) for _, make, needs, _ in _FURTHER if installed(*needs)]
    missing = {
        name: f"its packages are not installed where this server runs: {install}"
        for name, _, needs, install in _FURTHER
        if not installed(*needs)
    }
    return submitting, helping(desk, [submitting, *further], missing), *further
