"""Labelling in a real JupyterLab, by keys: the store holds what was pressed, and no cell of the notebook changes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chromium
import lab
import pytest
from encoders import WordEncoder
from lab import Notebook, Server
from playwright.sync_api import Browser, Page, sync_playwright

from learnlab.feedback.labelling.queues import open_queue
from learnlab.people import Viewer
from learnlab.search.encoders.weights import PACKAGED_KEY
from learnlab.search.index.backlog import encode_waiting
from learnlab.store import Store
from learnlab.store.frames import conform

pytestmark = pytest.mark.browser

HOSTILE = (
    "</script><img src=x onerror=\"window.pwned=1\"><svg onload='window.pwned=2'>"
    "<a href='javascript:window.pwned=3'>x</a> \u202elufmrah"
)
NAME = "ada <img src=x onerror='window.pwned=4'> \u202eb"
QUEUE = "triage </script><img src=x onerror='window.pwned=5'>"
LONG = "A long task </script><img src=x onerror=window.pwned=6> " * 20_000
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    " --disable-sync --no-first-run"
)
N = 30
ANSWERS = {"1": "yes", "2": "no", "3": "unknown"}
SAID = """
select cast(task_id as varchar) as task, feedback_type as act, answers ->> 'success' as answer, comment, is_undone,
from feedback where is_own and via = 'widget' order by given_at
"""


def texts() -> list[str]:
    plain = [f"Split module {i} of the ledger\n\n  and keep its tests" for i in range(N)]
    plain[1], plain[3], plain[24] = HOSTILE, f"{HOSTILE}\u202dx", LONG[:1_000_000]
    return plain


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, empty: Path, make_frame: Any) -> Store:
    """A store whose texts can be searched, with a queue of all its executions, in order."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("labelled") / "hostile.duckdb"))
    frame = make_frame(
        N, task_description=None, solution_summary=HOSTILE, error_message=HOSTILE, repo=HOSTILE
    )
    good, faults = conform(
        frame.with_columns(task_description=frame["task_id"].replace_strict(frame["task_id"], texts()))
    )
    assert faults.is_empty(), faults
    store.add(good)
    encode_waiting(store, WordEncoder(PACKAGED_KEY))
    open_queue(QUEUE, store, tasks=frame["task_id"].to_list())
    return store


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    scratch = tmp_path_factory.mktemp("lab")
    with lab.server(scratch, {"LEARNLAB_HOME": str(scratch / "home"), "LEARNLAB_USER": NAME}) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium.find(), args=FLAGS.split())
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    yield context.new_page()
    context.close()


@dataclass
class Labeller:
    """Somebody who labels by keys alone, and remembers what they did as the store should know it."""

    page: Page
    acts: list[list[Any]] = field(default_factory=list)
    given: list[list[Any]] = field(default_factory=list)

    def attribute(self, name: str) -> str:
        return self.page.locator(".lw-label").get_attribute(f"data-{name}") or ""

    def ready(self) -> None:
        self.page.wait_for_selector(".lw-label[data-state=ready]", timeout=60_000)

    def press(self, key: str) -> str:
        """Press a key, wait until what it did is acknowledged and the next item is there, and return what is said."""
        before = self.attribute("answered")
        self.page.keyboard.press(key)
        self.page.wait_for_function(
            "before => document.querySelector('.lw-label').dataset.answered !== before", arg=before
        )
        self.ready()
        return self.page.inner_text(".lw-notice")

    def where(self) -> int:
        return int(self.page.inner_text(".lw-where").split(":")[0].removeprefix("Item "))

    def act(self, act: str, *told: Any) -> None:
        task = f"00000000-0000-4000-8000-{self.where() - 1:012d}"
        self.acts.append([task, act, *told, False])

    def label(self, key: str) -> None:
        self.act("label", ANSWERS[key], None)
        self.given.append(self.acts[-1])
        assert self.press(key) == "Saved."

    def click(self, words: str) -> None:
        """Label by the mouse, twice in one moment: the second press is not for the next item."""
        self.act("label", words.lower(), None)
        self.given.append(self.acts[-1])
        before = self.attribute("answered")
        self.page.evaluate(
            "words => { const all = [...document.querySelectorAll('.lw-choice')];"
            " const one = all.find(button => button.textContent.includes(words)); one.click(); one.click(); }",
            words,
        )
        self.page.wait_for_function(
            "before => document.querySelector('.lw-label').dataset.answered !== before", arg=before
        )
        self.ready()

    def skip(self) -> None:
        self.act("skip", None, None)
        self.given.append(self.acts[-1])
        assert self.press("s").startswith("Skipped")

    def undo(self, key: str) -> None:
        undone = self.given.pop()
        undone[-1] = True
        assert self.press(key).startswith("Taken back.")
        self.act("undo", None, None)
        assert self.acts[-1][0] == undone[0]

    def note(self, text: str) -> None:
        self.act("note", None, text)
        self.page.keyboard.press("n")
        self.page.keyboard.type(text)
        assert self.press("Enter") == "Note saved."

    def has_focus(self) -> bool:
        return bool(
            self.page.evaluate("document.querySelector('.lw-label').contains(document.activeElement)")
        )


