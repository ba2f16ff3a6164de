"""What stands in a notebook, as HTML that cannot run: markdown, code, outputs, errors and charts."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import bleach  # type: ignore[import-untyped]
import nbformat
import polars as pl
from bleach.css_sanitizer import CSSSanitizer  # type: ignore[import-untyped]
from nbconvert.filters import Highlight2HTML, strip_ansi
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from learnlab.reports.tables import escape, shortened, table_html

_TAGS = """
a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6
hr i img kbd li mark ol p pre s small span strong sub summary sup table tbody td tfoot th thead tr u ul wbr
"""
_PLAIN_ATTRIBUTES = {"align", "class", "colspan", "rowspan", "scope", "style", "title", "start", "alt"}
_CSS = CSSSanitizer(
    allowed_css_properties=[
        *("text-align", "vertical-align", "padding", "margin", "border-collapse", "font-size", "font-weight"),
        *(
            "font-style",
            "font-variant-numeric",
            "white-space",
            "display",
            "overflow-x",
            "width",
            "max-width",
            "color",
        ),
    ]
)
_LONGEST_OUTPUT = 20_000
_LONGEST_DATA = 200
_VEGALITE = re.compile(r"application/vnd\.vegalite\.v\d+(\+|\.)json")
_IMAGE_DATA = re.compile(r"[A-Za-z0-9+/=\s]+")


def _attribute(tag: str, name: str, value: str) -> bool:
    """Say which attributes stay: none that runs anything, and none that asks the network for something."""
    if tag == "a" and name == "href":
        return value.startswith(("http://", "https://", "mailto:", "#"))
    if tag == "img" and name == "src":
        return re.match(r"data:image/(png|jpeg|gif|svg\+xml);base64,", value) is not None
    return name in _PLAIN_ATTRIBUTES


_CLEANER = bleach.Cleaner(
    tags=frozenset(_TAGS.split()),
    attributes=_attribute,
    protocols=["http", "https", "mailto", "data"],
    strip=True,
    css_sanitizer=_CSS,
)


def sanitised(html: str) -> str:
    """Return HTML without anything that runs or loads: no scripts, styles, handlers or outside images.

    >>> sanitised('<b onclick="x()">a</b><script>alert(1)</script><img src="http://example.org/x.png">')
    '<b>a</b><img>'
    """
    without = re.sub(r"<(script|style)\b.*?(</\1\s*>|\Z)", "", html, flags=re.IGNORECASE | re.DOTALL)
    clean: str = _CLEANER.clean(without)
    return clean


def markdown_html(source: str, attachments: dict[str, Any] | None = None) -> str:
    """Return markdown as HTML, sanitised; an attachment that is missing leaves the source as text.

    >>> markdown_html("**n = 12** <img src=x onerror=alert(1)>")
    '<p><strong>n = 12</strong> <img></p>\\n'
    """
    renderer = IPythonRenderer(escape=False, attachments=attachments or {}, exclude_anchor_links=True)
    try:
        return sanitised(MarkdownWithMath(renderer=renderer).render(source))
    except Exception:  # a page is better with its source than without the cell
        return f"<pre>{escape(source)}</pre>"


def code_html(source: str) -> str:
    """Return Python source as highlighted HTML."""
    return sanitised(Highlight2HTML()(source, language="python"))  # type: ignore[no-untyped-call]


def _cut(text: str) -> str:
    rest = len(text) - _LONGEST_OUTPUT
    return text if rest <= 0 else f"{text[:_LONGEST_OUTPUT]}\n… {rest:,} more characters"


def _without_colours(text: str) -> str:
    plain: str = strip_ansi(text)  # type: ignore[no-untyped-call]
    return plain


def _pre(text: str, kind: str = "text") -> str:
    return f'<pre class="{kind}">{escape(_without_colours(_cut(text)))}</pre>'


def error_html(name: str, value: str, traceback: list[str]) -> str:
    """Return an error for reading: what it says, its last two frames, and the whole trace folded away."""
    plain = [_without_colours(part).strip("\n") for part in traceback]
    frames = plain[2:-1] or plain
    said = escape(shortened(f"{name}: {value}" if value else name, 1000))
    whole = f"<details><summary>Whole trace</summary>{_pre(chr(10).join(plain))}</details>" if plain else ""
    last = _pre("\n".join(frames[-2:])) if frames else ""
    return f'<div class="error" role="alert"><p><strong>{said}</strong></p>{last}{whole}</div>'


def script_json(value: object) -> str:
    """Return a value as JSON that can stand in a script element: nothing in it can end the element.

    >>> script_json({"title": "</script>"})
    '{"title": "\\\\u003c/script\\\\u003e"}'
    """
    finite = json.loads(json.dumps(value, default=str), parse_constant=lambda _: None)
    text = json.dumps(finite)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _label(spec: dict[str, Any]) -> str:
    title = spec.get("title") or next((p.get("title") for p in _parts(spec) if p.get("title")), None)
    text = title.get("text") if isinstance(title, dict) else title
    lines = [str(line) for line in text] if isinstance(text, list) else [str(text)] if text else []
    described = spec.get("description")
    whole = ". ".join([*lines, str(described)] if described and described not in lines else lines)
    return shortened(whole or "Chart without a title", 600)


def _parts(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a specification and every one inside it: its layers, and what it puts side by side."""
    inner = [part for key in ("layer", "hconcat", "vconcat", "concat") for part in spec.get(key) or []]
    inner += [spec["spec"]] if isinstance(spec.get("spec"), dict) else []
    return [spec, *(deep for part in inner if isinstance(part, dict) for deep in _parts(part))]


