"""The quick form in a real browser, by keyboard alone; its messages go to the form's own Python and back."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest
from chromium import find
from playwright.sync_api import expect, sync_playwright

import learnlab as ll
from learnlab.feedback.asking import form as forms
from learnlab.people import Viewer
from learnlab.settings import settings
from learnlab.store import Store
from learnlab.store.spool import SpoolWriter

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
HOSTILE = (
    "Split </script><img src=x onerror='window.hit=1'><svg onload='window.hit=1'> \u202eelbib\u202c module"
)

_PAGE = """
<!doctype html><meta charset="utf-8"><title>form</title><style>CSS</style>
<body><button id="before">before</button><div id="form"></div>
<script type="module">
JS
const traits = TRAITS, heard = {};
window.keys = [];
document.addEventListener("keydown", (event) => window.keys.push(event.key));
const model = {
    get: (name) => traits[name],
    on: (name, callback) => { heard[name] = callback; },
    off: () => {},
    send: (message) => window.tellPython(JSON.stringify(message)).then((outcome) => {
        traits.outcome = JSON.parse(outcome);
        heard["change:outcome"]();
    }),
};
exported.render({ model, el: document.getElementById("form") });
</script></body>
"""


@pytest.fixture(scope="module")
def browser():
    path = find()
    if not path:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def form(store, make_record, monkeypatch):
    record = make_record(
        task_id=UUID(int=7), external_id="t-7", task_description=HOSTILE, duration_seconds=300.0
    )
    SpoolWriter(store.path).append([record])
    monkeypatch.setenv("LEARNLAB_USER", "ada")
    settings.cache_clear()
    return ll.rate("t-7", db=store.path)


@pytest.fixture
def page(browser, form):
    opened = browser.new_page(viewport={"width": 800, "height": 900})

    def tell(message):
        form._handle_custom_msg(json.loads(message), [])
        return json.dumps(form.outcome)

    opened.expose_function("tellPython", tell)
    folder = Path(forms.__file__).parent
    script = (folder / "form.js").read_text(encoding="utf-8").replace("export default", "const exported =")
    traits = json.dumps({"about": form.about, "outcome": form.outcome}).replace("<", "\\u003c")
    whole = _PAGE.replace("CSS", (folder / "form.css").read_text(encoding="utf-8"))
    opened.set_content(whole.replace("JS", script, 1).replace("TRAITS", traits, 1))
    yield opened
    opened.close()


def kept(store):
    frame = Store(store.path, viewer=Viewer("ada")).sql("select * from feedback where is_current")
    return frame.to_dicts()


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
        holds = page.evaluate("document.activeElement.getAttribute('data-lm-suppress-shortcuts')")
        assert holds == "true", f"JupyterLab would take what is typed after {key}"


def test_a_rating_by_keyboard_is_kept_and_taken_back_and_no_key_leaves_the_form(page, store, tmp_path):
    page.focus("#before")
    press(page, "Tab", "ArrowDown", "ArrowUp", "ArrowRight", "ArrowRight")
    assert page.locator(".ll-faces :checked").input_value() == "fair"
    expect(page.get_by_role("group", name="What was wrong?")).to_be_visible()
    press(page, "Tab", "Tab", "Space", "Tab", "Tab", "Space", "Tab")
    expect(page.get_by_label("What was it? (needed)")).to_be_focused()
    save = page.get_by_role("button", name="Save")
    save.focus()
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_have_text("Say in a few words what it was.")
    expect(page.get_by_label("What was it? (needed)")).to_be_focused()
    assert kept(store) == []
    page.keyboard.type("it dreams, dd <b>slowly</b>")
    page.get_by_text("Say what it should have been, if you like").focus()
    press(page, "Enter", "Tab")
    expect(page.get_by_label("What should it have been? (optional)")).to_be_focused()
    page.keyboard.type("be awake, dd")
    press(page, "Enter")
    page.keyboard.type("twice")
    page.get_by_text("questions, if you like").focus()
    press(page, "Enter")
    page.get_by_role("group", name="Was it quick enough?").get_by_label("no", exact=True).focus()
    press(page, "Space")
    save.focus()
    press(page, "Enter")
    expect(page.get_by_role("status")).to_contain_text("fair; only you see it")
    (row,) = kept(store)
    assert (row["satisfaction"], row["issues"]) == ("fair", ["too_slow", "other"])
    assert (row["comment"], row["speed_acceptable"]) == ("it dreams, dd <b>slowly</b>", False)
    assert row["correction"] == "be awake, dd\ntwice"
    assert (row["accepted"], row["expectations_met"], row["visibility"]) == (None, None, "private")
    page.get_by_role("button", name="Take back").focus()
    press(page, "Enter")
    expect(page.get_by_role("status")).to_contain_text("Taken back at")
    expect(save).to_be_focused()
    assert kept(store) == []
    assert page.evaluate("window.keys") == ["Tab"]


def test_what_is_missing_is_said_and_what_the_kernel_refuses_as_well(page, form, store):
    save = page.get_by_role("button", name="Save")
    save.click()
    expect(page.get_by_role("alert")).to_have_text("Choose a face first.")
    page.get_by_role("radio", name="poor").check(force=True)
    save.click()
    expect(page.get_by_role("alert")).to_have_text("Choose at least one thing that was wrong.")
    expect(page.get_by_label("the wrong model")).to_be_focused()
    page.get_by_label("poor quality").check()
    page.get_by_label("Anything to add? (optional)").evaluate(
        "(area) => { area.maxLength = 9999; area.value = 'x'.repeat(2001); }"
    )
    save.click()
    expect(page.get_by_role("alert")).to_contain_text("the comment has 2,001 characters")
    assert kept(store) == []
    page.get_by_label("Anything to add? (optional)").fill("better")
    save.click()
    expect(page.get_by_role("status")).to_contain_text("poor; only you see it")
    expect(page.get_by_role("alert")).to_be_empty()


def test_hostile_text_is_text(page):
    expect(page.locator(".ll-task")).to_have_text(HOSTILE)
    assert page.locator(".ll-rate img, .ll-rate script, .ll-rate .ll-task *").count() == 0
    assert page.evaluate("window.hit") is None
