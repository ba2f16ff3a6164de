"""A frame as a table that people read: rounded, aligned, cut where it is long, escaped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from html import escape as _escape
from math import floor, isfinite, log10
from typing import Any

import polars as pl

ABSENT = "–"
"""How a table shows what nobody knows."""

LONGEST_TEXT = 80
"""Characters of a text that a table shows."""

STYLE = (
    "border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:0.9em;margin:0.4em 0;"
    "display:block;overflow-x:auto;width:max-content;max-width:100%"
)


def escape(text: object) -> str:
    """Return any value as text that is safe inside HTML, in an element or an attribute.

    Every piece of text that reaches a page goes through here; control characters become visible.

    >>> escape("</script><img src=x onerror='alert(1)'>")
    '&lt;/script&gt;&lt;img src=x onerror=&#x27;alert(1)&#x27;&gt;'
    """
    plain = "".join(c if c >= " " or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return _escape(plain.replace("\x7f", "\N{REPLACEMENT CHARACTER}"), quote=True)


def shortened(text: str, limit: int = LONGEST_TEXT) -> str:
    """Return a text on one line and no longer than `limit` characters, its end marked when it was cut.

    >>> shortened("one\\n two three", 8)
    'one two…'
    """
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[: limit - 1].rstrip()}…"


def _decimals(column: pl.Series) -> int:
    """Return the decimals that show three digits of a column's smaller values (its first quartile)."""
    sizes = column.drop_nulls().cast(pl.Float64).abs()
    typical = sizes.filter(sizes.is_finite() & (sizes > 0)).quantile(0.25, interpolation="lower")
    return 1 if not isinstance(typical, float) else max(0, min(8, 2 - floor(log10(typical))))


def _number(decimals: int) -> Callable[[Any], str]:
    def formatted(value: Any) -> str:
        number = float(value)
        return f"{number:,.{decimals}f}".replace("-", "−") if isfinite(number) else ABSENT

    return formatted


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, pl.Series | list | tuple):
        return shortened(", ".join(_plain(part) for part in value))
    return ABSENT if value is None else shortened(str(value))


def formatted(column: pl.Series) -> list[str]:
    """Return a column's values as a reader wants them: numbers with the decimals that the column needs.

    >>> formatted(pl.Series([0.12345, 2.0, None])), formatted(pl.Series([12345, 7]))
    (['0.123', '2.000', '–'], ['12,345', '7'])
    """
    if column.dtype.is_integer():
        show: Callable[[Any], str] = _number(0)
    elif column.dtype.is_numeric():
        show = _number(_decimals(column))
    else:
        show = _plain
    return [ABSENT if value is None else show(value) for value in column.to_list()]


def _cell_style(dtype: pl.DataType) -> str:
    """Return how a column's cells are set: numbers to the right, and only texts broken into lines."""
    side = "right" if dtype.is_numeric() else "left"
    space = "normal" if dtype == pl.String or dtype.is_nested() else "nowrap"
    return f"padding:0.2em 0.7em;vertical-align:top;text-align:{side};white-space:{space}"


def table_html(frame: pl.DataFrame, *, caption: str = "", rows: int = 20) -> str:
    """Return the first rows of a frame as an HTML table: escaped, numbers to the right, the rest counted.

    >>> "&lt;b&gt;" in table_html(pl.DataFrame({"repo": ["<b>"]}))
    True
    """
    head = frame.head(rows)
    cells = [_cell_style(dtype) for dtype in frame.dtypes]
    lines = [f'<table style="{STYLE}">']
    if caption:
        lines.append(f'<caption style="text-align:left;padding:0.2em 0">{escape(caption)}</caption>')
    lines.append("<thead><tr>")
    for name, style in zip(frame.columns, cells, strict=True):
        title = escape(name).replace("_", "_<wbr>")
        lines.append(f'<th scope="col" style="{style};white-space:normal;vertical-align:bottom">{title}</th>')
    lines.append("</tr></thead><tbody>")
    columns = [formatted(head[name]) for name in head.columns]
    for row in zip(*columns, strict=True):
        values = zip(row, cells, strict=True)
        shown = "".join(f'<td style="{style}">{escape(value)}</td>' for value, style in values)
        lines.append(f"<tr>{shown}</tr>")
    lines.append("</tbody></table>")
    if frame.height > rows:
        lines.append(f"<p><small>… and {frame.height - rows:,} more</small></p>")
    return "\n".join(lines)


def table_text(frame: pl.DataFrame, *, caption: str = "", rows: int = 20) -> str:
    """Return the same table as plain text, for a terminal."""
    size = f"{frame.height:,} row{'' if frame.height == 1 else 's'}"
    head = [f"{caption} ({size})" if caption else size]
    columns = [[name, *formatted(frame.head(rows)[name])] for name in frame.columns]
    widths = [max(len(value) for value in column) for column in columns]
    lines = [
        "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*columns, strict=True)
    ]
    return "\n".join(head + lines)
