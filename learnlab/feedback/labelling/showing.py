"""What a page shows of a labelling session, as plain JSON: every text as it is, for the page to show as text."""

from __future__ import annotations

import datetime as dt
from typing import Any

from learnlab.feedback.labelling.items import Given, Item
from learnlab.feedback.labelling.schemas import Answers, Kind, LabelSchema, Question
from learnlab.feedback.labelling.session import LabelingSession
from learnlab.feedback.labelling.suggesting import Similar
from learnlab.people import Act, Visibility

LONGEST = 20_000
"""Characters of a description that are shown before somebody asks for all of it."""

_LONGEST_FACT = 2_000
_LONGEST_EXCERPT = 300
_MOST_SIMILAR = 8

SEEN_BY = {
    Visibility.TEAM: "What you give here is shared with this store's users, without your name.",
    Visibility.PRIVATE: "Nobody but you sees what you give here.",
    Visibility.PUBLIC: "What you give here is shared with this store's users, without your name, and with everybody"
    " in counts of at least five people.",
}

LEAVING = "Escape leaves this; a click or Tab brings you back."

_NAMES = {
    "task_type": "kind",
    "repo": "repo",
    "started_at": "begun",
    "duration_seconds": "took",
    "cost_usd": "cost",
    "error_message": "error",
    "solution_summary": "what it did",
}
"""The facts that are shown, in this order, and what they are called."""

_DID = {Act.SKIP: "skipped", Act.UNDO: "taken back"}
_ENDED = {True: "succeeded", False: "failed"}


def state(session: LabelingSession) -> dict[str, Any]:
    """Return all that is shown of a session but what is looked up aside: similar executions and suggestions."""
    item, progress = session.item, session.progress
    own = f"you: {progress.n_own:,}"
    everybody = f"all: {progress.n_labels:,} of {progress.n_wanted:,} labels"
    return {
        "title": session.queue.schema.title,
        "queue": session.queue.name,
        "who": ["You are ", session.author, f". {SEEN_BY[session.visibility]} {LEAVING}"],
        "questions": [_question(question) for question in session.queue.schema.questions],
        "item": _item(item) if item else None,
        "finished": f"{session.words[:1].upper()}{session.words[1:]}.",
        "progress": [
            {"words": own, "n": progress.n_own, "of": progress.n_items},
            {"words": everybody, "n": progress.n_labels, "of": progress.n_wanted},
        ],
        "can_undo": session.can_undo,
        "last": _last(session.last, session.queue.schema) if session.last else None,
    }


def similar(found: Similar) -> dict[str, Any]:
    """Return the nearest of similar executions as they are shown."""
    return {"words": sentence(found.words), "rows": [_row(row) for row in found.rows[:_MOST_SIMILAR]]}


def seconds_words(seconds: float) -> str:
    """Return a duration as one reads it.

    >>> [seconds_words(seconds) for seconds in (0.4, 59.6, 125, 7300)]
    ['0.4 s', '1 min', '2 min 5 s', '2 h 1 min']
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    big, small, words = (
        (whole // 60, whole % 60, "min s") if whole < 3600 else (whole // 3600, whole % 3600 // 60, "h min")
    )
    first, second = words.split()
    return f"{big} {first}" + (f" {small} {second}" if small else "")


def sentence(words: str) -> str:
    """Return words with a capital and a full stop; none where there are none."""
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _cut(text: str, longest: int) -> str:
    rest = len(text) - longest
    return text if rest <= 0 else f"{text[:longest]} … ({rest:,} more characters)"


def _item(item: Item) -> dict[str, Any]:
    text = item.description or ""
    return {
        "id": item.task_id,
        "place": item.place,
        "why": item.why or "",
        "is_ready": item.is_ready,
        "description": text[:LONGEST],
        "n_characters": len(text),
        "words": sentence(item.words),
        "note": item.note,
        "facts": [
            [words, _fact(name, item.facts[name])]
            for name, words in _NAMES.items()
            if item.facts.get(name) not in (None, "")
        ],
    }


def _fact(name: str, value: Any) -> str:
    if name == "duration_seconds":
        return seconds_words(float(value))
    if name == "cost_usd":
        return f"${float(value):.4f}"
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return _cut(str(value), _LONGEST_FACT)


def _row(row: dict[str, Any]) -> dict[str, str]:
    nearness = "" if row["similarity"] is None else f"similarity {row['similarity']:.2f}"
    ended = _ENDED.get(row["success"], "nobody knows") if "success" in row else ""
    told = [row["task_type"], row["repo"], row["solution_summary"]]
    return {
        "outcome": ended,
        "nearness": nearness,
        "text": _cut(row["task_description"] or "", _LONGEST_EXCERPT),
        "told": _cut(" · ".join(str(one) for one in told if one), _LONGEST_EXCERPT),
    }


def _question(question: Question) -> dict[str, Any]:
    is_score = question.kind == Kind.SCORE
    texts = {value.value: value.text for value in question.values}
    return {
        "name": question.name,
        "text": question.text,
        "kind": question.kind.value,
        "is_required": question.is_required,
        "keys": question.keys,
        "choices": []
        if is_score
        else [
            {"key": key, "value": value, "text": texts[str(value)]} for key, value in question.keys.items()
        ],
        "ends": [texts["0"], texts["1"]] if is_score else [],
    }


def _last(given: Given, schema: LabelSchema) -> dict[str, Any]:
    text = " ".join((given.item.description or "").split())
    return {
        "id": given.item.task_id,
        "text": f"{text[:80]}…" if len(text) > 80 else text,
        "answer": answer_words(given.answers, schema) or _DID.get(given.act, given.act.value),
        "words": sentence(given.words),
    }


def answer_words(answers: Answers, schema: LabelSchema) -> str:
    """Return answers as the labeller read them.

    >>> from learnlab.feedback.labelling.schemas import OUTCOME
    >>> answer_words({"success": "unknown"}, OUTCOME)
    'Cannot tell'
    """
    texts = {(q.name, value.value): value.text for q in schema.questions for value in q.values}
    said = {name: value if isinstance(value, str) else f"{value:g}" for name, value in answers.items()}
    words = {
        name: texts.get((name, value), value) if isinstance(answers[name], str) else value
        for name, value in said.items()
    }
    if len(schema.questions) == 1:
        return "".join(words.values())
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in words.items())
