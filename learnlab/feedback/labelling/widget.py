"""A labelling session as a widget: one item at a time, answered by keys or by buttons."""

from __future__ import annotations

import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget

from learnlab.errors import LearnlabError
from learnlab.feedback.labelling import showing
from learnlab.feedback.labelling.items import Item
from learnlab.feedback.labelling.queues import Queue, joined
from learnlab.feedback.labelling.session import LabelingSession
from learnlab.people import Act, Via, own_name
from learnlab.store import Store

_log = logging.getLogger("learnlab.feedback")
_HERE = Path(__file__).parent
_LATE, _APART = 50, 0.2
"""How often details which are not there yet are looked for, and how many seconds apart."""

_shown: weakref.WeakValueDictionary[tuple[str, str, str], LabelingSession] = weakref.WeakValueDictionary()
"""The sessions that widgets of this process opened, by store, queue and author."""

Notice = dict[str, str]


def _saved(words: str) -> Notice:
    return {"kind": "saved", "words": words}


def _told(words: str) -> Notice:
    return {"kind": "told", "words": words}


class _StaleError(Exception):
    """A message is about an item that is not in hand any more."""


class LabelingWidget(anywidget.AnyWidget):
    """The items of a queue, one by one, where widgets are shown; elsewhere a line that says that they stand here.

    It is given a session, or what `LabelingSession` takes: then it ends the session that an earlier widget of this
    process opened for the same author and queue, so that running the cell again goes on at the same item.

    Each message of the page bears a number, and the answer to it says the whole state: nothing is called saved before
    it is safe. What takes long (similar executions, a suggestion) is looked up aside and comes later. Nothing that
    is shown is kept in the notebook's file.

    Raises:
        FeedbackError: as `LabelingSession` does.
        StoreError: as `LabelingSession` does.

    >>> LabelingWidget("audit", "sample", author="ada")  # doctest: +SKIP
    """

    _esm = (_HERE / "widget.js").read_text(encoding="utf-8")
    _css = (_HERE / "widget.css").read_text(encoding="utf-8")

    def __init__(
        self, session: LabelingSession | Queue | str, db: str | Path | Store = "", **of_session: Any
    ) -> None:
        super().__init__()
        if not isinstance(session, LabelingSession):
            session = _opened(session, db, **of_session)
        self.session: LabelingSession = session
        self._lock = threading.RLock()
        self._aside: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._is_new = True
        self._suggested: dict[str, str] = {}
        acts = (self._label, self._skip, self._undo, self._note, self._suggestion)
        self._acts: dict[str, Callable[[dict[str, Any]], Notice | None]] = {
            "hello": lambda _: None,
            "beat": self._beat,
            **{act.__name__.removeprefix("_"): act for act in acts},
        }
        self.on_msg(self._hear)
        threading.Thread(target=_work_off, args=(self._aside,), name="learnlab-aside", daemon=True).start()

    def _hear(self, _: Any, message: Any, __: Any) -> None:
        """Do what a message of the page asks for, and answer with the whole state; what goes wrong becomes words."""
        do = message.get("do") if isinstance(message, dict) else None
        if do == "similar":
            self._look_up(self._similar, message.get("item"))
        elif do == "whole":
            self._whole(message.get("item"))
        elif isinstance(do, str) and do in self._acts:
            with self._lock:
                notice = self._done(do, message)
                also = {"take_focus": True} if do == "hello" and self._is_new else {}
                self._is_new = False
                self._tell(notice, view=message.get("view"), n=message.get("n"), **also)

    def _done(self, do: str, message: dict[str, Any]) -> Notice | None:
        try:
            if do in ("label", "skip", "note", "suggestion"):
                self._check_item(do, message.get("item"))
            return self._acts[do](message)
        except _StaleError as stale:
            return _told(str(stale))
        except LearnlabError as error:
            said = showing.sentence(str(error).rstrip("."))
            return {"kind": "error", "words": f"{said} Nothing of it was saved: give it again."}
        except Exception as error:  # whatever happens is said where somebody waits for an answer
            _log.exception("the labelling widget could not do: %s", do)
            return {"kind": "error", "words": f"Not saved: {type(error).__name__}: {error}."}

    def _check_item(self, do: str, task_id: Any) -> None:
        """Raise when a message is about an item that is not in hand: it was sent twice, or from a page that is behind."""
        item, last = self.session.item, self.session.last
        if item and item.task_id == task_id:
            return
        if do == "label" and last and last.act == Act.LABEL and last.item.task_id == task_id:
            raise _StaleError("That item was saved already, as it says below.")
        raise _StaleError("That was another item: this one is here now, and waits for an answer of its own.")

    def _tell(self, notice: Notice | None = None, **answers: Any) -> None:
        shown = showing.state(self.session)
        item, last = shown["item"], shown["last"]
        shown["suggestion"] = self._suggested.get(item["id"]) if item else None
        if item and not item["is_ready"]:
            self._look_up(self._await, item["id"])
        if last:
            last["suggestion"] = self._suggested.get(last["id"])
        self.send({"kind": "state", "notice": notice, **shown, **answers})

    def _look_up(self, work: Callable[[Item], None], task_id: Any) -> None:
        """Have something looked up aside for the item in hand or the one before, if it is still either by then."""

        def one() -> None:
            try:
                given = self.session.last
                for item in (self.session.item, given.item if given else None):
                    if item and item.task_id == task_id:
                        work(item)
                        break
            except LearnlabError as error:
                self.send({"kind": "similar", "item": task_id, "words": str(error), "rows": []})
            except Exception:  # nobody waits for it: the page says no more than before
                _log.exception("the labelling widget could not look something up")

        self._aside.put(one)

    def _label(self, message: dict[str, Any]) -> Notice:
        given = self.session.label(message.get("answers"))  # type: ignore[arg-type]  # checked by the schema
        self._look_up(self._suggest, given.item.task_id)
        return _saved(f"Saved. {given.words}".strip())

    def _skip(self, _: dict[str, Any]) -> Notice:
        self.session.skip()
        return _saved("Skipped: others get it.")

    def _undo(self, _: dict[str, Any]) -> Notice:
        given = self.session.undo()
        return _saved(f"Taken back. {given.words}".strip())

    def _note(self, message: dict[str, Any]) -> Notice:
        self.session.note(str(message.get("text", "")))
        return _saved("Note saved.")

    def _suggestion(self, message: dict[str, Any]) -> None:
        if message["item"] not in self._suggested:
            self._suggested[message["item"]] = "Looking for a suggestion …"
        self._look_up(self._suggest, message["item"])
        self._look_up(self._similar, message["item"])

    def _beat(self, message: dict[str, Any]) -> None:
        if self.session.item is None:
            self.session.look_again()
        elif message.get("active") is True:
            self.session.renew()

    def _suggest(self, item: Item) -> None:
        self._suggested[item.task_id] = showing.sentence(self.session.suggestion(item).words)
        with self._lock:
            self._tell()

    def _similar(self, item: Item) -> None:
        found = showing.similar(self.session.similar(item))
        self.send({"kind": "similar", "item": item.task_id, **found})

    def _whole(self, task_id: Any) -> None:
        item = self.session.item
        if item and item.task_id == task_id:
            self.send({"kind": "whole", "item": task_id, "text": item.description or ""})

    def _await(self, item: Item) -> None:
        """Show the details of an item once they are there, which a busy store keeps back."""
        for _ in range(_LATE):
            now = self.session.item
            if now is None or now.task_id != item.task_id or now.is_ready:
                break
            time.sleep(_APART)
        with self._lock:
            self._tell()

    def _repr_mimebundle_(self, **given: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**given) or ({}, {})
        words = f"In JupyterLab the queue stands here, to be labelled: {self.session.words}."
        return data | {"text/plain": words}, metadata


def _work_off(aside: queue.SimpleQueue[Callable[[], None]]) -> None:
    """Do one thing after the other, for as long as the process lives."""
    while True:
        aside.get()()


def _opened(queue: Queue | str, db: str | Path | Store, **of_session: Any) -> LabelingSession:
    """Return a session in place of the one that this process opened before for the same author and queue."""
    known = queue if isinstance(queue, Queue) else joined(queue, db)
    author = of_session.pop("author", None) or own_name()
    key = (str(known.store.path), known.name, str(author))
    if before := _shown.pop(key, None):
        before.close()
    _shown[key] = session = LabelingSession(known, author=author, via=Via.WIDGET, **of_session)
    return session
