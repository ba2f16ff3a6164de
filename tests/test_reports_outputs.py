"""What notebooks show becomes HTML that cannot run, load or break out, and is still readable."""

from __future__ import annotations

import json
from datetime import date, datetime
from html.parser import HTMLParser

import altair as alt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from nbformat.v4 import new_output

from learnlab.reports.outputs import (
    chart_html,
    error_html,
    markdown_html,
    output_html,
    sanitised,
    script_json,
)
from learnlab.reports.publish import without_formulas
from learnlab.reports.tables import escape, formatted, shortened, table_html

HOSTILE = "</script><img src=x onerror=\"fetch('//evil.test')\"><svg onload=alert(1)>"
ATTACKS = st.lists(
    st.sampled_from(
        [
            "<script>",
            "</script>",
            "<style>",
            "</style",
            "<img src=",
            "x",
            ' onerror="',
            "'",
            '"',
            ">",
            "<a href=",
            " ",
            "javascript:alert(1)",
            "<svg onload=",
            "<!--",
            "-->",
            "<iframe src=",
            "data:text/html,",
            "<math>",
            "\0",
            "&lt;",
            "<p style=",
            "background:url(//evil.test)",
            "<details ontoggle=",
            "http://evil.test/",
            "<base href=",
            "/",
        ]
    ),
    max_size=15,
).map("".join)


