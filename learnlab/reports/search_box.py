"""A search box for a notebook: what has been asked before, found while one types, every answer as escaped text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from learnlab.errors import LearnlabError
from learnlab.models import Tier
from learnlab.reports.search_estimates import OUTCOMES, why
from learnlab.reports.tables import escape, table_html
from learnlab.search import similar
from learnlab.search.asked import THRESHOLD
from learnlab.search.encoder import Encoder
from learnlab.search.found import Found, Mode
from learnlab.store import Store

ANY = "any"
"""What a choice says when it does not choose."""

_MOST_REPOS = 200

MODES: dict[str, Mode] = {"by meaning": "semantic", "by words": "words", "by both": "hybrid"}
"""How to search, in words, and as `find_similar` calls it."""

STANDS = "In JupyterLab a search box stands here."
"""What a page without widgets says in its place."""

_GUARD = """
const guard = (tries) => {
    const area = element.closest(".jp-OutputArea");
    if (area) area.addEventListener("focusin", (event) =>
        event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
    else if (tries) setTimeout(() => guard(tries - 1), 50);
};
guard(100);
"""
"""Lets a control of the box have the keys that are typed into it, which JupyterLab takes for its commands otherwise.

The attribute has to stand on the very element that has the focus: Lab's own selectors look there first.
"""

_COLUMNS = (
    "similarity",
    "outcome",
    "task_description",
    "solution_summary",
    "repo",
    "model_tier",
    "actual_cost",
    "duration_seconds",
    "why",
)


def answer_html(found: Found) -> str:
    """Return what a search found as HTML for a widget: a line on how near it is, and a table, all of it escaped.

    >>> print(answer_html(Found()))
    <p>Nothing found.</p>
    """
    best = found.best_similarity if found.mode == "semantic" else None
    line = f"{len(found):,} found" if found else "Nothing found"
    if found and best is not None:
        line += f", the nearest with a similarity of {best:.2f}"
        line += (
            f": none reaches {THRESHOLD:.2f}, from which on a search calls it similar"
            if best < THRESHOLD
            else ""
        )
    n = found.n_not_searchable
    many = (
        "1 execution is not searchable yet: `learnlab encode` makes it so."
        if n == 1
        else (f"{n:,} executions are not searchable yet: `learnlab encode` makes them so.")
    )
    waits = f" {many}" if n else ""
    ends = {True: OUTCOMES[0], False: OUTCOMES[1]}
    rows = [
        row | {"why": why(row.get("why")), "outcome": ends.get(row.get("success"), OUTCOMES[3])}  # type: ignore[arg-type]
        for row in found
    ]
    columns = [name for name in _COLUMNS if name != "why" or any(row["why"] for row in rows)]
    told = [{name: row.get(name) for name in columns} for row in rows]
    table = table_html(pl.from_dicts(told, infer_schema_length=None)) if told else ""
    shown = f'<div style="line-height:1.35;width:0;min-width:100%">{table}</div>' if table else ""
    return f"<p>{escape(line)}.{escape(waits)}</p>{shown}"


class SearchBox:
    """A line to type into, choices beside it, and the answer under them.

    `display(box)` or the last line of a cell shows it in JupyterLab; a report, which has no widgets, says that it
    stands there. Searching waits for Enter or the button, and an error is shown in words in place of an answer.
    """

    def __init__(
        self,
        db: str | Path = "",
        *,
        limit: int = 10,
        encoder: Encoder | None = None,
    ) -> None:
        import ipywidgets  # type: ignore[import-untyped]

        self._db, self._limit, self._encoder = db, limit, encoder
        wide = ipywidgets.Layout(width="100%")
        self.text = ipywidgets.Text(
            placeholder="A task, in your words", description="Task", continuous_update=False, layout=wide
        )
        self.repo = ipywidgets.Combobox(
            options=_repos(db), placeholder=ANY, description="Repo", continuous_update=False
        )
        self.tier = ipywidgets.Dropdown(options=[ANY, *(tier.value for tier in Tier)], description="Tier")
        self.mode = ipywidgets.Dropdown(options=list(MODES), description="Search")
        self.button = ipywidgets.Button(description="Search", button_style="primary")
        self.answer = ipywidgets.HTML(layout=ipywidgets.Layout(overflow="auto", width="100%"))
        choices = ipywidgets.HBox([self.repo, self.tier, self.mode, self.button])
        choices.layout.flex_flow = "row wrap"
        self.panel = ipywidgets.VBox([self.text, choices, self.answer])
        self.button.on_click(lambda _: self.search())
        for control in (self.text, self.repo, self.tier, self.mode):
            control.observe(lambda _: self.search(), names="value")

    def search(self) -> None:
        """Look for what stands in the line, and show the answer; an empty line has none."""
        if not self.text.value.strip():
            self.answer.value = ""
            return
        self.answer.value = "<p>Searching …</p>"
        tier = None if self.tier.value == ANY else self.tier.value
        try:
            found = similar.find_similar(
                self.text.value,
                self._db,
                repo=self.repo.value.strip() or None,
                tier=tier,
                limit=self._limit,
                days_back=None,
                threshold=None,
                mode=MODES[self.mode.value],
                encoder=self._encoder,
            )
        except LearnlabError as error:
            self.answer.value = f"<p>{escape(error)}</p>"
        else:
            self.answer.value = answer_html(found)

    def _repr_mimebundle_(self, **given: Any) -> dict[str, Any]:
        from IPython.display import display

        display({"application/javascript": _GUARD}, raw=True)  # type: ignore[no-untyped-call]
        bundle: dict[str, Any] = self.panel._repr_mimebundle_(**given)
        return bundle | {"text/html": f"<p>{STANDS}</p>", "text/plain": STANDS}


def _repos(db: str | Path) -> list[str]:
    """Return the repos of a store, if there is one: those with the most executions, and no more than a list holds."""
    store = Store(db)
    repos: list[str] = store.query("repos", {"n": _MOST_REPOS})["repo"].to_list() if store.exists() else []
    return repos