def test_labelling_by_keys_changes_no_cell_and_survives_a_restart(
    server: Server, page: Page, filled: Store
) -> None:
    shown = f"widget = ll.LabelingWidget({QUEUE!r}, {str(filled.path)!r})\nwidget"
    name = server.write("label.ipynb", "# Labelling", "import learnlab as ll", shown, "after = 1", "last = 2")
    notebook, ada = Notebook(page, server, name), Labeller(page)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    before = notebook.content()
    notebook.run_all()
    ada.ready()

    assert notebook.mode() == "command"
    assert ada.has_focus()
    for i in range(10):
        ada.label("123"[i % 3])
    assert ada.has_focus()

    notebook.edit(len(before) - 1)
    assert notebook.mode() == "edit"
    page.click(".lw-top")
    assert ada.has_focus()
    ada.click("No")
    ada.note("d d x b 0 0 1 2 3 <img src=x onerror=window.pwned=7>")
    ada.skip()
    assert ada.has_focus()
    for i in range(9):
        ada.label("321"[i % 3])
    ada.undo("u")
    ada.undo("Backspace")
    assert notebook.content() == before
    there = ada.where()
    assert there == 20

    notebook.restart()
    page.wait_for_selector(".lw-label[data-state=gone]")
    page.keyboard.press("1")
    assert page.inner_text(".lw-notice").startswith("No longer connected to the kernel. Run the cell again")
    notebook.run_all()
    ada.ready()
    assert ada.where() == there
    page.click(".lw-top")
    for key in "1112":
        ada.label(key)
    ada.undo("u")

    assert ada.where() == 23
    for _ in range(2):
        ada.label("3")
    whole = page.get_by_text("Show all 1,000,000 characters")
    whole.click()
    page.wait_for_function("document.querySelector('.lw-text').textContent.length === 1_000_000")
    assert page.evaluate("document.querySelector('.lw-text').textContent") == LONG[:1_000_000]
    page.click(".lw-top")
    ada.label("1")

    page.keyboard.press("Escape")
    assert not ada.has_focus()
    assert notebook.mode() == "command"
    assert notebook.content() == before
    assert page.evaluate("window.pwned") is None
    assert (
        page.evaluate("document.querySelectorAll('img[src=x], svg[onload], a[href^=javascript]').length") == 0
    )
    assert dialogs == []
    said = Store(filled.path, viewer=Viewer(NAME)).sql(SAID)
    assert [list(row) for row in said.rows()] == ada.acts


def timed(ada: Labeller, n: int) -> list[float]:
    """Label n items, and return the milliseconds from each key press to what says that it is saved."""
    took = []
    for i in range(n):
        ada.press("123"[i % 3])
        took.append(float(ada.attribute("ms")))
    return sorted(took)


HOLD = """
import sys, time
from learnlab.store import Store
with Store(sys.argv[1]).reading():
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.mark.soak
def test_a_label_is_acknowledged_soon_and_outlives_a_kill(
    server: Server, page: Page, tmp_path: Path, soak: bool
) -> None:
    if not soak:
        pytest.skip("a hundred thousand executions: `make soak`")
    from learnlab.ingest.simulation.sample import simulate_into

    store = Store(tmp_path / "large.duckdb").ensure()
    simulate_into(store, 100_000)
    open_queue("large", store, n=400)
    shown = f"import learnlab as ll\nwidget = ll.LabelingWidget('large', {str(store.path)!r})\nwidget"
    said_pid = f"import os\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    notebook = Notebook(page, server, server.write("large.ipynb", said_pid, shown))
    notebook.run_all()
    ada = Labeller(page)
    ada.ready()
    timed(ada, 10)
    free = timed(ada, 100)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store.path), "30"], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        held = timed(ada, 30)
        assert holder.poll() is None
    for words, took in (("store free", free), ("store held for reading", held)):
        middle, late = took[len(took) // 2], took[int(len(took) * 0.95)]
        figures = f"p50 {middle:.0f} ms, p95 {late:.0f} ms, most {took[-1]:.0f} ms, n = {len(took)}"
        print(f"\n100,000 executions, {words}: from key press to saved {figures}")
        assert middle < 100
    for _ in range(5):
        ada.press("2")
    kernel = int((tmp_path / "pid").read_text())
    os.kill(kernel, signal.SIGSTOP)
    page.keyboard.press("1")
    page.wait_for_selector(".lw-label[data-state=gone]")
    assert "What was not called saved is not saved" in page.inner_text(".lw-notice")
    page.keyboard.press("1")
    os.kill(kernel, signal.SIGCONT)
    ada.ready()
    page.wait_for_function(
        "document.querySelector('.lw-notice').textContent.startsWith('That item was saved')"
    )
    ada.press("3")
    os.kill(kernel, signal.SIGKILL)
    assert Store(store.path, viewer=Viewer(NAME)).sql(SAID).height == 147
