"""The labelling widget's Python: what the page sends, what it is answered, and that nothing is called saved too early."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from learnlab.errors import StoreError
from learnlab.feedback.labelling import session as sessions
from learnlab.feedback.labelling import showing
from learnlab.feedback.labelling.queues import Queue, open_queue
from learnlab.feedback.labelling.schemas import EXPERT
from learnlab.feedback.labelling.session import LabelingSession
from learnlab.feedback.labelling.widget import LabelingWidget
from learnlab.people import Viewer
from learnlab.store import Store
from learnlab.store.frames import conform

HOSTILE = "</script><img src=x onerror=alert(1)>"
SAID = """
select feedback_type as act, answers ->> 'success' as answer, comment, saw_suggestion from feedback
where is_own and queue = $queue order by given_at
"""


class Page:
    """What the browser does: it sends numbered messages and keeps what comes back."""

    def __init__(self, widget: LabelingWidget) -> None:
        self.widget, self.heard, self.n = widget, [], 0
        widget.send = lambda content, buffers=None: self.heard.append(content)  # type: ignore[method-assign]

    def do(self, what: str, **more: Any) -> dict[str, Any]:
        """Send a message about the item in hand, and return the state that answers it."""
        self.n += 1
        item = self.widget.session.item
        told = {"do": what, "view": "v", "n": self.n, "item": item and item.task_id} | more
        self.widget._hear(self.widget, told, [])
        return next(one for one in self.heard if one.get("n") == self.n)

    def later(self, kind: str, test: Any) -> dict[str, Any]:
        """Return what comes by itself, within ten seconds."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if found := [one for one in self.heard if one["kind"] == kind and test(one)]:
                return found[-1]
            time.sleep(0.01)
        raise AssertionError(f"no {kind} came")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, empty: Path, make_frame: Any) -> Store:
    """A store of six executions, one text of which is long, with as many queues of them as tests need."""
    store = Store(shutil.copy(empty, tmp_path_factory.mktemp("labelled") / "labelled.duckdb"))
    frame = make_frame(6, success_source="harness")
    texts = [f"{HOSTILE} {i}" for i in range(6)]
    texts[1] = "long " * 10_000
    good, faults = conform(
        frame.with_columns(task_description=frame["task_id"].replace_strict(frame["task_id"], texts))
    )
    assert faults.is_empty()
    store.add(good)
    return store


@pytest.fixture
def queue(world: Store, request: pytest.FixtureRequest) -> Queue:
    return open_queue(request.node.name, world, tasks=[f"00000000-0000-4000-8000-{i:012d}" for i in range(6)])


@pytest.fixture
def page(queue: Queue) -> Page:
    return Page(LabelingWidget(queue, author="ada"))


def stored(queue: Queue) -> list[tuple[Any, ...]]:
    return Store(queue.store.path, viewer=Viewer("ada")).sql(SAID, {"queue": queue.name}).rows()


def test_a_page_gets_the_whole_state_and_the_focus_once(page: Page) -> None:
    first, second = page.do("hello"), page.do("hello")
    assert first.pop("take_focus") is True
    assert first.pop("n") + 1 == second.pop("n")
    assert first == second
    item = first["item"]
    assert (item["place"], item["description"], item["is_ready"]) == (1, f"{HOSTILE} 0", True)
    assert [name for name, _ in item["facts"]] == ["kind", "repo", "begun", "took", "cost"]
    assert first["who"][1] == "ada"
    assert "without your name" in first["who"][2]
    assert first["suggestion"] is None


def test_what_is_called_saved_is_in_the_store(page: Page, queue: Queue) -> None:
    answer = page.do("label", answers={"success": "no"})
    assert answer["notice"] == {"kind": "saved", "words": "Saved."}
    assert (answer["item"]["place"], answer["last"]["answer"]) == (2, "No")
    assert page.do("note", text=f"odd {HOSTILE}")["item"]["note"] == f"odd {HOSTILE}"
    assert page.do("skip")["last"]["answer"] == "skipped"
    assert page.do("undo")["item"]["place"] == 2
    assert page.do("undo")["item"]["place"] == 1
    acts = [row[:3] for row in stored(queue)]
    assert acts == [
        ("label", "no", None), ("note", None, f"odd {HOSTILE}"), ("skip", None, None), ("undo", None, None),
        ("undo", None, None),
    ]  # fmt: skip
    assert page.do("hello")["can_undo"] is False


def test_a_suggestion_comes_after_the_answer_or_when_asked_for(page: Page, queue: Queue) -> None:
    assert page.do("hello")["suggestion"] is None
    page.do("label", answers={"success": "yes"})
    pushed = page.later("state", lambda one: "n" not in one and (one["last"] or {}).get("suggestion"))
    assert pushed["last"]["suggestion"] == "The log says that it failed (source: harness)."
    assert (pushed["suggestion"], pushed["notice"]) == (None, None)
    page.do("suggestion")
    page.later("state", lambda one: "log says" in (one["suggestion"] or ""))
    page.do("label", answers={"success": "unknown"})
    assert [row[3] for row in stored(queue)] == [False, True]