class Elements(HTMLParser):
    """Collects the elements of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless(html: str) -> None:
    for tag, attributes in Elements(html).elements:
        assert tag not in {
            "script",
            "style",
            "svg",
            "iframe",
            "object",
            "embed",
            "link",
            "base",
            "form",
            "math",
            "meta",
        }
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name != "src" or (value or "").startswith("data:image/")
            assert name != "href" or (value or "").startswith(("http://", "https://", "mailto:", "#"))
            assert "url(" not in (value or "") or name != "style"


@example_settings(max_examples=150)
@given(st.one_of(st.text(), ATTACKS))
def test_sanitised_html_neither_runs_nor_loads_anything(html: str) -> None:
    assert_harmless(sanitised(html))
    assert_harmless(markdown_html(html))


@given(st.text())
def test_escaped_text_is_one_piece_of_text(text: str) -> None:
    page = Elements(f'<p title="{escape(text)}">{escape(text)}</p>')
    assert [tag for tag, _ in page.elements] == ["p"]


@given(st.recursive(st.none() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_json_in_a_script_element_cannot_end_it_and_says_the_same(value: object) -> None:
    text = script_json(value)
    assert not set(text) & {"<", ">", "&", "\u2028", "\u2029"}
    expected = json.loads(json.dumps(value), parse_constant=lambda _: None)
    assert json.loads(text) == expected


def test_a_chart_has_a_label_a_specification_and_its_data() -> None:
    data = pl.DataFrame({"repo": [HOSTILE, "shop"], "rate": [0.5, None]})
    chart = alt.Chart(data, title=HOSTILE).mark_bar().encode(x="rate:Q", y="repo:N")
    page = Elements(chart_html(chart.to_dict()))
    tags = [tag for tag, _ in page.elements]
    figure = dict(page.elements)["figure"]
    assert (figure["role"], figure["aria-label"]) == ("img", HOSTILE)
    assert tags.count("script") == 1
    assert tags.count("td") == 4
    assert "img" not in tags
    assert "svg" not in tags


def test_a_chart_of_layers_is_called_by_its_description_and_shows_each_data_set() -> None:
    points = alt.Chart(pl.DataFrame({"a": [1]})).mark_point().encode(x="a:Q")
    rules = alt.Chart(pl.DataFrame({"b": ["x", "y"]})).mark_rule().encode(x="b:N")
    layered = (points + rules).properties(title=["Two", "lines"], description="What it compares")
    page = Elements(chart_html(layered.to_dict()))
    assert dict(page.elements)["figure"]["aria-label"] == "Two. lines. What it compares"
    assert [tag for tag, _ in page.elements].count("table") == 2


def test_chart_data_of_mixed_kinds_still_makes_a_table() -> None:
    page = chart_html({"data": {"values": [{"a": 1}, {"a": {"b": 2}}, {"a": [3]}]}, "title": "Odd"})
    assert page.count("<tr>") == 3 or page.count("<td") == 3


def test_an_error_says_what_happened_without_colour_codes() -> None:
    trace = [
        "-----",
        "\x1b[31mValueError\x1b[39m  Traceback",
        "frame one",
        "frame \x1b[1mtwo",
        "frame three",
        "the end",
    ]
    html = error_html("ValueError", HOSTILE, trace)
    shown = Elements(html)
    assert "\x1b" not in html
    assert f"ValueError: {HOSTILE}" in shown.text
    assert [tag for tag, _ in shown.elements] == ["div", "p", "strong", "pre", "details", "summary", "pre"]
    before_the_fold = html.split("<details>")[0]
    assert "frame three" in before_the_fold
    assert "frame one" not in before_the_fold


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"text/plain": "7 < 8"}, '<pre class="text">7 &lt; 8</pre>'),
        ({"text/html": "<b>x</b>", "text/plain": "x"}, "<b>x</b>"),
        (
            {"image/png": "iVBO\nRw0K"},
            '<img alt="Picture made by the notebook" src="data:image/png;base64,iVBORw0K">',
        ),
        (
            {"image/svg+xml": "<svg/>"},
            '<img alt="Picture made by the notebook" src="data:image/svg+xml;base64,PHN2Zy8+">',
        ),
        (
            {"image/png": '"><script>'},
            '<pre class="text">A picture whose data could not be read was left out.</pre>',
        ),
        ({"application/javascript": "alert(1)"}, ""),
    ],
)
def test_each_kind_of_output_is_shown_in_its_way(data: dict[str, str], expected: str) -> None:
    assert output_html(new_output("display_data", data=data)) == expected


def test_an_output_that_only_works_with_scripts_says_that_it_was_left_out() -> None:
    html = output_html(new_output("display_data", data={"text/html": "<div></div><script>draw()</script>"}))
    assert "was left out" in html


def test_a_long_stream_is_cut_and_says_by_how_much() -> None:
    html = output_html(new_output("stream", name="stdout", text="x" * 20_500))
    assert "… 500 more characters" in html


def test_a_missing_attachment_leaves_the_source_to_read() -> None:
    assert "attachment:lost.png" in markdown_html("![a](attachment:lost.png)")


def test_a_table_rounds_aligns_escapes_and_counts_what_it_leaves_out() -> None:
    frame = pl.DataFrame({"repo": [HOSTILE] * 25, "cost_usd": [0.00321] * 25})
    html = table_html(frame, rows=3, caption=HOSTILE)
    page = Elements(html)
    assert [tag for tag, _ in page.elements].count("td") == 6
    assert not {"img", "svg", "script"} & {tag for tag, _ in page.elements}
    assert page.text.count("0.00321") == 3
    assert "… and 22 more" in html
    assert HOSTILE in page.text


def test_values_are_shown_as_a_reader_wants_them() -> None:
    assert formatted(pl.Series([1234.5, -0.5, float("nan"), None])) == ["1,234.500", "−0.500", "–", "–"]
    assert formatted(pl.Series([True, None, False])) == ["yes", "–", "no"]
    assert formatted(pl.Series([datetime(2026, 3, 1, 4, 5)])) == ["2026-03-01 04:05"]
    assert formatted(pl.Series([date(2026, 3, 1)])) == ["2026-03-01"]
    assert formatted(pl.Series([["a", "b"], []])) == ["a, b", ""]
    assert formatted(pl.Series([None, None], dtype=pl.Float64)) == ["–", "–"]
    assert shortened("x" * 100, 10) == "x" * 9 + "…"


CELLS = st.lists(
    st.one_of(st.none(), st.text(), st.sampled_from(["=1+1", "+1", "-1", "@x", "\t=1", " =1", "'=1"]))
)


@given(CELLS)
def test_no_cell_of_a_csv_is_a_formula_and_no_other_changes(cells: list[str | None]) -> None:
    safe = without_formulas(pl.DataFrame({"=name": pl.Series(cells, dtype=pl.String)}))
    assert safe.columns == ["'=name"]
    for before, after in zip(cells, safe["'=name"].to_list(), strict=True):
        assert after in (before, f"'{before}")
        assert not (after or "").lstrip().startswith(("=", "+", "-", "@"))


def test_a_csv_holds_lists_as_text_and_numbers_as_they_are() -> None:
    frame = pl.DataFrame({"types": [["=a", "b"], None], "n": [-1, 2]})
    assert without_formulas(frame).to_dict(as_series=False) == {"types": ['["=a", "b"]', None], "n": [-1, 2]}
