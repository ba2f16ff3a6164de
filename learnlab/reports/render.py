"""Makes the pages of a run: one self-contained HTML file a notebook, and the index."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat
import vl_convert
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from learnlab.reports.execute import Result
from learnlab.reports.facts import StoreState, minute
from learnlab.reports.outputs import code_html, markdown_html, output_html, sanitised
from learnlab.reports.publish import SAY
from learnlab.reports.tables import shortened

_TEMPLATES = Path(__file__).parent / "templates"
_HEADLINES = {"stopped": "Nothing to show yet.", "failed": "This notebook failed.", "timeout": "Out of time."}
_WORDS = {"ok": "done", "stopped": "nothing to show", "failed": "failed", "timeout": "ended"}
_HEADING = re.compile(r"<h([23])>(.*?)</h\1>", re.DOTALL)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True)


@lru_cache(maxsize=1)
def _chart_script() -> str:
    """Return the chart library and our few lines that draw with it, as one script without outside references."""
    library = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    draw = (_TEMPLATES / "draw.js").read_text(encoding="utf-8")
    return f"{library.rstrip()};\n(() => {{\n{draw}}})();\n".replace("\r", "")


def _policy(scripts: Sequence[str]) -> str:
    """Return the content security policy of a page: its own scripts by their hash, and nothing from anywhere."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _page(template: str, versions: Mapping[str, str], scripts: Sequence[str], **filled: Any) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            policy=Markup(_policy(scripts)),
            style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
            scripts=[Markup(script) for script in scripts],
            versions=", ".join(f"{name} {version}" for name, version in versions.items()),
            **filled,
        )
    )


def _stop_at(node: nbformat.NotebookNode) -> int | None:
    """Return the index of the cell that a notebook did not get past: the one with the error, else the last begun."""
    begun = None
    for index, cell in enumerate(node.cells):
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            return index
        if (
            cell.cell_type == "code"
            and cell.metadata.get("papermill", {}).get("status", "pending") != "pending"
        ):
            begun = index
    return begun


def _cells(result: Result, stop: int | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a notebook's cells as HTML, up to where it stopped, and the headings among them."""
    nodes = result.node.cells if stop is None else result.node.cells[: stop + 1]
    cells: list[dict[str, Any]] = []
    contents: list[dict[str, Any]] = []

    def numbered(heading: re.Match[str]) -> str:
        name = f"part-{len(contents) + 1}"
        plain = re.sub(r"<[^>]*>", "", sanitised(heading[2]))
        contents.append({"level": heading[1], "id": name, "text": Markup(plain)})
        return f'<h{heading[1]} id="{name}">{heading[2]}</h{heading[1]}>'

    for index, node in enumerate(nodes):
        cell: dict[str, Any] = {"is_stop": index == stop, "outputs": []}
        if "papermill-error-cell-tag" in node.metadata.get("tags", []):
            continue
        if node.cell_type == "markdown":
            html = markdown_html(node.source, node.get("attachments"))
            cell["markdown"] = Markup(_HEADING.sub(numbered, html))
        elif node.cell_type == "code" and node.source.strip():
            cell["code"] = Markup(code_html(node.source))
            cell["outputs"] = [Markup(html) for out in node.get("outputs", []) if (html := output_html(out))]
        before = cells[-1] if cells else {}
        if "code" in cell and "code" in before and not before["outputs"]:  # one fold for what shows nothing
            cell["code"] = before["code"] + cell["code"]
            cell["is_stop"] = cell["is_stop"] or before["is_stop"]
            cells.pop()
        cells.append(cell)
    return cells, contents


def says(result: Result) -> list[str]:
    """Return the sentences of the last "What this says" of a notebook."""
    found: list[str] = []
    for cell in result.node.cells:
        for output in cell.get("outputs", []):
            said = output.get("data", {}).get(SAY)
            if isinstance(said, dict) and isinstance(said.get("sentences"), list):
                found = [str(sentence) for sentence in said["sentences"]]
    return found


def _parameters(result: Result, store: str) -> list[dict[str, str]]:
    """Return the parameters that a notebook ran with; the store goes by its name."""
    shown = []
    for name, parameter in result.notebook.parameters.items():
        value = store if name == "db" else result.parameters.get(name, parameter.default)
        shown.append({"name": name, "shown": shortened(repr(value), 100), "meaning": parameter.meaning})
    return shown


def notebook_page(result: Result, state: StoreState, started: datetime, versions: Mapping[str, str]) -> str:
    """Return the report of one notebook: a page that needs no network and runs no script but its own."""
    stop = _stop_at(result.node) if result.status != "ok" else None
    cells, contents = _cells(result, stop)
    has_charts = any(
        '<script type="application/json" class="chart">' in o for c in cells for o in c["outputs"]
    )
    return _page(
        "notebook.html.j2",
        versions,
        [_chart_script()] if has_charts else [],
        title=result.notebook.title,
        data_line=state.line(),
        started=minute(started),
        seconds=result.seconds,
        parameters=_parameters(result, state.name),
        status=result.status,
        headline=_HEADLINES.get(result.status, ""),
        why=shortened(result.why, 1000),
        has_mark=any(cell["is_stop"] for cell in cells) and result.status != "stopped",
        n_not_run=0 if stop is None else sum(c.cell_type == "code" for c in result.node.cells[stop + 1 :]),
        contents=contents,
        in_short=says(result) if result.status == "ok" else [],
        cells=cells,
    )


def _card(result: Result) -> dict[str, Any]:
    name = result.notebook.name
    tables = [
        {
            "name": table,
            "n_rows": entry["n_rows"],
            "csv": f"tables/{name}/{table}.csv",
            "parquet": f"tables/{name}/{table}.parquet",
        }
        for table, entry in result.tables.items()
    ]
    return {
        "href": f"{name}.html",
        "title": result.notebook.title,
        "question": result.notebook.question,
        "why": shortened(result.why, 300),
        "headline": _HEADLINES.get(result.status, ""),
        "says": says(result)[:2],
        "status": result.status,
        "word": _WORDS[result.status],
        "seconds": result.seconds,
        "tables": tables,
    }


def counted(results: Sequence[Result]) -> str:
    """Return how the notebooks of a run ended, in words: "4 notebooks: 3 done, 1 failed"."""
    ends = {word: sum(_WORDS[r.status] == word for r in results) for word in _WORDS.values()}
    parts = ", ".join(f"{n} {word}" for word, n in ends.items() if n)
    return f"{len(results)} notebook{'' if len(results) == 1 else 's'}: {parts}"


def index_page(
    results: Sequence[Result],
    state: StoreState,
    started: datetime,
    seconds: float,
    versions: Mapping[str, str],
    nothing_new_since: datetime | None,
) -> str:
    """Return the index of a run: a card a notebook, and whether anything has come in since the last run."""
    return _page(
        "index.html.j2",
        versions,
        [],
        title=f"Reports on store {state.name}",
        store=state.name,
        data_line=state.line(),
        started=minute(started),
        seconds=seconds,
        summary=counted(results),
        nothing_new_since=minute(nothing_new_since) if nothing_new_since else "",
        cards=[_card(result) for result in results],
    )