def test_an_answer_to_another_item_is_not_taken(page: Page, queue: Queue) -> None:
    answer = page.do("label", answers={"success": "yes"}, item="00000000-0000-4000-8000-000000000003")
    assert answer["notice"]["words"].startswith("That was another item")
    assert (answer["item"]["place"], stored(queue)) == (1, [])
    first = answer["item"]["id"]
    page.do("label", answers={"success": "yes"})
    again = page.do("label", answers={"success": "yes"}, item=first)
    assert again["notice"]["words"].startswith("That item was saved already")
    assert (again["item"]["place"], len(stored(queue))) == (2, 1)


def test_what_is_no_answer_is_refused_in_words(page: Page, queue: Queue) -> None:
    for answers in (None, {}, {"success": "maybe"}, {"other": "yes"}, [HOSTILE], {"success": 1}):
        answer = page.do("label", answers=answers)
        assert answer["notice"]["kind"] == "error", answers
        assert "Nothing of it was saved" in answer["notice"]["words"]
    assert page.do("label", answers={"success": "yes"})["notice"]["kind"] == "saved"
    assert len(stored(queue)) == 1


def test_what_cannot_be_written_is_said_and_can_be_given_again(
    page: Page, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(sessions, "give", full)
        answer = page.do("label", answers={"success": "yes"})
    assert answer["notice"]["words"].startswith("The disk is full. Nothing of it was saved")
    assert (answer["item"]["place"], answer["progress"][0]["n"]) == (1, 0)
    assert page.do("label", answers={"success": "yes"})["progress"][0]["n"] == 1
    assert len(stored(queue)) == 1


def test_what_is_no_message_is_no_answer(page: Page) -> None:
    for junk in (None, [], "label", {"do": "close"}, {"do": ["label"]}, {"do": "_hear"}, {}):
        page.widget._hear(page.widget, junk, [])
    assert page.heard == []


def test_a_long_text_comes_whole_only_when_asked_for(page: Page) -> None:
    item = page.do("label", answers={"success": "yes"})["item"]
    assert (len(item["description"]), item["n_characters"]) == (showing.LONGEST, 50_000)
    page.widget._hear(page.widget, {"do": "whole", "item": item["id"]}, [])
    assert page.later("whole", lambda one: True)["text"] == "long " * 10_000


def test_similar_executions_say_why_there_are_none(page: Page) -> None:
    item = page.widget.session.item
    assert item is not None
    page.widget._hear(page.widget, {"do": "similar", "item": item.task_id}, [])
    found = page.later("similar", lambda one: True)
    assert (found["rows"], found["item"]) == ([], item.task_id)
    assert "learnlab encode" in found["words"]


def test_running_the_cell_again_goes_on_at_the_same_item(page: Page, queue: Queue) -> None:
    page.do("label", answers={"success": "yes"})
    again = Page(LabelingWidget(queue, author="ada"))
    assert again.do("hello")["item"]["place"] == 2
    old = page.do("label", answers={"success": "yes"})
    assert old["item"] is None
    assert again.do("hello")["item"]["place"] == 2
    assert len(stored(queue)) == 1


def test_nothing_that_is_shown_is_kept_with_the_notebook(page: Page) -> None:
    page.do("hello")
    page.do("note", text="between us")
    state = {name: value for name, value in page.widget.get_state().items() if name not in ("_esm", "_css")}
    assert not re.search("script|between us|ada", str(state))


def test_a_page_without_widgets_says_what_stands_here(page: Page) -> None:
    data, _ = page.widget._repr_mimebundle_()
    assert data["text/plain"] == "In JupyterLab the queue stands here, to be labelled: item 1 of 6."


def test_scores_have_keys_and_nothing_is_set(queue: Queue) -> None:
    widget = LabelingWidget(LabelingSession(open_queue("e", queue.store, schema=EXPERT, n=2), author="ada"))
    page = Page(widget)
    first = page.do("hello")["questions"][0]
    assert (first["keys"]["1"], first["keys"]["9"], first["choices"]) == (0.0, 1.0, [])
    assert first["ends"] == ["wrong throughout", "right in every detail"]
    names = [question.name for question in EXPERT.questions]
    assert (
        "Not answered yet: clarity"
        in page.do("label", answers=dict.fromkeys(names[:3], 0.5))["notice"]["words"]
    )
    assert page.do("label", answers=dict.fromkeys(names, 0.25))["last"]["answer"].endswith("clarity 0.25")


def test_the_script_takes_texts_as_text_and_asks_no_network() -> None:
    folder = Path(showing.__file__).parent
    script = (folder / "widget.js").read_text(encoding="utf-8")
    style = (folder / "widget.css").read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|import |fetch\(|https?:", script
    )
    assert not re.search(r"@import|url\(", style)
