"""Asking somebody at a terminal, question by question; nothing is given before the last answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from learnlab.feedback.asking.questions import ISSUE_WORDS, VISIBILITY_WORDS, worth_asking
from learnlab.feedback.asking.situations import Subject, subject_of
from learnlab.feedback.asking.submitting import rating
from learnlab.feedback.giving import give
from learnlab.models import ExecutionRecord, now
from learnlab.people import (
    MAX_COMMENT,
    MAX_CORRECTION,
    FeedbackSubmission,
    Issue,
    Satisfaction,
    Via,
    Visibility,
    own_name,
)
from learnlab.secrets import showable
from learnlab.store import Store

T = TypeVar("T")
Read = Callable[[str], str]
Write = Callable[[str], None]

_YES_NO = {"y": True, "yes": True, "n": False, "no": False}
_LOW = (Satisfaction.FAIR, Satisfaction.POOR)
_LONGEST = 500
"""Characters of a description that are shown."""

NOTHING = "Nothing was given."
"""What is said when somebody leaves without a rating."""


def ask_in_terminal(
    store: Store,
    task: str | ExecutionRecord,
    *,
    author: str | None = None,
    read: Read = input,
    write: Write = print,
) -> FeedbackSubmission | None:
    """Ask about an execution, and return the rating once it is kept; None where none was given.

    Enter alone leaves a question unanswered, which is unknown, never no; at the first question it gives nothing.
    Ctrl-C or the end of the input, wherever it comes, gives nothing either.

    Raises:
        FeedbackError: when no execution in the store has the id, or nobody knows who is asked.
        StoreError: when the store cannot be read, or the rating cannot be written down.
    """
    name = author or own_name()
    return ask_about(store, subject_of(store, task, name, now()), name, read=read, write=write)


def ask_about(
    store: Store, subject: Subject, author: str, *, read: Read = input, write: Write = print
) -> FeedbackSubmission | None:
    """Ask an author about an execution that was looked up already, as `ask_in_terminal` does.

    Raises:
        FeedbackError: when the author's name breaks a rule.
        StoreError: when the rating cannot be written down.
    """
    write(f"{_plain(author)} rates an execution in {_plain(store.name)}, task {subject.task_id}:")
    write(f"  {showable(subject.description[:_LONGEST])}")
    write(f"  {showable(subject.facts())}")
    if subject.rated is not None:
        write(f"  You rated it {subject.rated} before; what you say now counts in its place.")
    write("Enter leaves a question open, Ctrl-C gives nothing.")
    try:
        answers = _answers(subject, read, write)
    except (KeyboardInterrupt, EOFError):
        write("")
        answers = None
    if answers is None:
        write(NOTHING)
        return None
    given = rating(subject.task_id, author=author, via=Via.COMMAND_LINE, **answers)
    give(store.path, given)
    write(f"Kept at {given.timestamp:%H:%M} UTC: {VISIBILITY_WORDS[given.visibility]}.")
    return given


def _answers(subject: Subject, read: Read, write: Write) -> dict[str, Any] | None:
    """Return what somebody answers, by the names of what `rating` takes; None for no rating."""
    satisfaction = _chosen("How satisfied are you?", _keys(Satisfaction), read, write)
    if satisfaction is None:
        return None
    answers: dict[str, Any] = {"satisfaction": satisfaction}
    if satisfaction in _LOW:
        answers["issues"] = _issues(read, write)
    needs_words = Issue.OTHER in answers.get("issues", ())
    text = "What was it? " if needs_words else "Anything to add? "
    answers["comment"] = _words("comment", text, MAX_COMMENT, read, write, is_needed=needs_words)
    if satisfaction in _LOW:
        text = "What should it have been, in one line? "
        answers["correction"] = _words("correction", text, MAX_CORRECTION, read, write)
    for question in worth_asking(subject.situation):
        text = f"{question.text} ({showable(question.why(subject.situation))})"
        answers[question.name] = _chosen(text, _YES_NO, read, write, shown="y/n")
    for visibility, words in VISIBILITY_WORDS.items():
        write(f"  {visibility.value}: {words}")
    seen = _chosen(
        "Who may see it?", _keys(Visibility), read, write, shown="private/team/public, Enter: private"
    )
    return answers | {"visibility": seen or Visibility.PRIVATE}


def _keys(choices: type[Satisfaction] | type[Visibility]) -> dict[str, Any]:
    """Return what may be typed for each choice: the word, or as much of its beginning as names it alone."""
    words = {one.value: one for one in choices}
    starts = {word[:n]: one for word, one in words.items() for n in range(1, len(word))}
    alone = {
        start: one for start, one in starts.items() if sum(word.startswith(start) for word in words) == 1
    }
    return words | alone


def _chosen(
    question: str, choices: Mapping[str, T], read: Read, write: Write, *, shown: str = ""
) -> T | None:
    """Return the choice that somebody types, None for Enter alone; what is no choice is asked again."""
    words = shown or "/".join(dict.fromkeys(str(one) for one in choices.values()))
    while typed := read(f"{question} [{words}] ").strip().lower():
        if typed in choices:
            return choices[typed]
        write(f"  Not one of {words}; Enter leaves it open.")
    return None


def _issues(read: Read, write: Write) -> list[Issue]:
    """Return what was wrong, at least one thing, as numbers or words with commas between them."""
    numbered = {str(number): issue for number, issue in enumerate(Issue, 1)}
    names = numbered | {issue.value: issue for issue in Issue}
    listed = ", ".join(f"{number} {ISSUE_WORDS[issue]}" for number, issue in numbered.items())
    while True:
        typed = read(f"What was wrong? [{listed}; several: 1,2] ").replace(",", " ").lower().split()
        if typed and all(one in names for one in typed):
            return list(dict.fromkeys(names[one] for one in typed))
        write(f"  At least one of 1-{len(Issue)}; Ctrl-C gives nothing.")


def _words(
    name: str, question: str, most: int, read: Read, write: Write, *, is_needed: bool = False
) -> str | None:
    """Return what somebody types in words of their own, None for Enter alone where that is enough."""
    while True:
        typed = read(question).strip()
        if len(typed) > most:
            write(f"  That has {len(typed):,} characters; a {name} may have {most:,}.")
        elif typed or not is_needed:
            return typed or None
        else:
            write("  Something else needs a few words; Ctrl-C gives nothing.")


def _plain(name: str) -> str:
    """Return a name as a terminal may show it."""
    return "".join(char if char.isprintable() else "?" for char in name)