def _data(spec: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the rows of every data set of a chart."""
    sets = list((spec.get("datasets") or {}).values())
    sets += [part["data"].get("values") for part in _parts(spec) if isinstance(part.get("data"), dict)]
    return [
        rows for rows in sets if isinstance(rows, list) and rows and all(isinstance(r, dict) for r in rows)
    ]


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    try:
        return pl.from_dicts(rows, infer_schema_length=None, strict=False)
    except (pl.exceptions.PolarsError, TypeError, ValueError):  # values of kinds that share no column
        return pl.from_dicts([{key: str(value) for key, value in row.items()} for row in rows])


def chart_html(spec: dict[str, Any]) -> str:
    """Return a Vega-Lite chart as a labelled figure that the page's script draws, with its data as a table."""
    kept = {key: value for key, value in spec.items() if key not in ("$schema", "usermeta")}
    tables = "".join(table_html(_frame(rows), rows=_LONGEST_DATA) for rows in _data(spec))
    behind = f"<details><summary>Data behind this chart</summary>{tables}</details>" if tables else ""
    return (
        f'<figure role="img" aria-label="{escape(_label(spec))}"><div class="plot"></div>'
        f'<script type="application/json" class="chart">{script_json(kept)}</script></figure>{behind}'
    )


def _picture(kind: str) -> Callable[[Any], str]:
    def shown(data: Any) -> str:
        text = "".join(data) if isinstance(data, list) else str(data)
        if kind == "svg+xml":
            text = base64.b64encode(text.encode()).decode("ascii")
        if not _IMAGE_DATA.fullmatch(text):
            return _pre("A picture whose data could not be read was left out.")
        return (
            f'<img alt="Picture made by the notebook" src="data:image/{kind};base64,{"".join(text.split())}">'
        )

    return shown


def _html(data: Any) -> str:
    raw = "".join(data) if isinstance(data, list) else str(data)
    clean = sanitised(raw)
    if "<script" in raw.lower() and not re.sub(r"<[^>]*>", "", clean).strip():
        return '<p class="note">An output that only works with scripts of its own was left out.</p>'
    return clean


_SHOWN: dict[str, Callable[[Any], str]] = {
    "image/svg+xml": _picture("svg+xml"),
    "image/png": _picture("png"),
    "image/jpeg": _picture("jpeg"),
    "text/html": _html,
    "text/markdown": lambda data: markdown_html("".join(data)),
    "text/plain": lambda data: _pre("".join(data)),
}
"""How each kind of output is shown; of several kinds of one output the first here is."""


def output_html(output: nbformat.NotebookNode) -> str:
    """Return one output of a cell as HTML; the trace of a gentle stop is left out, its reason stands above."""
    if output.output_type == "stream":
        kind = "messages" if output.name == "stderr" else "text"
        return _pre(output.text, kind)
    if output.output_type == "error":
        return (
            "" if output.ename == "SystemExit" else error_html(output.ename, output.evalue, output.traceback)
        )
    for kind, data in output.data.items():
        if _VEGALITE.fullmatch(kind) and isinstance(data, dict):
            return chart_html(data)
    found = next((kind for kind in _SHOWN if kind in output.data), None)
    return _SHOWN[found](output.data[found]) if found else ""
